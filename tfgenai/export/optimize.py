"""What makes an export smaller or faster, measured: size, latency and what it costs."""

import contextlib
import dataclasses
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from tfgenai.core.model import GenerativeModel
from tfgenai.export.card import read_card
from tfgenai.export.graph import folder_bytes
from tfgenai.export.saved_model import export_saved_model
from tfgenai.export.warmup import example_inputs

AS_IT_IS, CONSTANTS, INT8 = "as it is", "constants", "constants, int8"
_ONE_THREAD = "constants, one thread"

# Shares of a diffusion model's steps that are tried.
_STEP_SHARES = (2, 5)
_OF_OTHERS = ("max_num_steps", "step_buckets")
_QUALITY_ROWS = 64
# One thread is enough where it takes at most this many times as long as all.
_ONE_THREAD_RATIO = 1.2


@dataclasses.dataclass(frozen=True)
class Variant:
    """One way to export a model, measured.

    Args:
        name: what it is.
        bytes: of the folder, with the measured signature alone.
        milliseconds: median time of a run without a server, by rows.
        difference: root mean square of the difference to the outputs of the export as
            it is, for the same inputs, in the outputs' units; for texts and whole
            numbers the share of those that are not the same.
        drift: distance, 0 to 1, of its outputs' scores from those of the export as it
            is: about 0 where only the details differ. None if there are no scores.
    """

    name: str
    bytes: int
    milliseconds: dict[int, float]
    difference: float
    drift: float | None


@dataclasses.dataclass(frozen=True)
class VariantReport:
    """All variants of a model, and what they say of the server's threads.

    Args:
        variants: as it is first.
        one_thread_ratio: time of a row on one thread over that on all of them.
    """

    variants: tuple[Variant, ...]
    one_thread_ratio: float

    @property
    def advice(self) -> str:
        """What to set the server's threads to."""
        ratio = self.one_thread_ratio
        if ratio <= _ONE_THREAD_RATIO:
            return (
                f"A run takes {ratio:.2f} times as long on one thread as on all. Where "
                "many ask at a time, serve with --tensorflow_session_parallelism=1: "
                "each run then leaves the other threads to other requests."
            )
        return (
            f"A run takes {ratio:.2f} times as long on one thread as on all: leave the "
            "server's --tensorflow_session_parallelism as it is."
        )

    def to_json(self) -> dict[str, Any]:
        """The report as a JSON object."""
        return {
            "variants": [dataclasses.asdict(each) for each in self.variants],
            "one_thread_ratio": self.one_thread_ratio,
            "advice": self.advice,
        }

    def __str__(self) -> str:
        rows = list(self.variants[0].milliseconds)
        head = ["export", "bytes", *(f"ms, {n} rows" for n in rows)]
        lines = [[*head, "difference", "drift"]]
        lines += [
            [
                each.name,
                f"{each.bytes:,}",
                *(f"{each.milliseconds[n]:.2f}" for n in rows),
                f"{each.difference:.2g}",
                "-" if each.drift is None else f"{each.drift:.3f}",
            ]
            for each in self.variants
        ]
        widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
        table = [
            "| " + " | ".join(f"{c:<{w}}" for c, w in zip(line, widths, strict=True))
            for line in [lines[0], ["-" * width for width in widths], *lines[1:]]
        ]
        return "\n".join([*(f"{line} |" for line in table), "", self.advice])


def compare_variants(
    model: GenerativeModel,
    *,
    signature: str | None = None,
    serving_options: Mapping[str, Any] | None = None,
    batch_sizes: Sequence[int] = (1, 8),
    repeats: int = 5,
) -> VariantReport:
    """Exports a model in several ways and measures each on this machine.

    The ways: as it is; with its weights as constants of the graph; these rounded to 8
    bits; and, for a model that samples in steps, a half and a fifth of the steps. All
    are asked in turn, so that what else the machine does hits them alike.

    Args:
        model: the model.
        signature: the signature that is measured; None for the model's main one.
        serving_options: as `export_saved_model` takes them.
        batch_sizes: rows of the runs that are timed.
        repeats: runs of each, of which the median counts.

    Returns:
        The report; `print` shows it as a table.

    Raises:
        ExportError: as `export_saved_model`.
        ValueError: if there is no batch size or no repeat.

    Example:
        ```python
        print(tfgenai.export.compare_variants(model))
        ```
    """
    if not batch_sizes or repeats < 1:
        raise ValueError(
            "At least one batch size and one repeat were expected. Received: "
            f"batch_sizes={batch_sizes!r}, repeats={repeats}. Leave them out."
        )
    options = dict(serving_options or {})
    main = signature or next(iter(model.serving_signatures(**options)))
    ways: dict[str, dict[str, Any]] = {
        AS_IT_IS: {},
        CONSTANTS: {"optimize": True},
        INT8: {"optimize": True, "quantize": "int8"},
    }
    sampler: Any = model.serving_options(**options).get("sampler")
    # What the other signatures allow does not matter to the main one.
    own = {k: v for k, v in options.items() if k not in _OF_OTHERS}
    for share in _STEP_SHARES if sampler else ():
        fewer = sampler.num_steps // share
        if not fewer:
            continue
        more = {"optimize": True, "serving_options": own | {"num_steps": fewer}}
        ways[f"{CONSTANTS}, {fewer} steps"] = more
    with tempfile.TemporaryDirectory(prefix="tfgenai-optimize-") as name:
        folders = {
            way: export_saved_model(
                model,
                Path(name) / str(number) / "model",
                signatures=[main],
                **{"serving_options": options, **arguments},
            )
            for number, (way, arguments) in enumerate(ways.items())
        }
        return _measure(folders, main, batch_sizes, repeats)


def _measure(
    folders: Mapping[str, Path], main: str, batch_sizes: Sequence[int], repeats: int
) -> VariantReport:
    fields = read_card(folders[AS_IT_IS])["signatures"][main]["inputs"]
    with contextlib.ExitStack() as stack:
        asks = {
            way: stack.enter_context(_loaded(folder, main))
            for way, folder in folders.items()
        }
        one_thread = stack.enter_context(_loaded(folders[CONSTANTS], main, threads=1))
        timed = asks | {_ONE_THREAD: one_thread}
        seconds = {
            rows: _medians(timed, example_inputs(fields, rows), repeats)
            for rows in batch_sizes
        }
        inputs = example_inputs(fields, _QUALITY_ROWS)
        outputs = {way: ask(inputs) for way, ask in asks.items()}
    variants = tuple(
        Variant(
            name=way,
            bytes=folder_bytes(folder),
            milliseconds={rows: 1e3 * found[way] for rows, found in seconds.items()},
            difference=_difference(outputs[AS_IT_IS], outputs[way]),
            drift=_drift(outputs[AS_IT_IS], outputs[way]),
        )
        for way, folder in folders.items()
    )
    first = seconds[batch_sizes[0]]
    return VariantReport(variants, first[_ONE_THREAD] / first[CONSTANTS])


@contextlib.contextmanager
def _loaded(
    folder: Path, signature: str, threads: int = 0
) -> Iterator[Callable[..., Any]]:
    from tfgenai.serving.config import Settings
    from tfgenai.serving.servable import Servable

    settings = Settings(tensorflow_session_parallelism=threads)
    servable = Servable(folder.parent.name, int(folder.name), folder, settings)
    served = servable.signature(signature)
    if served is None:
        raise RuntimeError(f"the export has no signature {signature!r}")

    def ask(inputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        return servable.run(served, inputs, tuple(served.outputs))

    try:
        yield ask
    finally:
        servable.retire()


def _medians(
    asks: Mapping[str, Callable[..., Any]],
    inputs: Mapping[str, np.ndarray],
    repeats: int,
) -> dict[str, float]:
    """Median seconds of each, run in turn."""
    times: dict[str, list[float]] = {name: [] for name in asks}
    for number in range(repeats + 1):
        for name, ask in asks.items():
            start = time.perf_counter()
            ask(inputs)
            if number:  # the first run prepares the graph
                times[name].append(time.perf_counter() - start)
    return {name: statistics.median(found) for name, found in times.items()}


def _difference(
    one: Mapping[str, np.ndarray], other: Mapping[str, np.ndarray]
) -> float:
    """The largest of the outputs' differences."""
    found = [0.0]
    for name, array in one.items():
        if array.dtype.kind == "f":
            apart = array.astype(np.float64) - other[name]
            found.append(float(np.sqrt(np.mean(apart**2))))
        else:
            found.append(float(np.mean(array != other[name])))
    return float(np.max(found))  # where one is no number, neither is this


def _drift(
    one: Mapping[str, np.ndarray], other: Mapping[str, np.ndarray]
) -> float | None:
    from tfgenai.serving.output_scores import ScoreHistogram, score_rows

    before, after = (score_rows(o, max_rows=_QUALITY_ROWS) for o in (one, other))
    distances = []
    for name, values in before.items():
        histogram = ScoreHistogram.of(values)
        distances.append(histogram.distance(histogram.bins(after[name])))
    return max(distances, default=None)
