"""Checkpoint: the last or the best model of a run as one `.keras` file."""

import math
import time
from pathlib import Path
from typing import Any

import keras

from tfgenai.core.errors import ConfigError
from tfgenai.core.registry import unknown_name
from tfgenai.core.storage import PathLike, atomic_file
from tfgenai.train.strategy import is_chief

MODES = ("min", "max")


class Checkpoint(keras.callbacks.Callback):
    """Writes the model at the end of epochs, so that the file is always whole.

    Without `monitor` it is the last model, with one the best by that log. The file
    holds averages, optimizers and step, and is loaded by `tfgenai.load_model`. To go on
    with a run after a crash, use `Backup`.

    The value monitored should mean something: for a GAN no loss does; log a figure of
    the evaluation with `SampleMetrics` and monitor that.

    Args:
        path: the `.keras` file.
        monitor: name of a log such as `"val_loss"`, or None for the last model.
            Epochs without the log, or in which it is not finite, are passed over.
        mode: `"min"` or `"max"`, which values are better.
        min_interval: seconds that must lie between two writes of the last model; its
            final state is always written.

    Raises:
        ValueError: if an argument is out of range.

    Example:
        >>> best = Checkpoint("runs/vae/best.keras", monitor="val_loss")
    """

    def __init__(
        self,
        path: PathLike,
        *,
        monitor: str | None = None,
        mode: str = "min",
        min_interval: float = 0.0,
    ) -> None:
        super().__init__()
        if Path(path).suffix != ".keras":
            raise ValueError(
                "A file name that ends in .keras was expected. Received: "
                f"path={str(path)!r}."
            )
        if mode not in MODES:
            raise ValueError(unknown_name("mode", mode, list(MODES)))
        if min_interval < 0:
            raise ValueError(
                f"min_interval >= 0 was expected. Received: {min_interval=}."
            )
        self.path = Path(path)
        self.monitor = monitor
        self.mode = mode
        self.min_interval = min_interval
        self.best: float | None = None
        self.best_epoch: int | None = None
        self._was_seen = False
        self._saved_at = -math.inf
        self._is_stale = False

    @property
    def last_checkpoint(self) -> Path | None:
        """The file, if it is there."""
        return self.path if self.path.is_file() else None

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Writes the model if it is time, or if it is the best so far."""
        if self.monitor is None:
            self._is_stale = True
            if time.monotonic() - self._saved_at >= self.min_interval:
                self._save()
            return
        value = (logs or {}).get(self.monitor)
        self._was_seen = self._was_seen or value is not None
        if value is None or not math.isfinite(value):
            return
        sign = 1 if self.mode == "min" else -1
        if self.best is None or sign * value < sign * self.best:
            self._save()
            self.best, self.best_epoch = float(value), epoch

    def on_train_end(self, logs: Any = None) -> None:
        """Writes the last model; refuses a log that never came.

        Raises:
            ConfigError: if there was no log of the monitored name.
        """
        if self._is_stale:
            self._save()
        if self.monitor is not None and logs and not self._was_seen:
            raise ConfigError(
                f"A log to monitor was expected. Received: monitor={self.monitor!r}, "
                f"which none of {sorted(logs)} is. Monitor one of these."
            )

    def get_backup_state(self) -> dict[str, Any]:
        """The best value so far and its epoch."""
        return {"best": self.best, "best_epoch": self.best_epoch}

    def set_backup_state(self, state: dict[str, Any]) -> None:
        """Takes what `get_backup_state` returned."""
        self.best, self.best_epoch = state["best"], state["best_epoch"]
        self._was_seen = self.best is not None

    def _save(self) -> None:
        self._saved_at = time.monotonic()
        self._is_stale = False
        if is_chief():
            with atomic_file(self.path) as beside:
                self.model.save(beside)
