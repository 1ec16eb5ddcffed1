"""Features of contents, cheap and without a model: for outliers and mislabels."""

import re
import zlib

import numpy as np
from PIL import Image

from tfgenai.data.raw.example import Example, Kind, Sound

NAMES: dict[Kind, tuple[str, ...]] = {
    "images": ("log_height", "log_width", "brightness", "contrast", "roughness"),
    "text": ("log_characters", "log_words", "letters"),
    "sound": ("log_seconds", "decibels"),
}
_SIZE = 16  # of the picture that features are made of
_CELLS = 4
_BINS = 8  # directions
_TEXT_BITS = 9
_TRIGRAM = re.compile(r"(?=(\w{3}|\w\W\w))")
_BANDS = 24
_FRAMES = 12


def describe(example: Example) -> dict[str, float]:
    """The numbers of an example that outliers are looked for in, by `NAMES`."""
    content = example.content
    if isinstance(content, str):
        letters = sum(map(str.isalpha, content))
        return {
            "log_characters": float(np.log1p(len(content))),
            "log_words": float(np.log1p(len(content.split()))),
            "letters": letters / max(len(content), 1),
        }
    if isinstance(content, Sound):
        power = float(np.square(content.samples, dtype=np.float64).mean())
        return {
            "log_seconds": float(np.log(max(content.seconds, 1e-6))),
            "decibels": 10.0 * float(np.log10(max(power, 1e-12))),
        }
    pixels = np.asarray(content)
    return {
        "log_height": float(np.log(pixels.shape[0])),
        "log_width": float(np.log(pixels.shape[1])),
        "brightness": float(pixels.mean()),
        "contrast": float(pixels.std()),
        "roughness": _roughness(pixels),
    }


def _roughness(pixels: np.ndarray) -> float:
    """Steps between neighbours, by the deviation: 0 of a plain, above 1 of noise."""
    values = pixels.astype(np.float32)
    deviation = float(values.std())
    if deviation == 0.0 or min(values.shape[:2]) < 2:
        return 0.0
    down = np.abs(np.diff(values, axis=0)).mean()
    across = np.abs(np.diff(values, axis=1)).mean()
    return float(down + across) / (2.0 * deviation)


def features(example: Example) -> np.ndarray:
    """What an example looks, reads or sounds like, for a simple classifier.

    Of images a picture of 16 x 16 pixels and histograms of the directions of its edges
    in 4 x 4 cells (Dalal & Triggs 2005, "Histograms of Oriented Gradients for Human
    Detection"); of text the shares of its letter trigrams in 512 buckets; of sound the
    levels of 24 bands in 12 stretches.

    Returns:
        float16 `(k,)`, about in [-1, 1]; the same length for all of a kind.
    """
    content = example.content
    if isinstance(content, str):
        found = _of_text(content)
    elif isinstance(content, Sound):
        found = _of_sound(content)
    else:
        found = _of_image(np.asarray(content))
    return found.astype(np.float16)


def _of_image(content: np.ndarray) -> np.ndarray:
    # A second or fourth channel is transparency.
    grey = content[..., : 3 if content.shape[2] > 2 else 1].mean(2)
    image = Image.fromarray(grey.astype(np.uint8))
    size = (2 * _SIZE, 2 * _SIZE)
    large = np.asarray(image.resize(size, Image.Resampling.BILINEAR), np.float32) / 255
    small = large.reshape(_SIZE, 2, _SIZE, 2).mean((1, 3))
    down, across = np.gradient(large)
    strength = np.hypot(down, across)
    angle = np.arctan2(down, across) / np.pi % 1.0 * _BINS
    low = np.floor(angle).astype(int) % _BINS
    rest = angle - np.floor(angle)
    cells = np.arange(2 * _SIZE) * _CELLS // (2 * _SIZE)
    place = (cells[:, np.newaxis] * _CELLS + cells) * _BINS
    total = _CELLS * _CELLS * _BINS
    histogram = np.bincount(
        (place + low).ravel(), (strength * (1 - rest)).ravel(), total
    ) + np.bincount(
        (place + (low + 1) % _BINS).ravel(), (strength * rest).ravel(), total
    )
    histogram = histogram.reshape(-1, _BINS)
    norm = np.sqrt(np.square(histogram).sum(1, keepdims=True) + 0.1)
    return np.concatenate([small.ravel() - 0.5, (histogram / norm).ravel()])


def _of_text(content: str) -> np.ndarray:
    counts = np.zeros(2**_TEXT_BITS)
    for gram in _TRIGRAM.findall(content[:20_000].lower()):
        counts[zlib.crc32(gram.encode("utf-8", "replace")) >> (32 - _TEXT_BITS)] += 1
    counts = np.log1p(counts)
    return counts / max(float(np.linalg.norm(counts)), 1e-9)


def _of_sound(content: Sound) -> np.ndarray:
    samples = content.samples.mean(1).astype(np.float64)
    frame = max(len(samples) // _FRAMES, 64)
    padded = np.zeros(frame * _FRAMES)
    padded[: min(len(samples), len(padded))] = samples[: len(padded)]
    windows = padded.reshape(_FRAMES, frame) * np.hanning(frame)
    power = np.abs(np.fft.rfft(windows, axis=1)) ** 2
    # Bands as wide as the ear's: an octave has as many at the top as in the middle.
    edges = np.geomspace(80.0, max(content.sample_rate / 2, 100.0), _BANDS + 1)
    bins = np.fft.rfftfreq(frame, 1.0 / content.sample_rate)
    place = np.clip(np.searchsorted(edges, bins) - 1, 0, _BANDS - 1)
    levels = np.stack([np.bincount(place, row, _BANDS) for row in power])
    # Against the whole: the level of the recording does not count.
    levels = np.log10(levels / max(float(levels.sum()), 1e-30) + 1e-7)
    return (levels - levels.mean()).ravel() / 4.0
