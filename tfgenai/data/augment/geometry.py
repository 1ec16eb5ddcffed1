"""Augmentations that turn and scale images about their middle."""

import abc
import math

import tensorflow as tf

from tfgenai.core import random
from tfgenai.data.augment.image import AUGMENTATIONS, Augmentation


class _Affine(Augmentation):
    """Maps each image by a matrix of its own, with bilinear interpolation.

    Args:
        fill: value in [0, 255] of the pixels that come in; None repeats the edge.

    Raises:
        ValueError: if `fill` is out of range.
    """

    mixes_pixels = True

    def __init__(self, fill: int | None = None) -> None:
        if fill is not None and not 0 <= fill <= 255:
            raise ValueError(
                f"A pixel in [0, 255] or None was expected. Received: fill={fill}."
            )
        self.fill = fill

    @abc.abstractmethod
    def _matrices(self, batch: tf.Tensor, seed: tf.Tensor) -> tuple[tf.Tensor, ...]:
        """Where a pixel of the result is taken from, without the shift.

        Args:
            batch: number of images.
            seed: int32 `(2,)`.

        Returns:
            float32 `(batch,)` each: x from x, x from y, y from x, y from y.
        """

    def __call__(self, images: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
        """See `Augmentation`."""
        xx, xy, yx, yy = self._matrices(tf.shape(images)[0], seed)
        height, width = images.shape[1:3]
        x, y, zero = (width - 1) / 2, (height - 1) / 2, tf.zeros_like(xx)
        transforms = tf.stack(
            [xx, xy, x - xx * x - xy * y, yx, yy, y - yx * x - yy * y, zero, zero],
            axis=1,
        )
        moved = tf.raw_ops.ImageProjectiveTransformV3(
            images=tf.cast(images, tf.float32),
            transforms=transforms,
            output_shape=tf.constant([height, width]),
            fill_value=0.0 if self.fill is None else float(self.fill),
            interpolation="BILINEAR",
            fill_mode="NEAREST" if self.fill is None else "CONSTANT",
        )
        return tf.ensure_shape(to_pixels(moved), images.shape)


@AUGMENTATIONS.register("rotate")
class Rotate(_Affine):
    """Turns each image by an angle of its own, uniform between both limits.

    Args:
        max_degrees: largest angle, in (0, 45]: beyond it images change their meaning,
            a 6 becomes a 9.
        fill: value in [0, 255] of the pixels that come in; None repeats the edge.

    Raises:
        ValueError: if a number is out of range.
    """

    def __init__(self, max_degrees: float = 15.0, *, fill: int | None = None) -> None:
        super().__init__(fill)
        if not 0 < max_degrees <= 45:
            raise ValueError(
                "An angle in (0, 45] degrees was expected, because images that are "
                f"turned further change their meaning. Received: "
                f"max_degrees={max_degrees}."
            )
        self.max_degrees = max_degrees

    def _matrices(self, batch: tf.Tensor, seed: tf.Tensor) -> tuple[tf.Tensor, ...]:
        most = math.radians(self.max_degrees)
        angle = random.uniform(seed, (batch,), -most, most)
        cosine, sine = tf.cos(angle), tf.sin(angle)
        return cosine, -sine, sine, cosine


@AUGMENTATIONS.register("scale")
class Scale(_Affine):
    """Makes what is on each image larger or smaller; the image keeps its size.

    Args:
        max_factor: largest factor, above 1; the smallest is its inverse. Factors are
            uniform in their logarithm.
        fill: value in [0, 255] of the pixels that come in; None repeats the edge.

    Raises:
        ValueError: if a number is out of range.
    """

    def __init__(self, max_factor: float = 1.25, *, fill: int | None = None) -> None:
        super().__init__(fill)
        if not 1 < max_factor < math.inf:
            raise ValueError(
                "A finite factor above 1 was expected. Received: "
                f"max_factor={max_factor}."
            )
        self.max_factor = max_factor

    def _matrices(self, batch: tf.Tensor, seed: tf.Tensor) -> tuple[tf.Tensor, ...]:
        most = math.log(self.max_factor)
        inverse = tf.exp(random.uniform(seed, (batch,), -most, most))
        zero = tf.zeros_like(inverse)
        return inverse, zero, zero, inverse


def to_pixels(values: tf.Tensor) -> tf.Tensor:
    """Floats rounded to uint8; what lies outside of [0, 255] is clipped."""
    return tf.cast(tf.round(tf.clip_by_value(values, 0.0, 255.0)), tf.uint8)
