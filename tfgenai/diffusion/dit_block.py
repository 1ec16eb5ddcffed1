"""The block of DiT: attention and MLP, steered by noise level and condition."""

import tfgenai.core.backend  # noqa: F401  # isort: skip

from typing import Any

import keras
import tensorflow as tf

from tfgenai.layers.attention import MultiHeadAttention
from tfgenai.layers.dropout import SeededDropout
from tfgenai.layers.initializers import Initializers
from tfgenai.layers.transformer import FeedForward

_NORM_EPSILON = 1e-6


@keras.saving.register_keras_serializable("tfgenai")
class DiTBlock(keras.layers.Layer):
    """Self-attention, cross-attention if wanted, and MLP, steered by adaLN-zero.

    Peebles & Xie 2023, arXiv:2212.09748, section 3.2 and figure 3: shift, scale and
    gate of both branches come from one linear layer that begins at zero, so that the
    block begins as the identity.

    Args:
        num_heads: attention heads.
        mlp_ratio: units between the MLP's two layers / length of a token.
        dropout: share of each branch's outputs set to zero in training.
        context_dim: last axis of the context, or None for no cross-attention.
        use_qk_norm: whether queries and keys are normalised.
        seed: seed of the initial weights.

    Call arguments:
        x: float `(batch, tokens, dim)`.
        steering: float `(batch, dim)`, after its SiLU.
        context: float `(batch, context_tokens, context_dim)`, with `context_dim` only.
        training: whether dropout is on.

    Returns:
        Tensor like `x`.
    """

    def __init__(
        self,
        num_heads: int,
        *,
        mlp_ratio: float = 4,
        dropout: float = 0.0,
        context_dim: int | None = None,
        use_qk_norm: bool = False,
        seed: int = 0,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.num_heads = num_heads
        self.mlp_ratio = mlp_ratio
        self.dropout = dropout
        self.context_dim = context_dim
        self.use_qk_norm = use_qk_norm
        self.seed = seed

    def build(
        self, x_shape: Any, steering_shape: Any, context_shape: Any = None
    ) -> None:
        """Makes the branches; the context's shape is not needed."""
        dim, new, policy = x_shape[-1], Initializers(self.seed), self.dtype_policy
        self.attention = MultiHeadAttention(
            self.num_heads,
            use_qk_norm=self.use_qk_norm,
            seed=new.next_seed(),
            name="attention",
            dtype=policy,
        )
        self.attention.build(x_shape)
        self.mlp = FeedForward(
            int(self.mlp_ratio * dim),
            dropout=self.dropout,
            seed=new.next_seed(),
            name="mlp",
            dtype=policy,
        )
        self.mlp.build(x_shape)
        self.modulation = linear(
            "modulation", steering_shape[-1], 6 * dim, "zeros", policy
        )
        self.attention_dropout = SeededDropout(self.dropout, dtype=policy)
        if self.context_dim is not None:
            self.cross_attention = MultiHeadAttention(
                self.num_heads,
                context_dim=self.context_dim,
                use_qk_norm=self.use_qk_norm,
                zero_init_output=True,  # the branch has no gate
                seed=new.next_seed(),
                name="cross_attention",
                dtype=policy,
            )
            self.cross_attention.build(x_shape)
            self.cross_dropout = SeededDropout(self.dropout, dtype=policy)
        self.built = True

    def call(
        self,
        x: tf.Tensor,
        steering: tf.Tensor,
        context: tf.Tensor | None = None,
        training: bool = False,
    ) -> tf.Tensor:
        """See the class."""
        parts = tf.split(self.modulation(steering), 6, axis=-1)
        shift, scale, gate = parts[:3]
        branch = self.attention(modulated_norm(x, shift, scale))
        branch = self.attention_dropout(branch, training=training)
        x += gate[:, tf.newaxis] * branch
        if context is not None:
            branch = self.cross_attention(norm(x), context)
            x += self.cross_dropout(branch, training=training)
        shift, scale, gate = parts[3:]
        branch = self.mlp(modulated_norm(x, shift, scale), training=training)
        return x + gate[:, tf.newaxis] * branch

    def compute_output_shape(self, x_shape: Any, *_: Any, **__: Any) -> Any:
        """The tokens' shape."""
        return x_shape

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {
            **super().get_config(),
            "num_heads": self.num_heads,
            "mlp_ratio": self.mlp_ratio,
            "dropout": self.dropout,
            "context_dim": self.context_dim,
            "use_qk_norm": self.use_qk_norm,
            "seed": self.seed,
        }


def linear(
    name: str, in_dim: int, out_dim: int, initializer: Any, dtype: Any
) -> keras.layers.Dense:
    """A linear layer on the last axis, with its weights."""
    layer = keras.layers.Dense(
        out_dim, kernel_initializer=initializer, name=name, dtype=dtype
    )
    layer.build((None, in_dim))
    return layer


def norm(x: tf.Tensor) -> tf.Tensor:
    """Layer norm without weights; its statistics and result are float32."""
    x = tf.cast(x, tf.float32)
    mean, variance = tf.nn.moments(x, axes=-1, keepdims=True)
    return (x - mean) * tf.math.rsqrt(variance + _NORM_EPSILON)


def modulated_norm(x: tf.Tensor, shift: tf.Tensor, scale: tf.Tensor) -> tf.Tensor:
    """Layer norm with shift and scale `(batch, dim)` of each row, as float32.

    The layer that takes the result casts it to its own dtype.
    """
    shift, scale = (tf.cast(t, tf.float32)[:, tf.newaxis] for t in (shift, scale))
    return norm(x) * (1.0 + scale) + shift
