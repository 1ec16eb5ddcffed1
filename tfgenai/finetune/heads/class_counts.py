"""ClassCounts: accuracy and mean intersection over union of a whole epoch."""

import tfgenai.core.backend  # noqa: F401  # isort: skip

import keras
import tensorflow as tf


class ClassCounts(keras.metrics.Metric):
    """Places of each class, counted over all batches: exact, whatever their sizes.

    Its result is the `accuracy`, the share of places that is right, and on request the
    `mean_iou`: for each class that occurs or is answered, right places over those that
    are or are said to be of it, averaged over such classes (Everingham et al. 2010,
    "The PASCAL Visual Object Classes Challenge", section 4.4).

    Args:
        num_classes: number of classes.
        with_iou: whether the result has the `mean_iou`.

    Example:
        >>> metric = ClassCounts(2)
        >>> metric.update_state(class_counts([[0, 1, 1]], [[0, 1, 0]], [[1, 1, 1]], 2))
        >>> {key: round(float(v), 3) for key, v in metric.result().items()}
        {'accuracy': 0.667, 'mean_iou': 0.5}
    """

    def __init__(self, num_classes: int, *, with_iou: bool = True) -> None:
        super().__init__(name="class_counts")
        self.with_iou = with_iou
        self.counts = self.add_variable(
            shape=(3, num_classes), initializer="zeros", name="counts"
        )

    def update_state(self, counts: tf.Tensor) -> None:
        """Adds what `class_counts` counted."""
        self.counts.assign_add(counts)

    def result(self) -> dict[str, tf.Tensor]:
        """The figures by name; 0 where nothing was counted."""
        right, true, answered = tf.unstack(tf.convert_to_tensor(self.counts))
        found = tf.reduce_sum(right), tf.reduce_sum(true)
        figures = {"accuracy": tf.math.divide_no_nan(*found)}
        if self.with_iou:
            union = true + answered - right
            occurs = tf.reduce_sum(tf.cast(union > 0, tf.float32))
            shares = tf.reduce_sum(tf.math.divide_no_nan(right, union))
            figures["mean_iou"] = tf.math.divide_no_nan(shares, occurs)
        return figures


def class_counts(
    labels: tf.Tensor, answers: tf.Tensor, weights: tf.Tensor, num_classes: int
) -> tf.Tensor:
    """How many places of each class are right, are of it, and are said to be.

    Args:
        labels: int32 `(...)`; negative ones do not count.
        answers: int32 `(...)`.
        weights: float32 `(...)`, how much each place counts.
        num_classes: number of classes.

    Returns:
        float32 `(3, num_classes)`.
    """
    labels = tf.reshape(labels, (-1,))
    answers = tf.reshape(answers, (-1,))
    weights = tf.where(
        labels >= 0, tf.cast(tf.reshape(weights, (-1,)), tf.float32), 0.0
    )

    def count(weights: tf.Tensor, places: tf.Tensor) -> tf.Tensor:
        return tf.math.unsorted_segment_sum(weights, places, num_classes)

    right = tf.where(labels == answers, weights, 0.0)
    return tf.stack(
        [count(right, labels), count(weights, labels), count(weights, answers)]
    )
