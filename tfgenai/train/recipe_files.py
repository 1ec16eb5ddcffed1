"""Recipes as files: found by name, read from YAML, changed by dotted key."""

import difflib
import re
from pathlib import Path
from typing import Any

import yaml

from tfgenai.core.errors import ConfigError

SHIPPED = Path(__file__).parent / "recipes"


def shipped_recipes() -> list[str]:
    """Names of the recipes that come with the package, sorted."""
    return sorted(path.stem for path in SHIPPED.glob("*.yaml"))


def find_recipe(recipe: str | Path) -> Path:
    """The file of a recipe.

    Args:
        recipe: a shipped recipe's name, or a path that ends in .yaml or .yml.

    Raises:
        ConfigError: if there is none; the message names the nearest.
    """
    text = str(recipe)
    if text in shipped_recipes():
        return SHIPPED / f"{text}.yaml"
    path = Path(recipe)
    if path.suffix in (".yaml", ".yml") and path.is_file():
        return path
    near = difflib.get_close_matches(path.stem, shipped_recipes(), n=1)
    hint = f" Did you mean {near[0]!r}?" if near else ""
    raise ConfigError(
        f"One of the recipes {shipped_recipes()} or the path of a .yaml file was "
        f"expected. Received: recipe={text!r}, which is neither.{hint}"
    )


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
