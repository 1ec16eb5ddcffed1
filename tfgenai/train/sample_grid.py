"""SampleGrid: pictures of the same seeds after every epoch."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np

from tfgenai.core.storage import PathLike
from tfgenai.evaluate.generation import labels_to_ask
from tfgenai.evaluate.grid import save_grid
from tfgenai.train.strategy import is_chief

_SMALLEST_SIDE = 32  # pixels that an image has at least in the picture


class SampleGrid(keras.callbacks.Callback):
    """Writes a grid of samples at the end of epochs, each time from the same seeds.

    The averaged weights are used. Pictures are `epoch-0001.png` and so on, counted
    from 1; `epoch-0000.png` is the untrained model.

    Args:
        folder: where the pictures are written.
        num_samples: images in a picture.
        seed: seed of the samples, the same every time.
        labels: labels to ask for, `(num_samples,)`, or one for all. None asks a model
            that takes labels for all of them in turn.
        every: epochs between pictures; the last epoch always gets one.
        **conditions: further conditions of `model.generate`.

    Raises:
        ValueError: if a number is not positive.

    Example:
        >>> grid = SampleGrid("runs/gan/samples", num_samples=16, every=5)
    """

    def __init__(
        self,
        folder: PathLike,
        *,
        num_samples: int = 64,
        seed: int = 0,
        labels: Sequence[int] | int | None = None,
        every: int = 1,
        **conditions: Any,
    ) -> None:
        super().__init__()
        if num_samples < 1 or every < 1:
            raise ValueError(
                "num_samples >= 1 and every >= 1 were expected. Received: "
                f"num_samples={num_samples}, every={every}."
            )
        self.folder = Path(folder)
        self.num_samples = num_samples
        self.seed = seed
        self.labels = labels
        self.every = every
        self.conditions = conditions

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        """Writes the picture of the untrained model."""
        if epoch == 0:
            self._write(0)

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Writes the picture of the epoch, if it is its turn."""
        if (epoch + 1) % self.every == 0 or epoch + 1 == self.params.get("epochs"):
            self._write(epoch + 1)

    def path_of(self, epoch: int) -> Path:
        """The picture after so many epochs."""
        return self.folder / f"epoch-{epoch:04d}.png"

    def _write(self, epoch: int) -> None:
        given = self.labels
        if isinstance(given, int):
            given = [given] * self.num_samples
        labels = labels_to_ask(self.model, given, self.num_samples)
        conditions = dict(self.conditions)
        num_columns = None
        if labels is not None:
            conditions["labels"] = labels
            # Labels in turn: a column for each.
            num_columns = int(labels.max()) + 1 if given is None else None
        images = self.model.generate(self.num_samples, seed=self.seed, **conditions)
        if is_chief():
            scale = display_scale(images)
            save_grid(self.path_of(epoch), images, num_columns, scale=scale)


def display_scale(images: np.ndarray) -> int:
    """The whole factor that makes images large enough to look at.

    Args:
        images: `(n, height, width, channels)`.
    """
    return max(1, -(-_SMALLEST_SIDE // min(images.shape[1:3])))
