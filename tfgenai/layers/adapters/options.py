"""What an adapter is: the numbers that all layers with it share."""

import dataclasses
import math
import re
from collections.abc import Mapping
from typing import Any

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,63}")


@dataclasses.dataclass(frozen=True)
class AdapterOptions:
    """Name, rank and scale of an adapter.

    Hu et al. 2021, "LoRA: Low-Rank Adaptation of Large Language Models",
    arXiv:2106.09685, section 4.1: a kernel W becomes W + alpha / rank · A B. With
    `use_rslora` the scale is alpha / √rank (Kalajdzievski 2023, "A Rank Stabilization
    Scaling Factor for Fine-Tuning with LoRA", arXiv:2312.03732, theorem 3.2). With
    `use_dora` the sum's outputs keep lengths m of their own, which are trained, too:
    m (W + ΔW) / ‖W + ΔW‖ (Liu et al. 2024, "DoRA: Weight-Decomposed Low-Rank
    Adaptation", arXiv:2402.09353, equation 5).

    Args:
        name: what the adapter is called; letters, digits, `_` and `-`.
        rank: columns of A.
        alpha: numerator of the scale; None for `rank`.
        use_rslora: whether the scale is alpha / √rank.
        use_dora: whether lengths are trained apart from directions.

    Raises:
        ValueError: if a number is out of range or the name has other characters.

    Example:
        >>> AdapterOptions("formal", rank=4, alpha=8).scale
        2.0
        >>> AdapterOptions("formal", rank=4, alpha=8, use_rslora=True).scale
        4.0
    """

    name: str
    rank: int = dataclasses.field(default=8, kw_only=True)
    alpha: float | None = dataclasses.field(default=None, kw_only=True)
    use_rslora: bool = dataclasses.field(default=False, kw_only=True)
    use_dora: bool = dataclasses.field(default=False, kw_only=True)

    def __post_init__(self) -> None:
        if not isinstance(self.name, str) or not _NAME.fullmatch(self.name):
            raise ValueError(
                "A name of 1 to 64 letters, digits, _ and -, a letter first, was "
                f"expected. Received: name={self.name!r}."
            )
        is_whole = isinstance(self.rank, int) and not isinstance(self.rank, bool)
        if not is_whole or self.rank < 1:
            raise ValueError(
                f"A positive whole number was expected. Received: rank={self.rank!r}."
            )
        alpha = self.alpha
        if alpha is not None and not (
            isinstance(alpha, (int, float)) and math.isfinite(alpha) and alpha > 0
        ):
            raise ValueError(
                f"A positive number was expected. Received: alpha={alpha!r}. Leave it "
                "out for the rank."
            )

    @property
    def scale(self) -> float:
        """What A B is multiplied by."""
        alpha = float(self.rank if self.alpha is None else self.alpha)
        return alpha / (math.sqrt(self.rank) if self.use_rslora else self.rank)

    def to_dict(self) -> dict[str, Any]:
        """All values, for files."""
        return dataclasses.asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> "AdapterOptions":
        """Makes them from what `to_dict` returned."""
        rest = dict(values)
        return cls(rest.pop("name"), **rest)
