"""MixUp and CutMix: pairs of images and their labels made into one, for classifiers.

They change labels: what comes out is labelled by shares of classes. So they are no
`Augmentation` and `tfgenai.data.load` does not take them; map them over its batches.
"""

import tensorflow as tf

from tfgenai.core import random


class MixUp:
    """Adds two images, and their labels, in random shares.

    Zhang et al. 2018, "mixup: Beyond Empirical Risk Minimization", arXiv:1710.09412,
    equation 1, with shares uniform in [0, 1]: the Beta(1, 1) of the paper.

    Args:
        num_classes: number of classes.

    Example:
        >>> x, y = tf.zeros((4, 8, 8, 1)), tf.constant([0, 1, 2, 0])
        >>> mixed, shares = MixUp(3)(x, y, random.step_seed(0, 0))
        >>> shares.shape, float(tf.reduce_sum(shares))
        (TensorShape([4, 3]), 4.0)
    """

    def __init__(self, num_classes: int) -> None:
        self.num_classes = _count(num_classes)

    def __call__(
        self, x: tf.Tensor, y: tf.Tensor, seed: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """Mixes each image of a batch with another of it.

        Args:
            x: float32 `(batch, height, width, channels)`.
            y: integers `(batch,)`.
            seed: int32 `(2,)`; all randomness comes from it.

        Returns:
            float32 images of the same shape, and float32 `(batch, num_classes)` whose
            rows sum to 1.
        """
        batch = tf.shape(x)[0]
        other = random.permutation(random.fold(seed, 0), batch)
        share = random.uniform(random.fold(seed, 1), (batch,))
        classes = tf.one_hot(y, self.num_classes)
        wide = share[:, tf.newaxis, tf.newaxis, tf.newaxis]
        mixed = wide * x + (1.0 - wide) * tf.gather(x, other)
        rows = share[:, tf.newaxis]
        return mixed, rows * classes + (1.0 - rows) * tf.gather(classes, other)


class CutMix:
    """Puts a box of another image over each, and counts labels by their pixels.

    Yun et al. 2019, "CutMix: Regularization Strategy to Train Strong Classifiers with
    Localizable Features", arXiv:1905.04899, equations 1 and 2: the box has the image's
    proportions and a share of its pixels that is uniform in [0, 1]; its middle may lie
    anywhere, and what it loses at an edge does not count.

    Args:
        num_classes: number of classes.
    """

    def __init__(self, num_classes: int) -> None:
        self.num_classes = _count(num_classes)

    def __call__(
        self, x: tf.Tensor, y: tf.Tensor, seed: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """Mixes each image of a batch with another of it; see `MixUp.__call__`."""
        batch, height, width = tf.unstack(tf.shape(x)[:3])
        other = random.permutation(random.fold(seed, 0), batch)
        side = tf.sqrt(random.uniform(random.fold(seed, 1), (batch,)))
        rows = _inside(random.fold(seed, 2), side, height)
        columns = _inside(random.fold(seed, 3), side, width)
        box = rows[:, :, tf.newaxis] & columns[:, tf.newaxis, :]
        mixed = tf.where(box[..., tf.newaxis], tf.gather(x, other), x)
        share = tf.reduce_mean(tf.cast(box, tf.float32), axis=(1, 2))[:, tf.newaxis]
        classes = tf.one_hot(y, self.num_classes)
        return mixed, (1.0 - share) * classes + share * tf.gather(classes, other)


def _inside(seed: tf.Tensor, side: tf.Tensor, length: tf.Tensor) -> tf.Tensor:
    """Which places lie in a stretch of share `side`, bool `(batch, length)`."""
    whole = tf.cast(length, tf.float32)
    middle = random.uniform(seed, tf.shape(side)) * whole
    half = side * whole / 2.0
    places = tf.range(length, dtype=tf.float32)[tf.newaxis, :] + 0.5
    return tf.abs(places - middle[:, tf.newaxis]) < half[:, tf.newaxis]


def _count(num_classes: int) -> int:
    if isinstance(num_classes, bool) or num_classes < 2:
        raise ValueError(f"At least 2 classes were expected. Received: {num_classes=}.")
    return int(num_classes)
