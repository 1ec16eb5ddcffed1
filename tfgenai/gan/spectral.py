"""Spectral normalization: layers whose kernel has a largest singular value of 1."""

from typing import Any

import keras
import tensorflow as tf


class _Spectral:
    """What the spectrally normalized layers share; mixed into a Keras layer.

    The estimate u of the singular vector moves only in `advance_power_iteration`, which
    the GAN calls once per discriminator step: all forward passes of a training step
    see one and the same function.
    """

    def build(self, input_shape: Any) -> None:
        """Makes the layer's weights and the singular vector."""
        super().build(input_shape)  # type: ignore[misc]
        self.u = self.add_weight(  # type: ignore[attr-defined]
            name="u",
            shape=(1, self._spectral_weight().shape[-1]),
            initializer=keras.initializers.RandomNormal(seed=0),
            trainable=False,
            dtype="float32",
            aggregation="only_first_replica",
        )

    # Keras's own layers write down kernel and bias by name, and would forget `u`.
    def save_own_variables(self, store: Any) -> None:
        """Stores every variable of the layer, as layers do that have no say in it."""
        keras.layers.Layer.save_own_variables(self, store)  # type: ignore[arg-type]

    def load_own_variables(self, store: Any) -> None:
        """Reads what `save_own_variables` stored."""
        keras.layers.Layer.load_own_variables(self, store)  # type: ignore[arg-type]

    def advance_power_iteration(self) -> None:
        """One step of the power iteration, algorithm 1, lines 2 and 3."""
        matrix = self._matrix()
        v = tf.math.l2_normalize(self.u.value @ tf.transpose(matrix))
        self.u.assign(tf.math.l2_normalize(v @ matrix))

    def largest_singular_value(self) -> tf.Tensor:
        """The estimate of the kernel's largest singular value; float32 scalar."""
        matrix = self._matrix()
        u = tf.math.l2_normalize(tf.cast(self.u.value, tf.float32))
        v = tf.math.l2_normalize(u @ tf.transpose(tf.stop_gradient(matrix)))
        return tf.reduce_sum((v @ matrix) * u)

    def _matrix(self) -> tf.Tensor:
        kernel = tf.cast(self._spectral_weight().value, tf.float32)
        return tf.reshape(kernel, (-1, kernel.shape[-1]))

    def _spectral_weight(self) -> keras.Variable:
        return self._kernel  # type: ignore[attr-defined]

    def _scaled(self, outputs: tf.Tensor) -> tf.Tensor:
        # The output is linear in the kernel: dividing one divides the other.
        return outputs / tf.cast(self.largest_singular_value(), outputs.dtype)


@keras.saving.register_keras_serializable("tfgenai")
class SpectralConv2D(_Spectral, keras.layers.Conv2D):
    """Conv2D whose kernel, as a matrix, has a largest singular value of 1.

    Miyato et al. 2018, "Spectral Normalization for Generative Adversarial Networks",
    arXiv:1802.05957, algorithm 1. Takes the arguments of `keras.layers.Conv2D`.
    """

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        """Convolves; returns float `(batch, height, width, filters)`."""
        outputs = self._scaled(self.convolution_op(inputs, self.kernel))
        if self.use_bias:
            outputs += tf.cast(self.bias, outputs.dtype)
        return self.activation(outputs)


@keras.saving.register_keras_serializable("tfgenai")
class SpectralDense(_Spectral, keras.layers.Dense):
    """Dense layer whose kernel has a largest singular value of 1.

    Miyato et al. 2018, arXiv:1802.05957, algorithm 1. Takes the arguments of
    `keras.layers.Dense`.
    """

    def call(self, inputs: tf.Tensor, training: bool | None = None) -> tf.Tensor:
        """Multiplies; returns float `(batch, units)`."""
        outputs = self._scaled(tf.matmul(inputs, self.kernel))
        if self.use_bias:
            outputs += tf.cast(self.bias, outputs.dtype)
        return self.activation(outputs)


@keras.saving.register_keras_serializable("tfgenai")
class SpectralEmbedding(_Spectral, keras.layers.Embedding):
    """Embedding whose table has a largest singular value of 1.

    Miyato & Koyama 2018, "cGANs with Projection Discriminator", arXiv:1802.05637,
    section 4. Takes the arguments of `keras.layers.Embedding`.
    """

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        """Looks up; returns float `(batch, output_dim)`."""
        return self._scaled(super().call(inputs))

    def _spectral_weight(self) -> keras.Variable:
        return self._embeddings
