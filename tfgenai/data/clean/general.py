"""Rules of any kind of data: what could not be read."""

from tfgenai.data.clean.rule import RULES, ExampleRule
from tfgenai.data.raw.example import Example


@RULES.register("unreadable")
class Unreadable(ExampleRule):
    """Examples without content: no such format, cut off, too large, missing, locked.

    Args:
        action: see `Rule`.

    Example:
        >>> from tfgenai.data.raw.example import Problem
        >>> problem = Problem("missing", "no file")
        >>> Unreadable().check(Example("a", None, problem=problem))
        'missing: no file'
    """

    name = "unreadable"
    looks_at_unreadable = True

    def check(self, example: Example) -> str | None:
        """See `ExampleRule.check`."""
        problem = example.problem
        return None if problem is None else f"{problem.code}: {problem.detail}"


@RULES.register("truncated")
class Truncated(ExampleRule):
    """Files that are cut off: a part of what `unreadable` finds, to be told apart.

    Args:
        action: see `Rule`.
    """

    name = "truncated"
    looks_at_unreadable = True

    def check(self, example: Example) -> str | None:
        """See `ExampleRule.check`."""
        problem = example.problem
        is_cut = problem is not None and problem.code == "truncated"
        return f"cut off: {problem.detail}" if problem and is_cut else None
