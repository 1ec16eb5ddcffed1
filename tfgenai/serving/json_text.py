"""Arrays as the JSON text of TensorFlow Serving's REST answers."""

import base64
import json
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from tfgenai.serving.codes import invalid
from tfgenai.serving.json_tensors import B64

# Outputs whose names end so hold bytes, not text.
BYTES_SUFFIX = "_bytes"

# Decimal digits that a float32 needs at most, and those it is tried with first.
_FULL_DIGITS, _FEW_DIGITS = 9, 6


def response(outputs: Mapping[str, np.ndarray], *, by_row: bool) -> bytes:
    r"""The body of an answer.

    Args:
        outputs: arrays by name. Strings are written in base64 exactly where the name
            ends in `_bytes`.
        by_row: whether the request came as `instances`.

    Raises:
        ServingError: INVALID_ARGUMENT if rows were asked for and the outputs do not
            have as many rows each, or if text is not UTF-8.

    Example:
        >>> response({"x": np.array([0.2, 3.0], np.float32)}, by_row=True)
        b'{\n    "predictions": [0.2, 3.0]\n}'
    """
    if by_row:
        _check_rows(outputs)
        rows = [_rows_text(name, array) for name, array in outputs.items()]
        if len(rows) > 1:
            keys = [f"{json.dumps(name)}: " for name in outputs]
            texts = [
                "{" + ", ".join(map(str.__add__, keys, row)) + "}"
                for row in zip(*rows, strict=True)
            ]
        else:
            (texts,) = rows
        answer, key = f"[{', '.join(texts)}]", "predictions"
    else:
        columns = {name: array_text(name, array) for name, array in outputs.items()}
        answer, key = ", ".join(columns.values()), "outputs"
        if len(columns) > 1:
            pairs = (f"{json.dumps(name)}: {text}" for name, text in columns.items())
            answer = f"{{{', '.join(pairs)}}}"
    return f'{{\n    "{key}": {answer}\n}}'.encode()


def array_text(name: str, array: np.ndarray) -> str:
    """One array as nested lists.

    Args:
        name: the tensor's name.
        array: of one of the wire's types.

    Raises:
        ServingError: INVALID_ARGUMENT if text is not UTF-8.
    """
    if array.ndim == 0:
        return _rows_text(name, array[None])[0]
    return f"[{', '.join(_rows_text(name, array))}]"


def _rows_text(name: str, array: np.ndarray) -> list[str]:
    if array.dtype in (np.float32, np.float16):
        return _float_rows(array.astype(np.float32, copy=False))
    if array.dtype == object:
        array = _encode_strings(name, array)
    return [json.dumps(row, ensure_ascii=False) for row in array.tolist()]


def _encode_strings(name: str, array: np.ndarray) -> np.ndarray:
    items = array.ravel().tolist()
    encoded = np.empty(len(items), object)
    if name.endswith(BYTES_SUFFIX):
        encoded[:] = [{B64: base64.b64encode(item).decode()} for item in items]
    else:
        encoded[:] = [_to_text(name, item) for item in items]
    return encoded.reshape(array.shape)


def _to_text(name: str, item: Any) -> str:
    if isinstance(item, str):
        return item
    try:
        return str(item, "utf-8")
    except UnicodeDecodeError as error:
        raise invalid(
            f"UTF-8 text in output {name!r} was expected. Received: other bytes. Ask "
            f"over gRPC, or call the output {name}{BYTES_SUFFIX} in the export."
        ) from error


def _float_rows(array: np.ndarray) -> list[str]:
    """Rows of float32, each number in its shortest form.

    A row is formatted in one go, because `json.dumps` takes twice as long.
    """
    if not array.size:
        return [json.dumps(row) for row in array.tolist()]
    shape = array.shape[1:]
    short = _shorten(array).reshape(len(array), -1)
    # A whole number keeps its ".0", so that readers see one type in a list.
    special = ~(np.isfinite(short) & (short != np.rint(short)))
    uniform = _uniform_template("%.9g", shape)
    texts = []
    for row, (values, has_special) in enumerate(
        zip(short.tolist(), special.any(axis=1).tolist(), strict=True)
    ):
        template = uniform
        if has_special:
            codes = ["%.9g"] * len(values)
            for index in np.flatnonzero(special[row]).tolist():
                codes[index] = "%s"
                values[index] = json.dumps(values[index])
            template = _template(codes, shape)
        texts.append(template % tuple(values))
    return texts


def _uniform_template(code: str, shape: Sequence[int]) -> str:
    for size in reversed(shape):
        code = f"[{', '.join([code] * size)}]"
    return code


def _template(codes: list[str], shape: Sequence[int]) -> str:
    for axis in reversed(range(len(shape))):
        size, count = shape[axis], math.prod(shape[:axis])
        codes = [
            f"[{', '.join(codes[i * size : (i + 1) * size])}]" for i in range(count)
        ]
    return codes[0]


def _shorten(array: np.ndarray) -> np.ndarray:
    """The float64 whose shortest text is the shortest one of a float32.

    0.2 as float32 is 0.20000000298023224 as float64. Rounded to six decimal digits
    where those give the float32 back, and otherwise to nine, it is 0.2.
    """
    with np.errstate(all="ignore"):
        exact = array.astype(np.float64)
        exponent = np.floor(np.log10(np.abs(exact)))
        few = _round_digits(exact, exponent, _FEW_DIGITS)
        full = _round_digits(exact, exponent, _FULL_DIGITS)
        short = np.where(few.astype(np.float32) == array, few, full)
        # The smallest and largest numbers leave the range where rounding is exact.
        return np.where(short.astype(np.float32) == array, short, exact)


def _round_digits(values: np.ndarray, exponent: np.ndarray, digits: int) -> np.ndarray:
    places = np.nan_to_num(digits - 1 - exponent, nan=0.0, posinf=0.0, neginf=0.0)
    scale = 10.0 ** np.abs(places)
    # Dividing by a power of ten rounds once; multiplying by its inverse would twice.
    return np.where(
        places >= 0, np.rint(values * scale) / scale, np.rint(values / scale) * scale
    )


def _check_rows(outputs: Mapping[str, np.ndarray]) -> None:
    rows = None
    for name, array in outputs.items():
        if array.ndim == 0:
            raise invalid(f"Tensor name: {name} has no shape information ")
        if rows is not None and len(array) != rows:
            raise invalid(
                f"Tensor name: {name} has inconsistent batch size: {len(array)} "
                f"expecting: {rows}"
            )
        rows = len(array)
