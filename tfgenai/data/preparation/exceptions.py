"""Exceptions: findings that a person took back."""

import dataclasses
from collections.abc import Iterable


@dataclasses.dataclass(frozen=True)
class Exceptions:
    """Which rules do not count for which examples.

    Args:
        pairs: id and rule; None stands for all of them.

    Example:
        >>> exceptions = Exceptions(frozenset([("a.png", None), (None, "blurred")]))
        >>> exceptions.covers("a.png", "constant")
        True
        >>> exceptions.covers("b.png", "constant")
        False
    """

    pairs: frozenset[tuple[str | None, str | None]] = frozenset()

    @classmethod
    def of(cls, pairs: Iterable[tuple[str | None, str | None]]) -> "Exceptions":
        """Makes exceptions of pairs of id and rule; those of neither are ignored."""
        return cls(frozenset(pair for pair in pairs if pair != (None, None)))

    def covers(self, example_id: str, rule: str) -> bool:
        """Whether what `rule` finds about an example does not count."""
        pairs = self.pairs
        return bool(pairs) and not pairs.isdisjoint(
            ((example_id, rule), (example_id, None), (None, rule))
        )
