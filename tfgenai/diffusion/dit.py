"""DiT: a transformer over patches, steered by noise level and condition."""

import tfgenai.core.backend  # noqa: F401  # isort: skip

import contextlib
from collections.abc import Sequence
from typing import Any

import keras
import tensorflow as tf

from tfgenai.core import random
from tfgenai.diffusion.dit_block import DiTBlock, linear, modulated_norm
from tfgenai.diffusion.patches import (
    patch_grid,
    patchify,
    position_embedding,
    unpatchify,
)
from tfgenai.layers.initializers import Initializers
from tfgenai.layers.time_embedding import TimeEmbedding

_TIME_DIM = 256  # length of the sinusoidal embedding, as in the paper's code
_TIME_STDDEV = 0.02


@keras.saving.register_keras_serializable("tfgenai")
class DiT(keras.Model):
    """Diffusion transformer with adaLN-zero blocks.

    Peebles & Xie 2023, "Scalable Diffusion Models with Transformers",
    arXiv:2212.09748, section 3.2. Patches become tokens with fixed sin-cos positions;
    time and condition are added up and shift, scale and gate every block; the last
    layer begins at zero, so that an untrained network returns 0. It has no
    convolutions, which XLA runs slowly on a CPU.

    Args:
        data_shape: shape of `x` without the batch, (height, width, channels) or
            (length, channels).
        patch_size: side of a patch, in pixels or steps; divides every side. Half of it
            means four times the tokens of an image.
        hidden_dim: length of a token; a multiple of `num_heads`, and of 4 for images.
        num_layers: number of blocks.
        num_heads: attention heads of each block.
        mlp_ratio: units between the MLP's two layers / `hidden_dim`.
        dropout: share of each branch's outputs set to zero in training, in [0, 1). The
            paper uses none.
        out_channels: channels of the output; None means those of `data_shape`.
        condition_dim: length of the condition, or None for no condition.
        context_dim: last axis of the context, or None for no cross-attention. Each
            block then attends to it after attending to itself, as in Chen et al. 2023,
            "PixArt-α", arXiv:2310.00426, section 2.3.
        use_qk_norm: whether queries and keys are normalised, which keeps long trainings
            in half precision stable.
        remat: whether a block's activations are computed again in the backward pass
            instead of being kept: memory of one block instead of `num_layers`, for
            about a third more work. It changes no result.
        seed: seed of the initial weights; int in [0, 2**63).
        name: name of the network.
        dtype: dtype policy or its name; the last layer and the output are float32.

    Call arguments:
        x: float `(batch, *data_shape)`.
        time: float32 `(batch,)`, mostly in [0, 1]; 1 is noise.
        condition: float `(batch, condition_dim)`, exactly if there is a
            `condition_dim`.
        context: float `(batch, tokens, context_dim)`, exactly if there is a
            `context_dim`.
        training: whether dropout is on.

    Returns:
        float32 `(batch, *data_shape[:-1], out_channels)`.

    Raises:
        ValueError: if patches or heads do not divide the data or the tokens, or an
            input does not fit what the network was made for.

    Example:
        >>> network = DiT((28, 28, 1), patch_size=4, condition_dim=16)
        >>> x, time = tf.ones((2, 28, 28, 1)), tf.constant([0.1, 0.9])
        >>> network(x, time, tf.ones((2, 16))).shape
        TensorShape([2, 28, 28, 1])
    """

    def __init__(
        self,
        data_shape: Sequence[int],
        *,
        patch_size: int = 2,
        hidden_dim: int = 128,
        num_layers: int = 4,
        num_heads: int = 4,
        mlp_ratio: float = 4,
        dropout: float = 0.0,
        out_channels: int | None = None,
        condition_dim: int | None = None,
        context_dim: int | None = None,
        use_qk_norm: bool = False,
        remat: bool = False,
        seed: int = 0,
        name: str | None = None,
        dtype: Any = None,
    ) -> None:
        # Without this Keras would cast the times to half precision on entry, which
        # cannot tell neighbouring noise levels apart.
        super().__init__(name=name or "dit", dtype=dtype, autocast=False)
        for key, value in (
            ("num_layers", num_layers),
            ("out_channels", out_channels),
            ("condition_dim", condition_dim),
            ("context_dim", context_dim),
        ):
            if value is not None and value < 1:
                raise ValueError(
                    f"A positive number was expected. Received: {key}={value}. "
                    f"Use at least {key}=1"
                    f"{'' if key == 'num_layers' else ', or leave it out'}."
                )
        self.data_shape = tuple(data_shape)
        self.patch_size = patch_size
        self.hidden_dim = hidden_dim
        self.num_layers = num_layers
        self.num_heads = num_heads
        self.mlp_ratio = mlp_ratio
        self.dropout = dropout
        self.out_channels = out_channels
        self.condition_dim = condition_dim
        self.context_dim = context_dim
        self.use_qk_norm = use_qk_norm
        self.remat = remat
        self.seed = random.check_seed(seed)

        grid = patch_grid(self.data_shape, patch_size)
        self._positions = position_embedding(grid, hidden_dim)
        self._out_shape = (*self.data_shape[:-1], out_channels or self.data_shape[-1])
        new, policy = Initializers(seed), self.dtype_policy
        patch_volume = patch_size ** len(grid)
        self.patch_embedding = linear(
            "patch_embedding",
            patch_volume * self.data_shape[-1],
            hidden_dim,
            new.lecun(),
            policy,
        )
        self.time_embedding = TimeEmbedding(_TIME_DIM, dtype=policy)
        self.time_layers = [
            linear(f"time_{i}", in_dim, hidden_dim, new.normal(_TIME_STDDEV), policy)
            for i, in_dim in enumerate((_TIME_DIM, hidden_dim))
        ]
        if condition_dim is not None:
            self.condition_layer = linear(
                "condition", condition_dim, hidden_dim, new.lecun(), policy
            )
        self.blocks = [
            DiTBlock(
                num_heads,
                mlp_ratio=mlp_ratio,
                dropout=dropout,
                context_dim=context_dim,
                use_qk_norm=use_qk_norm,
                seed=new.next_seed(),
                name=f"block_{i}",
                dtype=policy,
            )
            for i in range(num_layers)
        ]
        for block in self.blocks:
            block.build((None, len(self._positions), hidden_dim), (None, hidden_dim))
        self.final_modulation = linear(
            "final_modulation", hidden_dim, 2 * hidden_dim, "zeros", policy
        )
        self.final_layer = linear(
            "final", hidden_dim, patch_volume * self._out_shape[-1], "zeros", "float32"
        )
        self.built = True

    def call(
        self,
        x: tf.Tensor,
        time: tf.Tensor,
        condition: tf.Tensor | None = None,
        context: tf.Tensor | None = None,
        training: bool = False,
    ) -> tf.Tensor:
        """See the class."""
        self._check_inputs(x, condition, context)
        tokens = self.patch_embedding(patchify(x, self.patch_size))
        tokens += tf.constant(self._positions, tokens.dtype)
        first, second = self.time_layers
        steering = second(tf.nn.silu(first(self.time_embedding(time))))
        if condition is not None:
            steering += self.condition_layer(condition)
        steering = tf.nn.silu(steering)
        others = (steering,) if context is None else (steering, context)
        for block in self.blocks:
            tokens = self._run(block, tokens, *others, training=training)
        shift, scale = tf.split(self.final_modulation(steering), 2, axis=-1)
        tokens = self.final_layer(modulated_norm(tokens, shift, scale))
        return unpatchify(tokens, self.patch_size, self._out_shape)

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {
            "name": self.name,
            "dtype": keras.dtype_policies.serialize(self.dtype_policy),
            "data_shape": list(self.data_shape),
            "patch_size": self.patch_size,
            "hidden_dim": self.hidden_dim,
            "num_layers": self.num_layers,
            "num_heads": self.num_heads,
            "mlp_ratio": self.mlp_ratio,
            "dropout": self.dropout,
            "out_channels": self.out_channels,
            "condition_dim": self.condition_dim,
            "context_dim": self.context_dim,
            "use_qk_norm": self.use_qk_norm,
            "remat": self.remat,
            "seed": self.seed,
        }

    def _run(self, block: Any, *tensors: tf.Tensor, training: bool) -> tf.Tensor:
        """Runs a block, so that its backward pass can run it again with its masks."""
        seed = random.next_scoped_seed() if training and self.dropout else None

        def run(*tensors: tf.Tensor) -> tf.Tensor:
            # The second run happens after the step's scope has been closed.
            scope = (
                contextlib.nullcontext() if seed is None else random.seed_scope(seed)
            )
            with scope:
                return block(*tensors, training=training)

        # Only in training: elsewhere there is no backward pass to save memory for.
        return (tf.recompute_grad(run) if self.remat and training else run)(*tensors)

    def _check_inputs(self, x: Any, condition: Any, context: Any) -> None:
        # A batch of another shape would be reshaped into more or fewer rows.
        if tuple(x.shape[1:]) != self.data_shape:
            raise ValueError(
                f"Data of shape {('batch', *self.data_shape)} were expected. Received: "
                f"x of shape {tuple(x.shape)}. Resize the data, or make the network "
                f"with data_shape={tuple(x.shape[1:])}."
            )
        for name, tensor, dim in (
            ("condition", condition, self.condition_dim),
            ("context", context, self.context_dim),
        ):
            received = None if tensor is None else tensor.shape[-1]
            if received != dim:
                raise ValueError(
                    f"A {name} with a last axis of {name}_dim, or none where that is "
                    f"None, was expected. Received: {name} of "
                    f"{'None' if tensor is None else f'shape {tuple(tensor.shape)}'}, "
                    f"{name}_dim={dim}. Make the network with {name}_dim={received}, "
                    f"or {'give a' if dim else 'leave out the'} {name}."
                )
