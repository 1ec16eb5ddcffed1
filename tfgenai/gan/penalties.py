"""Gradient penalties on the discriminator: R1 and WGAN-GP, in float32."""

from collections.abc import Callable
from typing import Any

import keras
import tensorflow as tf

from tfgenai.core import random
from tfgenai.core.registry import Registry

PENALTIES: Registry[Any] = Registry("penalty")

Critic = Callable[[tf.Tensor], tf.Tensor]


class GradientPenalty:
    """Base of the penalties on the gradient of the logits by the images.

    Args:
        weight: factor of the penalty, above 0.

    Raises:
        ValueError: if `weight` is not a positive finite number.
    """

    def __init__(self, weight: float) -> None:
        if not 0 < weight < float("inf"):
            raise ValueError(
                "A positive weight was expected. Received: "
                f"weight={weight}. For no penalty use penalty=None."
            )
        self.weight = weight

    def __call__(
        self,
        critic: Critic,
        real: tf.Tensor,
        fake: tf.Tensor,
        *,
        seed: tf.Tensor,
        step: tf.Tensor | int,
    ) -> tf.Tensor:
        """The weighted penalty of one discriminator step.

        Args:
            critic: takes images like `real`, returns logits `(batch,)`. It must treat
                the examples of a batch independently (no BatchNormalization).
            real: float32 `(batch, height, width, channels)`.
            fake: generated images of the same shape, without a gradient to them.
            seed: int32 `(2,)`.
            step: number of the training step, from 0.

        Returns:
            float32 scalar, weight included, **mean** over the batch.
        """
        raise NotImplementedError(f"{type(self).__name__} must define __call__().")

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {"weight": self.weight}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> "GradientPenalty":
        """Makes a penalty from `get_config()`."""
        return cls(**config)


@PENALTIES.register("r1")
@keras.saving.register_keras_serializable("tfgenai")
class R1(GradientPenalty):
    """Half the squared norm of the gradient on real images.

    Mescheder, Geiger & Nowozin 2018, "Which Training Methods for GANs do actually
    Converge?", arXiv:1801.04406, equation 9:

        weight / 2 * E[ ||grad C(x)||^2 ]

    Args:
        weight: gamma of the paper, which uses 10.
        interval: the penalty is computed every so many training steps and counts that
            many times as much (lazy regularization: Karras et al. 2020,
            arXiv:1912.04958, appendix B, which uses 16).

    Raises:
        ValueError: if `weight` or `interval` is not positive.

    Example:
        >>> images = tf.ones((2, 3, 3, 1))
        >>> linear = lambda x: 2.0 * tf.reduce_sum(x, axis=(1, 2, 3))
        >>> seed = tf.constant([0, 0])
        >>> float(R1(weight=10.0)(linear, images, images, seed=seed, step=0))
        180.0
    """

    def __init__(self, weight: float = 10.0, *, interval: int = 1) -> None:
        super().__init__(weight)
        if isinstance(interval, bool) or not isinstance(interval, int) or interval < 1:
            raise ValueError(
                "A whole number of steps, 1 or more, was expected. Received: "
                f"interval={interval!r}. Use interval=1 for every step."
            )
        self.interval = interval

    def __call__(
        self,
        critic: Critic,
        real: tf.Tensor,
        fake: tf.Tensor,
        *,
        seed: tf.Tensor,
        step: tf.Tensor | int,
    ) -> tf.Tensor:
        """See `GradientPenalty.__call__`; looks at real images alone."""

        def penalty() -> tf.Tensor:
            squared = squared_gradient_norm(critic, real)
            return 0.5 * self.weight * self.interval * tf.reduce_mean(squared)

        if self.interval == 1:
            return penalty()
        is_due = tf.equal(tf.math.floormod(step, self.interval), 0)
        return tf.cond(is_due, penalty, lambda: tf.constant(0.0))

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {"weight": self.weight, "interval": self.interval}


@PENALTIES.register("wgan_gp")
@keras.saving.register_keras_serializable("tfgenai")
class WassersteinGP(GradientPenalty):
    """Squared distance of the gradient's norm from 1, between real and fake.

    Gulrajani et al. 2017, "Improved Training of Wasserstein GANs", arXiv:1704.00028,
    equation 3 and algorithm 1:

        weight * E[ (||grad C(x_hat)|| - 1)^2 ],
        x_hat = a x + (1 - a) G(z),  a ~ U(0, 1)

    with one a per example. The norm is sqrt(sum of squares + 1e-12), so that its
    derivative is finite where the gradient is zero.

    Args:
        weight: lambda of the paper, which uses 10.

    Raises:
        ValueError: if `weight` is not positive.
    """

    def __init__(self, weight: float = 10.0) -> None:
        super().__init__(weight)

    def __call__(
        self,
        critic: Critic,
        real: tf.Tensor,
        fake: tf.Tensor,
        *,
        seed: tf.Tensor,
        step: tf.Tensor | int,
    ) -> tf.Tensor:
        """See `GradientPenalty.__call__`; `seed` draws where between real and fake."""
        alpha = random.uniform(seed, (tf.shape(real)[0], 1, 1, 1))
        between = alpha * tf.cast(real, tf.float32) + (1.0 - alpha) * tf.cast(
            fake, tf.float32
        )
        norm = tf.sqrt(squared_gradient_norm(critic, between) + 1e-12)
        return self.weight * tf.reduce_mean(tf.square(norm - 1.0))


def squared_gradient_norm(critic: Critic, images: tf.Tensor) -> tf.Tensor:
    """Squared L2 norm of the gradient of each logit by its own image.

    Args:
        critic: takes images, returns logits `(batch,)`, independent of each other.
        images: float `(batch, height, width, channels)`.

    Returns:
        float32 `(batch,)`, **summed** over the image; can be differentiated again.
    """
    images = tf.cast(images, tf.float32)
    with tf.GradientTape(watch_accessed_variables=False) as tape:
        tape.watch(images)
        logits = tf.cast(critic(images), tf.float32)
        # One logit depends on one image only, so the sum's gradient is each one's own.
        total = tf.reduce_sum(logits)
    gradient = tf.cast(tape.gradient(total, images), tf.float32)
    return tf.reduce_sum(tf.square(gradient), axis=(1, 2, 3))
