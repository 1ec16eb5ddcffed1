"""The U-Net: noise predictor for images of any size and for sequences."""

import tfgenai.core.backend  # noqa: F401  # isort: skip

from collections.abc import Sequence
from typing import Any

import keras
import tensorflow as tf

from tfgenai.core import random
from tfgenai.diffusion.convolutions import Convolution, UpsamplingConvolution
from tfgenai.diffusion.unet_blocks import UNetBlock
from tfgenai.diffusion.unet_checks import check_attention, level_sizes, patched_shape
from tfgenai.layers import GroupNorm, Initializers, TimeEmbedding

_EMBEDDING_FACTOR = 4  # width of the time's embedding in units of channels[0]


@keras.saving.register_keras_serializable("tfgenai")
class UNet(keras.Model):
    """Residual blocks at falling and rising resolution, joined by skips.

    Ho et al. 2020, "Denoising Diffusion Probabilistic Models", arXiv:2006.11239,
    appendix B, with the adaptive group norm of Dhariwal & Nichol 2021,
    arXiv:2105.05233. The output layer begins at zero.

    Args:
        data_shape: (height, width, channels) of images or (length, channels) of
            sequences, as they enter the network.
        channels: channels of the residual blocks at each resolution; every next
            resolution is half of the one before.
        num_blocks: residual blocks per resolution on the way down; there is one more
            on the way up.
        patch_size: pixels (or time steps) per side that are stacked as channels before
            the first resolution and taken apart after the last, which saves the work
            of the highest one: Hoogeboom et al. 2023, "Simple Diffusion",
            arXiv:2301.11093, section 2.3. Attention resolutions count patches.
        attention_resolutions: heights (lengths, for sequences) at which the blocks are
            followed by attention.
        num_heads: heads of the attention; divides the channels there.
        dropout: share dropped in each residual block in training.
        out_channels: channels of the result; as in `data_shape` if None.
        condition_dim: length of the condition, or None.
        context_dim: last axis of the context, or None. With it, every attention is
            followed by attention to the context.
        remat: whether activations inside of the blocks are computed again for the
            gradients instead of kept: less memory, more time.
        seed: seed of the initial weights.
        **kwargs: `name`, `dtype` and `trainable` of `keras.Model`.

    Call arguments:
        x: float `(batch, *data_shape)`.
        time: float32 `(batch,)`, about [0, 1].
        condition: float `(batch, condition_dim)` or None, which counts as zeros.
        context: float `(batch, tokens, context_dim)`, with `context_dim` only.
        training: whether to drop.

    Returns:
        float32 `(batch, *data_shape[:-1], out_channels)`.

    Raises:
        ValueError: if the data cannot be halved often enough, an attention resolution
            never occurs, or the condition or context does not go with the network.

    Example:
        >>> network = UNet((8, 8, 1), channels=(8, 16), attention_resolutions=(4,))
        >>> network(tf.ones((2, 8, 8, 1)), tf.constant([0.1, 0.9])).shape
        TensorShape([2, 8, 8, 1])
    """

    def __init__(
        self,
        data_shape: Sequence[int],
        *,
        channels: Sequence[int] = (32, 64, 64),
        num_blocks: int = 2,
        patch_size: int = 1,
        attention_resolutions: Sequence[int] = (),
        num_heads: int = 4,
        dropout: float = 0.0,
        out_channels: int | None = None,
        condition_dim: int | None = None,
        context_dim: int | None = None,
        remat: bool = False,
        seed: int = 0,
        **kwargs: Any,
    ) -> None:
        # Times stay float32: in half precision, steps 999 and 1000 are the same.
        super().__init__(autocast=False, **kwargs)
        self.data_shape = tuple(data_shape)
        self.channels = tuple(channels)
        self.num_blocks = num_blocks
        self.patch_size = patch_size
        self.attention_resolutions = tuple(attention_resolutions)
        self.num_heads = num_heads
        self.dropout = dropout
        self.out_channels = out_channels
        self.condition_dim = condition_dim
        self.context_dim = context_dim
        self.remat = remat
        self.seed = seed
        self._inner_shape = patched_shape(self.data_shape, patch_size)
        resolutions = level_sizes(self._inner_shape, self.channels)
        check_attention(
            self.attention_resolutions,
            resolutions,
            num_heads,
            self.channels,
            context_dim,
        )
        self._make_layers([sizes[0] for sizes in resolutions])
        self.build()

    def _make_layers(self, heights: Sequence[int]) -> None:
        patch_size = self.patch_size
        new, axes = Initializers(self.seed), len(self.data_shape) - 1
        dtype = self.dtype_policy
        self.time_embedding = TimeEmbedding(2 * ((self.channels[0] + 1) // 2))
        width = _EMBEDDING_FACTOR * self.channels[0]

        def dense(units: int, **kwargs: Any) -> keras.layers.Dense:
            return keras.layers.Dense(
                units, kernel_initializer=new.lecun(), dtype=dtype, **kwargs
            )

        def convolution(filters: int, **kwargs: Any) -> Convolution:
            kind = kwargs.pop("kind", Convolution)
            return kind(
                filters,
                spatial_axes=axes,
                seed=new.next_seed(),
                **{"dtype": dtype, **kwargs},
            )

        def block(level: int, name: str, attends: bool = True) -> UNetBlock:
            has_attention = attends and heights[level] in self.attention_resolutions
            return UNetBlock(
                self.channels[level],
                spatial_axes=axes,
                num_heads=self.num_heads if has_attention else 0,
                context_dim=self.context_dim if has_attention else None,
                dropout=self.dropout,
                seed=new.next_seed(),
                dtype=dtype,
                name=name,
            )

        self.time_hidden = dense(width, activation="silu", name="time_hidden")
        self.time_output = dense(width, name="time_output")
        self.condition_output = (
            None
            if self.condition_dim is None
            else dense(width, use_bias=False, name="condition_output")
        )
        levels = range(len(self.channels))
        self.first = convolution(self.channels[0], name="first")
        self.down_blocks = [
            [block(level, f"down_{level}_{i}") for i in range(self.num_blocks)]
            for level in levels
        ]
        self.downsamplings = [
            convolution(self.channels[level], stride=2, name=f"downsampling_{level}")
            for level in levels[:-1]
        ]
        last = levels[-1]
        self.middle_blocks = [
            block(last, "middle_0"),
            block(last, "middle_1", attends=False),
        ]
        self.up_blocks = [
            [block(level, f"up_{level}_{i}") for i in range(self.num_blocks + 1)]
            for level in reversed(levels)
        ]
        self.upsamplings = [
            convolution(
                self.channels[level],
                kind=UpsamplingConvolution,
                name=f"upsampling_{level}",
            )
            for level in reversed(levels[1:])
        ]
        self.last_norm = GroupNorm(activation="silu", dtype=dtype, name="last_norm")
        self.last = convolution(
            (self.out_channels or self.data_shape[-1])
            * patch_size ** (len(self.data_shape) - 1),
            zero_init=True,
            dtype="float32",
            name="last",
        )
        # One matrix product makes the scales and shifts of all blocks.
        self.modulation = dense(
            2 * sum(block.filters for block in self._blocks()), name="modulation"
        )

    def build(self, input_shape: Any = None) -> None:
        """Makes all weights; the constructor calls it."""
        if self.built:  # type: ignore[has-type]
            return
        *sizes, channels = self._inner_shape
        sizes = [*sizes, 1] if len(sizes) == 1 else sizes
        width = _EMBEDDING_FACTOR * self.channels[0]
        self.time_hidden.build((None, self.time_embedding.dim))
        self.time_output.build((None, width))
        if self.condition_output is not None:
            self.condition_output.build((None, self.condition_dim))
        self.modulation.build((None, width))
        shape: tuple[Any, ...] = (None, *sizes, channels)
        skips: list[int] = []

        def through(layer: keras.layers.Layer, joined: int = 0) -> None:
            nonlocal shape
            layer.build((*shape[:-1], shape[-1] + joined))
            shape = layer.compute_output_shape(shape)

        through(self.first)
        skips.append(shape[-1])
        for level, blocks in enumerate(self.down_blocks):
            for block in blocks:
                through(block)
                skips.append(shape[-1])
            if level < len(self.downsamplings):
                through(self.downsamplings[level])
                skips.append(shape[-1])
        for block in self.middle_blocks:
            through(block)
        for level, blocks in enumerate(self.up_blocks):
            for block in blocks:
                through(block, joined=skips.pop())
            if level < len(self.upsamplings):
                through(self.upsamplings[level])
        through(self.last_norm)
        through(self.last)
        self.built = True

    def call(
        self,
        x: tf.Tensor,
        time: tf.Tensor,
        condition: tf.Tensor | None = None,
        context: tf.Tensor | None = None,
        training: bool = False,
    ) -> tf.Tensor:
        """Predicts from noisy data and their time."""
        self._check_inputs(condition, context)
        x = tf.cast(x, self.compute_dtype)
        if len(self.data_shape) == 2:
            x = tf.reshape(x, (-1, self._inner_shape[0], 1, self._inner_shape[1]))
        elif self.patch_size > 1:
            x = tf.nn.space_to_depth(x, self.patch_size)
        modulations = iter(self._modulations(time, condition))
        contexts = () if context is None else (tf.cast(context, self.compute_dtype),)

        def run(block: UNetBlock, h: tf.Tensor) -> tf.Tensor:
            # The seed is drawn outside: computing again must drop the same.
            seed = random.next_scoped_seed() if training and self.dropout else None

            # All that has a gradient is an argument: what is captured gets none.
            def compute(*tensors: tf.Tensor) -> tf.Tensor:
                return block(*tensors, seed=seed, training=training)

            call = tf.recompute_grad(compute) if self.remat and training else compute
            return call(h, *next(modulations), *contexts)

        h = self.first(x)
        skips = [h]
        for level, blocks in enumerate(self.down_blocks):
            for block in blocks:
                h = run(block, h)
                skips.append(h)
            if level < len(self.downsamplings):
                h = self.downsamplings[level](h)
                skips.append(h)
        for block in self.middle_blocks:
            h = run(block, h)
        for level, blocks in enumerate(self.up_blocks):
            for block in blocks:
                h = run(block, tf.concat((h, skips.pop()), axis=-1))
            if level < len(self.upsamplings):
                h = self.upsamplings[level](h)
        y = self.last(self.last_norm(h))
        if len(self.data_shape) == 2:
            channels = self.out_channels or self.data_shape[-1]
            return tf.reshape(y, (-1, self.data_shape[0], channels))
        return tf.nn.depth_to_space(y, self.patch_size) if self.patch_size > 1 else y

    def compute_output_shape(
        self, x_shape: tuple[int, ...], *_: Any, **__: Any
    ) -> tuple[int, ...]:
        """`(batch, *data_shape[:-1], out_channels)`."""
        return (*x_shape[:-1], self.out_channels or self.data_shape[-1])

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {
            **super().get_config(),
            "data_shape": self.data_shape,
            "channels": self.channels,
            "num_blocks": self.num_blocks,
            "patch_size": self.patch_size,
            "attention_resolutions": self.attention_resolutions,
            "num_heads": self.num_heads,
            "dropout": self.dropout,
            "out_channels": self.out_channels,
            "condition_dim": self.condition_dim,
            "context_dim": self.context_dim,
            "remat": self.remat,
            "seed": self.seed,
        }

    def _blocks(self) -> list[UNetBlock]:
        """All blocks in the order in which data pass."""
        stages = [*self.down_blocks, self.middle_blocks, *self.up_blocks]
        return [block for stage in stages for block in stage]

    def _modulations(
        self, time: tf.Tensor, condition: tf.Tensor | None
    ) -> list[tuple[tf.Tensor, tf.Tensor]]:
        """Scale and shift for each block, from time and condition."""
        embedding = self.time_output(self.time_hidden(self.time_embedding(time)))
        if condition is not None and self.condition_output is not None:
            embedding += self.condition_output(condition)
        modulation = self.modulation(tf.nn.silu(embedding))
        sizes = [block.filters for block in self._blocks() for _ in range(2)]
        parts = tf.split(modulation, sizes, axis=-1)
        return list(zip(parts[::2], parts[1::2], strict=True))

    def _check_inputs(self, condition: Any, context: Any) -> None:
        if condition is not None and self.condition_dim is None:
            raise ValueError(
                "No condition was expected. Received: a condition, condition_dim=None."
                " Make the network with the condition's length as condition_dim."
            )
        if (context is None) != (self.context_dim is None):
            raise ValueError(
                "A context exactly if the network has context_dim was expected. "
                f"Received: context={'None' if context is None else 'a tensor'}, "
                f"context_dim={self.context_dim}. Make the network with the last axis "
                "of the context as context_dim, or leave the context out."
            )
