"""Throughput: images or tokens a second, and the share of the device that they use."""

import time
from typing import Any

import keras

from tfgenai.train.peak_flops import peak_flops


class Throughput(keras.callbacks.Callback):
    """Adds `images_per_second` or `tokens_per_second` to the logs of each epoch.

    Counted are the images, or target tokens, of the epoch's training steps over the
    time they took, from the start of the epoch to the end of its last step; validation
    and other callbacks are left out. The first epoch holds the compilation. Steps that
    a `NaNGuard` rolled back do not count, but the time they took does.

    A model that knows its `flops_per_token()` also logs `flop_utilization`: what it
    computes a second over what a large matrix product reaches on the same device
    (Chowdhery et al. 2022, "PaLM", arXiv:2204.02311, section 4.1).

    Args:
        unit: what the model's losses are means over: "images" or "tokens".
        sequence_length: tokens that are predicted in a row, which attention costs more
            for; None for the longest that the model sees.

    Attributes:
        seconds_to_first_step: seconds from the start of `fit` to the end of its first
            call of the train function, which may be several steps; None before.
        seconds: seconds spent in training steps so far, those before a resume
            included.
        count: images or tokens that the model was trained on so far, likewise.

    Example:
        >>> throughput = Throughput()
        >>> throughput.seconds_to_first_step is None
        True
    """

    works_on_chunks = True

    def __init__(
        self, unit: str = "images", sequence_length: int | None = None
    ) -> None:
        super().__init__()
        self.unit = unit
        self.sequence_length = sequence_length
        self.seconds_to_first_step: float | None = None
        self.seconds = 0.0
        self.count = 0
        self._seconds_before = 0.0
        self._counts: dict[int, int] = {}  # at the beginning of epochs
        self._started: float | None = None
        self._ended: float | None = None
        self._is_measured = False
        self._peak_flops: float | None = None

    def restore(self, model: Any) -> None:
        """Starts the clock: `fit` calls this before anything else."""
        self._started, self._ended = time.perf_counter(), None
        self.seconds_to_first_step = None
        self._counts = {}

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        """Starts the epoch's clock."""
        self._epoch = epoch
        self._epoch_began = self._last_step = time.perf_counter()
        self._is_measured = False

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        """Notes the time of the newest step."""
        self._last_step = time.perf_counter()
        if self.seconds_to_first_step is None and self._started is not None:
            self.seconds_to_first_step = self._last_step - self._started

    def on_test_begin(self, logs: Any = None) -> None:
        """Reads the count before validation resets it."""
        self._measure()

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Adds the epoch's figure to its logs."""
        self._measure()
        if logs is None:
            return
        rate = self._counted / max(self._took, 1e-9)
        logs[f"{self.unit}_per_second"] = rate
        flops = getattr(self.model, "flops_per_token", None)
        if flops is not None and self.unit == "tokens":
            if self._peak_flops is None:
                replicas = self.model.distribute_strategy.num_replicas_in_sync
                self._peak_flops = replicas * peak_flops(self.model.compute_dtype)
            achieved = rate * flops(self.sequence_length)
            logs["flop_utilization"] = achieved / self._peak_flops

    def on_train_end(self, logs: Any = None) -> None:
        """Stops the clock."""
        self._ended = time.perf_counter()

    def total_seconds(self) -> float:
        """Seconds since `fit` began, validation and callbacks included.

        After a resume, those up to the checkpoint are added.
        """
        if self._started is None:
            return self._seconds_before
        # What happens after the training, such as measuring, does not count.
        end = time.perf_counter() if self._ended is None else self._ended
        return self._seconds_before + end - self._started

    def roll_back(self, epoch: int) -> None:
        """Takes back what was counted since the beginning of an epoch.

        The time is spent all the same.

        Args:
            epoch: number of the epoch that the model went back to the beginning of.
        """
        self.count = self._counts.get(epoch, self.count)

    def get_backup_state(self) -> dict[str, Any]:
        """Seconds and count so far."""
        return {
            "seconds": self.seconds,
            "count": self.count,
            "total_seconds": self.total_seconds(),
        }

    def set_backup_state(self, state: dict[str, Any]) -> None:
        """Takes what `get_backup_state` returned."""
        self.seconds, self.count = state["seconds"], state["count"]
        self._seconds_before = state["total_seconds"]

    def _measure(self) -> None:
        if self._is_measured:
            return
        self._is_measured = True
        # The trackers weigh each batch by its images or tokens: that is their count.
        self._counted = round(float(self.model.trackers[0].count.numpy()))
        self._took = self._last_step - self._epoch_began
        self.seconds += self._took
        self._counts[self._epoch] = self.count
        self.count += self._counted
