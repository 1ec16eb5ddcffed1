"""What lies between a caller and the wire: the signature that fits, rows, answers."""

import re
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from tfgenai.serving.client_types import SignatureInfo, nearest

GENERATE = "generate"
GENERATE_ADVANCED = "generate_advanced"
NUM_STEPS = "num_steps"
MAX_NEW_TOKENS = "max_new_tokens"
PROMPTS = "prompts"

_BYTES_SUFFIX = "_bytes"
_BUCKET = re.compile(r"generate_up_to_(\d+)_(steps|tokens)")


def choose_signature(
    signatures: Mapping[str, SignatureInfo], given: Mapping[str, Any]
) -> str:
    """The signature of a served model that fits what is asked of it.

    Args:
        signatures: the model's, by name.
        given: the caller's values by name.

    Returns:
        `generate` where that takes all of them. Otherwise, if numbers of steps or of
        new tokens are given, the smallest `generate_up_to_<k>_steps` or `..._tokens` in
        which all rows fit, so that they wait for no longer ones of other clients; or
        `generate_advanced`.
    """
    if given.keys() <= signatures[GENERATE].inputs.keys():
        return GENERATE
    sizes = {
        (int(match[1]), match[2]): name
        for name in signatures
        if (match := _BUCKET.fullmatch(name))
    }
    needed: dict[str, int] = {}
    steps = _largest(given.get(NUM_STEPS))
    if steps is not None:
        needed["steps"] = steps
    tokens = _largest(given.get(MAX_NEW_TOKENS))
    if tokens is not None:
        # A token stands for a byte or more.
        texts = np.ravel(np.asarray(given.get(PROMPTS, ""), object)).tolist()
        encoded = [text.encode() if isinstance(text, str) else text for text in texts]
        # What is no text is refused later, by its name.
        sizes_of = [len(text) for text in encoded if isinstance(text, bytes)]
        needed["tokens"] = max([tokens, *sizes_of])
    fits = [
        (limit, name)
        for (limit, unit), name in sizes.items()
        if unit in needed and limit >= needed[unit]
    ]
    return min(fits)[1] if fits else GENERATE_ADVANCED


def _largest(values: Any) -> int | None:
    """The largest of counts; None if a row has none, whose default is not known."""
    counts = np.asarray([] if values is None else values)
    if not counts.size or counts.dtype.kind not in "iu" or counts.min() < 1:
        return None
    return int(counts.max())


def check_names(
    given: Mapping[str, Any], known: Iterable[str], required: Iterable[str]
) -> None:
    """Refuses unknown inputs and those that nobody but the caller can give.

    Args:
        given: the caller's values by name.
        known: names of all inputs.
        required: names of the inputs that have no default.

    Raises:
        ValueError: if one is unknown or missing.
    """
    names = sorted(known)
    for name, value in given.items():
        if name not in names:
            raise ValueError(
                f"Some of the inputs {names} were expected. Received: "
                f"{name}={value!r}.{nearest(name, names)}"
            )
    needed = list(required)
    missing = [name for name in needed if given.get(name) is None]
    if missing:
        raise ValueError(
            f"Values for {sorted(needed)} were expected. Received: "
            f"{missing[0]}=None. Give one value for each row."
        )


def to_rows(signature: SignatureInfo, given: Mapping[str, Any]) -> dict[str, Any]:
    """Arrays for all inputs of a signature, each with as many rows.

    Args:
        signature: the signature.
        given: values by name, one for each row or one for all; None as if left out.

    Returns:
        The values, and what stands for the model's default for all other inputs.

    Raises:
        ValueError: if sizes differ or a value does not fit.
        TypeError: if a value is of another kind.
    """
    arrays = {
        name: signature.inputs[name].to_array(value)
        for name, value in given.items()
        if value is not None
    }
    # What lacks the batch axis is one value for all rows.
    single = {n for n, a in arrays.items() if a.ndim + 1 == signature.inputs[n].rank}
    sizes = {n: len(a) for n, a in arrays.items() if n not in single and a.ndim}
    num_rows = max(sizes.values(), default=1)
    for name, size in sizes.items():
        if size != num_rows:
            raise ValueError(
                f"As many values as rows, {num_rows}, were expected. Received: {name} "
                f"with {size}. Give one for each row, or a single one for all."
            )
    for name in single:
        arrays[name] = np.stack([arrays[name]] * num_rows)
    return arrays | {
        name: field.sentinel(num_rows)
        for name, field in signature.inputs.items()
        if name not in arrays
    }


def to_caller(name: str, array: np.ndarray) -> np.ndarray:
    """An output as the caller gets it: writable, and text as str.

    Args:
        name: the output's name; what ends in `_bytes` stays bytes.
        array: the output as it was received.
    """
    if array.dtype != object:
        # Arrays that lie in a message are read-only.
        return array if array.flags.writeable else array.copy()
    if name.endswith(_BYTES_SUFFIX):
        return array
    text = np.empty(array.size, object)
    text[:] = [item.decode("utf-8", "replace") for item in array.ravel().tolist()]
    return text.reshape(array.shape)
