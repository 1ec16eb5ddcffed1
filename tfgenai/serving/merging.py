"""The inputs of several requests as one, and its outputs as theirs again."""

from collections.abc import Mapping, Sequence

import numpy as np

from tfgenai.core.errors import ServingError
from tfgenai.serving.codes import invalid

Arrays = Mapping[str, np.ndarray]


def count_rows(inputs: Arrays) -> int:
    """How many rows the inputs of a request have.

    Raises:
        ServingError: INVALID_ARGUMENT if they do not agree, in the words of TensorFlow
            Serving's batching.
    """
    sizes = {array.shape[:1] for array in inputs.values()}
    if not sizes or () in sizes:
        raise invalid(
            "Batching Run() input tensors must have at least one dimension"
            if inputs
            else "Batching Run() must have at least one input tensor"
        )
    if len(sizes) > 1:
        raise invalid("Batching Run() input tensors must have equal 0th-dimension size")
    return int(next(iter(sizes))[0])


def merge(requests: Sequence[Arrays], rows: int) -> dict[str, np.ndarray]:
    """Puts the inputs of requests one under the other.

    Args:
        requests: arrays by name, of as many axes in each request; shorter ones are
            padded with their own first element.
        rows: how many to bring the batch to. What is missing are copies of the last
            request's first row: one that the graph is known to take.

    Returns:
        Arrays by name, each of `rows` rows.
    """
    merged = {}
    for name, first in requests[0].items():
        arrays = [request[name] for request in requests]
        shapes = {array.shape[1:] for array in arrays}
        if len(shapes) > 1:
            widest = tuple(max(sizes) for sizes in zip(*shapes, strict=True))
            arrays = [_widened(array, widest) for array in arrays]
        missing = rows - sum(len(array) for array in arrays)
        if missing > 0:
            arrays.append(np.repeat(arrays[-1][:1], missing, axis=0))
        merged[name] = np.concatenate(arrays) if len(arrays) > 1 else first
    return merged


def split(outputs: Arrays, sizes: Sequence[int], rows: int) -> list[dict]:
    """Gives each request its rows of a batch's outputs.

    Args:
        outputs: arrays by name.
        sizes: rows of each request.
        rows: rows of the batch, padding included.

    Returns:
        Arrays by name for each request.

    Raises:
        ServingError: FAILED_PRECONDITION if an output has not one row for each row.
    """
    for array in outputs.values():
        if not array.ndim:
            raise ServingError(
                "Batched output tensor has 0 dimensions", code="FAILED_PRECONDITION"
            )
        if len(array) != rows:
            raise ServingError(
                "Batched output tensor's 0th dimension does not equal the sum of the "
                "0th dimension sizes of the input tensors",
                code="FAILED_PRECONDITION",
            )
    parts, start = [], 0
    for size in sizes:
        parts.append(
            {name: array[start : start + size] for name, array in outputs.items()}
        )
        start += size
    return parts


def _widened(array: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    if array.shape[1:] == shape:
        return array
    fill: object = array.flat[0] if array.size else array.dtype.type()
    if array.dtype == object and not array.size:
        fill = b""
    wide = np.full((len(array), *shape), fill, array.dtype)
    wide[tuple(slice(size) for size in array.shape)] = array
    return wide
