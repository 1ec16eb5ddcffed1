"""ImageTarget: what a decoder of images is trained on and measured by."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from tfgenai.core.errors import DataError
from tfgenai.core.likelihoods import Likelihood
from tfgenai.core.reductions import weighted_mean

_CHUNK = 1024
_LEAST_ERROR = 1e-10  # keeps the PSNR of an image that is met exactly finite


class ImageTarget:
    """Images in [-1, 1] of any size, under a likelihood.

    Args:
        shape: (height, width, channels).
        likelihood: of the images.
    """

    loss_names = ("loss", "squared_error", "psnr")

    def __init__(self, shape: Sequence[int], likelihood: Likelihood) -> None:
        self.shape = tuple(shape)
        self.likelihood = likelihood
        self.num_parameters = likelihood.num_parameters(self.shape[-1])

    def check_kind(self, shape: Sequence[int | None], kind: str) -> None:
        """Refuses targets of another shape or of no floats.

        Raises:
            DataError: if they are.
        """
        if kind != "f":
            raise DataError(
                "Images of floats in [-1, 1] were expected. Received: y of integers or "
                "others. Scale bytes with y / 127.5 - 1, or make the head with "
                "target='mask'."
            )
        if not tf.TensorShape(shape).is_compatible_with((None, *self.shape)):
            raise DataError(
                f"Images of shape (n, {', '.join(map(str, self.shape))}) were expected."
                f" Received: y of shape {tuple(shape)}. Resize them, or make the head "
                "with their target_shape."
            )

    def check_values(self, y: np.ndarray, x: Any = None) -> None:
        """Refuses targets out of range, or outside of what the likelihood is of.

        Raises:
            DataError: if there are some.
        """
        for start in range(0, len(y), _CHUNK):
            part = y[start : start + _CHUNK].astype(np.float32)
            good = self._are_good(tf.constant(part)).numpy()
            if not good.all():
                worst = part[~good][0].ravel()
                raise DataError(
                    f"Images of {self.likelihood.support} in [-1, 1] were expected. "
                    f"Received: y[{start + int(np.argmin(good))}] with values from "
                    f"{worst.min()} to {worst.max()}. Scale or round them, or choose "
                    "another likelihood, such as 'gaussian'."
                )

    def losses(
        self,
        y: tf.Tensor,
        outputs: tf.Tensor,
        x: tf.Tensor,
        sample_weight: tf.Tensor | None,
    ) -> dict[str, tf.Tensor]:
        """`loss`, nats per example, `squared_error` and `psnr`.

        An image that cannot be makes the loss NaN, so that `fit` stops.
        """
        y = tf.cast(y, tf.float32)
        nats = -self.likelihood.log_prob(y, outputs)
        nats = tf.where(self._are_good(y), nats, np.nan)
        error = tf.reduce_mean(tf.square(self.decode(outputs) - y), (1, 2, 3))
        # The values span 2: the peak's square is 4.
        psnr = tf.math.log(4.0 / tf.maximum(error, _LEAST_ERROR)) * (10 / math.log(10))
        return {
            "loss": weighted_mean(nats, sample_weight),
            "squared_error": weighted_mean(error, sample_weight),
            "psnr": weighted_mean(psnr, sample_weight),
        }

    def decode(self, outputs: tf.Tensor) -> tf.Tensor:
        """The expected images."""
        return self.likelihood.mean(outputs)

    def answer(self, outputs: tf.Tensor) -> dict[str, tf.Tensor]:
        """The expected images, by name."""
        return {"images": self.decode(outputs)}

    def _are_good(self, y: tf.Tensor) -> tf.Tensor:
        inside = tf.reduce_all(tf.abs(y) <= 1.0, (1, 2, 3))
        return inside & self.likelihood.supports(y)
