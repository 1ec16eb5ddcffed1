"""The parts of a transformer besides attention."""

import tfgenai.core.backend  # noqa: F401  # isort: skip

from typing import Any

import keras
import tensorflow as tf

from tfgenai.layers.dropout import SeededDropout
from tfgenai.layers.initializers import Initializers


@keras.saving.register_keras_serializable("tfgenai")
class FeedForward(keras.layers.Layer):
    """The feed-forward half of a block: linear, GELU, linear, for each token alone.

    Vaswani et al. 2017, "Attention Is All You Need", arXiv:1706.03762, equation 2, with
    the activation of Hendrycks & Gimpel 2016, "Gaussian Error Linear Units",
    arXiv:1606.08415, section 2, in its tanh form.

    Args:
        intermediate_dim: units between the two layers; four times the tokens' last
            axis is usual.
        dropout: share of the outputs set to zero in training, in [0, 1).
        seed: seed of the initial weights.

    Call arguments:
        x: float `(batch, ..., dim)`.
        training: whether outputs are dropped.

    Returns:
        Tensor like `x`.

    Raises:
        ValueError: if `intermediate_dim` is not positive or `dropout` not in [0, 1).

    Example:
        >>> FeedForward(256)(tf.ones((2, 49, 64))).shape
        TensorShape([2, 49, 64])
    """

    def __init__(
        self,
        intermediate_dim: int,
        *,
        dropout: float = 0.0,
        seed: int = 0,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if intermediate_dim < 1:
            raise ValueError(
                "At least one unit was expected. Received: "
                f"intermediate_dim={intermediate_dim}. Use four times the last axis "
                "of the tokens."
            )
        self.intermediate_dim = intermediate_dim
        self.dropout = dropout
        self.seed = seed
        self._dropout = SeededDropout(dropout, dtype=self.dtype_policy)

    def build(self, x_shape: tuple[int, ...]) -> None:
        """Makes the two linear layers from the tokens' last axis."""
        dim, new = x_shape[-1], Initializers(self.seed)

        def linear(name: str, in_dim: int, out_dim: int) -> keras.layers.Dense:
            layer = keras.layers.Dense(
                out_dim,
                kernel_initializer=new.lecun(),
                name=name,
                dtype=self.dtype_policy,
            )
            layer.build((None, in_dim))
            return layer

        self.expand = linear("expand", dim, self.intermediate_dim)
        self.contract = linear("contract", self.intermediate_dim, dim)
        self.built = True

    def call(self, x: tf.Tensor, training: bool = False) -> tf.Tensor:
        """Maps each token."""
        x = tf.nn.gelu(self.expand(x), approximate=True)
        return self._dropout(self.contract(x), training=training)

    def compute_output_shape(self, x_shape: tuple[int, ...]) -> tuple[int, ...]:
        """The tokens' shape."""
        return x_shape

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {
            **super().get_config(),
            "intermediate_dim": self.intermediate_dim,
            "dropout": self.dropout,
            "seed": self.seed,
        }
