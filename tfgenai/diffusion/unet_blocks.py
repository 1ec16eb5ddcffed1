"""Residual and attention blocks of the U-Net.

Everything works on `(batch, height, width, channels)`; a sequence is an image of width
1.
"""

import tfgenai.core.backend  # noqa: F401  # isort: skip

from typing import Any

import keras
import tensorflow as tf

from tfgenai.diffusion.convolutions import Convolution
from tfgenai.layers import GroupNorm, Initializers, MultiHeadAttention, SeededDropout


@keras.saving.register_keras_serializable("tfgenai")
class UNetBlock(keras.layers.Layer):
    """A residual block whose second norm is set by the time, then attention.

    Dhariwal & Nichol 2021, "Diffusion Models Beat GANs on Image Synthesis",
    arXiv:2105.05233, section 3. Every residual branch begins at zero.

    Args:
        filters: channels of the result.
        spatial_axes: 2 for images, 1 for sequences.
        num_heads: heads of the attention; 0 for no attention.
        context_dim: last axis of the context, or None; needs attention.
        dropout: share dropped before the second convolution.
        seed: seed of the initial weights.

    Call arguments:
        x: `(batch, height, width, channels)`.
        scale: `(batch, filters)`, and `shift` alike, for the second norm.
        context: `(batch, tokens, context_dim)` or None.
        seed: int32 `(2,)` for the dropout, or None.

    Returns:
        Tensor `(batch, height, width, filters)`.
    """

    def __init__(
        self,
        filters: int,
        *,
        spatial_axes: int,
        num_heads: int = 0,
        context_dim: int | None = None,
        dropout: float = 0.0,
        seed: int = 0,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.filters = filters
        self.spatial_axes = spatial_axes
        self.num_heads = num_heads
        self.context_dim = context_dim
        self.dropout = dropout
        self.seed = seed
        dtype = self.dtype_policy
        new = Initializers(seed)
        shared: dict[str, Any] = {"spatial_axes": spatial_axes, "dtype": dtype}
        self.norm_1 = GroupNorm(activation="silu", dtype=dtype, name="norm_1")
        # No bias: a norm follows.
        self.conv_1 = Convolution(
            filters, use_bias=False, seed=new.next_seed(), name="conv_1", **shared
        )
        self.norm_2 = GroupNorm(
            is_adaptive=True, activation="silu", dtype=dtype, name="norm_2"
        )
        self.drop = SeededDropout(dropout, dtype=dtype, name="drop")
        self.conv_2 = Convolution(filters, zero_init=True, name="conv_2", **shared)
        # Dropped in `build` where the number of channels stays.
        self.shortcut: Convolution | None = Convolution(
            filters,
            kernel_side=1,
            use_bias=False,
            seed=new.next_seed(),
            name="shortcut",
            **shared,
        )
        self.attentions = [
            AttentionBlock(
                num_heads,
                context_dim=dim,
                seed=new.next_seed(),
                dtype=dtype,
                name=name,
            )
            for name, dim in (("attention", None), ("cross_attention", context_dim))
            if num_heads and (name == "attention" or dim is not None)
        ]

    def build(self, x_shape: tuple[int, ...], *_: Any, **__: Any) -> None:
        """Makes the weights from the shape of `x`."""
        inner = (*x_shape[:-1], self.filters)
        self.norm_1.build(x_shape)
        self.conv_1.build(x_shape)
        self.norm_2.build(inner)
        self.conv_2.build(inner)
        if x_shape[-1] == self.filters:
            self.shortcut = None
        elif self.shortcut is not None:
            self.shortcut.build(x_shape)
        for attention in self.attentions:
            attention.build(inner)
        self.built = True

    def call(
        self,
        x: tf.Tensor,
        scale: tf.Tensor,
        shift: tf.Tensor,
        context: tf.Tensor | None = None,
        seed: tf.Tensor | None = None,
        training: bool = False,
    ) -> tf.Tensor:
        """The residual branch and the attention, added to `x`."""
        h = self.conv_1(self.norm_1(x))
        h = self.norm_2(h, scale, shift)
        h = self.drop(h, seed=seed, training=training)
        h = self.conv_2(h)
        h += x if self.shortcut is None else self.shortcut(x)
        for attention in self.attentions:
            h = attention(h, context if attention.context_dim is not None else None)
        return h

    def compute_output_shape(
        self, x_shape: tuple[int, ...], *_: Any, **__: Any
    ) -> tuple[int, ...]:
        """The shape of `x` with `filters` channels."""
        return (*x_shape[:-1], self.filters)

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {
            **super().get_config(),
            "filters": self.filters,
            "spatial_axes": self.spatial_axes,
            "num_heads": self.num_heads,
            "context_dim": self.context_dim,
            "dropout": self.dropout,
            "seed": self.seed,
        }


@keras.saving.register_keras_serializable("tfgenai")
class AttentionBlock(keras.layers.Layer):
    """Attention between pixels, or from pixels to a context, as a residual branch.

    Args:
        num_heads: number of heads.
        context_dim: last axis of the context, or None for attention between pixels.
        seed: seed of the initial weights.

    Call arguments:
        x: `(batch, height, width, channels)`.
        context: `(batch, tokens, context_dim)`, with `context_dim` only.

    Returns:
        Tensor like `x`.
    """

    def __init__(
        self,
        num_heads: int,
        *,
        context_dim: int | None = None,
        seed: int = 0,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.num_heads = num_heads
        self.context_dim = context_dim
        self.seed = seed
        self.norm = GroupNorm(dtype=self.dtype_policy, name="norm")
        self.attention = MultiHeadAttention(
            num_heads,
            context_dim=context_dim,
            zero_init_output=True,
            seed=seed,
            dtype=self.dtype_policy,
            name="heads",
        )

    def build(self, x_shape: tuple[int, ...], context_shape: Any = None) -> None:
        """Makes the weights."""
        self.norm.build(x_shape)
        self.attention.build(x_shape)  # only the last axis counts
        self.built = True

    def call(self, x: tf.Tensor, context: tf.Tensor | None = None) -> tf.Tensor:
        """Attends and adds."""
        tokens = tf.reshape(self.norm(x), (tf.shape(x)[0], -1, x.shape[-1]))
        attended = self.attention(tokens, context)
        return x + tf.reshape(attended, tf.shape(x))

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {
            **super().get_config(),
            "num_heads": self.num_heads,
            "context_dim": self.context_dim,
            "seed": self.seed,
        }
