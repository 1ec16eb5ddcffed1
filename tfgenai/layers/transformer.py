"""The parts of a transformer besides attention."""

import tfgenai.core.backend  # noqa: F401  # isort: skip

from typing import Any

import keras
import tensorflow as tf

from tfgenai.core.registry import unknown_name
from tfgenai.layers.dropout import SeededDropout
from tfgenai.layers.initializers import Initializers
from tfgenai.layers.shapes import map_rows

ACTIVATIONS = ("gelu", "swiglu")


@keras.saving.register_keras_serializable("tfgenai")
class FeedForward(keras.layers.Layer):
    """The feed-forward half of a block: linear, nonlinear, linear, for each token.

    Vaswani et al. 2017, "Attention Is All You Need", arXiv:1706.03762, equation 2, with
    GELU (Hendrycks & Gimpel 2016, "Gaussian Error Linear Units", arXiv:1606.08415,
    section 2, in its tanh form), or with SwiGLU (Shazeer 2020, "GLU Variants Improve
    Transformer", arXiv:2002.05202, equation 6).

    Args:
        intermediate_dim: units between the two layers; four times the tokens' last
            axis is usual, with SwiGLU two thirds of that.
        activation: `"gelu"` or `"swiglu"`.
        use_bias: whether the linear layers have a bias.
        dropout: share of the outputs set to zero in training, in [0, 1).
        init_stddev: standard deviation of the initial weights; None for that of LeCun.
        output_init_stddev: that of the last linear layer; None for `init_stddev`.
        seed: seed of the initial weights.

    Call arguments:
        x: float `(batch, ..., dim)`.
        training: whether outputs are dropped.

    Returns:
        Tensor like `x`.

    Raises:
        ValueError: if `intermediate_dim` is not positive, the activation unknown or
            `dropout` not in [0, 1).

    Example:
        >>> FeedForward(256)(tf.ones((2, 49, 64))).shape
        TensorShape([2, 49, 64])
    """

    def __init__(
        self,
        intermediate_dim: int,
        *,
        activation: str = "gelu",
        use_bias: bool = True,
        dropout: float = 0.0,
        init_stddev: float | None = None,
        output_init_stddev: float | None = None,
        seed: int = 0,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if activation not in ACTIVATIONS:
            raise ValueError(unknown_name("activation", activation, list(ACTIVATIONS)))
        if intermediate_dim < 1:
            raise ValueError(
                "At least one unit was expected. Received: "
                f"intermediate_dim={intermediate_dim}. Use four times the last axis "
                "of the tokens."
            )
        self.intermediate_dim = intermediate_dim
        self.activation = activation
        self.use_bias = use_bias
        self.init_stddev = init_stddev
        self.output_init_stddev = output_init_stddev
        self.dropout = dropout
        self.seed = seed
        self._dropout = SeededDropout(dropout, dtype=self.dtype_policy)

    def build(self, x_shape: tuple[int, ...]) -> None:
        """Makes the linear layers from the tokens' last axis."""
        dim, new = x_shape[-1], Initializers(self.seed)

        def linear(
            name: str, in_dim: int, out_dim: int, stddev: float | None
        ) -> keras.layers.Dense:
            layer = keras.layers.Dense(
                out_dim,
                use_bias=self.use_bias,
                kernel_initializer=new.lecun()
                if stddev is None
                else new.normal(stddev),
                name=name,
                dtype=self.dtype_policy,
            )
            layer.build((None, in_dim))
            return layer

        inner, first = self.intermediate_dim, self.init_stddev
        last = first if self.output_init_stddev is None else self.output_init_stddev
        self.expand = linear("expand", dim, inner, first)
        self.contract = linear("contract", inner, dim, last)
        if self.activation == "swiglu":
            self.gate = linear("gate", dim, inner, first)
        self.built = True

    def call(self, x: tf.Tensor, training: bool = False) -> tf.Tensor:
        """Maps each token."""
        expanded = map_rows(self.expand, x)
        if self.activation == "swiglu":
            expanded = tf.nn.silu(map_rows(self.gate, x)) * expanded
        else:
            expanded = tf.nn.gelu(expanded, approximate=True)
        return self._dropout(map_rows(self.contract, expanded), training=training)

    def compute_output_shape(self, x_shape: tuple[int, ...]) -> tuple[int, ...]:
        """The tokens' shape."""
        return x_shape

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {
            **super().get_config(),
            "intermediate_dim": self.intermediate_dim,
            "activation": self.activation,
            "use_bias": self.use_bias,
            "dropout": self.dropout,
            "init_stddev": self.init_stddev,
            "output_init_stddev": self.output_init_stddev,
            "seed": self.seed,
        }
