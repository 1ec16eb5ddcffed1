"""What a metric is: its inputs, its checks, and the figure that it returns."""

import dataclasses
from typing import Any, ClassVar

import numpy as np

from tfgenai.core.registry import Registry
from tfgenai.evaluate.features.image_set import ImageSet


@dataclasses.dataclass(frozen=True)
class MetricValue:
    """One figure with all that is needed to judge and to repeat it.

    Args:
        name: the metric's registered name.
        title: the metric's name in words.
        value: the figure.
        unit: its unit.
        better: `"lower"`, `"higher"` or `"neither"`.
        n: number of generated images (or of rows) it was measured on.
        seed: seed of everything that was drawn for it.
        interval: 95 % interval, or None where there is none.
        floor: the same figure for real images in place of the generated ones: what a
            perfect model would reach at this n. None if it could not be measured.
        extractor_hash: SHA-256 of the feature extractor, or None without one.
        method: one sentence: settings, and how the interval was made.
        details: further numbers, JSON values only.
        artifacts: arrays for the report's pictures; not part of the JSON.
    """

    name: str
    title: str
    value: float
    unit: str
    better: str
    n: int
    seed: int
    interval: tuple[float, float] | None
    floor: float | None
    extractor_hash: str | None
    method: str
    details: dict[str, Any] = dataclasses.field(default_factory=dict)
    artifacts: dict[str, np.ndarray] = dataclasses.field(
        default_factory=dict, repr=False, compare=False
    )

    def to_json(self) -> dict[str, Any]:
        """The figure as JSON values, without the artifacts."""
        result = {
            field.name: getattr(self, field.name)
            for field in dataclasses.fields(self)
            if field.name != "artifacts"
        }
        result["interval"] = list(self.interval) if self.interval else None
        return result


@dataclasses.dataclass(frozen=True)
class RealImages:
    """The real images that generated ones are held against.

    Args:
        test: images that no model was trained on.
        train: the whole training split, or None if it is not known.
        floor: training images in the number of the generated ones, which take their
            place to measure the floor; None if `train` is.
    """

    test: ImageSet
    train: ImageSet | None = None
    floor: ImageSet | None = None


class Metric:
    """Base of all metrics: `metric(samples, real, seed=0)` gives a `MetricValue`.

    A subclass sets the class attributes, extends `require`, and writes `__call__`.
    """

    name: ClassVar[str]
    title: ClassVar[str]
    unit: ClassVar[str]
    better: ClassVar[str] = "lower"
    # Out of "features", "probabilities", "train" and "labels".
    needs: frozenset[str] = frozenset({"features"})

    def require(self, *, num_samples: int, num_test: int, num_features: int) -> None:
        """Raises `ValueError` if so few images cannot give a meaningful figure.

        Args:
            num_samples: generated images there will be.
            num_test: real images to hold them against.
            num_features: features of the extractor; 0 without one.
        """

    def __call__(
        self, samples: ImageSet, real: RealImages, *, seed: int = 0
    ) -> MetricValue:
        """Measures `samples` against `real`; see the class."""
        raise NotImplementedError

    def result(self, value: float, **fields: Any) -> MetricValue:
        """A `MetricValue` with this metric's own words filled in."""
        return MetricValue(
            name=self.name,
            title=self.title,
            value=float(value),
            unit=self.unit,
            better=self.better,
            **fields,
        )


METRICS: Registry[type[Metric]] = Registry("metrics")
