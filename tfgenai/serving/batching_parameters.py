"""How requests are put together: TensorFlow Serving's `BatchingParameters`."""

import dataclasses
import itertools
import os
from typing import Any

from tfgenai.core.errors import ConfigError
from tfgenai.core.storage import PathLike
from tfgenai.serving.text_config import parse_text


@dataclasses.dataclass(frozen=True)
class BatchingParameters:
    """How requests that wait at the same time are run as one.

    Args:
        max_batch_size: most rows of a request, and of one run.
        batch_timeout_micros: microseconds that a request waits for company while others
            of its kind are run; it never waits where none is.
        max_enqueued_batches: as many batches of `max_batch_size` rows may wait for each
            model and signature; beyond them a request is refused.
        num_batch_threads: how many batches are run at a time; None for the number of
            processors.
        allowed_batch_sizes: rising sizes, one of which each batch is padded to; none
            for any size.
        pad_variable_length_inputs: whether tensors of unequal shapes are padded, each
            with its first element, and put together.
        enable_large_batch_splitting: whether a batch may be made of parts of requests.
        max_execution_batch_size: then most rows of one run; None for `max_batch_size`.

    Raises:
        ConfigError: if a number is out of range or the allowed sizes do not rise to
            the largest batch.
    """

    max_batch_size: int = 1000
    batch_timeout_micros: int = 0
    max_enqueued_batches: int = 10
    num_batch_threads: int | None = None
    allowed_batch_sizes: tuple[int, ...] = ()
    pad_variable_length_inputs: bool = False
    enable_large_batch_splitting: bool = False
    max_execution_batch_size: int | None = None

    def __post_init__(self) -> None:
        lowest = {
            "max_batch_size": 1,
            "batch_timeout_micros": 0,
            "max_enqueued_batches": 1,
            "num_batch_threads": 1,
            "max_execution_batch_size": 1,
        }
        for name, least in lowest.items():
            value = getattr(self, name)
            if value is not None and value < least:
                raise ConfigError(
                    f"A number of at least {least} was expected. Received: "
                    f"{name}={value}. Correct the batching parameters."
                )
        if self.max_execution_batch_size is not None and (
            not self.enable_large_batch_splitting
            or self.max_execution_batch_size > self.max_batch_size
        ):
            raise ConfigError(
                "max_execution_batch_size was expected to be at most max_batch_size="
                f"{self.max_batch_size}, with enable_large_batch_splitting. Received: "
                f"max_execution_batch_size={self.max_execution_batch_size}, "
                f"enable_large_batch_splitting={self.enable_large_batch_splitting}."
            )
        sizes = self.allowed_batch_sizes
        if sizes and (
            sizes[0] < 1
            or any(a >= b for a, b in itertools.pairwise(sizes))
            or sizes[-1] != self.rows_of_a_run
        ):
            raise ConfigError(
                "allowed_batch_sizes that rise and end at the largest batch, "
                f"{self.rows_of_a_run}, were expected. Received: {list(sizes)}."
            )

    @property
    def rows_of_a_run(self) -> int:
        """Most rows of one run."""
        return self.max_execution_batch_size or self.max_batch_size

    @property
    def threads(self) -> int:
        """How many batches are run at a time."""
        return self.num_batch_threads or os.cpu_count() or 1

    def padded(self, rows: int) -> int:
        """Rows of a batch once it is padded.

        Example:
            >>> parameters = BatchingParameters(8, allowed_batch_sizes=(1, 4, 8))
            >>> [parameters.padded(rows) for rows in (1, 2, 4, 5)]
            [1, 4, 4, 8]
        """
        return next((size for size in self.allowed_batch_sizes if size >= rows), rows)


def parameters_from_file(file: PathLike) -> BatchingParameters:
    """Reads `BatchingParameters`.

    Args:
        file: as for `--batching_parameters_file`.

    Raises:
        ConfigError: if it cannot be read or a number is out of range.
    """
    from tfgenai.serving.wire import config_pb2

    proto: Any = parse_text(
        file,
        config_pb2.BatchingParameters(),
        name="BatchingParameters",
        argument="batching_parameters_file",
        example="serving/batching.config",
    )
    given: dict[str, Any] = {
        name: getattr(proto, name).value
        for name in (
            "max_batch_size",
            "batch_timeout_micros",
            "max_enqueued_batches",
            "num_batch_threads",
            "enable_large_batch_splitting",
            "max_execution_batch_size",
        )
        if proto.HasField(name)
    }
    return BatchingParameters(
        allowed_batch_sizes=tuple(proto.allowed_batch_sizes),
        pad_variable_length_inputs=proto.pad_variable_length_inputs,
        **given,
    )
