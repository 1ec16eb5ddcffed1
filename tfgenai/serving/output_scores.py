"""How the outputs of a served model spread, against how they did when it was exported.

Of each row of an output a few plain numbers are taken: mean and standard deviation of
pictures and sounds, length and share of different words of texts. Their histograms are
kept beside the export; what is answered later is held against them.
"""

import dataclasses
import json
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from tfgenai.core.errors import DataError
from tfgenai.core.storage import write_json

REFERENCE_FILE = Path("assets.extra") / "tfgenai_output_scores.json"

# Rows of one answer that are looked at: a sample is enough, and costs microseconds.
_MAX_ROWS = 16
_NUM_BINS = 10
_NOT_OUTPUTS = ("error",)


def score_rows(
    outputs: Mapping[str, np.ndarray], *, max_rows: int = _MAX_ROWS
) -> dict[str, np.ndarray]:
    """The scores of an answer's rows.

    Args:
        outputs: arrays by name, with the batch first; strings are objects of type
            bytes.
        max_rows: how many of the first rows to look at.

    Returns:
        Float arrays by the name of the score, such as `"images_mean"`.

    Example:
        >>> sorted(score_rows({"images": np.ones((2, 4, 4, 1), np.float32)}))
        ['images_deviation', 'images_mean']
    """
    scores = {}
    for name, array in outputs.items():
        if name in _NOT_OUTPUTS or name.endswith("_bytes") or not array.ndim:
            continue
        rows = array[:max_rows]
        if array.dtype.kind == "f" and array.ndim > 1 and rows.size:
            flat = rows.reshape(len(rows), -1).astype(np.float64)
            scores[f"{name}_mean"] = flat.mean(axis=1)
            scores[f"{name}_deviation"] = flat.std(axis=1)
        elif array.dtype == object and array.ndim == 1 and rows.size:
            words = [bytes(row).split() for row in rows]
            scores[f"{name}_length"] = np.array([len(row) for row in rows], float)
            scores[f"{name}_different_words"] = np.array(
                [len(set(each)) / max(len(each), 1) for each in words]
            )
    return scores


@dataclasses.dataclass(frozen=True)
class ScoreHistogram:
    """How one score was spread when the model was exported.

    Args:
        edges: the bins' inner edges, rising.
        shares: share of the rows in each bin, one more than edges.
    """

    edges: tuple[float, ...]
    shares: tuple[float, ...]

    @classmethod
    def of(cls, values: np.ndarray) -> "ScoreHistogram":
        """Bins of about as many values each.

        Args:
            values: the scores of the reference's rows.
        """
        inner = np.linspace(0, 1, _NUM_BINS + 1)[1:-1]
        edges = np.unique(np.quantile(values, inner))
        shares = cls._shares(values, edges)
        return cls(tuple(edges.tolist()), tuple(shares.tolist()))

    def bins(self, values: np.ndarray) -> np.ndarray:
        """The bin of each value."""
        return np.searchsorted(np.asarray(self.edges), values, side="left")

    def distance(self, bins: np.ndarray) -> float:
        """Total variation: the share of values that would have to be otherwise.

        Args:
            bins: of the values to hold against the reference.

        Returns:
            From 0, the same spread, to 1, nothing in common.
        """
        found = np.bincount(bins, minlength=len(self.shares)) / len(bins)
        return float(0.5 * np.abs(found - self.shares).sum())

    @staticmethod
    def _shares(values: np.ndarray, edges: np.ndarray) -> np.ndarray:
        bins = np.searchsorted(edges, values, side="left")
        return np.bincount(bins, minlength=len(edges) + 1) / len(values)


class DriftWatch:
    """Holds the newest answers of a version against its reference.

    Args:
        reference: the spread of each score.
        window: how many of the newest rows count.
        least: of how many rows a distance is told.

    Example:
        >>> reference = {"x": ScoreHistogram.of(np.arange(100.0))}
        >>> watch = DriftWatch(reference, least=10)
        >>> watch.add({"x": np.full(20, 99.0)})
        >>> round(watch.distances()["x"], 1)
        0.9
    """

    def __init__(
        self,
        reference: Mapping[str, ScoreHistogram],
        *,
        window: int = 1000,
        least: int = 100,
    ) -> None:
        self.reference = dict(reference)
        self._window, self._least = window, least
        self._lock = threading.Lock()
        self._bins = {name: np.zeros(window, np.int64) for name in reference}
        self._counts = dict.fromkeys(reference, 0)

    def add(self, scores: Mapping[str, np.ndarray]) -> None:
        """Takes the scores of an answer; those without a reference are left out."""
        with self._lock:
            for name in scores.keys() & self.reference.keys():
                bins = self.reference[name].bins(scores[name])
                start = self._counts[name]
                places = (start + np.arange(len(bins))) % self._window
                self._bins[name][places] = bins
                self._counts[name] = start + len(bins)

    def distances(self) -> dict[str, float]:
        """The distance of each score of which enough rows were seen."""
        with self._lock:
            return {
                name: self.reference[name].distance(
                    self._bins[name][: min(count, self._window)]
                )
                for name, count in self._counts.items()
                if count >= self._least
            }


def write_reference(folder: Path, scores: Mapping[str, np.ndarray]) -> Path:
    """Keeps the spread of scores in a version folder.

    Args:
        folder: the version folder.
        scores: values by the score's name.

    Returns:
        The file.
    """
    file = folder / REFERENCE_FILE
    file.parent.mkdir(exist_ok=True)
    document = {
        name: dataclasses.asdict(ScoreHistogram.of(values))
        for name, values in scores.items()
    }
    return write_json(file, {"scores": document})


def read_reference(folder: Path) -> dict[str, ScoreHistogram]:
    """The spread of scores that a version folder keeps; none where it keeps none.

    Args:
        folder: the version folder.

    Raises:
        DataError: if the file is not what `write_reference` writes.
    """
    file = folder / REFERENCE_FILE
    try:
        document: Any = json.loads(file.read_bytes())
    except FileNotFoundError:
        return {}
    except ValueError as error:
        raise DataError(_complaint(file, error)) from error
    try:
        found = {
            str(name): ScoreHistogram(
                tuple(map(float, each["edges"])), tuple(map(float, each["shares"]))
            )
            for name, each in document["scores"].items()
        }
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise DataError(_complaint(file, error)) from error
    if any(len(each.shares) != len(each.edges) + 1 for each in found.values()):
        raise DataError(_complaint(file, "bins and shares do not agree"))
    return found


def _complaint(file: Path, reason: object) -> str:
    return (
        "Histograms of scores were expected. Received: "
        f"{str(file)!r}, which has none ({reason}). Write it again with "
        "`tfgenai export reference`."
    )
