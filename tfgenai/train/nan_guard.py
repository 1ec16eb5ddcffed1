"""NaNGuard: back to the last good checkpoint when a loss is no longer finite."""

import warnings
from typing import Any

import keras
import numpy as np

from tfgenai.core.compiled_loop import CompiledLoop
from tfgenai.core.errors import NonFiniteLossError
from tfgenai.train.backup import Backup
from tfgenai.train.learning_rates import learning_rate_schedule, scale_learning_rate

ACTIONS = ("raise", "rollback")


class NaNGuard(keras.callbacks.Callback):
    """Says what `fit` does when a loss becomes NaN or infinite.

    Without this callback, and with `action="raise"`, `fit` stops with a
    `NonFiniteLossError` that names step, loss and last checkpoint. With
    `action="rollback"` the model goes back to the last checkpoint of `backup`, all
    learning rates are multiplied by `factor`, and the epoch goes on with its remaining
    batches; the steps since the checkpoint are lost, and callbacks with a method
    `roll_back(epoch)` are told the epoch that it stands at the beginning of. The lower
    learning rate stays, also after a resume.

    Args:
        action: `"raise"` or `"rollback"`.
        backup: the `Backup` of the same run, required for a rollback; it must be in
            the list of callbacks as well.
        factor: what the learning rates are multiplied by at each rollback, in (0, 1].
        max_rollbacks: rollbacks after which the next bad loss stops the run.

    Raises:
        ValueError: if an argument is out of range or the backup is missing.

    Example:
        >>> backup = Backup("runs/digits/backup")
        >>> guard = NaNGuard("rollback", backup=backup, factor=0.3)
    """

    works_on_chunks = True

    def __init__(
        self,
        action: str = "raise",
        *,
        backup: Backup | None = None,
        factor: float = 0.5,
        max_rollbacks: int = 3,
    ) -> None:
        super().__init__()
        if action not in ACTIONS:
            raise ValueError(
                f"One of {ACTIONS} was expected. Received: action={action!r}."
            )
        if action == "rollback" and not isinstance(backup, Backup):
            raise ValueError(
                "A tfgenai.train.Backup to go back to was expected. Received: "
                f"action='rollback' with backup={backup!r}. Pass the one of this run."
            )
        if not 0 < factor <= 1 or max_rollbacks < 1:
            raise ValueError(
                "A factor in (0, 1] and max_rollbacks >= 1 were expected. Received: "
                f"factor={factor}, max_rollbacks={max_rollbacks}."
            )
        self.action = action
        self.backup = backup
        self.factor = factor
        self.max_rollbacks = max_rollbacks
        self.num_rollbacks = 0
        self._is_epoch_empty = False

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        """Goes back if the last steps gave a bad loss."""
        if self.backup is None or self.action == "raise" or not logs:
            return
        self._is_epoch_empty = False
        if np.isfinite(list(logs.values())).all():
            return
        step = int(self.model.non_finite_step.numpy())
        if step >= 0:
            self._roll_back(step)

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Marks the means of an epoch that ended with a rollback as unknown."""
        if self._is_epoch_empty and logs is not None:
            logs.update(dict.fromkeys(self.model.loss_names, float("nan")))
        self._is_epoch_empty = False

    def get_backup_state(self) -> dict[str, Any]:
        """The number of rollbacks so far."""
        return {"num_rollbacks": self.num_rollbacks}

    def set_backup_state(self, state: dict[str, Any]) -> None:
        """Takes the number of rollbacks, and lowers schedules as often as it was done.

        A learning rate that is a number came back with the optimizer's state.
        """
        self.num_rollbacks = state["num_rollbacks"]
        factor = self.factor**self.num_rollbacks
        for optimizer in self._optimizers():
            schedule = learning_rate_schedule(optimizer)
            # In the process that rolled back, it has been lowered already.
            if schedule is not None and getattr(schedule, "factor", 1) != factor:
                scale_learning_rate(optimizer, factor / getattr(schedule, "factor", 1))
                self._retrace()

    def _roll_back(self, step: int) -> None:
        name = self.model.loss_names[int(self.model.non_finite_loss.numpy())]
        checkpoint = None if self.backup is None else self.backup.last_checkpoint
        if (
            self.backup is None
            or checkpoint is None
            or self.num_rollbacks >= self.max_rollbacks
        ):
            raise NonFiniteLossError(
                f"A finite loss was expected. Received: {name} is NaN or infinite at "
                f"step {step} after {self.num_rollbacks} rollbacks. The last good "
                f"checkpoint is {str(checkpoint)!r}. Look at the data of that step, "
                "lower the learning rate, or clip gradients.",
                step=step,
                loss_name=name,
                checkpoint=None if checkpoint is None else str(checkpoint),
            )
        self.num_rollbacks += 1
        # The checkpoint brings the learning rate back that it was made with.
        before = [self._rate_of(optimizer) for optimizer in self._optimizers()]
        state = self.backup.load_latest(self.model)
        for callback in self.backup.companions:
            if state is not None and hasattr(callback, "roll_back"):
                callback.roll_back(state["epoch"])
        for optimizer, rate in zip(self._optimizers(), before, strict=True):
            if rate is not None:
                optimizer.learning_rate = rate
            scale_learning_rate(optimizer, self.factor)
        if None in before:
            self._retrace()
        self.model.reset_metrics()
        self._is_epoch_empty = True
        warnings.warn(
            f"{name} is NaN or infinite at step {step}: back to {str(checkpoint)!r}, "
            f"learning rates times {self.factor} (rollback {self.num_rollbacks} of at "
            f"most {self.max_rollbacks}).",
            RuntimeWarning,
            stacklevel=2,
        )

    def _retrace(self) -> None:
        """Makes the train function again: a traced step keeps the old schedule."""
        old = self.model.train_function
        self.model.make_train_function(force=True)
        if isinstance(old, CompiledLoop):
            # It must know where in the epoch it is, to stop at its end.
            self.model.train_function._position = old._position

    def _optimizers(self) -> list[Any]:
        found = [getattr(self.model, name) for name in self.model.optimizer_names]
        return [getattr(one, "inner_optimizer", one) for one in found]

    def _rate_of(self, optimizer: Any) -> float | None:
        if learning_rate_schedule(optimizer) is not None:
            return None
        return float(optimizer.learning_rate.numpy())
