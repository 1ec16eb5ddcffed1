"""The model card of an export: what it is, what it takes, and where it came from."""

import datetime
import importlib.metadata
import json
import platform
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import keras
import tensorflow as tf

from tfgenai.core.conditions import Condition
from tfgenai.core.errors import ExportError
from tfgenai.core.model import GenerativeModel
from tfgenai.core.signatures import SEED, Signature
from tfgenai.export.graph import Field, ServedGraph, hash_weights
from tfgenai.export.rules import DEFAULT_SIGNATURE
from tfgenai.export.warmup import wire_default

CARD_JSON = "model_card.json"
CARD_MARKDOWN = "model_card.md"
FORMAT = 1

# What every model that takes images takes.
_IMAGES = Condition(
    "images", "float32", minimum=-1, maximum=1, description="images in [-1, 1]"
)
_PROVENANCE = (
    "Everything this model returns is synthetic. Its outputs carry no watermark and "
    "no mark of origin, and nothing in this export can tell them from real data."
)


def describe_inputs(
    model: GenerativeModel, signatures: Mapping[str, Signature]
) -> dict[str, list[dict[str, Any]]]:
    """Describes the inputs of each signature, with range and default where known.

    Args:
        model: the model whose conditions the inputs may be.
        signatures: the signatures by name.

    Returns:
        A list of JSON objects for each signature.
    """
    conditions = {c.name: c for c in (SEED, _IMAGES, *model.conditions())}
    return {
        name: _describe_inputs(signature, conditions)
        for name, signature in signatures.items()
    }


def make_card(
    model: GenerativeModel,
    graph: ServedGraph,
    signatures: Mapping[str, Signature],
    *,
    main_signature: str,
    serving_options: Mapping[str, Any] | None = None,
    warmup_batch_sizes: Sequence[int] = (),
    data_card: Mapping[str, Any] | None = None,
    class_names: Sequence[str] | None = None,
    licence: str | None = None,
    notes: str | None = None,
    quantize: str | None = None,
    optimize: bool = False,
) -> dict[str, Any]:
    """Makes the card of an export whose graph and weights are written.

    Args:
        model: the exported model.
        graph: the written SavedModel.
        signatures: the exported signatures by name.
        main_signature: the one that is also `serving_default`.
        serving_options: what the signatures depend on besides the model.
        warmup_batch_sizes: batch sizes of the warm-up records.
        data_card: the training data's card as a JSON object.
        class_names: names of the classes, in the order of `labels`.
        licence: licence of the weights, for example `"CC-BY-4.0"`.
        notes: what a user of the model should know.
        quantize: how the weights were rounded, or None.
        optimize: whether the weights are constants of the graph.

    Returns:
        A JSON object.
    """
    weights = graph.weights
    inputs = describe_inputs(model, signatures)
    described = {
        name: {
            "description": signature.description,
            "inputs": inputs[name],
            "outputs": [
                _describe_field(field)
                for field in graph.signatures[name].outputs.values()
            ],
        }
        for name, signature in signatures.items()
    }
    config = keras.saving.serialize_keras_object(model)
    card = {
        "format": FORMAT,
        "family": type(model).__name__,
        "registered_name": keras.saving.get_registered_name(type(model)),
        "created": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "versions": {
            "tfgenai": _version("tfgenai"),
            "keras": keras.__version__,
            "tensorflow": tf.__version__,
            "python": platform.python_version(),
        },
        "config": config["config"],
        "step": int(model.step.numpy()),
        "ema": model.ema.decay is not None,
        "ema_decay": _decay_json(model.ema_decay),
        "weights": {
            "sha256": hash_weights(weights),
            "count": int(sum(value.size for value in weights.values())),
            "bytes": int(sum(value.nbytes for value in weights.values())),
            "quantize": quantize,
            "constants": optimize,
        },
        DEFAULT_SIGNATURE: main_signature,
        "serving_options": {
            name: _plain(value) for name, value in (serving_options or {}).items()
        },
        "signatures": described,
        "warmup_batch_sizes": list(warmup_batch_sizes),
        "class_names": None if class_names is None else list(class_names),
        "data": None if data_card is None else dict(data_card),
        "licence": licence,
        "notes": notes,
        "provenance": _PROVENANCE,
    }
    # Whatever a config holds, the card is plain JSON.
    return json.loads(json.dumps(card, default=str))


def read_card(folder: Path) -> dict[str, Any]:
    """Reads the card of a version folder.

    Raises:
        ExportError: if it is missing, is not JSON, or has another format.
    """
    file = folder / CARD_JSON
    try:
        card = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ExportError(
            f"A readable model card was expected. Received: path={str(file)!r} "
            f"({error}). Export the model again."
        ) from error
    if not isinstance(card, dict) or card.get("format") != FORMAT:
        raise ExportError(
            f"A model card of format {FORMAT} was expected. Received: "
            f"path={str(file)!r}, which has another. Read it with the tfgenai that "
            "wrote it, or export the model again."
        )
    return card


def to_markdown(card: Mapping[str, Any]) -> str:
    """The card as a short Markdown text for people.

    Args:
        card: what `make_card` returned.
    """
    weights, versions = card["weights"], card["versions"]
    averaged = (
        f"exponential moving average, decay {card['ema_decay']}"
        if card["ema"]
        else "as trained, not averaged"
    )
    lines = [
        f"# {card['family']}",
        "",
        card["notes"] or "No notes were given.",
        "",
        f"- Weights: {weights['count']:,} numbers, {weights['bytes']:,} bytes, "
        f"{averaged}, after {card['step']:,} steps.",
        *(
            [f"- The large ones are rounded to {weights['quantize']}."]
            if weights.get("quantize")
            else []
        ),
        *(
            ["- All weights are constants of the graph, and cannot be trained further."]
            if weights.get("constants")
            else []
        ),
        f"- SHA-256 of the weights: `{weights['sha256']}`",
        f"- Made {card['created']} with "
        + ", ".join(f"{name} {version}" for name, version in versions.items())
        + ".",
        f"- Licence of the weights: {card['licence'] or 'not stated'}.",
        f"- Training data: {_data_line(card['data'])}",
        *[
            f"- Served with {name}: {_option(value)}."
            for name, value in card["serving_options"].items()
        ],
        f"- {card['provenance']}",
        "",
    ]
    for name, signature in card["signatures"].items():
        default = " (`serving_default`)" if name == card[DEFAULT_SIGNATURE] else ""
        lines += [f"## `{name}`{default}", "", signature["description"], ""]
        lines += ["| input | type | shape | allowed | default | meaning |"]
        lines += ["|---|---|---|---|---|---|"]
        lines += [
            f"| `{field['name']}` | {field['dtype']} | {_shape(field)} | "
            f"{_range(field)} | {_default(field)} | {field['description']} |"
            for field in signature["inputs"]
        ]
        lines += ["", "| output | type | shape |", "|---|---|---|"]
        lines += [
            f"| `{field['name']}` | {field['dtype']} | {_shape(field)} |"
            for field in signature["outputs"]
        ]
        lines.append("")
    return "\n".join(lines)


def _describe_inputs(
    signature: Signature, conditions: Mapping[str, Condition]
) -> list[dict[str, Any]]:
    known = {**conditions, **{c.name: c for c in signature.conditions}}
    return [
        _describe_input(name, spec, known.get(name))
        for name, spec in signature.inputs.items()
    ]


def _describe_input(
    name: str, spec: tf.TensorSpec, condition: Condition | None
) -> dict[str, Any]:
    described: dict[str, Any] = {
        "name": name,
        "dtype": spec.dtype.name,
        "shape": spec.shape.as_list(),
        "required": True,
        "minimum": None,
        "maximum": None,
        "default": None,
        "wire_default": None,
        "description": "",
    }
    if condition is not None:
        default = wire_default(spec.dtype.name) if condition.is_knob else None
        described |= {
            "required": not condition.is_knob,
            "minimum": condition.minimum,
            "maximum": condition.maximum,
            "default": condition.default,
            # JSON has no NaN.
            "wire_default": "NaN" if isinstance(default, float) else default,
            "description": condition.description,
        }
        if condition.examples:
            described["examples"] = list(condition.examples)
            described["counterexample"] = condition.counterexample
    return described


def _describe_field(field: Field) -> dict[str, Any]:
    shape = None if field.shape is None else list(field.shape)
    return {"name": field.name, "dtype": field.dtype, "shape": shape}


def _plain(value: Any) -> Any:
    """An option as JSON; what Keras cannot serialize as the name of its class."""
    if value is None or isinstance(value, bool | int | float | str | list):
        return value
    if isinstance(value, Mapping):
        return {name: _plain(entry) for name, entry in value.items()}
    if hasattr(value, "get_config"):
        return keras.saving.serialize_keras_object(value)
    return type(value).__name__


def _option(value: Any) -> str:
    """An option in words; an object as its class and arguments."""
    if isinstance(value, Mapping) and "class_name" in value:
        arguments = [f"{k}={v!r}" for k, v in value.get("config", {}).items()]
        return f"`{value['class_name']}({', '.join(arguments)})`"
    if isinstance(value, list | tuple):
        return ", ".join(map(str, value)) or "none"
    return "the model's own" if value is None else str(value)


def _data_line(data: Mapping[str, Any] | None) -> str:
    if data is None:
        return "not stated."
    name = data.get("name", "named in the JSON card")
    return (
        f"{name}, licence {data.get('licence') or data.get('license') or 'not stated'}."
    )


def _shape(field: Mapping[str, Any]) -> str:
    return ", ".join(["batch", *[str(size or "?") for size in field["shape"][1:]]])


def _range(field: Mapping[str, Any]) -> str:
    low, high = field["minimum"], field["maximum"]
    if low is None and high is None:
        return "any"
    if high is None:
        return f"from {low:g}"
    return f"up to {high:g}" if low is None else f"{low:g} to {high:g}"


def _default(field: Mapping[str, Any]) -> str:
    if field["required"]:
        return "required"
    return f"{field['default']} (send {field['wire_default']!r})"


def _decay_json(decay: Any) -> float | str | None:
    """A number where the decay is one; others in words."""
    return decay if decay is None or isinstance(decay, float) else str(decay)


def _version(distribution: str) -> str:
    try:
        return importlib.metadata.version(distribution)
    except importlib.metadata.PackageNotFoundError:
        return "unknown"
