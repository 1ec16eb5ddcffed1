"""Augmentations of image batches: flip, shift and crop, pure functions of a seed."""

import abc

import tensorflow as tf

from tfgenai.core import random
from tfgenai.core.registry import Registry

AUGMENTATIONS: "Registry[type[Augmentation]]" = Registry("augment")


class Augmentation(abc.ABC):
    """A random change of each image of a batch.

    Attributes:
        mirrors: whether it may mirror an image, which changes what some images mean:
            a mirrored digit is none. `tfgenai.data.load` refuses that unless
            `allow_mirrored_labels` is true.
        allow_mirrored_labels: set by who knows that labels stay right.
        mixes_pixels: whether it makes values that no pixel of the image had.
    """

    mirrors = False
    mixes_pixels = False
    allow_mirrored_labels = False

    @abc.abstractmethod
    def __call__(self, images: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
        """Changes a batch.

        Args:
            images: uint8 `(batch, height, width, channels)`.
            seed: int32 `(2,)`; all randomness comes from it.

        Returns:
            uint8 of the same shape.
        """


@AUGMENTATIONS.register("flip")
class Flip(Augmentation):
    """Mirrors left and right, each image with probability one half.

    Args:
        allow_mirrored_labels: says that mirrored images keep their meaning, for
            data sets of which that is known to be doubtful.
    """

    mirrors = True

    def __init__(self, *, allow_mirrored_labels: bool = False) -> None:
        self.allow_mirrored_labels = allow_mirrored_labels

    def __call__(self, images: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
        """See `Augmentation`."""
        chosen = random.uniform(seed, (tf.shape(images)[0], 1, 1, 1)) < 0.5
        return tf.where(chosen, images[:, :, ::-1, :], images)


@AUGMENTATIONS.register("shift")
class Shift(Augmentation):
    """Moves each image by whole pixels, both ways, uniformly.

    Args:
        max_shift: largest distance as a share of height and of width, at least a
            pixel.
        fill: value in [0, 255] of the pixels that come in; None repeats the edge.

    Raises:
        ValueError: if a number is out of range.
    """

    def __init__(self, max_shift: float = 0.125, *, fill: int | None = None) -> None:
        if not 0 < max_shift < 1:
            raise ValueError(
                f"A share in (0, 1) was expected. Received: max_shift={max_shift}."
            )
        if fill is not None and not 0 <= fill <= 255:
            raise ValueError(
                f"A pixel in [0, 255] or None was expected. Received: fill={fill}."
            )
        self.max_shift = max_shift
        self.fill = fill
        self.mixes_pixels = fill not in (None, 0, 255)

    def __call__(self, images: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
        """See `Augmentation`."""
        for axis in (1, 2):
            images = self._along(images, random.fold(seed, axis), axis)
        return images

    def _along(self, images: tf.Tensor, seed: tf.Tensor, axis: int) -> tf.Tensor:
        batch, size = tf.shape(images)[0], images.shape[axis]
        most = max(int(size * self.max_shift), 1)
        distance = random.integers(seed, (batch, 1), 2 * most + 1) - most
        places = tf.range(size)[tf.newaxis, :] - distance
        inside = tf.clip_by_value(places, 0, size - 1)
        moved = tf.gather(images, inside, axis=axis, batch_dims=1)
        moved = tf.ensure_shape(moved, images.shape)
        if self.fill is None:
            return moved
        shape = [batch, 1, 1, 1]
        shape[axis] = size
        return tf.where(
            tf.reshape(places == inside, shape), moved, tf.cast(self.fill, tf.uint8)
        )


@AUGMENTATIONS.register("crop")
class Crop(Augmentation):
    """Cuts a window out of each image and scales it up to the image's size.

    Args:
        min_scale: smallest side of the window as a share of the image's side; scale
            and place are uniform.

    Raises:
        ValueError: if the share is not in (0, 1].
    """

    mixes_pixels = True

    def __init__(self, min_scale: float = 0.85) -> None:
        if not 0 < min_scale <= 1:
            raise ValueError(
                f"A share in (0, 1] was expected. Received: min_scale={min_scale}."
            )
        self.min_scale = min_scale

    def __call__(self, images: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
        """See `Augmentation`."""
        batch = tf.shape(images)[0]
        draws = random.uniform(seed, (3, batch))
        scale = self.min_scale + (1.0 - self.min_scale) * draws[0]
        top, left = draws[1] * (1.0 - scale), draws[2] * (1.0 - scale)
        boxes = tf.stack([top, left, top + scale, left + scale], axis=1)
        cropped = tf.image.crop_and_resize(
            images, boxes, tf.range(batch), images.shape[1:3]
        )
        cropped = tf.cast(tf.round(tf.clip_by_value(cropped, 0.0, 255.0)), tf.uint8)
        return tf.ensure_shape(cropped, images.shape)
