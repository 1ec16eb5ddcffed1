"""Slices of splits, such as `train[:90%]`: seeded, stratified, disjoint, exhaustive."""

import dataclasses
import re

import numpy as np

from tfgenai.core.errors import DataError
from tfgenai.core.numpy_random import numpy_generator

_STREAM = 0x73706C
_NUMBER = r"-?\d+(?:\.\d+)?%|-?\d+"
_SYNTAX = re.compile(
    rf"(?P<base>[\w.-]+)(?P<slice>\[(?P<start>{_NUMBER})?:(?P<stop>{_NUMBER})?\])?"
)


@dataclasses.dataclass(frozen=True)
class Slice:
    """A split's name and the part of it that is meant.

    Args:
        base: name of the split.
        start: where the part begins: "", a percentage such as "90%", or a count.
        stop: where it ends, likewise.
    """

    base: str
    start: str = ""
    stop: str = ""

    @property
    def is_whole(self) -> bool:
        """Whether all of the split is meant."""
        return not self.start and not self.stop

    @classmethod
    def parse(cls, text: str) -> "Slice":
        """Reads `"train"`, `"train[:90%]"`, `"train[10%:20%]"` or `"test[-500:]"`.

        Raises:
            DataError: if it is none of these.

        Example:
            >>> Slice.parse("train[:90%]")
            Slice(base='train', start='', stop='90%')
        """
        match = _SYNTAX.fullmatch(text) if isinstance(text, str) else None
        if match is None:
            raise bad_slice(text, "it cannot be read")
        found = cls(match["base"], match["start"] or "", match["stop"] or "")
        for value in (found.start, found.stop):
            if value.endswith("%") and abs(float(value[:-1])) > 100:
                raise bad_slice(text, f"{value} is more than all")
        return found

    def rows(
        self, labels: np.ndarray | None, groups: np.ndarray, *, seed: int
    ) -> np.ndarray:
        """The examples of the slice.

        The examples are put into one order in which every stretch has the classes in
        the proportions of the whole; a slice is a stretch of it. Examples of one group
        (exact copies) are never parted: a cut moves behind them.

        Args:
            labels: int32 `(n,)`, or None.
            groups: int64 `(n,)`, equal for examples that must stay together.
            seed: the same seed gives the same order.

        Returns:
            int64 `(k,)`, ascending.

        Raises:
            DataError: if nothing is selected.
        """
        if self.is_whole:
            return np.arange(len(groups))
        order = stratified_order(labels, groups, seed=seed)
        start, stop = (
            cut(order, groups, _position(text, len(order), default))
            for text, default in ((self.start, 0), (self.stop, len(order)))
        )
        if start >= stop:
            raise bad_slice(
                f"{self.base}[{self.start}:{self.stop}]",
                f"it selects none of the {len(order)} examples of {self.base!r}",
            )
        return np.sort(order[start:stop])


def stratified_order(
    labels: np.ndarray | None, groups: np.ndarray, *, seed: int
) -> np.ndarray:
    """An order in which every stretch is stratified and groups are contiguous.

    Args:
        labels: int32 `(n,)`, or None.
        groups: int64 `(n,)`, equal for examples that must stay together.
        seed: seed of the order.

    Returns:
        int64 `(n,)`, a permutation.
    """
    _, first, group, sizes = np.unique(
        groups, return_index=True, return_inverse=True, return_counts=True
    )
    strata = np.zeros(len(first), np.int64) if labels is None else labels[first]
    chance = numpy_generator(seed, _STREAM).random(len(first))
    position = np.empty(len(first))
    for stratum in np.unique(strata):
        members = np.flatnonzero(strata == stratum)
        members = members[np.argsort(chance[members], kind="stable")]
        ends = np.cumsum(sizes[members])
        # Evenly spread over (0, 1), so that a stretch holds its share of each class.
        position[members] = (ends - sizes[members] / 2) / ends[-1]
    rank = np.empty(len(first), np.int64)
    rank[np.lexsort((chance, position))] = np.arange(len(first))
    return np.lexsort((np.arange(len(groups)), rank[group]))


def cut(order: np.ndarray, groups: np.ndarray, position: int) -> int:
    """The first place from `position` on where a cut parts no group."""
    while 0 < position < len(order) and (
        groups[order[position]] == groups[order[position - 1]]
    ):
        position += 1
    return position


def _position(text: str, n: int, default: int) -> int:
    if not text:
        return default
    if text.endswith("%"):
        # + 0.5 rounds halves up, whatever their parity.
        value = int(np.floor(n * abs(float(text[:-1])) / 100 + 0.5))
        value = -value if text.startswith("-") else value
    else:
        value = int(text)
    if text.startswith("-"):
        value += n
    return min(max(value, 0), n)


def bad_slice(text: object, why: str) -> DataError:
    """The error of a slice that cannot be used, with the reason in words."""
    return DataError(
        "A split such as 'train', 'train[:90%]', 'train[90%:]' or 'test[:1000]' was "
        f"expected. Received: split={text!r}; {why}."
    )
