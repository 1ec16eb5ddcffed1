"""Mistakes in a recipe as one message: the place, the nearest key, the way out."""

import difflib
import inspect
import typing
from typing import Any

import pydantic

from tfgenai.core.errors import ConfigError


def to_config_error(
    error: pydantic.ValidationError, recipe: type[pydantic.BaseModel], source: str
) -> ConfigError:
    """Words of this package for what pydantic found.

    Args:
        error: all mistakes.
        recipe: the class that was to be made.
        source: name or path of the recipe.
    """
    lines: dict[str, str] = {}
    for one in error.errors():
        place, keys = _place(one["loc"], recipe)
        # A union reports each of its types: the first is enough.
        lines.setdefault(place, _words(one, place, keys))
    listed = "\n".join(f"  {line}" for line in lines.values())
    return ConfigError(
        f"A recipe without mistakes was expected. Received: {source!r}, in which\n"
        f"{listed}\nCorrect it there, or with --set KEY=VALUE."
    )


def check_names(
    given: dict[str, Any], function: Any, *, place: str, without: tuple[str, ...] = ()
) -> None:
    """Refuses arguments that a function does not have.

    Args:
        given: arguments by name.
        function: function or class that will take them.
        place: dotted key of the section they stand in.
        without: parameters that cannot be given here.

    Raises:
        ConfigError: if there is one; the message names the nearest.
    """
    parameters = inspect.signature(function).parameters.values()
    known = [
        p.name
        for p in parameters
        if p.kind not in (p.VAR_KEYWORD, p.VAR_POSITIONAL) and p.name not in without
    ]
    for name in given:
        if name not in known:
            raise ConfigError(
                f"An argument of {function.__name__} was expected. Received: "
                f"{place}.{name}, which is none.{_nearest(name, known)} It has "
                f"{', '.join(known)}."
            )


def _words(one: Any, place: str, keys: list[str]) -> str:
    if one["type"] == "extra_forbidden":
        name = place.rsplit(".", 1)[-1]
        known = f" There are {', '.join(keys)}."
        return f"{place}: there is no such key.{_nearest(name, keys) or known}"
    if one["type"] == "missing":
        return f"{place}: a value is needed."
    message = one["msg"].removeprefix("Input should be ").removeprefix("Value error, ")
    if one["type"] in ("dict_type", "model_type"):
        message = "a section with keys of its own"
    elif one["type"] == "string_pattern_mismatch":
        message = "a name of letters, digits, '.', '_' and '-'"
    return f"{place}={one['input']!r}: {message} was expected."


def _nearest(name: str, known: list[str]) -> str:
    near = difflib.get_close_matches(name, known, n=1)
    return f" Did you mean {near[0]!r}?" if near else ""


def _place(
    location: tuple[int | str, ...], recipe: type[pydantic.BaseModel]
) -> tuple[str, list[str]]:
    """The dotted key of a mistake, and the keys that could stand there."""
    path: list[str] = []
    keys: list[str] = []
    here: Any = recipe
    for item in location:
        section = _section_in(here)
        if section is not None:
            path.append(str(item))
            keys = list(section.model_fields)
            field = section.model_fields.get(str(item))
            here = None if field is None else field.annotation
        elif typing.get_origin(here) is dict:
            path.append(str(item))
            here = typing.get_args(here)[1]
        # What is left are indices into a value, and the types of a union.
    return ".".join(path), keys


def _section_in(annotation: Any) -> type[pydantic.BaseModel] | None:
    """The section that a field holds, perhaps beside None."""
    if typing.get_origin(annotation) is dict:
        return None
    for one in (annotation, *typing.get_args(annotation)):
        if isinstance(one, type) and issubclass(one, pydantic.BaseModel):
            return one
    return None
