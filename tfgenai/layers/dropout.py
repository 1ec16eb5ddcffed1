"""Dropout whose mask is a function of the step's seed, so that resuming is exact."""

import tfgenai.core.backend  # noqa: F401  # isort: skip

from typing import Any

import keras
import tensorflow as tf

from tfgenai.core import random


@keras.saving.register_keras_serializable("tfgenai")
class SeededDropout(keras.layers.Layer):
    """Sets a share of its inputs to zero and scales up the others.

    Srivastava et al. 2014, "Dropout: A Simple Way to Prevent Neural Networks from
    Overfitting". `keras.layers.Dropout` draws from a generator whose state is not
    restored; this one draws from the seed of the training step.

    Args:
        rate: share of inputs to drop, in [0, 1).

    Call arguments:
        x: float tensor of any shape.
        seed: int32 `(2,)`; None means the next seed of the surrounding
            `random.seed_scope`, which the training step opens.
        training: without it the inputs pass unchanged.

    Returns:
        Tensor like `x`; its expectation over seeds is `x`.

    Raises:
        ValueError: if `rate` is not in [0, 1), or in training outside of any
            `seed_scope` and without a seed.

    Example:
        >>> layer = SeededDropout(0.5)
        >>> x = tf.ones((2, 8))
        >>> y = layer(x, seed=tf.constant([1, 2]), training=True)
        >>> sorted(set(y.numpy().ravel().tolist()))
        [0.0, 2.0]
    """

    def __init__(self, rate: float, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if not 0 <= rate < 1:
            raise ValueError(
                f"A rate in [0, 1) was expected. Received: rate={rate}. "
                "Use 0.0 for no dropout."
            )
        self.rate = rate

    def call(
        self, x: tf.Tensor, seed: tf.Tensor | None = None, training: bool = False
    ) -> tf.Tensor:
        """Drops inputs in training, passes them on otherwise."""
        # Keras calls layers with symbolic inputs to learn shapes; nothing is drawn.
        if not training or self.rate == 0 or isinstance(x, keras.KerasTensor):
            return x
        if seed is None:
            seed = random.next_scoped_seed()
        if seed is None:
            raise ValueError(
                "Dropout in training needs a seed. Received: seed=None outside of a "
                "training step. Pass `seed=`, or call the network inside "
                "`tfgenai.core.random.seed_scope(seed)`."
            )
        kept = random.uniform(seed, tf.shape(x)) >= self.rate
        return tf.where(kept, x / (1.0 - self.rate), tf.zeros((), x.dtype))

    def compute_output_shape(self, input_shape: tuple[int, ...]) -> tuple[int, ...]:
        """The input's shape."""
        return input_shape

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {**super().get_config(), "rate": self.rate}
