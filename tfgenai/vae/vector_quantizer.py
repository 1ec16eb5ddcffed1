"""VectorQuantizer: the code book of a VQ-VAE, and the way to its nearest vectors."""

import tfgenai.core.backend  # noqa: F401  # isort: skip

from typing import Any

import keras
import tensorflow as tf

_CODEBOOK_STREAM = 3


@keras.saving.register_keras_serializable("tfgenai")
class VectorQuantizer(keras.layers.Layer):
    """Replaces vectors by the nearest ones of a code book that is learned.

    Van den Oord et al. 2017, "Neural Discrete Representation Learning",
    arXiv:1711.00937, equations 1 and 2. The gradient passes straight through: that of
    the result is given to `z` unchanged (section 3.2).

    Args:
        num_embeddings: vectors in the code book.
        embedding_dim: their length.
        seed: seed of the initial vectors.

    Call arguments:
        z: float32 `(..., embedding_dim)`.

    Returns:
        float32 like `z`: the nearest vectors, with the gradient of `z`.

    Example:
        >>> quantizer = VectorQuantizer(16, 2)
        >>> codes = quantizer.codes(tf.zeros((3, 4, 4, 2)))
        >>> codes.shape, quantizer.lookup(codes).shape
        (TensorShape([3, 4, 4]), TensorShape([3, 4, 4, 2]))
    """

    def __init__(
        self, num_embeddings: int, embedding_dim: int, *, seed: int = 0, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.num_embeddings = num_embeddings
        self.embedding_dim = embedding_dim
        self.seed = seed
        self.embeddings = self.add_weight(
            name="embeddings",
            shape=(num_embeddings, embedding_dim),
            initializer=keras.initializers.RandomNormal(
                stddev=embedding_dim**-0.5, seed=seed + _CODEBOOK_STREAM
            ),
            autocast=False,
        )
        self.built = True

    def call(self, z: tf.Tensor) -> tf.Tensor:
        """The nearest vectors; see the class."""
        z = tf.cast(z, tf.float32)  # like the vectors, under every policy
        return z + tf.stop_gradient(self.lookup(self.codes(z)) - z)

    def codes(self, z: tf.Tensor) -> tf.Tensor:
        """Numbers of the nearest vectors, int32 `(...)`; the first of equally near."""
        book = tf.convert_to_tensor(self.embeddings)
        rows = tf.reshape(tf.cast(z, tf.float32), (-1, self.embedding_dim))
        # What all have in common would take the digits that tell them apart.
        center = tf.reduce_mean(book, axis=0)
        book, rows = book - center, rows - center
        # |z - e|^2 = |z|^2 - 2 z.e + |e|^2, the first of which is the same for all
        distances = tf.reduce_sum(book * book, 1) - 2.0 * tf.matmul(
            rows, book, transpose_b=True
        )
        codes = tf.argmin(distances, axis=1, output_type=tf.int32)
        return tf.ensure_shape(tf.reshape(codes, tf.shape(z)[:-1]), z.shape[:-1])

    def lookup(self, codes: tf.Tensor) -> tf.Tensor:
        """Vectors of numbers, float32 `(..., embedding_dim)`."""
        return tf.gather(tf.convert_to_tensor(self.embeddings), codes)

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {
            **super().get_config(),
            "num_embeddings": self.num_embeddings,
            "embedding_dim": self.embedding_dim,
            "seed": self.seed,
        }
