"""Two sides in one process run: interleaved, warm, compared by ratios of medians."""

import argparse
import importlib.metadata
import json
import math
import os
import platform
import resource
import statistics
import time
from collections.abc import Callable
from pathlib import Path

RESULTS = Path(__file__).parent / "results"
PACKAGES = ("tfgenai", "tensorflow", "keras", "torch", "numpy")


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description="Compare the sides in one process run."
    )
    parser.add_argument("--quick", action="store_true", help="end within a minute")
    parser.add_argument(
        "--write", action="store_true", help="write benchmarks/results/"
    )
    return parser.parse_args()


def interleave(
    sides: dict[str, Callable[[], float]], *, rounds: int
) -> dict[str, list[float]]:
    """Rates of each side, one measurement per side and round, in turn.

    Args:
        sides: functions that do the work once and return a rate; each is called once
            before, uncounted, to be warm.
        rounds: counted rounds.
    """
    for run in sides.values():
        run()
    rates: dict[str, list[float]] = {name: [] for name in sides}
    for _ in range(rounds):
        for name, run in sides.items():
            rates[name].append(run())
    return rates


def rate_of(work: Callable[[], int]) -> Callable[[], float]:
    """Turns a function that returns how much it did into one that returns a rate."""

    def run() -> float:
        start = time.perf_counter()
        amount = work()
        return amount / (time.perf_counter() - start)

    return run


def compare_training(
    name: str,
    *,
    make_sides: Callable[[bool], dict[str, Callable[[], int]]],
    rounds: tuple[int, int],
) -> None:
    """Compares one epoch of `fit` with PyTorch's, as the command line asks.

    Args:
        name: of the benchmark.
        make_sides: takes whether to be quick; returns functions that train for an
            epoch and return how many images they saw, `fit` first.
        rounds: counted rounds when quick, and otherwise.
    """
    options = arguments()
    sides = make_sides(options.quick)
    start = time.perf_counter()
    sides["fit"]()
    first_epoch = time.perf_counter() - start
    rates = interleave(
        {side: rate_of(work) for side, work in sides.items()},
        rounds=rounds[0] if options.quick else rounds[1],
    )
    report(
        name,
        rates,
        headline=("fit", "torch_eager"),
        unit="images/s",
        extra={"first_epoch_s": first_epoch},
        write=options.write,
    )


def report(
    name: str,
    rates: dict[str, list[float]],
    *,
    headline: tuple[str, str],
    unit: str,
    pairs: dict[str, tuple[str, str]] | None = None,
    extra: dict | None = None,
    write: bool = False,
) -> dict:
    """Prints the result as one JSON line, and keeps it on request.

    Args:
        name: file name of the result.
        rates: from `interleave`.
        headline: (ours, peer), whose ratio of medians is the figure of the benchmark.
        unit: of the rates.
        pairs: the ratios to report by name, as (ours, peer); None for those of the
            headline's side to all others.
        extra: further figures.
        write: whether to write the result file.
    """
    ours = headline[0]
    if pairs is None:
        pairs = {f"{ours}/{side}": (ours, side) for side in rates if side != ours}
    medians = {side: statistics.median(values) for side, values in rates.items()}
    result = {
        "benchmark": name,
        "ratio": medians[headline[0]] / medians[headline[1]],
        "ratios": {
            name: medians[one] / medians[other] for name, (one, other) in pairs.items()
        },
        "unit": unit,
        "medians": medians,
        "minima": {side: min(values) for side, values in rates.items()},
        "rounds": len(rates[ours]),
        "peak_memory_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        **describe_machine(),
        **(extra or {}),
    }
    if write:
        RESULTS.mkdir(exist_ok=True)
        path = RESULTS / f"{name}.json"
        path.write_text(json.dumps(result, indent=2) + "\n")
    print(json.dumps(result))
    return result


def interval(
    values: list[float], *, bounds: tuple[float, float] = (-math.inf, math.inf)
) -> dict[str, float]:
    """Mean, and Student's 95% interval where there are several seeds.

    Args:
        values: one for each seed.
        bounds: what no value can be below or above.
    """
    from scipy.stats import t

    mean = statistics.mean(values)
    if len(values) < 2:
        return {"mean": mean}
    half = t.ppf(0.975, len(values) - 1) * statistics.stdev(values) / len(values) ** 0.5
    low, high = bounds
    return {"mean": mean, "low": max(mean - half, low), "high": min(mean + half, high)}


def describe_machine() -> dict:
    """Versions and processor, for a result file."""
    return {
        "versions": {p: _version(p) for p in PACKAGES}
        | {"python": platform.python_version()},
        "cores": len(os.sched_getaffinity(0)),
        "processor": platform.machine(),
    }


def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None
