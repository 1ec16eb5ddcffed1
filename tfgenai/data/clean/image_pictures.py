"""Pictures: a few hundred bytes of an image that tell whether others show the same."""

import functools
import math

import numpy as np
import scipy.fft

from tfgenai.data.clean.image_rule import grey_of

_SIDE = 16  # of a picture
_CELLS = 32  # a side, out of which it is made
_UNIT = 24  # levels that stand for one standard deviation
_FLAT = 0.02  # levels of deviation below which an image shows nothing
_FADE = 0.15  # of a side, in which a view fades out
_PLAIN = 0.25  # part of the mean energy up to which a pixel shows nothing
_COLOURS = 4  # cells a side in which colours are remembered
# Blue and red against luma, Rec. 601, as in a JPEG file.
_CHROMA = np.array(
    [[-0.168736, 0.5], [-0.331264, -0.418688], [0.5, -0.081312]], np.float32
)


def picture_of(image: np.ndarray) -> np.ndarray:
    """The picture that `NearDuplicateImage` remembers of an image.

    Args:
        image: uint8 `(height, width, channels)`.

    Returns:
        uint8 `(256,)`; all 0 of an image that shows nothing.

    Example:
        >>> image = np.zeros((28, 28, 1), np.uint8)
        >>> image[8:12, 9:20] = 200
        >>> bool((picture_of(image) == picture_of(np.roll(image, 1, 0))).all())
        True
    """
    grey = grey_of(image)
    grey -= _median(grey)
    weights = grey * grey
    total = float(weights.sum(dtype=np.float64))
    if not total > 0:
        return np.zeros(_SIDE * _SIDE, np.uint8)
    alone = _stands_alone(weights)
    sides = []
    for sums in (weights.sum(axis=1) / total, weights.sum(axis=0) / total):
        middle = (len(sums) - 1) / 2
        centre = middle + alone * (float(sums @ np.arange(len(sums))) - middle)
        sides.append(_cells(len(sums), _CELLS, centre).astype(np.float32))
    cells = sides[0] @ grey @ sides[1].T
    fade = alone + (1 - alone) * _fade()
    cells -= fade @ cells @ fade / fade.sum() ** 2
    low_pass = _low_pass() * fade
    picture = low_pass @ cells @ low_pass.T
    picture -= picture.mean()
    deviation = float(picture.std())
    if deviation < _FLAT:
        return np.zeros(_SIDE * _SIDE, np.uint8)
    levels = np.rint(picture * (_UNIT / deviation) + 128)
    return np.clip(levels, 1, 255).astype(np.uint8).ravel()


def colours_of(image: np.ndarray) -> np.ndarray:
    """The colours that `NearDuplicateImage` remembers: uint8 `(32,)`, 128 of grey."""
    if image.shape[-1] == 1:
        return np.full(_COLOURS * _COLOURS * 2, 128, np.uint8)
    rows, columns = (
        _cells(size, _COLOURS, (size - 1) / 2).astype(np.float32)
        for size in image.shape[:2]
    )
    means = np.stack([(rows @ image[..., c]) @ columns.T for c in range(3)], axis=-1)
    return np.clip(np.rint(means @ _CHROMA + 128), 0, 255).astype(np.uint8).ravel()


def distances_of(left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """What neither shifts nor blur explain of the differences of pictures.

    Args:
        left: uint8 `(n, 256)`.
        right: uint8 `(n, 256)`.

    Returns:
        float32 `(n,)`: half the squared length of the rest, of pictures of length 1.
    """
    one, other = (_unit(pictures) for pictures in (left, right))
    rest = one - other
    middle = ((one + other) / 2).reshape(-1, _SIDE, _SIDE)
    padded = np.pad(middle, ((0, 0), (1, 1), (1, 1)))
    blur = _laplacian(middle)
    more_blur = _laplacian(blur)
    known: list[np.ndarray] = []
    for tangent in (
        blur,
        more_blur,
        _laplacian(more_blur),
        padded[:, 2:, 1:-1] - padded[:, :-2, 1:-1],
        padded[:, 1:-1, 2:] - padded[:, 1:-1, :-2],
    ):
        flat = tangent.reshape(len(rest), _SIDE * _SIDE).copy()
        for before in known:
            flat -= np.einsum("nk,nk->n", flat, before)[:, np.newaxis] * before
        flat /= np.sqrt(np.einsum("nk,nk->n", flat, flat))[:, np.newaxis] + 1e-9
        rest -= np.einsum("nk,nk->n", rest, flat)[:, np.newaxis] * flat
        known.append(flat)
    return np.einsum("nk,nk->n", rest, rest) / 2


def plain_distances(left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Half the squared distance of pictures of length 1, which have `_UNIT`."""
    difference = left.astype(np.int16) - right
    squares = np.einsum("nk,nk->n", difference, difference, dtype=np.int64)
    return squares / (2 * left.shape[1] * _UNIT**2)


def _median(grey: np.ndarray) -> int:
    """The level that half of the pixels do not exceed, found by counting."""
    counts = np.bincount(np.rint(grey).astype(np.uint8).ravel(), minlength=256)
    return int(np.searchsorted(np.cumsum(counts), (grey.size + 1) // 2))


def _stands_alone(weights: np.ndarray) -> float:
    """1 for an object on plain ground, down to 0 for a view that is cut somewhere."""
    border = np.concatenate([weights[0], weights[-1], weights[:, 0], weights[:, -1]])
    plain = float((border <= _PLAIN * weights.mean()).mean())
    # A side of a view may be black: one that was shifted.
    return min(max((plain - 0.6) / 0.15, 0.0), 1.0)


@functools.cache
def _fade() -> np.ndarray:
    """Weights of cells `(32,)`, small where a shift brings in what was outside."""
    places = (np.arange(_CELLS) + 0.5) / _CELLS
    inside = np.minimum(np.minimum(places, 1 - places) / _FADE, 1)
    return np.sin(np.pi / 2 * inside) ** 2


def _unit(pictures: np.ndarray) -> np.ndarray:
    centred = pictures.astype(np.float32)
    centred -= centred.mean(axis=1, keepdims=True)
    lengths = np.sqrt(np.einsum("nk,nk->n", centred, centred))
    return centred / np.maximum(lengths, 1e-9)[:, np.newaxis]


def _laplacian(images: np.ndarray) -> np.ndarray:
    padded = np.pad(images, ((0, 0), (1, 1), (1, 1)))
    sides = padded[:, :-2, 1:-1] + padded[:, 2:, 1:-1]
    return sides + padded[:, 1:-1, :-2] + padded[:, 1:-1, 2:] - 4 * images


def _cells(size: int, count: int, centre: float) -> np.ndarray:
    """Means over cells of `size` pixels about a pixel: float64 `(count, size)`.

    Beyond the image there is nothing, 0.
    """
    edges = centre + 0.5 + size * (np.arange(count + 1) / count - 0.5)
    inside = np.clip(edges[:, np.newaxis] - np.arange(size), 0, 1)
    return (inside[1:] - inside[:-1]) * (count / size)


@functools.cache
def _low_pass() -> np.ndarray:
    """From cells to half as many, `(16, 32)`, without frequencies beyond theirs."""
    forward = scipy.fft.dct(np.eye(_CELLS), axis=0, norm="ortho")[:_SIDE]
    back = scipy.fft.idct(np.eye(_SIDE), axis=0, norm="ortho")
    return back @ forward * math.sqrt(_SIDE / _CELLS)
