"""Labels by a rule: a function of the example, or a pattern of its id or its text."""

import re
from collections.abc import Callable, Iterable

from tfgenai.core.errors import ConfigError
from tfgenai.data.raw.example import Example


def label_by_rule(
    examples: Iterable[Example],
    rule: "Callable[[Example], str | None] | str",
    *,
    of: str = "id",
) -> dict[str, str | None]:
    r"""The label that a rule gives each example.

    Args:
        examples: the examples.
        rule: a function that returns a label or None; or a regular expression, whose
            group `label`, or all of what it finds, is the label.
        of: what a regular expression looks at, "id" or "text".

    Returns:
        A label, or None where the rule has nothing to say, by id.

    Raises:
        ConfigError: if `rule` is no regular expression, or `of` is something else.

    Example:
        >>> examples = [Example("cat_1", "x"), Example("other", "y")]
        >>> label_by_rule(examples, r"(?P<label>[a-z]+)_\d")
        {'cat_1': 'cat', 'other': None}
    """
    if of not in ("id", "text"):
        raise ConfigError(f"'id' or 'text' was expected. Received: of={of!r}.")
    give = rule if callable(rule) else _by_pattern(rule, of)
    return {example.id: give(example) for example in examples}


def _by_pattern(pattern: str, of: str) -> Callable[[Example], str | None]:
    try:
        compiled = re.compile(pattern)
    except re.error as error:
        raise ConfigError(
            f"A regular expression was expected. Received: rule={pattern!r} ({error})."
        ) from error
    group: str | int = "label" if "label" in compiled.groupindex else 0

    def give(example: Example) -> str | None:
        text = example.id if of == "id" else example.content
        match = compiled.search(text) if isinstance(text, str) else None
        return None if match is None else match[group]

    return give
