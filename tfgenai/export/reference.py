"""Histograms of an export's own outputs, by which a server sees them change."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from tfgenai.core.errors import DataError
from tfgenai.core.storage import PathLike
from tfgenai.export.card import read_card
from tfgenai.export.graph import resolve_version
from tfgenai.export.warmup import example_inputs

_BATCH = 32


def keep_reference(
    folder: PathLike,
    *,
    signature: str = "generate",
    num_samples: int = 256,
    inputs: Mapping[str, Any] | None = None,
) -> dict[str, float]:
    """Samples from an export and keeps how the outputs are spread beside it.

    A server holds what it answers later against that: its metrics tell the distance as
    `tfgenai_serving_output_drift`.

    Args:
        folder: a version folder, or a folder of versions, of which the newest is taken.
        signature: the signature to sample from.
        num_samples: rows to sample.
        inputs: values by name, one for each row or one for all; those that are left out
            are spread over their range.

    Returns:
        The mean of each score.

    Raises:
        ExportError: if there is no export.
        DataError: if the outputs have no scores, or the signature is unknown.
        ValueError: if `num_samples` is not positive.

    Example:
        ```python
        keep_reference("served/digits", num_samples=500)
        ```
    """
    from tfgenai.serving.config import Settings
    from tfgenai.serving.output_scores import score_rows, write_reference
    from tfgenai.serving.servable import Servable

    if num_samples < 1:
        raise ValueError(
            "A positive number of rows was expected. Received: "
            f"num_samples={num_samples}. Use 256."
        )
    path = resolve_version(folder)
    known = read_card(path)["signatures"]
    if signature not in known:
        raise DataError(
            f"One of the signatures {sorted(known)} was expected. Received: "
            f"signature={signature!r}. Choose one of them."
        )
    made = example_inputs(known[signature]["inputs"], num_samples)
    for name, value in (inputs or {}).items():
        if name not in made:
            raise DataError(
                f"Inputs among {sorted(made)} were expected. Received: {name!r}. "
                "Leave it out."
            )
        array = np.asarray(value, made[name].dtype)
        made[name] = np.broadcast_to(array, made[name].shape).copy()
    servable = Servable(path.parent.name, int(path.name), path, Settings())
    served = servable.signature(signature)
    if served is None:
        raise DataError(
            f"An export whose card tells of its graph was expected. Received: {path}, "
            f"whose graph has no signature {signature!r}. Export the model again."
        )
    found: dict[str, list[np.ndarray]] = {}
    for start in range(0, num_samples, _BATCH):
        rows = {name: array[start : start + _BATCH] for name, array in made.items()}
        outputs = servable.run(served, rows, tuple(served.outputs))
        for name, values in score_rows(outputs, max_rows=_BATCH).items():
            found.setdefault(name, []).append(values)
    servable.retire()
    if not found:
        raise DataError(
            "Outputs of pictures, sounds or texts were expected. Received: "
            f"signature={signature!r} with {sorted(served.outputs)}. Choose another."
        )
    scores = {name: np.concatenate(values) for name, values in found.items()}
    write_reference(path, scores)
    return {name: float(values.mean()) for name, values in scores.items()}
