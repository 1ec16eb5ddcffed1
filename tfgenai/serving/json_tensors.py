"""The JSON of TensorFlow Serving's REST requests, turned into arrays."""

import base64
import binascii
import itertools
import json
from collections.abc import Sequence
from typing import Any

import numpy as np

from tfgenai.core.errors import ServingError
from tfgenai.serving.codes import invalid
from tfgenai.serving.tensors import Kind

B64 = "b64"
_SHOWN_CHARACTERS = 60


def parse(body: bytes) -> dict[str, Any]:
    """Parses a request's body, which must be a JSON object.

    `NaN`, `Infinity` and `-Infinity` are taken as numbers.

    Raises:
        ServingError: INVALID_ARGUMENT, with the place of the mistake.
    """
    if not body:
        raise invalid("JSON Parse error: The document is empty")
    try:
        document = json.loads(body)
    except RecursionError as error:
        raise invalid("JSON Parse error: The document is nested too deeply") from error
    except ValueError as error:
        raise invalid(f"JSON Parse error: {error}") from error
    if not isinstance(document, dict):
        raise invalid(f"JSON Value: {_short(document)} Is not object")
    return document


def to_array(value: Any, kind: Kind) -> np.ndarray:
    """Converts a JSON value, nested as deep as the tensor has axes.

    Args:
        value: a number, a string, `{"b64": ...}`, a boolean, or lists of them.
        kind: the type that the signature asks for.

    Raises:
        ServingError: INVALID_ARGUMENT if lists are ragged or a value is of another
            type or outside of the type's range.
    """
    shape, flat = _flatten(value)
    if kind.dtype == "string":
        array = np.empty(len(flat), object)
        array[:] = [_to_bytes(item, kind) for item in flat]
        return array.reshape(shape)
    allowed = _JSON_TYPES[kind.numpy.kind]
    if not set(map(type, flat)) <= allowed:
        raise _type_error(next(x for x in flat if type(x) not in allowed), kind)
    try:
        with np.errstate(over="raise"):
            array = np.array(flat, kind.numpy)
    except (OverflowError, FloatingPointError) as error:
        raise invalid(
            f"JSON values in the range of type {kind.name} were expected. Received: "
            "one outside of it. Change it."
        ) from error
    return array.reshape(shape)


def rows_to_columns(
    instances: Any, names: Sequence[str]
) -> dict[str, Sequence[Any] | Any]:
    """Turns the row format into the column format.

    Args:
        instances: a list of values where there is one input; otherwise a list of
            objects, each with a value for every input.
        names: the inputs' names.

    Raises:
        ServingError: INVALID_ARGUMENT if a row lacks an input or has another one.
    """
    if not isinstance(instances, list):
        raise invalid("Expecting 'instances' to be an list/array")
    if not instances:
        raise invalid("No values in 'instances' array")
    as_objects = _is_object(instances[0])
    if not as_objects and len(names) > 1:
        raise invalid(
            "instances is a plain list, but expecting list of objects as multiple "
            "input tensors required as per tensorinfo_map"
        )
    wanted = set(names)
    for number, row in enumerate(instances):
        if _is_object(row) != as_objects:
            kinds = ("object", "list") if as_objects else ("value/list", "object")
            raise invalid(
                f"Expecting {kinds[0]} but got {kinds[1]} at item {number} of input "
                "list"
            )
        if as_objects and row.keys() != wanted:
            raise invalid(
                f"Failed to process element: {number} of 'instances' list. JSON "
                f"object: {_short(row)} keys must be equal to: "
                f"{','.join(sorted(names))}"
            )
    if not as_objects:
        return {names[0]: instances}
    return {name: [row[name] for row in instances] for name in names}


def columns(inputs: Any, names: Sequence[str]) -> dict[str, Any]:
    """Checks the column format.

    Args:
        inputs: one value where there is one input; otherwise an object of values.
        names: the inputs' names.

    Raises:
        ServingError: INVALID_ARGUMENT if an input is missing.
    """
    if not _is_object(inputs):
        if len(names) > 1:
            raise invalid(
                "inputs is a plain value/list, but expecting an object as multiple "
                "input tensors required as per tensorinfo_map"
            )
        return {names[0]: inputs}
    for name in names:
        if name not in inputs:
            raise invalid(f"Missing named input: {name} in 'inputs' object.")
    return {name: inputs[name] for name in names}


# What JSON gives for each kind of number; a boolean is no number there.
_JSON_TYPES: dict[str, set[type]] = {
    "b": {bool},
    "i": {int},
    "u": {int},
    "f": {int, float},
}


def _flatten(value: Any) -> tuple[tuple[int, ...], list[Any]]:
    """The shape of nested lists, and their leaves."""
    shape: list[int] = []
    level = [value]
    # Only lists of lists are another axis; the kinds of leaves are checked later.
    while level and type(level[0]) is list:
        if not all(type(item) is list for item in level):
            raise invalid(
                f"Lists as deep as each other were expected. Received: a value and a "
                f"list at level {len(shape)}. Make the rows alike."
            )
        sizes = set(map(len, level))
        if len(sizes) > 1:
            raise invalid(
                f"Encountered list at unexpected size: {max(sizes)} at level: "
                f"{len(shape)} expected size: {len(level[0])}"
            )
        shape.append(sizes.pop())
        level = list(itertools.chain.from_iterable(level))
    for item in level:
        if type(item) is list:
            raise invalid(
                f"Encountered list at unexpected level: {len(shape)} expected < "
                f"{len(shape)}"
            )
    return tuple(shape), level


def _to_bytes(item: Any, kind: Kind) -> bytes:
    if isinstance(item, str):
        try:
            return item.encode()
        except UnicodeEncodeError as error:
            raise invalid(
                f"Text of whole characters was expected. Received: {_short(item)}, "
                "half of a surrogate pair. Send bytes as {'b64': ...}."
            ) from error
    if not isinstance(item, dict):
        raise _type_error(item, kind)
    encoded = item.get(B64)
    if len(item) != 1 or not isinstance(encoded, str):
        raise invalid(
            f"JSON Value: {_short(item)} not formatted correctly for base64 data"
        )
    try:
        padding = "=" * (-len(encoded) % 4)
        return base64.b64decode(encoded + padding, validate=True)
    except (binascii.Error, ValueError) as error:
        raise invalid("Unable to base64 decode") from error


def _is_object(value: Any) -> bool:
    """Whether it is an object that does not stand for bytes."""
    if not isinstance(value, dict):
        return False
    return not (len(value) == 1 and isinstance(value.get(B64), str))


def _type_error(item: Any, kind: Kind) -> ServingError:
    words = {bool: str(item), dict: "Object", str: "String", type(None): "Null"}
    word = words.get(type(item), "Number")
    return invalid(
        f"JSON Value: {_short(item)} Type: {word} is not of expected type: {kind.name}"
    )


def _short(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=True)
    if len(text) > _SHOWN_CHARACTERS:
        text = text[: _SHOWN_CHARACTERS - 3] + "..."
    return text
