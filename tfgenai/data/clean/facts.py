"""Facts: what rules remember of each example, in columns."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

Fact = bool | int | float | str | bytes | np.ndarray


@dataclasses.dataclass(frozen=True)
class Facts:
    """A few numbers of every example that is still in, in the order of their ids.

    Args:
        ids: `n` names, ascending.
        labels: `n` names of classes or None.
        splits: `n` names of given splits or None.
        sha256: `n` hashes of contents, 32 bytes each.
        columns: by name: an array `(n,)` or `(n, k)`, or a list of `n` arrays that
            differ in length.
        memo: what a rule found on the way and needs again for the same facts.
    """

    ids: Sequence[str]
    labels: Sequence[str | None]
    splits: Sequence[str | None]
    sha256: Sequence[bytes]
    columns: Mapping[str, "np.ndarray | Sequence"]
    memo: dict[str, Any] = dataclasses.field(default_factory=dict, compare=False)

    def __len__(self) -> int:
        return len(self.ids)

    def __getitem__(self, name: str) -> "np.ndarray | Sequence":
        """The column of that name."""
        return self.columns[name]
