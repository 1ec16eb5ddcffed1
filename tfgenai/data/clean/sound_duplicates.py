"""Near duplicates of sound: one recording twice, coded, amplified or moved a little."""

import functools

import numpy as np
from scipy.sparse import csr_array

from tfgenai.data.clean.bands import linked_groups
from tfgenai.data.clean.facts import Fact, Facts
from tfgenai.data.clean.rule import RULES, Action, SetRule
from tfgenai.data.clean.sound_rule import require, sound_of
from tfgenai.data.raw.example import Example, Sound

_BANDS = 48
_LOWEST, _HIGHEST = 80.0, 3600.0  # Hz, what telephone and wide band have in common
_WINDOW, _HOP = 0.064, 0.008  # seconds
_STRETCHES = 16
_REACH = 2.5  # standard deviations of the energy in time, both ways
_POWER = 0.3  # of the energies: what is soft counts too, noise hardly
_FRAMES_AT_ONCE = 512
_AXES = 32  # principal axes on which pairs are looked for
_ROWS = 1024


@RULES.register("near_duplicate_sound")
class NearDuplicateSound(SetRule):
    """A recording that an example before it, in the order of ids, is too.

    Found again however it was coded, amplified, resampled or delayed a little, and
    under noise at 30 dB. Another recording of the same word by the same voice is none.

    Each sound is remembered by a picture of its energy, 48 bands of pitch between 80
    and 3,600 Hz by 16 stretches of time about the centre of its energy, in 768 bytes.
    Two are compared by the cosine between their pictures. A pair is looked for by a
    distance that is never larger than the true one, so that none is missed.

    Sound without anything between 80 and 3,600 Hz is no duplicate of anything here.

    Args:
        action: see `Rule`.
        min_similarity: smallest cosine between two pictures, in (0, 1).
    """

    name = "near_duplicate_sound"
    kinds = ("sound",)

    def __init__(
        self, *, action: Action | None = None, min_similarity: float = 0.993
    ) -> None:
        super().__init__(action=action)
        require(
            0 < min_similarity < 1,
            "a similarity in (0, 1)",
            min_similarity=min_similarity,
        )
        self.min_similarity = min_similarity

    def measure(self, example: Example) -> dict[str, Fact]:
        """Remembers `picture`, uint8 `(768,)`."""
        return {"picture": picture_of(sound_of(example))}

    def judge(self, facts: Facts) -> dict[int, str]:
        """Every sound that is like one before it which stays."""
        if len(facts) < 2:
            return {}
        rows, others, cosines, same = self._pairs(facts)
        like: dict[int, tuple[int, float]] = {}
        for row, other, cosine in zip(
            rows.tolist(), others.tolist(), cosines.tolist(), strict=True
        ):
            if row not in like and other not in like:
                like[row] = other, cosine
        for row, first in same:
            like[row] = like.get(first, (first, 1.0))
        return {
            row: f"sounds like {facts.ids[other]} (similarity {cosine:.4f})"
            for row, (other, cosine) in like.items()
        }

    def groups(self, facts: Facts) -> list[list[int]]:
        """Rows that sound alike, directly or by way of others."""
        if len(facts) < 2:
            return []
        rows, others, _, same = self._pairs(facts)
        pairs = np.concatenate([np.stack([rows, others], axis=1), same])
        return linked_groups(len(facts), pairs[:, 0], pairs[:, 1])

    def _pairs(
        self, facts: Facts
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """Like pairs of different pictures, and `(row, first)` of equal ones.

        Apart, for a thousand copies would be half a million pairs.
        """
        pictures = np.asarray(facts["picture"], np.uint8).reshape(len(facts), -1)
        whole = np.ascontiguousarray(pictures).view(f"V{pictures.shape[1]}")[:, 0]
        _, first, place = np.unique(whole, return_index=True, return_inverse=True)
        firsts = np.sort(first)
        rows, others, cosines = similar_pairs(pictures[firsts], self.min_similarity)
        same = np.stack([np.arange(len(pictures)), first[place]], axis=1)
        is_copy = (same[:, 0] != same[:, 1]) & pictures.any(axis=1)
        return firsts[rows], firsts[others], cosines, same[is_copy]


def picture_of(sound: Sound) -> np.ndarray:
    """The picture that `NearDuplicateSound` remembers of a sound.

    Args:
        sound: of any rate, length and number of channels, which are mixed.

    Returns:
        uint8 `(768,)`, 16 stretches of time by 48 bands; all 0 of silence.

    Example:
        >>> tone = np.sin(np.arange(8000)[:, np.newaxis]).astype(np.float32)
        >>> loud, soft = (picture_of(Sound(g * tone, 8000)) for g in (0.9, 0.1))
        >>> int(np.abs(loud.astype(int) - soft).max()) <= 1
        True
    """
    energies = _band_energies(sound)
    # Squared, so that noise before and behind does not widen what is looked at.
    weights = energies.sum(axis=1) ** 2
    if not weights.sum() > 0:
        return np.zeros(_STRETCHES * _BANDS, np.uint8)
    weights /= weights.sum()
    places = np.arange(len(energies))
    centre = float((weights * places).sum())
    spread = max(float(np.sqrt((weights * (places - centre) ** 2).sum())), 4.0)
    edges = centre + 0.5 + _REACH * spread * np.linspace(-1, 1, _STRETCHES + 1)
    sums = np.zeros((len(energies) + 1, _BANDS))
    np.cumsum(energies**_POWER, axis=0, out=sums[1:])
    # The integral up to any place between frames; beyond the ends nothing is added.
    inside = np.clip(edges, 0, len(energies))
    whole = np.minimum(inside.astype(int), len(energies) - 1)
    rest = (inside - whole)[:, np.newaxis]
    integrals = sums[whole] * (1 - rest) + sums[whole + 1] * rest
    picture = np.diff(integrals, axis=0).ravel()
    return np.rint(picture * (255 / picture.max())).astype(np.uint8)


def similar_pairs(
    pictures: np.ndarray, min_similarity: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """All pairs of pictures whose cosine reaches a limit.

    Args:
        pictures: uint8 `(n, k)`.
        min_similarity: the limit, in (0, 1).

    Returns:
        int64 `(p,)` the later row of each pair, int64 `(p,)` the earlier one, and
        float64 `(p,)` their cosine; ordered by the later, then the earlier.
    """
    lengths_squared = _squares(pictures)
    lengths = np.sqrt(lengths_squared).astype(np.float32)
    known = np.flatnonzero(lengths > 0)
    # Projections onto a few axes are never farther apart than the pictures are.
    points = _projections(pictures, lengths, known)
    order = np.argsort(points[:, 0], kind="stable")
    points, known = points[order], known[order]
    limit = 2 - 2 * min_similarity + 1e-4  # of the squared distance; for rounding
    squares = (points**2).sum(axis=1)
    pairs, cosines = [np.empty((0, 2), np.int64)], [np.empty(0)]
    for start in range(0, len(points), _ROWS):
        block = points[start : start + _ROWS]
        last = np.searchsorted(points[:, 0], block[-1, 0] + limit**0.5, "right")
        for begin in range(start, int(last), 4 * _ROWS):
            near = slice(begin, min(begin + 4 * _ROWS, int(last)))
            distances = block @ (-2 * points[near].T)
            distances += squares[start : start + len(block), np.newaxis]
            distances += squares[near]
            left, right = np.nonzero(distances <= limit)
            left, right = left + start, right + begin
            is_new = left < right
            found = known[np.stack([left[is_new], right[is_new]], axis=1)]
            cosine = _cosines(pictures, lengths_squared, found)
            pairs.append(found[cosine >= min_similarity])
            cosines.append(cosine[cosine >= min_similarity])
    joined, values = np.concatenate(pairs), np.concatenate(cosines)
    joined = np.sort(joined, axis=1)[:, ::-1]
    by_row = np.lexsort((joined[:, 1], joined[:, 0]))
    return joined[by_row, 0], joined[by_row, 1], values[by_row]


def _projections(
    pictures: np.ndarray, lengths: np.ndarray, known: np.ndarray
) -> np.ndarray:
    """Pictures of length 1 about no centre, on their principal axes: float32."""
    size = pictures.shape[1]
    moments = np.zeros((size, size))
    for start in range(0, len(known), _ROWS):
        rows = known[start : start + _ROWS]
        unit = pictures[rows] / lengths[rows, np.newaxis]
        moments += unit.T @ unit
    axes = np.linalg.eigh(moments)[1][:, ::-1]
    # The first is near the mean of all, on which they hardly differ.
    axes = np.roll(axes[:, : _AXES + 1], -1, axis=1).astype(np.float32)
    points = np.empty((len(known), axes.shape[1]), np.float32)
    for start in range(0, len(known), _ROWS):
        rows = known[start : start + _ROWS]
        points[start : start + _ROWS] = (
            pictures[rows] / lengths[rows, np.newaxis]
        ) @ axes
    return points


def _cosines(
    pictures: np.ndarray, squares: np.ndarray, pairs: np.ndarray
) -> np.ndarray:
    result = np.empty(len(pairs))
    for start in range(0, len(pairs), _ROWS):
        left, right = pairs[start : start + _ROWS].T
        # Whole numbers, so that the sum does not depend on its order.
        products = (pictures[left].astype(np.int64) * pictures[right]).sum(axis=1)
        result[start : start + _ROWS] = products / np.sqrt(
            squares[left] * squares[right]
        )
    return result


def _squares(pictures: np.ndarray) -> np.ndarray:
    result = np.empty(len(pictures))
    for start in range(0, len(pictures), _ROWS):
        part = pictures[start : start + _ROWS].astype(np.int64)
        result[start : start + _ROWS] = (part**2).sum(axis=1)
    return result


def _band_energies(sound: Sound) -> np.ndarray:
    """Energies `(frames, 48)` of overlapping windows, from before to behind it."""
    rate, length = sound.sample_rate, len(sound.samples)
    size, hop = max(2, round(_WINDOW * rate)), max(1, round(_HOP * rate))
    window, bands = np.hanning(size), _bands(size, rate)
    energies = np.empty(((length + size + hop) // hop + 1, _BANDS))
    for first in range(0, len(energies), _FRAMES_AT_ONCE):
        count = min(_FRAMES_AT_ONCE, len(energies) - first)
        # The first window ends where the sound begins.
        start, stop = first * hop - size, (first + count - 1) * hop
        part = sound.samples[max(start, 0) : max(stop, 0)].mean(axis=1, dtype=float)
        before = min(max(-start, 0), stop - start)
        part = np.pad(part, (before, stop - start - before - len(part)))
        frames = np.lib.stride_tricks.sliding_window_view(part, size)[::hop]
        spectra = np.fft.rfft(frames * window)
        energies[first : first + count] = (bands @ (np.abs(spectra) ** 2).T).T
    return energies


@functools.lru_cache(maxsize=8)
def _bands(size: int, rate: int) -> csr_array:
    """Triangles `(48, frequencies)` that are evenly spread in mel.

    Sparse, which is fast, and adds in one order whatever the number of threads.
    """
    edges = np.linspace(_mel(_LOWEST), _mel(_HIGHEST), _BANDS + 2)
    places = _mel(np.fft.rfftfreq(size, 1 / rate))[:, np.newaxis]
    rising = (places - edges[:-2]) / (edges[1:-1] - edges[:-2])
    falling = (edges[2:] - places) / (edges[2:] - edges[1:-1])
    return csr_array(np.maximum(0.0, np.minimum(rising, falling)).T)


def _mel(frequency: "float | np.ndarray") -> np.ndarray:
    return 2595 * np.log10(1 + np.asarray(frequency) / 700)
