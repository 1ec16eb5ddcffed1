"""Measures: the few numbers of each example that histograms and cards are made of."""

import numpy as np

from tfgenai.data.raw.example import Example, Kind, Sound

MEASURES: dict[Kind, tuple[str, ...]] = {
    "images": ("height", "width", "channels", "sum", "square_sum"),
    "text": ("characters", "bytes", "words", "lines"),
    "sound": ("samples", "channels", "sample_rate", "peak", "square_mean"),
}

_LEVELS = np.arange(256, dtype=np.int64)


def measure(example: Example, kind: Kind) -> dict[str, float | int | None]:
    """The numbers of `MEASURES[kind]`; None each if there is no content.

    Sums of an image are of its pixels, from 0 to 255; `square_mean` of a sound is that
    of its samples, its RMS squared.

    Example:
        >>> measure(Example("a", "two words"), "text")["words"]
        2
    """
    content = example.content
    if content is None:
        return dict.fromkeys(MEASURES[kind])
    if isinstance(content, str):
        return {
            "characters": len(content),
            "bytes": len(content.encode("utf-8", "replace")),
            "words": len(content.split()),
            "lines": content.count("\n") + 1,
        }
    if isinstance(content, Sound):
        samples = content.samples.astype(np.float64)
        return {
            "samples": len(samples),
            "channels": samples.shape[1],
            "sample_rate": content.sample_rate,
            "peak": float(np.abs(samples).max(initial=0.0)),
            "square_mean": float(np.square(samples).mean()) if samples.size else 0.0,
        }
    height, width, channels = content.shape
    counts = np.bincount(content.ravel(), minlength=256).astype(np.int64)
    return {
        "height": height,
        "width": width,
        "channels": channels,
        "sum": int(counts @ _LEVELS),
        "square_sum": int(counts @ _LEVELS**2),
    }
