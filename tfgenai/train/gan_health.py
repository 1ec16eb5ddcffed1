"""GANHealth: tells after every epoch whether a GAN still learns, and why not."""

import math
import warnings
from collections.abc import Callable, Mapping
from typing import Any

import keras
import numpy as np

from tfgenai.evaluate.generation import labels_to_ask
from tfgenai.gan import GAN

_SURE = 0.98  # accuracy on both sides from which the generator learns nothing
_VANISHED, _EXPLODED = 1e-7, 1e4  # gradient norms of a training that is stuck or lost
_FLAT = 0.02  # deviation, of a range of 2, below which images are one image
_FALLEN = 0.25  # share of the largest diversity so far
_RARE = 0.1  # share of an even share below which a mode counts as missing


class GANHealth(keras.callbacks.Callback):
    """Measures a GAN at the end of epochs and gives the alarm when it collapses.

    The loss of a GAN says little about its samples. These figures do; they are added
    to the epoch's logs, for callbacks that stand after this one:

    - `generator_gradient_norm`, `discriminator_gradient_norm`: L2 norms over all
      variables in the last training step;
    - `sample_diversity`: root mean square deviation of samples from the mean image of
      their label, in units of the range [-1, 1]. It falls towards 0 in a collapse;
    - with a classifier, `num_modes`: classes that have at least a tenth of an even
      share of the samples, and `label_accuracy` for a model with labels: the share of
      samples that are given the label that was asked for.

    Alarms, each named in `alarms` and raised as a warning when it begins:

    - `collapse`: the diversity is below 0.02, or below a quarter of its largest value;
    - `missing_modes`: the samples fill fewer than half of the classes;
    - `discriminator_won`: `real_accuracy` and `fake_accuracy` are above 0.98;
    - `gradients`: the generator's gradient vanished (below 1e-7), or one of the norms
      exploded (above 1e4) or is not finite.

    Args:
        classifier: callable from float32 images `(n, height, width, channels)` in
            [-1, 1] to class numbers `(n,)` or scores `(n, num_classes)`, such as
            `extractor.logits`. None leaves the modes out.
        num_samples: samples drawn for the figures, with the averaged weights.
        seed: seed of the samples, the same every time.
        every: epochs between measurements; in between the last figures are logged.
        patience: measurements in a row that must be bad before the alarm.
        action: `"warn"`, or `"stop"` to end the training as well.

    Attributes:
        history: one dict per measurement: `epoch`, the figures, and with a classifier
            `mode_histogram`, the samples per class.
        alarms: one dict per alarm: `epoch` (from 0), `kind`, `message`.

    Raises:
        ValueError: if an argument is out of range.
        TypeError: if it is used on a model that is no GAN.

    Example:
        >>> health = GANHealth(num_samples=64, action="stop")
    """

    def __init__(
        self,
        classifier: Callable[[np.ndarray], Any] | None = None,
        *,
        num_samples: int = 256,
        seed: int = 0,
        every: int = 1,
        patience: int = 2,
        action: str = "warn",
    ) -> None:
        super().__init__()
        if num_samples < 2 or every < 1 or patience < 1:
            raise ValueError(
                "num_samples >= 2, every >= 1 and patience >= 1 were expected. "
                f"Received: num_samples={num_samples}, every={every}, "
                f"patience={patience}."
            )
        if action not in ("warn", "stop"):
            raise ValueError(
                f"'warn' or 'stop' was expected. Received: action={action!r}."
            )
        self.classifier = classifier
        self.num_samples = num_samples
        self.seed = seed
        self.every = every
        self.patience = patience
        self.action = action
        self.history: list[dict[str, Any]] = []
        self.alarms: list[dict[str, Any]] = []
        self._bad_in_a_row: dict[str, int] = {}

    def set_model(self, model: Any) -> None:
        """Takes the model; refuses other families."""
        if not isinstance(model, GAN):
            raise TypeError(
                "A tfgenai.GAN was expected. Received: a model of type "
                f"{type(model).__name__}. Leave GANHealth out of its callbacks."
            )
        super().set_model(model)

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Measures, adds the figures to `logs`, and looks for alarms."""
        logs = {} if logs is None else logs
        if epoch % self.every == 0 or not self.history:
            self.history.append({"epoch": epoch, **self._measure()})
            self._look_for_alarms(epoch, logs)
        figures = self.history[-1]
        logs.update(
            {k: v for k, v in figures.items() if k not in ("epoch", "mode_histogram")}
        )

    def get_backup_state(self) -> dict[str, Any]:
        """What a resumed run needs to go on as the unbroken one."""
        return {
            "history": self.history,
            "alarms": self.alarms,
            "bad_in_a_row": self._bad_in_a_row,
        }

    def set_backup_state(self, state: Mapping[str, Any]) -> None:
        """Takes back what `get_backup_state` gave."""
        self.history = list(state["history"])
        self.alarms = list(state["alarms"])
        self._bad_in_a_row = dict(state["bad_in_a_row"])

    # ---- figures -------------------------------------------------------------

    def _measure(self) -> dict[str, Any]:
        norms = self.model.gradient_norms.numpy().tolist()
        labels = labels_to_ask(self.model, None, self.num_samples)
        conditions = {} if labels is None else {"labels": labels}
        images = self.model.generate(self.num_samples, seed=self.seed, **conditions)
        figures = {
            "generator_gradient_norm": norms[0],
            "discriminator_gradient_norm": norms[1],
            "sample_diversity": diversity(images, labels),
        }
        if self.classifier is None:
            return figures
        classes, num_classes = self._classify(images)
        histogram = np.bincount(classes, minlength=num_classes)
        enough = _RARE * self.num_samples / num_classes
        figures["num_modes"] = int(np.sum(histogram >= enough))
        if labels is not None:
            figures["label_accuracy"] = float(np.mean(classes == labels))
        return {**figures, "mode_histogram": histogram.tolist()}

    def _classify(self, images: np.ndarray) -> tuple[np.ndarray, int]:
        answer = np.asarray(self.classifier(images))  # type: ignore[misc]
        num_classes = self.model.num_classes or 1
        if answer.ndim == 2 and len(answer) == len(images):
            return answer.argmax(axis=1), max(answer.shape[1], num_classes)
        if answer.shape == (len(images),) and answer.dtype.kind in "iu":
            return answer, max(int(answer.max()) + 1, num_classes)
        raise ValueError(
            f"Integer classes ({len(images)},) or scores ({len(images)}, num_classes) "
            f"were expected from the classifier. Received: classifier's answer of "
            f"shape {answer.shape} and type {answer.dtype}. Change what it returns."
        )

    # ---- alarms --------------------------------------------------------------

    def _look_for_alarms(self, epoch: int, logs: Mapping[str, Any]) -> None:
        for kind, message in self._conditions(logs).items():
            bad = self._bad_in_a_row.get(kind, 0) + 1 if message else 0
            self._bad_in_a_row[kind] = bad
            if bad == self.patience:
                text = f"After epoch {epoch + 1}: {message}"
                self.alarms.append({"epoch": epoch, "kind": kind, "message": text})
                warnings.warn(text, stacklevel=2)
                if self.action == "stop":
                    self.model.stop_training = True

    def _conditions(self, logs: Mapping[str, Any]) -> dict[str, str]:
        """A text for each kind of alarm; empty where all is well."""
        now = self.history[-1]
        norms = [now["generator_gradient_norm"], now["discriminator_gradient_norm"]]
        best = max(one["sample_diversity"] for one in self.history)
        found = dict.fromkeys(
            ("collapse", "missing_modes", "discriminator_won", "gradients"), ""
        )
        if not now["sample_diversity"] >= max(_FLAT, _FALLEN * best):
            found["collapse"] = (
                "the samples have collapsed: their diversity is "
                f"{now['sample_diversity']:.4f}, the largest was {best:.4f}. Go back "
                "to an earlier checkpoint and add penalty='r1' or lower learning rates."
            )
        if "num_modes" in now and now["num_modes"] < len(now["mode_histogram"]) / 2:
            found["missing_modes"] = (
                f"the samples fill {now['num_modes']} of {len(now['mode_histogram'])} "
                f"classes: {now['mode_histogram']}. Add penalty='r1', lower the "
                "generator's learning rate, or train with labels."
            )
        accuracies = [logs.get(f"{name}_accuracy", 0.0) for name in ("real", "fake")]
        if min(accuracies) > _SURE:
            found["discriminator_won"] = (
                "the discriminator tells all images apart (accuracies "
                f"{accuracies[0]:.3f} and {accuracies[1]:.3f}), so the generator "
                "learns little. Add penalty='r1' or dropout, or lower the "
                "discriminator's learning rate."
            )
        if norms[0] < _VANISHED or not all(
            math.isfinite(norm) and norm < _EXPLODED for norm in norms
        ):
            found["gradients"] = (
                f"the gradient norms are {norms[0]:.3g} (generator) and {norms[1]:.3g} "
                "(discriminator). Vanished: use adversarial_loss='non_saturating' or "
                "penalty='r1'. Exploded: lower the learning rates."
            )
        return found


def diversity(images: np.ndarray, labels: np.ndarray | None = None) -> float:
    """Root mean square deviation of images from the mean image of their label.

    Args:
        images: `(n, height, width, channels)`.
        labels: integers `(n,)`, or None for one group.

    Returns:
        The deviation, a **mean** over images and pixels under the root; 0 where all
        images of a label are alike.
    """
    images = np.asarray(images, np.float64)
    groups = np.zeros(len(images), int) if labels is None else np.asarray(labels)
    squares = 0.0
    for group in np.unique(groups):
        members = images[groups == group]
        squares += np.sum((members - members.mean(axis=0)) ** 2)
    return float(np.sqrt(squares / images.size))
