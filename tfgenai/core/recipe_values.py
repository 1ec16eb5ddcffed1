"""Values of a recipe: read from YAML, changed by dotted key."""

import re
from typing import Any

import yaml

from tfgenai.core.errors import ConfigError


def parse_yaml(text: str, *, source: str) -> Any:
    """Plain values of YAML text; `1e-3` is a number, as everywhere else.

    Raises:
        ConfigError: if it is not YAML.
    """
    try:
        return yaml.load(text, Loader=_Loader)
    except yaml.YAMLError as error:
        raise ConfigError(
            f"YAML was expected. Received: {source!r} ({error}). Correct that line."
        ) from error


def set_key(values: dict[str, Any], key: str, value: Any) -> None:
    """Sets the value at a dotted key, making the sections on its way.

    Args:
        values: sections by name; changed in place.
        key: for example `"data.batch_size"`.
        value: the new value.

    Raises:
        ConfigError: if the key leads through a value that is no section.
    """
    *sections, last = key.split(".")
    here = values
    for section in sections:
        inner = here.get(section)
        if inner is None:
            inner = here[section] = {}
        if not isinstance(inner, dict):
            raise ConfigError(
                f"A key of nested sections was expected. Received: {key!r}, but "
                f"{section!r} is the value {inner!r}. Name a section before the dot."
            )
        here = inner
    here[last] = value


class _Loader(yaml.SafeLoader):
    """The safe loader, which knows numbers with an exponent but no point."""


_Loader.yaml_implicit_resolvers = {
    first: list(pairs)
    for first, pairs in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float",
    re.compile(r"^[-+]?[0-9]+(\.[0-9]*)?[eE][-+]?[0-9]+$"),
    list("-+0123456789"),
)
