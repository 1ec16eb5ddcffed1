"""Progress: one bar on standard error for the whole of a run."""

import sys
from typing import Any

import keras
from tqdm import tqdm

_SHOWN_LOGS = 4


class Progress(keras.callbacks.Callback):
    """Shows steps done, time left and the newest epoch's first logs.

    Standard output is left alone, because it may carry JSON.

    Args:
        total_steps: steps of the run.
        description: words before the bar.
    """

    works_on_chunks = True

    def __init__(self, total_steps: int, *, description: str = "train") -> None:
        super().__init__()
        self.total_steps = total_steps
        self.description = description
        self._bar: Any = None
        self._done = 0

    def on_train_begin(self, logs: Any = None) -> None:
        """Opens the bar where the run begins or goes on."""
        self._bar = tqdm(
            total=self.total_steps,
            initial=int(self.model.step.numpy()),
            desc=self.description,
            file=sys.stderr,
            mininterval=1.0,
            unit="step",
        )

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        """Moves the bar; `batch` is the last one of a call of the train function."""
        self._bar.update(batch + 1 - self._done)
        self._done = batch + 1

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        """Begins to count the epoch's steps."""
        self._done = 0

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Shows the epoch's validation logs, or else its losses."""
        logs = logs or {}
        chosen = [name for name in logs if name.startswith("val_")] or list(logs)
        shown = {name: f"{logs[name]:.4g}" for name in chosen[:_SHOWN_LOGS]}
        self._bar.set_postfix(epoch=epoch + 1, **shown, refresh=False)

    def on_train_end(self, logs: Any = None) -> None:
        """Closes the bar."""
        self._bar.close()
