"""The result of an evaluation: figures by name, kept as one JSON and one HTML file."""

import dataclasses
import datetime
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

import tfgenai
from tfgenai.core.registry import unknown_name
from tfgenai.core.storage import PathLike, write_json, write_text
from tfgenai.evaluate.metrics.metric import MetricValue

_TEMPLATE = "report.html"


@dataclasses.dataclass(frozen=True)
class Report(Mapping[str, MetricValue]):
    """Figures of one evaluation and what they were measured with.

    `report["fid"]` is a `MetricValue`; `report.save` writes the file that the suffix
    names. The HTML file holds its pictures and needs nothing else to be shown.

    Args:
        metrics: the figures by name.
        settings: what was asked for: model, number of samples, seed.
        model: summary of the model, lines of a table; empty for given images.
        data: summary of the real images.
        extractor: summary of the feature extractor; empty without one.
        notes: sentences that a reader of the figures has to know.
        images: uint8 `(n, height, width, channels)`, generated, for the grid.
        labels: labels asked for, of `images`, or None.
        class_names: name of each class, or None.
        created: time of the evaluation, ISO 8601 in UTC.
    """

    metrics: Mapping[str, MetricValue]
    settings: Mapping[str, Any]
    model: Mapping[str, Any]
    data: Mapping[str, Any]
    extractor: Mapping[str, Any]
    notes: tuple[str, ...]
    images: np.ndarray
    labels: np.ndarray | None = None
    class_names: list[str] | None = None
    created: str = dataclasses.field(
        default_factory=lambda: datetime.datetime.now(datetime.UTC).isoformat(
            timespec="seconds"
        )
    )

    def __getitem__(self, name: str) -> MetricValue:
        if name not in self.metrics:
            raise KeyError(unknown_name("metric", name, sorted(self.metrics)))
        return self.metrics[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self.metrics)

    def __len__(self) -> int:
        return len(self.metrics)

    def __str__(self) -> str:
        return "\n".join(
            f"{value.title}: {format_value(value)}" for value in self.values()
        )

    def to_json(self) -> dict[str, Any]:
        """Everything but the pictures, as JSON values."""
        return {
            "created": self.created,
            "tfgenai_version": tfgenai.__version__,
            "settings": dict(self.settings),
            "metrics": {name: value.to_json() for name, value in self.items()},
            "model": dict(self.model),
            "data": dict(self.data),
            "extractor": dict(self.extractor),
            "notes": list(self.notes),
        }

    def to_html(self) -> str:
        """The report as one page, pictures included."""
        from tfgenai.core.pages import template_environment
        from tfgenai.evaluate import plots

        environment = template_environment(Path(__file__).parent)
        environment.filters["number"] = format_number
        histogram = self.metrics.get("class_histogram")
        nearest = self.metrics.get("nearest")
        return environment.get_template(_TEMPLATE).render(
            report=self,
            version=tfgenai.__version__,
            values=list(self.values()),
            format_value=format_value,
            grid=plots.sample_grid(self.images, self.labels, self.class_names),
            histogram=(
                plots.class_histogram(histogram, self.class_names)
                if histogram
                else None
            ),
            nearest=nearest,
            neighbours=plots.neighbour_panel(nearest) if nearest else None,
            tables={
                "Evaluation": self.settings,
                "Model": self.model,
                "Data": self.data,
                "Feature extractor": self.extractor,
            },
            raw=json.dumps(self.to_json(), indent=2, ensure_ascii=False),
        )

    def save(self, path: PathLike) -> Path:
        """Writes `.html` or `.json`, as the suffix says, atomically.

        Args:
            path: the file.

        Returns:
            The path written.

        Raises:
            ValueError: if the suffix is neither.
            StorageError: if the folder cannot be written to.
        """
        suffix = Path(path).suffix.lower()
        if suffix == ".json":
            return write_json(path, self.to_json())
        if suffix in (".html", ".htm"):
            return write_text(path, self.to_html())
        raise ValueError(
            "A file name that ends in .html or .json was expected. Received: "
            f"path={str(path)!r}."
        )


def format_number(number: Any) -> str:
    """Four significant digits; other values as they are.

    Example:
        >>> format_number(0.123456), format_number(10000), format_number(None)
        ('0.1235', '10,000', '–')
    """
    if number is None:
        return "–"
    if isinstance(number, bool | str):
        return str(number)
    if isinstance(number, int):
        return f"{number:,}"
    if isinstance(number, float):
        return f"{number:.4g}"
    return json.dumps(number, ensure_ascii=False)


def format_value(value: MetricValue) -> str:
    """The figure with its interval, for example `"2.19 [2.1, 2.3]"`."""
    text = format_number(value.value)
    if value.interval is not None:
        low, high = map(format_number, value.interval)
        text += f" [{low}, {high}]"
    return text
