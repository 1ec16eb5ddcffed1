"""ClassifierGuidance: an image classifier pulls samples towards a class."""

from collections.abc import Mapping
from typing import Any

import keras
import tensorflow as tf

from tfgenai.core.conditions import Condition
from tfgenai.diffusion.conditioning import LABELS
from tfgenai.diffusion.guidance import Guidance, NoGuidance
from tfgenai.diffusion.levels import Level, expand

CLASSIFIER_SCALE = "classifier_scale"
TARGET_LABELS = "target_labels"

_UNGUIDED = NoGuidance()
_MAX_SCALE = 1000.0
# Noisier than this, x_t says nothing of the data: what a network's derivative is there
# is its error, which the factor sigma² / alpha of up to e^10 would make a sample of.
_MAX_NOISE_TO_SIGNAL = 100.0


class ClassifierGuidance(Guidance):
    """Along the gradient of a classifier's log probability of the wanted class.

    Dhariwal & Nichol 2021, "Diffusion Models Beat GANs on Image Synthesis",
    arXiv:2105.05233, equation 14: the noise estimate becomes epsilon - sigma s
    grad log p(y | x_t), which is the data estimate plus sigma² / alpha times the same.

    The paper's classifier is trained on noisy data (`noise_aware`). An ordinary one,
    trained on clean data, is asked about the model's estimate of the data, and the
    gradient is taken through the network: Bansal et al. 2023, "Universal Guidance for
    Diffusion Models", arXiv:2302.07121, equation 6. That costs a backward pass a step.

    A model with labels is given them, and the classifier pulls towards the same; any
    other model takes the class as `target_labels`. Where the noise is more than 100
    times the signal, sigma / alpha counts as 100.

    Args:
        classifier: a Keras model that returns logits `(batch, num_classes)` of
            `(batch, ...)`, data scaled as the model's. With `noise_aware` it is called
            on the list `[x_t, time]`, time float32 `(batch,)` in [0, 1].
        scale: factor of the gradient where the caller says nothing; 0 is no guidance.
        noise_aware: whether the classifier was trained on noisy data.

    Raises:
        TypeError: if the classifier is no Keras model.
        ValueError: if the scale is not in [0, 1000].

    Example:
        >>> from tfgenai.diffusion import DiffusionModel
        >>> model = DiffusionModel(data_shape=(2,))
        >>> classifier = keras.Sequential([keras.Input((2,)), keras.layers.Dense(3)])
        >>> guidance = ClassifierGuidance(classifier, scale=2.0)
        >>> model.generate(4, guidance=guidance, target_labels=1, num_steps=3).shape
        (4, 2)
    """

    def __init__(
        self,
        classifier: keras.layers.Layer,
        scale: float = 1.0,
        *,
        noise_aware: bool = False,
    ) -> None:
        if not isinstance(classifier, keras.layers.Layer):
            raise TypeError(
                "A Keras model that returns logits was expected. Received: classifier "
                f"of type {type(classifier).__name__}."
            )
        if not 0 <= scale <= _MAX_SCALE:
            raise ValueError(
                f"A scale in [0, {_MAX_SCALE:g}] was expected. Received: "
                f"scale={scale}. The paper uses 1 to 10."
            )
        self.classifier = classifier
        self.scale = scale
        self.noise_aware = noise_aware
        self.models = (classifier,)
        self._num_classes: dict[tuple[int, ...], int] = {}

    def check(self, model: Any) -> None:
        """Refuses a classifier of other data or, with labels, of other classes."""
        known = self._classes_of(model)
        expected = model.num_classes if self._label_name(model) == LABELS else known
        if known != expected:
            raise ValueError(
                f"A classifier of the model's {expected} classes was expected. "
                f"Received: classifier with {known} logits. Train it on the model's "
                "labels."
            )

    def conditions(self, model: Any) -> tuple[Condition, ...]:
        """`classifier_scale`, and `target_labels` where the model has no labels."""
        scale = Condition(
            CLASSIFIER_SCALE,
            "float32",
            minimum=0.0,
            maximum=_MAX_SCALE,
            default=float(self.scale),
            description="how strongly the classifier pulls; 0: not at all",
        )
        if self._label_name(model) == LABELS:
            return (scale,)
        target = Condition(
            TARGET_LABELS,
            "int32",
            minimum=0,
            maximum=self._classes_of(model) - 1,
            description="class that the classifier is to see",
        )
        return (target, scale)

    def estimate(
        self,
        model: Any,
        x: tf.Tensor,
        level: Level,
        rows: Mapping[str, tf.Tensor],
        previous: tf.Tensor,
    ) -> tf.Tensor:
        """See the base class."""
        labels = rows[self._label_name(model)]
        if self.noise_aware:
            x0 = _UNGUIDED.estimate(model, x, level, rows, previous)
        with tf.GradientTape() as tape:
            tape.watch(x)
            if self.noise_aware:
                logits = self.classifier([x, level.time], training=False)
            else:
                x0 = _UNGUIDED.estimate(model, x, level, rows, previous)
                logits = self.classifier(x0, training=False)
            # A row's logits depend on that row only, so the sum's gradient is each's.
            loss = tf.nn.sparse_softmax_cross_entropy_with_logits(
                labels, tf.cast(logits, tf.float32)
            )
        gradient = -tape.gradient(
            loss, x, unconnected_gradients=tf.UnconnectedGradients.ZERO
        )
        noise_to_signal = tf.minimum(tf.exp(-level.half_log_snr), _MAX_NOISE_TO_SIGNAL)
        factor = rows[CLASSIFIER_SCALE] * level.alpha * noise_to_signal**2
        return x0 + expand(factor, x) * gradient

    def _label_name(self, model: Any) -> str:
        names = [condition.name for condition in model.data_conditions()]
        return LABELS if LABELS in names else TARGET_LABELS

    def _classes_of(self, model: Any) -> int:
        """The number of logits for the model's data; found by one call for each shape.

        Raises:
            ValueError: if the classifier does not take them, or returns something else.
        """
        shape = tuple(model.data_shape)
        if shape not in self._num_classes:
            x = tf.zeros((1, *shape))
            inputs = [x, tf.zeros((1,))] if self.noise_aware else x
            try:
                logits = self.classifier(inputs, training=False)
            except (ValueError, TypeError, tf.errors.InvalidArgumentError) as error:
                kind = "[x_t, time]" if self.noise_aware else "data"
                raise ValueError(
                    f"A classifier of {kind} of shape {shape} was expected. Received: "
                    f"classifier={self.classifier.name!r}, which does not take them: "
                    f"{error}"
                ) from error
            if getattr(logits, "shape", tf.TensorShape(None)).rank != 2:
                raise ValueError(
                    "Logits of shape (batch, num_classes) were expected. Received: "
                    f"classifier with outputs {getattr(logits, 'shape', logits)!r}. "
                    "Leave out what follows its last dense layer."
                )
            self._num_classes[shape] = int(logits.shape[-1])
        return self._num_classes[shape]
