"""Rule: one thing that may be wrong with an example, and what becomes of it then."""

import abc
from typing import Any, ClassVar, Literal

from tfgenai.core.errors import ConfigError
from tfgenai.core.registry import Registry
from tfgenai.data.clean.facts import Fact, Facts
from tfgenai.data.raw.example import KINDS, Example, Kind

Action = Literal["drop", "repair", "keep", "fail"]
RULES: Registry[type["Rule"]] = Registry("rule")


class Rule(abc.ABC):
    """What is common to all rules.

    Args:
        action: what becomes of an example that breaks the rule. "drop": it is left out;
            "repair": it is mended and goes on; "keep": it goes on, and the ledger says
            so; "fail": the whole run stops before anything is written. None: the rule's
            own default.

    Attributes:
        name: what a recipe calls the rule.
        kinds: the kinds of data that it can look at.
        default_action: what is done unless told otherwise.
        can_repair: whether `repair` exists.
        is_private: whether what it finds must not be shown, but as its repair has it.
    """

    name: ClassVar[str]
    kinds: ClassVar[tuple[Kind, ...]] = KINDS
    default_action: ClassVar[Action] = "drop"
    can_repair: ClassVar[bool] = False
    is_private: ClassVar[bool] = False

    def __init__(self, *, action: Action | None = None) -> None:
        allowed = ["drop", "keep", "fail", *(["repair"] if self.can_repair else [])]
        if action is not None and action not in allowed:
            raise ConfigError(
                f"One of {allowed} was expected for the rule {self.name!r}. Received: "
                f"action={action!r}."
            )
        self.action: Action = action or self.default_action

    def describe(self) -> dict[str, Any]:
        """The rule's name and arguments: what a recipe would say."""
        return {"rule": self.name, **vars(self)}


class ExampleRule(Rule):
    """A rule that looks at one example alone.

    Runs in the order of the recipe, each on what the one before left; not at all on an
    example that has no content, unless `looks_at_unreadable`.
    """

    looks_at_unreadable: ClassVar[bool] = False

    @abc.abstractmethod
    def check(self, example: Example) -> str | None:
        """Says what is wrong, in words with numbers, or None.

        A pure function of the example: the same in every process and every order.
        """

    def repair(self, example: Example) -> Example:
        """The example mended, for rules with `can_repair`.

        Called only after `check` found something. If `check` finds something still,
        the example is dropped.
        """
        raise NotImplementedError


class SetRule(Rule):
    """A rule that compares examples: duplicates, outliers, conflicts.

    It sees only the facts that it asked for, a few numbers of each example, so that
    all of them fit into memory. Judged after all `ExampleRule`s, in the order of the
    recipe, each over what the ones before left in.

    Facts are stored under the rule's `name`; two rules of one name must differ in
    nothing that `measure` uses.
    """

    @abc.abstractmethod
    def measure(self, example: Example) -> dict[str, Fact]:
        """A few facts of one example; the same keys, types and lengths for all.

        A pure function of the example. `Fact` is a number, a bool, a str, bytes, or a
        NumPy vector of one length (or, of dtype uint64, of any length).
        """

    @abc.abstractmethod
    def judge(self, facts: Facts) -> dict[int, str]:
        """What is wrong, by row of `facts`, in words; rows that are fine are absent.

        Must not depend on anything but `facts`, whose rows are in the order of ids.
        """

    def groups(self, facts: Facts) -> "list[list[int]]":
        """Rows that say the same and must stay on one side of a split; or none."""
        return []
