"""The block of a decoder-only transformer: causal attention and feed-forward."""

import tfgenai.core.backend  # noqa: F401  # isort: skip

from typing import Any

import keras
import tensorflow as tf

from tfgenai.core.registry import unknown_name
from tfgenai.layers.causal_attention import CausalAttention, KeyValues
from tfgenai.layers.causal_mask import Visibility
from tfgenai.layers.dropout import SeededDropout
from tfgenai.layers.initializers import Initializers
from tfgenai.layers.transformer import FeedForward

NORMS = ("layer", "rms")


@keras.saving.register_keras_serializable("tfgenai")
class DecoderBlock(keras.layers.Layer):
    """x + Attention(Norm(x)), then x + FeedForward(Norm(x)).

    The norm stands before each branch: Radford et al. 2019, "Language Models are
    Unsupervised Multitask Learners", section 2.3.

    Args:
        attention: arguments of `CausalAttention`, without `seed`.
        feed_forward: arguments of `FeedForward`, without `seed`.
        norm: `"layer"` (Ba et al. 2016, arXiv:1607.06450) or `"rms"` (Zhang & Sennrich
            2019, arXiv:1910.07467).
        norm_epsilon: what keeps the norms from dividing by zero.
        use_bias: whether a layer norm has an offset.
        dropout: share of each branch's outputs set to zero in training.
        seed: seed of the initial weights.

    Call arguments:
        x: float `(batch, tokens, dim)`.
        visibility: a `Visibility`, over the tokens themselves.
        training: whether dropout is on.

    Returns:
        Tensor like `x`.
    """

    def __init__(
        self,
        attention: dict[str, Any],
        feed_forward: dict[str, Any],
        *,
        norm: str = "layer",
        norm_epsilon: float = 1e-5,
        use_bias: bool = True,
        dropout: float = 0.0,
        seed: int = 0,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.attention_options = dict(attention)
        self.feed_forward_options = dict(feed_forward)
        self.norm = norm
        self.norm_epsilon = norm_epsilon
        self.use_bias = use_bias
        self.dropout = dropout
        self.seed = seed
        new, policy = Initializers(seed), self.dtype_policy

        def make_norm(name: str) -> keras.layers.Layer:
            return make_norm_layer(
                norm, epsilon=norm_epsilon, use_bias=use_bias, name=name, dtype=policy
            )

        self.attention_norm = make_norm("attention_norm")
        self.attention = CausalAttention(
            **self.attention_options,
            seed=new.next_seed(),
            name="attention",
            dtype=policy,
        )
        self.attention_dropout = SeededDropout(dropout, dtype=policy)
        self.feed_forward_norm = make_norm("feed_forward_norm")
        self.feed_forward = FeedForward(
            **self.feed_forward_options,
            dropout=dropout,
            seed=new.next_seed(),
            name="feed_forward",
            dtype=policy,
        )

    def build(self, x_shape: Any, visibility_shape: Any = None) -> None:
        """Makes the weights from the tokens' last axis."""
        for layer in (
            self.attention_norm,
            self.attention,
            self.feed_forward_norm,
            self.feed_forward,
        ):
            layer.build(x_shape)
        self.built = True

    def call(
        self, x: tf.Tensor, visibility: Visibility, training: bool = False
    ) -> tf.Tensor:
        """See the class."""
        branch = self.attention(
            self.attention_norm(x), visibility=visibility, training=training
        )
        x += self.attention_dropout(branch, training=training)
        return x + self.feed_forward(self.feed_forward_norm(x), training=training)

    def extend(
        self, x: tf.Tensor, visibility: Visibility, cache: KeyValues, *where: Any
    ) -> tuple[tf.Tensor, KeyValues]:
        """New tokens behind those in a cache; see `CausalAttention.extend`."""
        branch, cache = self.attention.extend(
            self.attention_norm(x), visibility, cache, *where
        )
        x += branch
        return x + self.feed_forward(self.feed_forward_norm(x)), cache

    def compute_output_shape(self, x_shape: Any, *_: Any) -> Any:
        """The tokens' shape."""
        return x_shape

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {
            **super().get_config(),
            "attention": self.attention_options,
            "feed_forward": self.feed_forward_options,
            "norm": self.norm,
            "norm_epsilon": self.norm_epsilon,
            "use_bias": self.use_bias,
            "dropout": self.dropout,
            "seed": self.seed,
        }


def make_norm_layer(
    norm: str, *, epsilon: float, use_bias: bool, name: str, dtype: Any
) -> keras.layers.Layer:
    """A norm over the last axis; Keras computes both kinds in float32.

    Raises:
        ValueError: if the kind is unknown.
    """
    if norm == "layer":
        return keras.layers.LayerNormalization(
            epsilon=epsilon, center=use_bias, name=name, dtype=dtype
        )
    if norm == "rms":
        return keras.layers.RMSNormalization(epsilon=epsilon, name=name, dtype=dtype)
    raise ValueError(unknown_name("norm", norm, list(NORMS)))
