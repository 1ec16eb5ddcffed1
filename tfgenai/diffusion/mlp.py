"""A network for data without places: latents, tables, points."""

from collections.abc import Sequence
from typing import Any

import keras
import tensorflow as tf

from tfgenai.layers import TimeEmbedding
from tfgenai.layers.initializers import Initializers

_STREAM = 3


@keras.saving.register_keras_serializable("tfgenai")
class MLP(keras.Model):
    """Residual fully connected blocks whose scale and shift depend on the level.

    Li et al. 2024, "Autoregressive Image Generation without Vector Quantization",
    arXiv:2406.11838, section 3.2: the small denoising network; the modulation is
    adaLN-zero of Peebles & Xie 2023, arXiv:2212.09748.

    Args:
        data_shape: shape of one input; it is flattened.
        hidden_dim: width.
        num_blocks: residual blocks.
        out_channels: length of the last axis of the output; None for that of the input.
        condition_dim: length of a condition, or None.
        context_dim: must be None: there is no attention here.
        seed: seed of the initial weights.

    Call arguments:
        x: float `(batch, *data_shape)`.
        time: float32 `(batch,)`.
        condition: float `(batch, condition_dim)`, or None.
        context: must be None.

    Returns:
        float32 `(batch, *data_shape[:-1], out_channels)`; zeros at first.

    Raises:
        ValueError: if `context_dim` is given.

    Example:
        >>> network = MLP((2,), hidden_dim=16, num_blocks=1)
        >>> network(tf.zeros((3, 2)), tf.zeros((3,))).shape
        TensorShape([3, 2])
    """

    def __init__(
        self,
        data_shape: Sequence[int],
        *,
        hidden_dim: int = 256,
        num_blocks: int = 3,
        out_channels: int | None = None,
        condition_dim: int | None = None,
        context_dim: int | None = None,
        seed: int = 0,
        name: str | None = None,
        dtype: Any = None,
    ) -> None:
        if context_dim is not None:
            raise ValueError(
                "A network with attention was expected for text embeddings. Received: "
                f"network='mlp' with context_dim={context_dim}. Use 'unet' or 'dit'."
            )
        # Half precision would round the times before they are embedded.
        super().__init__(name=name, dtype=dtype, autocast=False)
        self.data_shape = tuple(data_shape)
        self.hidden_dim = hidden_dim
        self.num_blocks = num_blocks
        self.out_channels = out_channels
        self.condition_dim = condition_dim
        self.context_dim = context_dim
        self.seed = seed
        self._out_shape = (*self.data_shape[:-1], out_channels or self.data_shape[-1])
        new = Initializers(seed, _STREAM)
        policy = self.dtype_policy

        def dense(units: int, *, zero: bool = False, name: str) -> keras.layers.Dense:
            return keras.layers.Dense(
                units,
                kernel_initializer="zeros" if zero else new.lecun(),
                dtype=policy,
                name=name,
            )

        size = tf.TensorShape(self.data_shape).num_elements()
        self.time_embedding = TimeEmbedding(128, dtype=policy)
        self.embed_time = dense(hidden_dim, name="embed_time")
        self.embed_level = dense(hidden_dim, name="embed_level")
        self.embed_condition = (
            None if condition_dim is None else dense(hidden_dim, name="embed_condition")
        )
        self.embed = dense(hidden_dim, name="embed")
        self.blocks = [
            (
                keras.layers.LayerNormalization(
                    center=False, scale=False, dtype=policy, name=f"norm_{i}"
                ),
                dense(3 * hidden_dim, zero=True, name=f"modulation_{i}"),
                dense(hidden_dim, name=f"inner_{i}"),
                dense(hidden_dim, name=f"outer_{i}"),
            )
            for i in range(num_blocks)
        ]
        self.final_norm = keras.layers.LayerNormalization(dtype=policy, name="final")
        self.head = keras.layers.Dense(
            tf.TensorShape(self._out_shape).num_elements(),
            kernel_initializer="zeros",
            dtype="float32",
            name="head",
        )
        self._build(size)

    def call(
        self,
        x: tf.Tensor,
        time: tf.Tensor,
        condition: tf.Tensor | None = None,
        context: tf.Tensor | None = None,
        training: bool = False,
    ) -> tf.Tensor:
        """See the class."""
        embedded = self.embed_time(self.time_embedding(time))
        if condition is not None and self.embed_condition is not None:
            embedded += self.embed_condition(condition)
        embedded = tf.nn.silu(self.embed_level(tf.nn.silu(embedded)))
        x = tf.cast(x, self.compute_dtype)
        h = self.embed(tf.reshape(x, (-1, self.embed.kernel.shape[0])))
        for norm, modulation, inner, outer in self.blocks:
            shift, scale, gate = tf.split(modulation(embedded), 3, axis=-1)
            h += gate * outer(tf.nn.silu(inner(norm(h) * (1.0 + scale) + shift)))
        return tf.reshape(self.head(self.final_norm(h)), (-1, *self._out_shape))

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {
            "name": self.name,
            "dtype": keras.dtype_policies.serialize(self.dtype_policy),
            "data_shape": list(self.data_shape),
            "hidden_dim": self.hidden_dim,
            "num_blocks": self.num_blocks,
            "out_channels": self.out_channels,
            "condition_dim": self.condition_dim,
            "context_dim": self.context_dim,
            "seed": self.seed,
        }

    def _build(self, size: int) -> None:
        self.embed_time.build((None, 128))
        self.embed_level.build((None, self.hidden_dim))
        if self.embed_condition is not None:
            self.embed_condition.build((None, self.condition_dim))
        self.embed.build((None, size))
        for block in self.blocks:
            for layer in block:
                layer.build((None, self.hidden_dim))
        self.final_norm.build((None, self.hidden_dim))
        self.head.build((None, self.hidden_dim))
        self.built = True
