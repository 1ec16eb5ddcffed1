"""Augmentations that leave everything in its place: colour, noise and cutout."""

import math

import tensorflow as tf

from tfgenai.core import random
from tfgenai.data.augment.geometry import to_pixels
from tfgenai.data.augment.image import AUGMENTATIONS, Augmentation

_LUMA = (0.299, 0.587, 0.114)  # ITU-R recommendation BT.601


@AUGMENTATIONS.register("color")
class Color(Augmentation):
    """Changes brightness, contrast and, where there is colour, saturation.

    Args:
        brightness: largest change as a share of full scale, in [0, 1).
        contrast: largest change of the distance from the mean, as a share, in [0, 1).
        saturation: largest change of the distance from grey, likewise.

    Raises:
        ValueError: if a share is out of range, or all are 0.
    """

    mixes_pixels = True

    def __init__(
        self, brightness: float = 0.2, contrast: float = 0.2, saturation: float = 0.2
    ) -> None:
        shares = {
            "brightness": brightness,
            "contrast": contrast,
            "saturation": saturation,
        }
        for name, share in shares.items():
            if not 0 <= share < 1:
                raise ValueError(
                    f"A share in [0, 1) was expected. Received: {name}={share}."
                )
        if not any(shares.values()):
            raise ValueError(
                f"A change above 0 was expected. Received: {shares}. Leave it out."
            )
        self.brightness = brightness
        self.contrast = contrast
        self.saturation = saturation

    def __call__(self, images: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
        """See `Augmentation`."""
        draws = random.uniform(seed, (3, tf.shape(images)[0], 1, 1, 1), -1.0, 1.0)
        x = tf.cast(images, tf.float32)
        if images.shape[-1] == 3:
            grey = tf.reduce_sum(x * tf.constant(_LUMA), axis=-1, keepdims=True)
            x = grey + (1.0 + self.saturation * draws[0]) * (x - grey)
        mean = tf.reduce_mean(x, axis=(1, 2, 3), keepdims=True)
        x = mean + (1.0 + self.contrast * draws[1]) * (x - mean)
        return to_pixels(x + 255.0 * self.brightness * draws[2])


@AUGMENTATIONS.register("noise")
class Noise(Augmentation):
    """Adds normal noise, of a strength of its own to each image.

    Args:
        max_stddev: largest standard deviation as a share of full scale, in (0, 1).

    Raises:
        ValueError: if it is out of range.
    """

    mixes_pixels = True

    def __init__(self, max_stddev: float = 0.05) -> None:
        if not 0 < max_stddev < 1:
            raise ValueError(
                f"A share in (0, 1) was expected. Received: max_stddev={max_stddev}."
            )
        self.max_stddev = max_stddev

    def __call__(self, images: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
        """See `Augmentation`."""
        most, batch = 255.0 * self.max_stddev, tf.shape(images)[0]
        stddev = random.uniform(random.fold(seed, 0), (batch, 1, 1, 1), 0.0, most)
        noise = random.normal(random.fold(seed, 1), tf.shape(images))
        return to_pixels(tf.cast(images, tf.float32) + stddev * noise)


@AUGMENTATIONS.register("cutout")
class Cutout(Augmentation):
    """Covers a square of each image.

    DeVries & Taylor 2017, "Improved Regularization of Convolutional Neural Networks
    with Cutout", arXiv:1708.04552, section 3.2: the square's middle is anywhere on the
    image, so that a part of it may lie outside.

    Args:
        size: side of the square as a share of the image's shorter side, in (0, 1).
        fill: value of the covered pixels, in [0, 255].

    Raises:
        ValueError: if a number is out of range.
    """

    def __init__(self, size: float = 0.25, *, fill: int = 0) -> None:
        if not 0 < size < 1:
            raise ValueError(f"A share in (0, 1) was expected. Received: size={size}.")
        if not 0 <= fill <= 255:
            raise ValueError(
                f"A pixel in [0, 255] was expected. Received: fill={fill}."
            )
        self.size = size
        self.fill = fill
        self.mixes_pixels = fill not in (0, 255)

    def __call__(self, images: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
        """See `Augmentation`."""
        batch, (height, width) = tf.shape(images)[0], images.shape[1:3]
        side = max(1, math.floor(self.size * min(height, width) + 0.5))
        rows, columns = (
            self._covered(random.fold(seed, axis), batch, length, side)
            for axis, length in enumerate((height, width))
        )
        covered = rows[:, :, tf.newaxis] & columns[:, tf.newaxis, :]
        return tf.where(
            covered[..., tf.newaxis], tf.constant(self.fill, tf.uint8), images
        )

    def _covered(
        self, seed: tf.Tensor, batch: tf.Tensor, length: int, side: int
    ) -> tf.Tensor:
        first = random.integers(seed, (batch, 1), length) - side // 2
        places = tf.range(length)[tf.newaxis, :]
        return (places >= first) & (places < first + side)
