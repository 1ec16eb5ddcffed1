"""ClassTarget: what a decoder to a class of each pixel or token is trained on."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from tfgenai.core.errors import DataError
from tfgenai.core.likelihoods.categorical import cross_entropy
from tfgenai.core.reductions import weighted_mean
from tfgenai.finetune.heads.class_counts import class_counts


class ClassTarget:
    """A class for each place: each pixel of a mask, or each token of a text.

    Args:
        shape: (height, width) of masks; None for the tokens of the base.
        num_classes: number of classes.
        class_names: their names, or None.
        class_weights: how much a place of each class counts in the loss, or None.
    """

    loss_names = ("loss",)

    def __init__(
        self,
        shape: Sequence[int] | None,
        num_classes: int,
        class_names: Sequence[str] | None,
        class_weights: Sequence[float] | None,
    ) -> None:
        self.shape = None if shape is None else tuple(shape)
        self.num_classes = num_classes
        self.num_parameters = num_classes
        self.class_names = class_names
        self.class_weights = class_weights

    def check_kind(self, shape: Sequence[int | None], kind: str) -> None:
        """Refuses targets of another shape or of no integers.

        Raises:
            DataError: if they are.
        """
        wanted = (None, None) if self.shape is None else (None, *self.shape)
        if kind not in "iu":
            raise DataError(
                "Integers, the class of each place, were expected. Received: y of "
                "floats or others. Convert it with y.astype('int32'), or make the head "
                "with target='image'."
            )
        if not tf.TensorShape(shape).is_compatible_with(wanted):
            sides = "tokens" if self.shape is None else f"{self.shape[0]}, "
            sides += "" if self.shape is None else str(self.shape[1])
            raise DataError(
                f"Classes of shape (n, {sides}) were expected. Received: y of shape "
                f"{tuple(shape)}. Take an axis of one away with y[..., 0], make "
                "numbers of one-hot classes with argmax, or change target_shape."
            )

    def check_values(self, y: np.ndarray, x: Any = None) -> None:
        """Refuses what is no class and not -1, or does not go with the tokens.

        Raises:
            DataError: if there are some.
        """
        if y.min() < -1 or y.max() >= self.num_classes:
            raise DataError(
                f"Classes in [0, {self.num_classes}), or -1 for places that do not "
                f"count, were expected. Received: y from {y.min()} to {y.max()}. Write "
                "-1 for a class to be left out, such as 255."
            )
        if y.max() < 0:
            raise DataError(
                "Some places with a class were expected. Received: y of -1 alone, of "
                "which no place counts."
            )
        if self.shape is None and x is not None and np.shape(x) != y.shape:
            raise DataError(
                "A class for each token was expected. Received: y of shape "
                f"{y.shape}, x of shape {np.shape(x)}. Pad both with -1."
            )

    def losses(
        self,
        y: tf.Tensor,
        outputs: tf.Tensor,
        x: tf.Tensor,
        sample_weight: tf.Tensor | None,
    ) -> dict[str, tf.Tensor]:
        """`loss`, nats per example, and the `counts` of `ClassCounts`.

        A label that is no class makes the loss NaN, so that `fit` stops.
        """
        y = tf.cast(y, tf.int32)
        is_class = (y >= 0) & (y < self.num_classes)
        is_bad = ~is_class & (y != -1)
        if self.shape is None:
            is_class &= x >= 0
        label = tf.where(is_class, y, 0)
        nats = cross_entropy(label, outputs)
        if self.class_weights is not None:
            nats *= tf.gather(tf.constant(self.class_weights, tf.float32), label)
        nats = tf.where(is_class, nats, 0.0)
        # Assertions are dropped by XLA.
        nats = tf.where(is_bad, np.nan, nats)
        places = list(range(1, y.shape.rank))
        weights = tf.ones_like(nats)
        if sample_weight is not None:
            weights *= tf.reshape(
                tf.cast(sample_weight, tf.float32), (-1, *[1] * len(places))
            )
        counted = tf.where(is_class, y, -1)
        return {
            "loss": weighted_mean(tf.reduce_sum(nats, places), sample_weight),
            "counts": class_counts(
                counted, self.decode(outputs), weights, self.num_classes
            ),
        }

    def decode(self, outputs: tf.Tensor) -> tf.Tensor:
        """The likeliest class of each place, int32."""
        return tf.argmax(outputs, -1, tf.int32)

    def answer(self, outputs: tf.Tensor) -> dict[str, tf.Tensor]:
        """Likeliest classes by number, by name if they have some, and probabilities."""
        labels = self.decode(outputs)
        answers = {"labels": labels, "probabilities": tf.nn.softmax(outputs)}
        if self.class_names is not None:
            answers["class_names"] = tf.gather(tf.constant(self.class_names), labels)
        return answers
