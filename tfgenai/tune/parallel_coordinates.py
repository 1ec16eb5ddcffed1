"""A picture of a search: an axis for each value tried, a line for each trial."""

import io
import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from tfgenai.tune.recipe import RangeSection

_INK = "#334e68"
_DPI = 120


def parallel_coordinates(
    space: Mapping[str, RangeSection], rows: Sequence[Sequence[Any]]
) -> bytes:
    """Draws trials as lines through their values and their score; the best is thick.

    Args:
        space: ranges by dotted key.
        rows: of `tfgenai.tune.trial.table`: a header, then trials, the best first.

    Returns:
        A PNG picture.
    """
    from matplotlib import colormaps
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    header, *trials = rows
    trials = [trial for trial in trials if trial[1] is not None]
    axes_of = [
        _axis(space[key], [t[header.index(key)] for t in trials]) for key in space
    ]
    scores = np.array([float(trial[1]) for trial in trials])
    places = [*(place for place, _ in axes_of), _scaled(scores, *_ends(scores))]
    labels = [*space, header[1]]
    ends = [*(ticks for _, ticks in axes_of), _ticks(*_ends(scores))]

    figure = Figure(figsize=(2.2 * len(labels) + 1, 4.2), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    colors = colormaps["viridis"](np.linspace(0.05, 0.9, max(len(trials), 2)))
    for rank in reversed(range(len(trials))):
        heights = [column[rank] for column in places]
        axes.plot(
            range(len(labels)),
            heights,
            color=colors[rank],
            linewidth=3.0 if rank == 0 else 1.2,
            alpha=1.0 if rank == 0 else 0.6,
        )
    for x, ticks in enumerate(ends):
        axes.axvline(x, color="#9aa5b1", linewidth=1)
        for height, text in ticks:
            axes.annotate(
                text,
                (x, height),
                (4, 0),
                textcoords="offset points",
                va="center",
                fontsize=8,
                color=_INK,
                bbox={
                    "facecolor": "white",
                    "edgecolor": "none",
                    "alpha": 0.7,
                    "pad": 1,
                },
            )
    axes.set_xticks(range(len(labels)), labels, fontsize=9, color=_INK)
    axes.set_xlim(-0.2, len(labels) - 0.4)
    axes.set_ylim(-0.05, 1.05)
    axes.set_yticks([])
    for spine in axes.spines.values():
        spine.set_visible(False)
    picture = io.BytesIO()
    figure.savefig(picture, format="png", dpi=_DPI)
    return picture.getvalue()


def _axis(
    part: RangeSection, values: Sequence[Any]
) -> tuple[np.ndarray, list[tuple[float, str]]]:
    """Heights of trials on an axis, and the axis's labels with their heights."""
    if part.kind == "choice":
        choices = list(part.values or ())
        top = max(1, len(choices) - 1)
        heights = np.array([choices.index(value) / top for value in values])
        named = [(n / top, json.dumps(choice)) for n, choice in enumerate(choices)]
        return heights, named
    numbers, ends = np.array(values, float), np.array(part.bounds)
    ticks = _ticks(*part.bounds)
    if part.sampling == "log":
        numbers, ends = np.log(numbers), np.log(ends)
    return _scaled(numbers, *ends), ticks


def _ends(scores: np.ndarray) -> tuple[float, float]:
    return float(scores.min()), float(scores.max())


def _scaled(numbers: np.ndarray, low: float, high: float) -> np.ndarray:
    return (numbers - low) / (high - low) if high > low else np.full(len(numbers), 0.5)


def _ticks(low: float, high: float) -> list[tuple[float, str]]:
    if high <= low:
        return [(0.5, f"{low:.4g}")]
    return [(0.0, f"{low:.4g}"), (1.0, f"{high:.4g}")]
