"""Near duplicates of images: shifted, coded, scaled, brightened or noisy copies."""

import math

import numpy as np

from tfgenai.core.numpy_random import numpy_generator
from tfgenai.data.clean.bands import (
    candidate_pairs,
    group_numbers,
    hamming,
    linked_groups,
)
from tfgenai.data.clean.facts import Fact, Facts
from tfgenai.data.clean.image_pictures import (
    colours_of,
    distances_of,
    picture_of,
    plain_distances,
)
from tfgenai.data.clean.image_rule import image_of, require, shrunk
from tfgenai.data.clean.rule import RULES, Action, SetRule
from tfgenai.data.raw.example import Example

_BITS = 64
_BANDS = 12
_IN_BUCKET = 3  # bits that a key has less than it takes to number all rows
_MAX_HAMMING = 16
_MIN_DEVIATION = 8.0  # levels along an axis that gives a bit
_AXES_AT_ONCE = 16
_FEW = 128  # rows that are all compared
_BEFORE = 6  # times the distance that pictures may have before shift and blur are out
_ROWS = 8192


@RULES.register("near_duplicate_image")
class NearDuplicateImage(SetRule):
    """Images that show the same as one before it, in the order of ids.

    Of each image a picture of 16 x 16 cells is remembered, centred where it differs
    most from its median and normalised in mean and contrast, so that shifts, brightness
    and size do not matter. Two images are compared by what no shift by part of a cell
    and no blur explains of the difference of their pictures (a tangent distance, Simard
    et al. 1998, "Transformation invariance in pattern recognition", section 2). Pairs
    are looked for by bands of 64-bit hashes: the signs of the pictures' principal
    components about their medians. Mirrored, cut and turned copies are not looked for;
    nor are flat images compared, of which `constant` tells.

    Args:
        action: see `Rule`.
        max_distance: largest distance, as share of the pictures' variance, in (0, 1).
        max_colour_distance: largest root mean square difference of colour (Cb and Cr
            in 4 x 4 cells), in levels of 255.
    """

    name = "near_duplicate_image"
    kinds = ("images",)

    def __init__(
        self,
        *,
        action: Action | None = None,
        max_distance: float = 0.004,
        max_colour_distance: float = 8.0,
    ) -> None:
        super().__init__(action=action)
        require(0 < max_distance < 1, "A share in (0, 1)", max_distance=max_distance)
        require(
            max_colour_distance >= 0,
            "Levels from 0 on",
            max_colour_distance=max_colour_distance,
        )
        self.max_distance = max_distance
        self.max_colour_distance = max_colour_distance

    def measure(self, example: Example) -> dict[str, Fact]:
        """Remembers `picture`, uint8 `(256,)`, and `colours`, uint8 `(32,)`."""
        image = shrunk(image_of(example))
        return {"picture": picture_of(image), "colours": colours_of(image)}

    def judge(self, facts: Facts) -> dict[int, str]:
        """Every image of a group but the first."""
        left, right, distances = self._pairs(facts)
        nearest: dict[int, tuple[bool, float, int]] = {}
        for one, other, distance in zip(
            left.tolist(), right.tolist(), distances.tolist(), strict=True
        ):
            # Named is the nearest one before it, or else the nearest one.
            for row, peer in ((one, other), (other, one)):
                link = (peer > row, distance, peer)
                nearest[row] = min(nearest.get(row, link), link)
        return {
            row: f"near duplicate of {facts.ids[nearest[row][2]]}, distance "
            f"{nearest[row][1]:.4f}"
            for group in linked_groups(len(facts), left, right)
            for row in group[1:]
        }

    def groups(self, facts: Facts) -> list[list[int]]:
        """Rows that show the same, directly or by way of others."""
        left, right, _ = self._pairs(facts)
        return linked_groups(len(facts), left, right)

    def _pairs(self, facts: Facts) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        key = f"{self.name}.pairs.{self.max_distance}.{self.max_colour_distance}"
        if key not in facts.memo:
            facts.memo[key] = near_pairs(
                np.asarray(facts["picture"], np.uint8).reshape(len(facts), -1),
                np.asarray(facts["colours"], np.uint8).reshape(len(facts), -1),
                self.max_distance,
                self.max_colour_distance,
            )
        return facts.memo[key]


def near_pairs(
    pictures: np.ndarray,
    colours: np.ndarray,
    max_distance: float,
    max_colour_distance: float,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Pairs of images that show the same.

    Args:
        pictures: uint8 `(n, 256)`.
        colours: uint8 `(n, 32)`.
        max_distance: see `NearDuplicateImage`.
        max_colour_distance: see `NearDuplicateImage`.

    Returns:
        int64 `(p,)` the earlier row of each pair, int64 `(p,)` the later one, and
        float64 `(p,)` their distance; ordered by rows. Enough of them to link all that
        are alike: of rows that are equal each is paired with the first alone, and rows
        that others have linked already need not be paired.
    """
    seen = np.flatnonzero(pictures.any(axis=1))
    whole = np.ascontiguousarray(np.concatenate([pictures, colours], axis=1)[seen])
    cells = whole.view(np.dtype((np.void, whole.shape[1]))).ravel()
    _, first, inverse = np.unique(cells, return_index=True, return_inverse=True)
    firsts = seen[first]
    is_copy = firsts[inverse] != seen
    lefts, rights = [firsts[inverse][is_copy]], [seen[is_copy]]
    distances = [np.zeros(int(is_copy.sum()))]
    firsts = np.sort(firsts)
    hashes, bits, order = _hashes(pictures[firsts])
    groups, new = np.arange(len(pictures)), 0
    for one, other in candidate_pairs(_keys(hashes, bits), order, window=_FEW):
        is_near = hamming(hashes[one], hashes[other]) <= _MAX_HAMMING
        rows = np.sort(np.stack([firsts[one[is_near]], firsts[other[is_near]]]), axis=0)
        # Thousands of copies of one image need not be compared with one another.
        rows = rows[:, groups[rows[0]] != groups[rows[1]]]
        for start in range(0, rows.shape[1], _ROWS):
            left, right, distance = _compare(
                pictures,
                colours,
                rows[:, start : start + _ROWS],
                max_distance,
                max_colour_distance,
            )
            lefts.append(left)
            rights.append(right)
            distances.append(distance)
            new += len(left)
        if new > len(firsts) // 16:
            links = np.concatenate(lefts), np.concatenate(rights)
            groups, new = group_numbers(len(pictures), *links), 0
    left, right = np.concatenate(lefts), np.concatenate(rights)
    _, chosen = np.unique(left * len(pictures) + right, return_index=True)
    return left[chosen], right[chosen], np.concatenate(distances)[chosen]


def _compare(
    pictures: np.ndarray,
    colours: np.ndarray,
    rows: np.ndarray,
    max_distance: float,
    max_colour_distance: float,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Those of some pairs `(2, p)` that show the same, and their distances."""
    plain = plain_distances(*pictures[rows])
    left, right = rows = rows[:, plain <= _BEFORE * max_distance]
    distance = distances_of(*pictures[rows])
    difference = colours[left].astype(np.float64) - colours[right]
    is_same = distance <= max_distance
    is_same &= np.square(difference).mean(axis=1) <= max_colour_distance**2
    return left[is_same], right[is_same], distance[is_same]


def _hashes(pictures: np.ndarray) -> tuple[np.ndarray, int, np.ndarray]:
    """Signs of principal components.

    Returns:
        Hashes uint64 `(n,)`, the number of their bits, and the first component.
    """
    count, size = pictures.shape
    if count <= _FEW:
        return np.zeros(count, np.uint64), 0, np.arange(count)
    # Sums and products of whole numbers: exact, so that no order of rows matters.
    total, moments = np.zeros(size), np.zeros((size, size))
    for start in range(0, count, _ROWS):
        rows = pictures[start : start + _ROWS].astype(np.float64)
        total += rows.sum(axis=0)
        moments += rows.T @ rows
    variances, axes = np.linalg.eigh(
        moments / count - np.outer(total, total) / count**2
    )
    # Along the others, near duplicates are as far apart as any two images.
    bits = min(_BITS, int((variances > _MIN_DEVIATION**2).sum()))
    axes = np.rint(axes[:, ::-1][:, :bits] * 2.0**15)
    hashes, first = np.zeros(count, np.uint64), np.arange(count)
    for bit in range(0, bits, _AXES_AT_ONCE):
        some = axes[:, bit : bit + _AXES_AT_ONCE]
        components = np.concatenate(
            [
                pictures[start : start + _ROWS].astype(np.float64) @ some
                for start in range(0, count, _ROWS)
            ]
        )
        for place, column in enumerate(components.T):
            is_above = (column > np.median(column)).astype(np.uint64)
            hashes |= is_above << np.uint64(bit + place)
        if not bit:
            first = components[:, 0].copy()
    return hashes, bits, first


def _keys(hashes: np.ndarray, num_bits: int) -> np.ndarray:
    """Bits of hashes, as many as leave a few rows in a bucket: uint64 `(n, bands)`."""
    wanted = math.ceil(math.log2(max(1, len(hashes)))) - _IN_BUCKET
    bits = min(max(0, wanted), num_bits // 2)
    keys = np.zeros((len(hashes), _BANDS if bits else 1), np.uint64)
    for band in range(keys.shape[1]):
        chosen = numpy_generator(0, band).permutation(num_bits)[:bits]
        for place, bit in enumerate(chosen.tolist()):
            key = hashes >> np.uint64(bit) & np.uint64(1)
            keys[:, band] |= key << np.uint64(place)
    return keys
