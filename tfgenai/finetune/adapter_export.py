"""One export for a base and many adapters, of which each row of a request names one."""

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import tensorflow as tf

from tfgenai.core.conditions import Condition, join_errors
from tfgenai.core.errors import ExportError
from tfgenai.core.model import GenerativeModel
from tfgenai.core.signatures import Signature, check_rows, neutral_where_bad
from tfgenai.core.storage import PathLike
from tfgenai.export import export_saved_model
from tfgenai.finetune.lora import (
    adapted_layers,
    adapter_names,
    refuse_merged,
    require_known,
)
from tfgenai.layers.adapters import adapter_rows

ADAPTER = "adapter"


def export_with_adapters(
    model: GenerativeModel,
    path: PathLike,
    *,
    adapters: Sequence[str] | None = None,
    signatures: Sequence[str] | None = None,
    serving_options: Mapping[str, Any] | None = None,
    **kwargs: Any,
) -> Path:
    """Writes a SavedModel whose every signature takes an `adapter` for each row.

    The input is int32 `(batch,)`: 0 for the base, from 1 on the adapters in the order
    of `adapters`, -1 for the default, which is the base. Rows of one batch may ask for
    different ones; each is as it would be alone.

    What a row's own A and B cost: two small products on Dense, EinsumDense and
    Embedding layers. Convolutions compute the A of all adapters and keep one.

    Args:
        model: a model with adapters that are not merged.
        path: the model's folder; the export is `<path>/<version>/`.
        adapters: names; None for all of the model's, in the order of `adapter_names`.
        signatures: names of the signatures to export, main one first; None for all.
        serving_options: what the model's `serving_options` takes.
        **kwargs: passed on to `tfgenai.export.export_saved_model`.

    Returns:
        The version folder.

    Raises:
        ValueError: if an adapter is unknown, there is none, or they are merged.
        ExportError: if the export is refused.

    Example:
        ```python
        tg.finetune.export_with_adapters(lm, "served/lm", adapters=["formal", "old"])
        client.generate(prompts=["Dear"] * 2, seed=[1, 1], adapter=[1, 2])
        ```
    """
    refuse_merged(model)
    known = adapter_names(model)
    names = known if adapters is None else list(adapters)
    if not names:
        raise ValueError(
            f"At least one of the adapters {known} was expected. Received: adapters="
            f"{adapters!r}. Make one with apply_lora, or use model.export_serving."
        )
    for name in names:
        require_known(name, known)
    options = dict(serving_options or {})
    try:
        for layer, found in adapted_layers(model):
            found.stack(layer, names)
        known_signatures = model.serving_signatures(**options)
        chosen = list(known_signatures) if signatures is None else list(signatures)
        for name in chosen:
            if name not in known_signatures:
                raise ExportError(
                    f"Some of the signatures {sorted(known_signatures)} were expected. "
                    f"Received: signatures={signatures!r}. Name those to export."
                )
        served = {name: _with_adapter(known_signatures[name], names) for name in chosen}
        return export_saved_model(
            model, path, signatures=served, serving_options=options, **kwargs
        )
    finally:
        for _, found in adapted_layers(model):
            found.stacks = None


def _with_adapter(signature: Signature, names: Sequence[str]) -> Signature:
    numbered = ", ".join(f"{i} {name!r}" for i, name in enumerate(names, 1))
    condition = Condition(
        ADAPTER,
        "int32",
        minimum=0,
        maximum=len(names),
        default=0,
        description=f"what the row is written with: 0 the base, {numbered}",
    )

    def answer(**values: tf.Tensor) -> dict[str, tf.Tensor]:
        rows, error = check_rows((condition,), {ADAPTER: values.pop(ADAPTER)})
        with adapter_rows(rows[ADAPTER]):
            outputs = signature.function(**values)
        error = join_errors([outputs.pop("error"), error])
        outputs = {
            name: neutral_where_bad(value, error) for name, value in outputs.items()
        }
        if "is_done" in outputs:
            # A loop that waits for all rows must not wait for one that was refused.
            outputs["is_done"] |= error != ""
        return {**outputs, "error": error}

    return dataclasses.replace(
        signature,
        function=answer,
        inputs={**signature.inputs, ADAPTER: condition.spec},
        conditions=(*signature.conditions, condition),
    )
