"""A request that has been read: what is to be run, and how its answer is written."""

import dataclasses
import time
from collections.abc import Callable, Mapping
from types import TracebackType

import numpy as np

from tfgenai.serving.codes import OversizedError
from tfgenai.serving.output_scores import score_rows
from tfgenai.serving.servable import Servable
from tfgenai.serving.signature import ServedSignature

# What decides how long a row takes: rows of unlike numbers are not run together, since
# a batch takes as long as its slowest row.
_COST_INPUTS = ("num_steps", "max_new_tokens")


@dataclasses.dataclass
class Call:
    """One run of a signature; a context that keeps the model's version open.

    Args:
        servable: the version to run, acquired.
        signature: its signature.
        inputs: arrays by name, checked.
        outputs: names of what to compute.
        write: makes the bytes of the answer out of the outputs.
        max_response_bytes: largest answer, as arrays in memory.
    """

    servable: Servable
    signature: ServedSignature
    inputs: Mapping[str, np.ndarray]
    outputs: tuple[str, ...]
    write: Callable[[Mapping[str, np.ndarray]], bytes]
    max_response_bytes: int = 2**31 - 1
    run_seconds: float = 0.0

    def run(self) -> dict[str, np.ndarray]:
        """Runs it alone.

        Raises:
            ServingError: with the graph's own code and words if it fails.
        """
        start = time.perf_counter()
        try:
            return self.servable.run(self.signature, self.inputs, self.outputs)
        finally:
            self.run_seconds = time.perf_counter() - start

    def answer(self, outputs: Mapping[str, np.ndarray]) -> bytes:
        """The bytes of the answer.

        Raises:
            ServingError: RESOURCE_EXHAUSTED if they would be too many.
        """
        size = sum(array.nbytes for array in outputs.values())
        if size > self.max_response_bytes:
            raise OversizedError(
                f"An answer of at most {self.max_response_bytes} bytes was expected. "
                f"Received: a request for {size} bytes. Ask for fewer rows at a time, "
                "choose outputs with output_filter, or raise --max_response_bytes."
            )
        return self.write(outputs)

    def watch(self, outputs: Mapping[str, np.ndarray]) -> Mapping[str, np.ndarray]:
        """Holds the outputs against the export's reference, if it has one.

        Returns:
            The scores of the rows that were looked at.
        """
        if self.servable.drift is None:
            return {}
        scores = score_rows(outputs)
        self.servable.drift.add(scores)
        return scores

    def cost(self) -> tuple[int, ...]:
        """Class of how long its longest row takes: the number of binary digits."""
        return tuple(
            int(np.max(self.inputs[name])).bit_length()
            for name in _COST_INPUTS
            if name in self.inputs and self.inputs[name].size
        )

    def __enter__(self) -> "Call":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.servable.release()
