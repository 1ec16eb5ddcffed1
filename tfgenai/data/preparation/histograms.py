"""Histograms of what was kept and what was dropped, as SVG text."""

from collections.abc import Sequence

import numpy as np
import pyarrow as pa

from tfgenai.data.raw.example import Kind

_BINS = 32
_WIDTH, _HEIGHT, _BOTTOM = 320, 120, 18


def histograms(ledger: pa.Table, kind: Kind) -> list[dict[str, str]]:
    """A title and a picture of each measure that says something.

    Args:
        ledger: the ledger of a prepared set.
        kind: of its data.
    """
    kept = np.array([name is not None for name in ledger["split"].to_pylist()])
    found = []
    for title, values in _measures(ledger, kind).items():
        is_known = np.isfinite(values)
        inside, outside = values[kept & is_known], values[~kept & is_known]
        if len(inside) and np.ptp(np.concatenate([inside, outside])) > 0:
            found.append({"title": title, "svg": bars(inside, outside, title)})
    return found


def bars(kept: Sequence[float], dropped: Sequence[float], title: str) -> str:
    """Two histograms over each other.

    Args:
        kept: values of what is in the set.
        dropped: values of what is not.
        title: what they are, for readers who do not see it.

    Returns:
        An `svg` element; the same text for the same values.
    """
    both = np.concatenate([np.asarray(kept, float), np.asarray(dropped, float)])
    edges = np.linspace(both.min(), both.max(), _BINS + 1)
    counts = [np.histogram(values, edges)[0] for values in (kept, dropped)]
    top = max(int(count.max()) for count in counts) or 1
    step, room = _WIDTH / _BINS, _HEIGHT - _BOTTOM
    shapes = []
    for name, count in zip(("kept", "dropped"), counts, strict=True):
        for place, number in enumerate(count.tolist()):
            if number:
                # The square root shows a few dropped beside many kept.
                height = room * (number / top) ** 0.5
                shapes.append(
                    f'<rect class="{name}" x="{place * step:.1f}" '
                    f'y="{room - height:.1f}" width="{step - 1:.1f}" '
                    f'height="{height:.1f}"><title>{number:,} {name}</title></rect>'
                )
    low, high = f"{edges[0]:.4g}", f"{edges[-1]:.4g}"
    return (
        f'<svg viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" '
        f'aria-label="{title}, from {low} to {high}">{"".join(shapes)}'
        f'<text x="0" y="{_HEIGHT - 4}">{low}</text>'
        f'<text x="{_WIDTH}" y="{_HEIGHT - 4}" text-anchor="end">{high}</text></svg>'
    )


def _measures(ledger: pa.Table, kind: Kind) -> dict[str, np.ndarray]:
    def column(name: str) -> np.ndarray:
        values = ledger[name].cast(pa.float64()).to_numpy(zero_copy_only=False)
        return np.asarray(values, np.float64)

    with np.errstate(divide="ignore", invalid="ignore"):
        if kind == "text":
            return {
                "characters, power of ten": np.log10(column("characters")),
                "words, power of ten": np.log10(column("words")),
            }
        if kind == "sound":
            power = column("square_mean")
            return {
                "seconds": column("samples") / column("sample_rate"),
                "level, decibels of full scale": 10.0 * np.log10(power),
                "peak": column("peak"),
            }
        count = column("height") * column("width") * column("channels")
        mean = column("sum") / count
        variance = np.maximum(column("square_sum") / count - mean**2, 0.0)
        return {
            "height, pixels": column("height"),
            "width, pixels": column("width"),
            "brightness, 0 to 255": mean,
            "contrast, standard deviation": np.sqrt(variance),
        }
