"""ClassifierHead: which of several classes an example belongs to."""

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from sklearn.linear_model import LogisticRegression

from tfgenai.core.errors import DataError
from tfgenai.core.model import GenerativeModel
from tfgenai.core.reductions import weighted_mean
from tfgenai.finetune.heads.class_arguments import check_classes
from tfgenai.finetune.heads.features import Features
from tfgenai.finetune.heads.head import TaskHead

_STEPS = 2000


@keras.saving.register_keras_serializable("tfgenai")
class ClassifierHead(TaskHead):
    """A classifier on the features of a pre-trained model.

    Trained by `fit` on pairs (x, y) with the cross-entropy in nats per example, after
    Szegedy et al. 2016, "Rethinking the Inception Architecture", arXiv:1512.00567,
    section 7, with smoothed labels. A few labelled examples are read best by
    `fit_probe`.

    Args:
        base: a pre-trained model; it is frozen.
        num_classes: number of classes.
        class_names: their names, for answers and reports; None for their numbers.
        features: which of the base's vectors are used.
        hidden_dim: units of a hidden layer; None for a linear classifier.
        dropout: share of the features set to zero in training, in [0, 1).
        label_smoothing: share of each label that is spread over all classes, in [0, 1).
        class_weights: how much an example of each class counts; None for all alike.
        seed: seed of the initial weights and of dropout.
        name: name of the model.

    Raises:
        ValueError: if the base has no features, or a number is out of range.

    Example:
        >>> import tfgenai as tg
        >>> head = ClassifierHead(tg.VAE((8, 8, 1), 4), 10)
        >>> head(tf.zeros((2, 8, 8, 1))).shape
        TensorShape([2, 10])
    """

    loss_names = ("loss", "accuracy")

    def __init__(
        self,
        base: GenerativeModel,
        num_classes: int,
        *,
        class_names: Sequence[str] | None = None,
        features: Features | None = None,
        hidden_dim: int | None = None,
        dropout: float = 0.0,
        label_smoothing: float = 0.0,
        class_weights: Sequence[float] | None = None,
        seed: int = 0,
        name: str | None = None,
    ) -> None:
        check_classes(num_classes, class_names, class_weights)
        if not 0.0 <= label_smoothing < 1.0:
            raise ValueError(
                f"A share in [0, 1) was expected. Received: {label_smoothing=}."
            )
        super().__init__(
            base,
            features=features,
            hidden_dim=hidden_dim,
            dropout=dropout,
            seed=seed,
            name=name,
        )
        self.num_classes = num_classes
        self.class_names = None if class_names is None else list(class_names)
        self.label_smoothing = label_smoothing
        self.class_weights = None if class_weights is None else list(class_weights)
        self.make_layers(num_classes)
        self.finish_init()

    def compute_losses(
        self,
        x: Any,
        y: tf.Tensor | None,
        sample_weight: tf.Tensor | None,
        *,
        seed: tf.Tensor,
        training: bool,
    ) -> dict[str, tf.Tensor]:
        """`loss` in nats per example, and the `accuracy`; see the base class.

        A label that is no class makes the loss NaN, so that `fit` stops.
        """
        if y is None:
            raise ValueError(
                "Batches of (x, y) were expected. Received: y=None. Give the classes."
            )
        logits = self(x, training=training)
        y = tf.cast(y, tf.int32)
        smoothed = tf.one_hot(y, self.num_classes) * (1.0 - self.label_smoothing)
        smoothed += self.label_smoothing / self.num_classes
        losses = -tf.reduce_sum(smoothed * tf.nn.log_softmax(logits), -1)
        # Assertions are dropped by XLA.
        losses = tf.where((y >= 0) & (y < self.num_classes), losses, np.nan)
        is_right = tf.argmax(logits, -1, tf.int32) == y
        weights = sample_weight
        if self.class_weights is not None:
            by_class = tf.linalg.matvec(
                tf.one_hot(y, self.num_classes), tf.constant(self.class_weights)
            )
            weights = by_class if weights is None else by_class * weights
        return {
            "loss": weighted_mean(losses, weights),
            "accuracy": weighted_mean(tf.cast(is_right, tf.float32), sample_weight),
        }

    def check_targets(self, y: Any, x: Any = None) -> None:
        """Refuses labels of which one is no class, or a class has none."""
        check_labels(y, self.num_classes, "y")

    def fit_probe(
        self, x: Any, y: Any, *, strength: float = 1.0, batch_size: int = 256
    ) -> None:
        """Finds the best linear classifier of the frozen features at once.

        Multinomial logistic regression by L-BFGS (scikit-learn) on features that are
        computed once: exact, and a second's work for small sets.

        Args:
            x: array `(n, ...)` of what the base is trained on.
            y: int `(n,)`, classes.
            strength: inverse of the weight decay, scikit-learn's `C`.
            batch_size: examples at a time.

        Raises:
            ValueError: if the head has a hidden layer.
            DataError: if a class has no example, or a label is none.
        """
        if self.hidden is not None:
            raise ValueError(
                "A linear head was expected. Received: "
                f"hidden_dim={self.hidden_dim}. Train it with fit."
            )
        y = check_labels(y, self.num_classes, "y")
        probe = LogisticRegression(C=strength, max_iter=_STEPS)
        weights = None
        if self.class_weights is not None:
            weights = np.asarray(self.class_weights)[y]
        probe.fit(self.features_of(x, batch_size=batch_size), y, weights)
        kernel, bias = probe.coef_.T, probe.intercept_
        if self.num_classes == 2:
            # scikit-learn keeps the difference of the two alone.
            kernel = np.concatenate([-kernel / 2, kernel / 2], axis=1)
            bias = np.concatenate([-bias / 2, bias / 2])
        self.output_layer.kernel.assign(kernel)
        self.output_layer.bias.assign(bias)

    def predict_probabilities(self, x: Any, *, batch_size: int = 256) -> np.ndarray:
        """Probability of each class, float32 `(n, num_classes)`.

        Args:
            x: array `(n, ...)` of what the base is trained on.
            batch_size: examples at a time.
        """
        logits = self.predict_rows(x, batch_size=batch_size)
        return np.asarray(tf.nn.softmax(logits))

    def answer(self, outputs: tf.Tensor) -> dict[str, tf.Tensor]:
        """The likeliest class, by number and name, and all probabilities."""
        names = self.class_names or [str(i) for i in range(self.num_classes)]
        best = tf.argmax(outputs, -1, tf.int32)
        return {
            "label": best,
            "class_name": tf.gather(tf.constant(names), best),
            "probabilities": tf.nn.softmax(outputs),
        }

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {
            **super().get_config(),
            "num_classes": self.num_classes,
            "class_names": self.class_names,
            "label_smoothing": self.label_smoothing,
            "class_weights": self.class_weights,
        }


def check_labels(y: Any, num_classes: int, name: str) -> np.ndarray:
    """Labels of which every class has some.

    Args:
        y: integers `(n,)`.
        num_classes: number of classes.
        name: what the caller calls them.

    Raises:
        DataError: if they are no integers, one is out of range, or a class has none.
    """
    values = np.asarray(y)
    if values.ndim != 1 or values.dtype.kind not in "iu" or not len(values):
        raise DataError(
            f"Integers (n,) were expected. Received: {name} of shape {values.shape} "
            f"and type {values.dtype}."
        )
    if values.min() < 0 or values.max() >= num_classes:
        raise DataError(
            f"Classes in [0, {num_classes}) were expected. Received: {name} from "
            f"{values.min()} to {values.max()}."
        )
    missing = sorted(set(range(num_classes)) - set(values.tolist()))
    if missing:
        raise DataError(
            "Examples of every class were expected. Received: "
            f"{name} without any of {missing[:12]}. Choose a split that has them, or "
            "make the head with fewer classes."
        )
    return values.astype(np.int64)
