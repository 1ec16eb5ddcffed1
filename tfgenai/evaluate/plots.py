"""The report's pictures, as data URLs of PNG files."""

import base64
import io
from typing import Any

import numpy as np
from PIL import Image

from tfgenai.evaluate.grid import image_grid
from tfgenai.evaluate.metrics.metric import MetricValue

_INK = "#1f2933"
_GENERATED = "#2563eb"
_REAL = "#cbd5e1"
# Small images are enlarged by whole factors to about so many pixels.
_SHOWN_SIZE = 56
_DPI = 160


def sample_grid(
    images: np.ndarray, labels: np.ndarray | None, class_names: list[str] | None
) -> str:
    """Generated images; with labels, one column a class while they fit.

    Args:
        images: uint8 `(n, height, width, channels)`.
        labels: int `(n,)` or None.
        class_names: name of each class, or None.

    Returns:
        A data URL.
    """
    shown, columns = _by_class(images, labels)
    return _url(image_grid(_drawable(shown), columns, scale=_scale(images)))


def class_histogram(value: MetricValue, class_names: list[str] | None) -> str:
    """Bars of class shares: generated beside test images.

    Args:
        value: what `ClassHistogram` returned.
        class_names: name of each class, or None for numbers.

    Returns:
        A data URL.
    """
    counts = np.asarray(value.details["histogram"], float)
    test = np.asarray(value.details["test_histogram"], float)
    places = np.arange(len(counts))
    figure, axes = _figure(min(9.0, 2.5 + 0.5 * len(counts)), 2.8)
    axes.bar(places - 0.2, test / test.sum(), 0.38, color=_REAL, label="test images")
    axes.bar(
        places + 0.2, counts / counts.sum(), 0.38, color=_GENERATED, label="generated"
    )
    names = class_names or [str(place) for place in places]
    long_names = max(map(len, names)) > 3 and len(names) > 6
    axes.set_xticks(places, names, rotation=60 if long_names else 0)
    axes.set_ylabel("share of images")
    axes.set_ylim(
        0, 1.25 * max((test / test.sum()).max(), (counts / counts.sum()).max())
    )
    axes.legend(frameon=False, ncols=2, loc="upper right", fontsize=9)
    return _figure_url(figure)


def neighbour_panel(value: MetricValue) -> str:
    """Generated images in the first row, their nearest training images below.

    Args:
        value: what `NearestNeighbours` returned.

    Returns:
        A data URL.
    """
    samples = _drawable(value.artifacts["samples"])
    neighbours = _drawable(value.artifacts["neighbours"])
    scale = _scale(samples)
    top = image_grid(samples, len(samples), scale=scale).convert("RGB")
    rows = np.concatenate(list(np.moveaxis(neighbours, 1, 0)))
    below = image_grid(rows, len(samples), scale=scale).convert("RGB")
    gap = 12
    panel = Image.new("RGB", (top.width, top.height + gap + below.height), "white")
    panel.paste(top, (0, 0))
    panel.paste(below, (0, top.height + gap))
    return _url(panel)


def _by_class(
    images: np.ndarray, labels: np.ndarray | None
) -> tuple[np.ndarray, int | None]:
    """The images to show, and the number of columns."""
    if labels is None:
        return images[:100], 10 if len(images) >= 100 else None
    classes, counts = np.unique(labels, return_counts=True)
    num_rows = int(min(10, counts.min()))
    if not 2 <= len(classes) <= 20:
        return images[:100], None
    rows = [np.flatnonzero(labels == label)[:num_rows] for label in classes]
    return images[np.stack(rows, axis=1).ravel()], len(classes)


def _drawable(images: np.ndarray) -> np.ndarray:
    """Images of 1, 3 or 4 channels; of any other number the first channel."""
    return images if images.shape[-1] in (1, 3, 4) else images[..., :1]


def _scale(images: np.ndarray) -> int:
    return max(1, _SHOWN_SIZE // max(images.shape[-3:-1]))


def _figure(width: float, height: float) -> tuple[Any, Any]:
    """A figure without pyplot, whose global state is not safe between threads."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    for side in ("left", "bottom"):
        axes.spines[side].set_color("#9aa5b1")
    axes.tick_params(colors=_INK, labelsize=9, length=0)
    axes.yaxis.label.set_color(_INK)
    axes.grid(axis="y", color="#e4e7eb", linewidth=0.8)
    axes.set_axisbelow(True)
    return figure, axes


def _figure_url(figure: Any) -> str:
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=_DPI)
    return _data_url(buffer.getvalue())


def _url(picture: Image.Image) -> str:
    buffer = io.BytesIO()
    picture.save(buffer, "PNG", optimize=True)
    return _data_url(buffer.getvalue())


def _data_url(png: bytes) -> str:
    return "data:image/png;base64," + base64.b64encode(png).decode("ascii")
