"""Multi-head attention of tokens to each other, or to the tokens of a context."""

import tfgenai.core.backend  # noqa: F401  # isort: skip

from typing import Any

import keras
import tensorflow as tf

from tfgenai.layers.initializers import Initializers

_QK_NORM_EPSILON = 1e-6


@keras.saving.register_keras_serializable("tfgenai")
class MultiHeadAttention(keras.layers.Layer):
    """softmax(Q Kᵀ / √d) V in several heads, then a linear layer.

    Vaswani et al. 2017, "Attention Is All You Need", arXiv:1706.03762, section 3.2.
    The softmax and the norms of Q and K are computed in float32.

    Args:
        num_heads: number of heads; divides the last axis of the tokens.
        context_dim: last axis of the context that the tokens attend to
            (cross-attention), or None: they attend to each other.
        use_qk_norm: whether queries and keys are divided by their root mean square,
            with a learned scale per component, which bounds the logits (Dehghani et
            al. 2023, "Scaling Vision Transformers to 22 Billion Parameters",
            arXiv:2302.05442, section 2; RMS instead of layer norm as in Esser et al.
            2024, arXiv:2403.03206, section 5.3.2).
        zero_init_output: whether the last linear layer begins at zero, so that a
            residual branch begins as the identity.
        seed: seed of the initial weights.

    Call arguments:
        x: `(batch, tokens, dim)`.
        context: `(batch, context_tokens, context_dim)`, with `context_dim` only.

    Returns:
        Tensor like `x`.

    Raises:
        ValueError: if the heads do not divide `dim`, or the context is missing or
            was not announced.

    Example:
        >>> MultiHeadAttention(4)(tf.ones((2, 49, 64))).shape
        TensorShape([2, 49, 64])
    """

    def __init__(
        self,
        num_heads: int,
        *,
        context_dim: int | None = None,
        use_qk_norm: bool = False,
        zero_init_output: bool = False,
        seed: int = 0,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if num_heads < 1:
            raise ValueError(
                "At least one head was expected. "
                f"Received: num_heads={num_heads}. Use 1 for plain attention."
            )
        self.num_heads = num_heads
        self.context_dim = context_dim
        self.use_qk_norm = use_qk_norm
        self.zero_init_output = zero_init_output
        self.seed = seed

    def build(self, x_shape: tuple[int, ...], context_shape: Any = None) -> None:
        """Makes the weights from the tokens' shape; the context's is not needed."""
        dim = x_shape[-1]
        if dim % self.num_heads:
            raise ValueError(
                "A number of heads that divides the tokens' last axis was expected. "
                f"Received: num_heads={self.num_heads}, dim={dim}. "
                f"Use one of {[n for n in range(1, dim + 1) if dim % n == 0][:8]}."
            )
        new = Initializers(self.seed)
        if self.context_dim is None:
            # One matrix product instead of three: it is the shape that fills a core.
            self._add_linear("query_key_value", dim, 3 * dim, new.lecun())
        else:
            self._add_linear("query", dim, dim, new.lecun())
            self._add_linear("key_value", self.context_dim, 2 * dim, new.lecun())
        if self.use_qk_norm:
            head_dim = dim // self.num_heads
            self.query_scale = self.add_weight(
                name="query_scale", shape=(head_dim,), initializer="ones"
            )
            self.key_scale = self.add_weight(
                name="key_scale", shape=(head_dim,), initializer="ones"
            )
        output = new.lecun()
        self._add_linear(
            "output", dim, dim, "zeros" if self.zero_init_output else output
        )
        self.built = True

    def call(self, x: tf.Tensor, context: tf.Tensor | None = None) -> tf.Tensor:
        """Attends, from every token of `x`."""
        if (context is None) != (self.context_dim is None):
            raise ValueError(
                "A context exactly if the layer has context_dim was expected. Received:"
                f" context={'None' if context is None else 'a tensor'}, "
                f"context_dim={self.context_dim}. Make the layer with the last axis of "
                "the context as context_dim, or leave the context out."
            )
        if context is None:
            query, key, value = self._split(self._linear("query_key_value", x), 3)
        else:
            (query,) = self._split(self._linear("query", x), 1)
            key, value = self._split(self._linear("key_value", context), 2)
        if self.use_qk_norm:
            query = rms_norm(query, self.query_scale, _QK_NORM_EPSILON)
            key = rms_norm(key, self.key_scale, _QK_NORM_EPSILON)
        # Scaling the queries is cheaper than scaling the logits, and keeps half
        # precision from overflowing.
        query = query * tf.cast(query.shape[-1] ** -0.5, query.dtype)
        logits = tf.matmul(query, key, transpose_b=True)
        weights = tf.nn.softmax(tf.cast(logits, tf.float32))
        heads = tf.matmul(tf.cast(weights, value.dtype), value)
        merged = tf.reshape(tf.transpose(heads, (0, 2, 1, 3)), tf.shape(x))
        merged.set_shape(x.shape)
        return self._linear("output", merged)

    def compute_output_shape(
        self, x_shape: tuple[int, ...], context_shape: Any = None
    ) -> tuple[int, ...]:
        """The tokens' shape."""
        return x_shape

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {
            **super().get_config(),
            "num_heads": self.num_heads,
            "context_dim": self.context_dim,
            "use_qk_norm": self.use_qk_norm,
            "zero_init_output": self.zero_init_output,
            "seed": self.seed,
        }

    def _add_linear(
        self, name: str, in_dim: int, out_dim: int, initializer: Any
    ) -> None:
        kernel = self.add_weight(
            name=f"{name}_kernel", shape=(in_dim, out_dim), initializer=initializer
        )
        bias = self.add_weight(
            name=f"{name}_bias", shape=(out_dim,), initializer="zeros"
        )
        setattr(self, f"{name}_kernel", kernel)
        setattr(self, f"{name}_bias", bias)

    def _linear(self, name: str, x: tf.Tensor) -> tf.Tensor:
        """A linear layer on the last axis, as one plain matrix product."""
        kernel = tf.convert_to_tensor(getattr(self, f"{name}_kernel"))
        bias = tf.convert_to_tensor(getattr(self, f"{name}_bias"))
        rows = tf.reshape(x, (-1, x.shape[-1]))
        rows = tf.nn.bias_add(tf.matmul(rows, kernel), bias)
        return tf.reshape(rows, tf.concat((tf.shape(x)[:-1], [bias.shape[0]]), 0))

    def _split(self, x: tf.Tensor, parts: int) -> list[tf.Tensor]:
        """To `parts` tensors `(batch, heads, tokens, head_dim)`."""
        shape = tf.shape(x)
        head_dim = x.shape[-1] // (parts * self.num_heads)
        x = tf.reshape(x, (shape[0], shape[1], parts, self.num_heads, head_dim))
        return tf.unstack(tf.transpose(x, (2, 0, 3, 1, 4)))


def rms_norm(x: tf.Tensor, scale: tf.Tensor, epsilon: float) -> tf.Tensor:
    """Divides by the root mean square of the last axis, in float32, and scales.

    Zhang & Sennrich 2019, "Root Mean Square Layer Normalization", arXiv:1910.07467,
    equation 4.
    """
    values = tf.cast(x, tf.float32)
    mean_square = tf.reduce_mean(tf.square(values), axis=-1, keepdims=True)
    normed = values * tf.math.rsqrt(mean_square + epsilon)
    return tf.cast(normed * tf.cast(scale, tf.float32), x.dtype)
