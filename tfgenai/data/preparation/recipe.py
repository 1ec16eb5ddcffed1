"""PrepareRecipe: what is read, which rules it passes, how it is split."""

import os
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

import pydantic

from tfgenai.core.errors import ConfigError
from tfgenai.core.recipe_errors import check_names
from tfgenai.core.recipe_file import RecipeFile, Section
from tfgenai.data.clean.all_rules import rule_class
from tfgenai.data.clean.rule import Rule
from tfgenai.data.raw.example import Kind
from tfgenai.data.raw.opening import EMBEDDED
from tfgenai.data.raw.source import RawSource, open_raw

_Seed = Annotated[int, pydantic.Field(ge=0, lt=2**63)]
_Name = Annotated[str, pydantic.Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")]

DEFAULT_RULES: dict[str, tuple[str, ...]] = {
    "images": ("unreadable", "exact_duplicate"),
    "text": ("unreadable", "encoding", "control_characters", "exact_duplicate"),
    "sound": ("unreadable", "silent", "exact_duplicate"),
}


class SourceSection(Section):
    """Where raw data come from; other keys are arguments of that source.

    `path` is a set's name, a folder, a pattern or a file, see
    `tfgenai.data.raw.open_raw`; a relative path begins at the recipe's folder. A folder
    that is called as a set is needs `./` before its name.
    """

    model_config = pydantic.ConfigDict(extra="allow", frozen=True)

    path: str
    kind: Kind | None = None

    @property
    def options(self) -> dict[str, Any]:
        """The source's own arguments."""
        return dict(self.model_extra or {})


class RuleSection(Section):
    """A rule by name, what becomes of what breaks it, and its arguments."""

    model_config = pydantic.ConfigDict(extra="allow", frozen=True)

    rule: str
    action: Literal["drop", "repair", "keep", "fail"] | None = None

    def make(self, place: str = "clean") -> Rule:
        """The rule itself.

        Raises:
            ConfigError: if there is no such rule, or it has no such argument.
        """
        try:
            found = rule_class(self.rule)
        except ValueError as error:
            raise ConfigError(f"{place}: {error}") from error
        options = dict(self.model_extra or {})
        check_names(options, found, place=place, without=("self", "action"))
        try:
            return found(action=self.action, **options)
        except (TypeError, ValueError) as error:
            raise ConfigError(f"{place}, rule {self.rule!r}: {error}") from error


class SplitSection(Section):
    """How examples are shared out among splits; see `tfgenai.data.partition`.

    `given` keeps the splits that the source has. `by` is what is kept together or in
    order: "label" gives each class its share, "group" keeps groups together, "time"
    puts later examples into later splits. Copies that are kept stay together always.
    """

    shares: dict[_Name, Annotated[float, pydantic.Field(gt=0, le=1)]] = pydantic.Field(
        default={"train": 0.8, "validation": 0.1, "test": 0.1}
    )
    given: bool = False
    by: Literal["label", "group", "time"] | None = None
    seed: _Seed = 0


class LeakSection(Section):
    """What is looked for across splits, and what happens if it is found.

    `exact`, `near` and `ngrams` (text: 13 words in a row) are kinds of leaks. "fail"
    stops the run, "drop" takes the example out of the split that comes first, "keep"
    only reports.
    """

    action: Literal["fail", "drop", "keep"] = "fail"
    exact: bool = True
    near: bool = True
    ngrams: bool = False


class ExceptionSection(Section):
    """An example that a rule shall not touch, or that no rule shall."""

    id: str | None = None
    rule: str | None = None


class PrepareRecipe(RecipeFile):
    """Everything that a prepared set depends on, beside the raw data.

    Args:
        name: name of the set.
        source: where raw data come from.
        clean: the rules, in order; None: what can be said to be wrong with any data of
            the kind: unreadable, mis-encoded, silent, exact copies.
        split: how splits are made.
        leaks: what may not be shared by splits.
        exceptions: findings that a person took back; see `tfgenai data undo`.
        licence: licence of the data; None for what the source says.

    Example:
        >>> recipe = PrepareRecipe.from_dict(
        ...     {"name": "small", "source": {"path": "digits"}, "clean": ["constant"]}
        ... )
        >>> [section.rule for section in recipe.rules("images")]
        ['constant']
    """

    _help: ClassVar[str] = "tfgenai data prepare --help"

    name: _Name
    source: SourceSection
    clean: tuple[RuleSection | str, ...] | None = None
    split: SplitSection = SplitSection()
    leaks: LeakSection = LeakSection()
    exceptions: tuple[ExceptionSection, ...] = ()
    licence: str | None = None

    def rules(self, kind: Kind) -> list[RuleSection]:
        """The rules' sections, for data of a kind if nothing is said."""
        given = DEFAULT_RULES[kind] if self.clean is None else self.clean
        return [
            RuleSection(rule=rule) if isinstance(rule, str) else rule for rule in given
        ]

    def make_rules(self, kind: Kind) -> list[Rule]:
        """The rules themselves.

        Raises:
            ConfigError: if one is unknown, is named twice or is for other data.
        """
        made: list[Rule] = []
        for number, section in enumerate(self.rules(kind)):
            place = f"clean[{number}]"
            rule = section.make(place)
            if kind not in rule.kinds:
                raise ConfigError(
                    f"A rule for {kind} was expected. Received: {place}={rule.name!r}, "
                    f"which is for {' and '.join(rule.kinds)}. Leave it out."
                )
            if rule.name in (other.name for other in made):
                raise ConfigError(
                    f"Each rule once was expected. Received: {place}={rule.name!r}, "
                    "which stands before. Leave one out."
                )
            made.append(rule)
        return made

    def located(self, folder: Path) -> "PrepareRecipe":
        """The recipe with a path that means the same from everywhere.

        Args:
            folder: where a relative path begins; names of sets are none.
        """
        path = self.source.path
        if path in EMBEDDED or path.startswith("tfds:"):
            return self
        place = os.path.abspath(folder / Path(path).expanduser())
        source = self.source.model_copy(update={"path": place})
        return self.model_copy(update={"source": source})

    def open_source(self) -> RawSource:
        """Opens the raw data."""
        return open_raw(self.source.path, kind=self.source.kind, **self.source.options)
