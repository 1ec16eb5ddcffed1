"""RunLog: the logs of each epoch as a CSV file and for TensorBoard."""

import csv
import io
from pathlib import Path
from typing import Any

import keras
import tensorflow as tf

from tfgenai.core.storage import PathLike, write_text
from tfgenai.train.learning_rates import learning_rate_schedule
from tfgenai.train.strategy import is_chief


class RunLog(keras.callbacks.Callback):
    """Writes what callbacks before it and `fit` log, with the learning rates.

    The CSV file is written anew each epoch, atomically; after a resume it goes on
    where the checkpoint was made, so no epoch stands in it twice. A column that comes
    late is empty in earlier rows. In the file the epochs count from 1.

    Args:
        path: the CSV file.
        tensorboard: folder of TensorBoard's event files, or None for none.

    Example:
        >>> log = RunLog("runs/vae/log.csv", tensorboard="runs/vae/logs")
    """

    def __init__(self, path: PathLike, *, tensorboard: PathLike | None = None) -> None:
        super().__init__()
        self.path = Path(path)
        self.tensorboard = None if tensorboard is None else str(tensorboard)
        self.rows: list[dict[str, Any]] = []
        self._writer: Any = None

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Adds the epoch's row."""
        row = {
            "epoch": epoch + 1,
            "step": int(self.model.step.numpy()),
            **{name: float(value) for name, value in (logs or {}).items()},
            **self._learning_rates(),
        }
        self.rows.append(row)
        if not is_chief():
            return
        write_text(self.path, to_csv(self.rows))
        self._write_events(row)

    def on_train_end(self, logs: Any = None) -> None:
        """Closes the event file."""
        if self._writer is not None:
            self._writer.close()
            self._writer = None

    def get_backup_state(self) -> dict[str, Any]:
        """The rows so far."""
        return {"rows": self.rows}

    def set_backup_state(self, state: dict[str, Any]) -> None:
        """Takes the rows of the epochs before the checkpoint."""
        self.rows = list(state["rows"])

    def _learning_rates(self) -> dict[str, float]:
        rates = {}
        for name in self.model.optimizer_names:
            optimizer = getattr(self.model, name)
            optimizer = getattr(optimizer, "inner_optimizer", optimizer)
            schedule = learning_rate_schedule(optimizer)
            rate = (
                optimizer.learning_rate
                if schedule is None
                else schedule(optimizer.iterations.value)
            )
            prefix = name.removesuffix("optimizer")
            rates[f"{prefix}learning_rate"] = float(keras.ops.convert_to_numpy(rate))
        return rates

    def _write_events(self, row: dict[str, Any]) -> None:
        if self.tensorboard is None:
            return
        if self._writer is None:
            self._writer = tf.summary.create_file_writer(self.tensorboard)
        with self._writer.as_default(step=row["epoch"]):
            for name, value in row.items():
                if name != "epoch":
                    tf.summary.scalar(f"epoch/{name}", value)
        self._writer.flush()


def to_csv(rows: list[dict[str, Any]]) -> str:
    """Rows as CSV text, columns in the order in which they first came.

    Args:
        rows: values by column.

    Example:
        >>> print(to_csv([{"epoch": 1, "loss": 0.5}, {"epoch": 2, "kid": 0.1}]))
        epoch,loss,kid
        1,0.5,
        2,,0.1
        <BLANKLINE>
    """
    columns = list(dict.fromkeys(name for row in rows for name in row))
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()
