"""Compares the answers of two loaders, or of two batches, row by row."""

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import tensorflow as tf

_PNG = b"\x89PNG"
# Rounding to 8 bits may fall either way for values that differ by less than 1e-4.
_PIXEL_LEVELS = 1


def rows_of(arrays: Mapping[str, np.ndarray], rows: Iterable[int]) -> dict[str, Any]:
    """Takes the same rows of every array, in that order.

    Args:
        arrays: arrays `(batch, ...)` by name.
        rows: row numbers; a number may come twice.

    Example:
        >>> rows_of({"seed": np.array([5, 6, 7])}, [2, 0, 0])["seed"].tolist()
        [7, 5, 5]
    """
    chosen = list(rows)
    return {name: array[chosen] for name, array in arrays.items()}


def largest_difference(
    expected: Mapping[str, np.ndarray], received: Mapping[str, np.ndarray]
) -> float:
    """The largest difference between two answers, over all outputs.

    Args:
        expected: arrays by name.
        received: arrays by name.

    Returns:
        Absolute for values up to one, relative above. Strings count as 0 when equal;
        PNG files whose pixels differ by one level count as half that level's share of
        the tolerance, 0.5e-4. Infinite when names, shapes, types or strings differ.
    """
    if sorted(expected) != sorted(received):
        return float("inf")
    return max(
        (_difference(expected[name], received[name]) for name in expected), default=0.0
    )


def unusable(answer: Any, *, allow_errors: bool = False) -> str:
    """Words for what nobody can use in an answer; empty when it is fine.

    Args:
        answer: arrays by name, or words for why there are none.
        allow_errors: whether rows may have an error text.
    """
    if isinstance(answer, str):
        return answer
    for name, array in answer.items():
        if array is None:
            return f"there is no output {name!r}"
        if array.dtype.kind == "f" and not np.isfinite(array).all():
            return f"{name} holds NaN or infinity"
        if array.dtype.kind == "O" and not name.endswith("_bytes"):
            for text in array.ravel():
                if not _is_utf8(text):
                    return f"{name} holds bytes that are not UTF-8"
    errors = [text for text in answer.get("error", np.array([], object)) if text]
    if errors and not allow_errors:
        return f"a good row got the error {errors[0].decode()!r}"
    return ""


def _difference(expected: np.ndarray, received: np.ndarray) -> float:
    if expected.shape != received.shape or expected.dtype.kind != received.dtype.kind:
        return float("inf")
    if expected.dtype.kind == "O":
        pairs = zip(expected.ravel(), received.ravel(), strict=True)
        return max(
            (_string_difference(one, other) for one, other in pairs), default=0.0
        )
    if expected.dtype.kind != "f":
        return 0.0 if np.array_equal(expected, received) else float("inf")
    one, other = expected.astype(np.float64), received.astype(np.float64)
    scaled = np.abs(one - other) / np.maximum(1.0, np.abs(one))
    return float(scaled.max(initial=0.0))


def _string_difference(one: bytes, other: bytes) -> float:
    if one == other:
        return 0.0
    if not (one.startswith(_PNG) and other.startswith(_PNG)):
        return float("inf")
    pixels, others = (tf.io.decode_png(png).numpy().astype(int) for png in (one, other))
    if pixels.shape != others.shape or abs(pixels - others).max() > _PIXEL_LEVELS:
        return float("inf")
    return 0.5e-4


def _is_utf8(text: bytes) -> bool:
    try:
        text.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True
