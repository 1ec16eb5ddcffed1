"""Writes a model as a version folder for TensorFlow Serving: complete or absent."""

import contextlib
import fcntl
import inspect
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import tensorflow as tf

from tfgenai.core.errors import ExportError
from tfgenai.core.model import GenerativeModel
from tfgenai.core.signatures import Signature
from tfgenai.core.storage import (
    PathLike,
    atomic_folder,
    remove_partials,
    require_writable_folder,
    write_json,
    write_text,
)
from tfgenai.export import rules
from tfgenai.export.card import (
    CARD_JSON,
    CARD_MARKDOWN,
    describe_inputs,
    make_card,
    to_markdown,
)
from tfgenai.export.freeze import freeze_saved_model
from tfgenai.export.graph import ServedGraph, version_folders
from tfgenai.export.quantize import Int8Weights, check_quantization
from tfgenai.export.warmup import WARMUP_FILE, write_warmup

_SHOWN_VIOLATIONS = 8


def export_saved_model(
    model: GenerativeModel,
    path: PathLike,
    *,
    version: int | None = None,
    signatures: Sequence[str] | Mapping[str, Signature] | None = None,
    serving_options: Mapping[str, Any] | None = None,
    warmup_batch_sizes: Sequence[int] = (1, 8),
    data_card: Any = None,
    class_names: Sequence[str] | None = None,
    licence: str | None = None,
    notes: str | None = None,
    quantize: str | None = None,
    optimize: bool = False,
) -> Path:
    """Exports a model for an unmodified TensorFlow Serving.

    The averaged weights are exported where the model keeps an average, and only the
    weights that a signature reads. The export is held against the export rules before
    it appears under its name.

    Args:
        model: the model; its first signature becomes `serving_default`, too.
        path: folder of the served model; the version folder is made in it.
        version: a positive integer, or None for the next free one.
        signatures: names of the signatures to export, main one first, or signatures
            of your own by name; None for all of the model's.
        serving_options: what the model's `serving_options` takes, such as the sampler
            of a diffusion model; kept in the model card.
        warmup_batch_sizes: the server's allowed batch sizes; one warm-up record is
            written for each and each signature.
        data_card: card of the training data, a JSON object or an object with
            `to_json()`.
        class_names: names of the classes, in the order of `labels`.
        licence: licence of the weights.
        notes: what a user of the model should know; goes into the model card.
        quantize: `"int8"` rounds large weights to 8 bits, which makes the export about
            a quarter as large; `rounded_weights` tells what it costs. None for no
            rounding.
        optimize: make the weights constants of the graph, which a server then does
            more with while it loads it; small models answer a tenth to a fifth sooner.
            `compare_variants` measures it. At most 2 GB.

    Returns:
        The version folder, `<path>/<version>/`.

    Raises:
        ExportError: if the model is none of ours, an argument makes no sense, the
            version exists, or the export would break a rule; nothing is left behind.
        StorageError: if the folder cannot be written to.

    Example:
        ```python
        tfgenai.export.export_saved_model(model, "served/digits")  # served/digits/1
        ```
    """
    options = dict(serving_options or {})
    check_quantization(quantize)
    chosen = _check_arguments(model, version, signatures, options, warmup_batch_sizes)
    data = _data_json(data_card)
    _refuse_taken(Path(path), version)
    base = require_writable_folder(path)
    with _alone_in(base):
        number = max(version_folders(base), default=0) + 1
        target = base / str(number if version is None else version)
        _refuse_taken(base, version)
        with atomic_folder(target) as beside:
            with model.ema.applied(), _stored(model, quantize):
                _write_graph(model, chosen, beside)
            if optimize:
                freeze_saved_model(beside)
            main = next(iter(chosen))
            write_warmup(
                beside / WARMUP_FILE,
                _with_default(describe_inputs(model, chosen), main),
                model_name=base.resolve().name,
                batch_sizes=warmup_batch_sizes,
            )
            graph = ServedGraph(beside)
            card = make_card(
                model,
                graph,
                chosen,
                main_signature=main,
                serving_options=model.serving_options(**options),
                warmup_batch_sizes=warmup_batch_sizes,
                data_card=data,
                class_names=class_names,
                licence=licence,
                notes=notes,
                quantize=quantize,
                optimize=optimize,
            )
            _write_card(beside, card)
            _refuse_broken(graph)
    return target


def check_export(
    model: Any,
    path: PathLike,
    *,
    version: int | None = None,
    signatures: Sequence[str] | Mapping[str, Signature] | None = None,
    **serving_options: Any,
) -> None:
    """Refuses what `export_saved_model` would refuse, before any work is done.

    Args:
        model: as `export_saved_model` takes it, and so the others.
        path: folder of the served model; it is made.
        version: the version, or None.
        signatures: names or signatures, or None.
        **serving_options: what the model's `serving_options` takes.

    Raises:
        ExportError: as `export_saved_model`.
        StorageError: if the folder cannot be written to.
    """
    _check_arguments(model, version, signatures, serving_options, ())
    _refuse_taken(Path(path), version)
    require_writable_folder(path)


def _check_arguments(
    model: Any,
    version: Any,
    signatures: Sequence[str] | Mapping[str, Signature] | None,
    serving_options: Mapping[str, Any],
    warmup_batch_sizes: Sequence[int],
) -> dict[str, Signature]:
    if not isinstance(model, GenerativeModel):
        raise ExportError(
            "A tfgenai model was expected. Received: "
            f"model={type(model).__name__}. Load it with tfgenai.load_model, or derive "
            "its class from tfgenai.GenerativeModel."
        )
    if version is not None and not _is_positive_integer(version):
        raise ExportError(
            "A positive whole number, or None for the next one, was expected. "
            f"Received: version={version!r}. Use version=1 for the first."
        )
    if isinstance(warmup_batch_sizes, str) or not all(
        _is_positive_integer(size) for size in warmup_batch_sizes
    ):
        raise ExportError(
            "Positive batch sizes were expected. Received: "
            f"warmup_batch_sizes={warmup_batch_sizes!r}. Use (1, 8), or () for none."
        )
    chosen = _choose_signatures(model, signatures, serving_options)
    for name, signature in chosen.items():
        for input_name, spec in signature.inputs.items():
            if spec.shape.rank in (None, 0) or spec.shape[0] is not None:
                raise ExportError(
                    "Inputs with an unknown batch as first axis were expected. "
                    f"Received: signatures[{name!r}].inputs[{input_name!r}]={spec}. "
                    "Use a shape (None, ...)."
                )
    return chosen


def _check_options(model: GenerativeModel, given: Mapping[str, Any]) -> None:
    parameters = inspect.signature(model.serving_options).parameters.values()
    if any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters):
        return  # the family says itself what it takes
    known = sorted(parameter.name for parameter in parameters)
    for name, value in given.items():
        if name not in known:
            raise ExportError(
                f"Some of the export's options {known} were expected, because the "
                f"model is a {type(model).__name__}. Received: {name}={value!r}. Leave "
                "it out."
            )


def _choose_signatures(
    model: GenerativeModel,
    signatures: Sequence[str] | Mapping[str, Signature] | None,
    serving_options: Mapping[str, Any],
) -> dict[str, Signature]:
    if isinstance(signatures, Mapping):
        chosen = dict(signatures)
    else:
        _check_options(model, serving_options)
        known = model.serving_signatures(**serving_options)
        names = list(known) if signatures is None else list(signatures)
        unknown = [name for name in names if name not in known]
        if unknown or isinstance(signatures, str):
            raise ExportError(
                f"A list of some of the signatures {sorted(known)} was expected. "
                f"Received: signatures={signatures!r}. Name those to export."
            )
        chosen = {name: known[name] for name in names}
    if not chosen or rules.DEFAULT_SIGNATURE in chosen:
        raise ExportError(
            "At least one signature, and none called "
            f"{rules.DEFAULT_SIGNATURE!r}, was expected. Received: "
            f"signatures={list(chosen)}. The first becomes the default by itself."
        )
    return chosen


def _refuse_taken(base: Path, version: int | None) -> None:
    if version is not None and (base / str(version)).exists():
        taken = sorted(version_folders(base))
        raise ExportError(
            "A version that does not exist was expected. Received: "
            f"version={version}; {str(base)!r} has {taken}. Leave version out for the "
            "next free one."
        )


@contextlib.contextmanager
def _alone_in(base: Path) -> Iterator[None]:
    """Keeps other exports out of `base`, and removes what killed ones left there."""
    handle = os.open(base, os.O_RDONLY)
    try:
        # Some network file systems cannot lock a folder. Then the rename alone decides
        # who gets a version, and nothing is removed that may be another's work.
        with contextlib.suppress(OSError):
            fcntl.flock(handle, fcntl.LOCK_EX)
            remove_partials(base)
        yield
    finally:
        os.close(handle)


def _stored(
    model: GenerativeModel, quantize: str | None
) -> contextlib.AbstractContextManager[Any]:
    """The scope in which graphs read the weights as they are stored."""
    return contextlib.nullcontext() if quantize is None else Int8Weights(model)


def _write_graph(
    model: GenerativeModel, signatures: Mapping[str, Signature], folder: Path
) -> None:
    functions = {name: _traced(signature) for name, signature in signatures.items()}
    # Only what the functions read is tracked, each variable once: no optimizer, no
    # average, and no encoder that is not asked for.
    root = tf.Module()
    root.weights = list(
        {id(v): v for f in functions.values() for v in f.graph.variables}.values()
    )
    root.tables = _lookup_tables(model)
    functions[rules.DEFAULT_SIGNATURE] = next(iter(functions.values()))
    # A server takes no gradients; their functions would be as large as the rest.
    options = tf.saved_model.SaveOptions(experimental_custom_gradients=False)
    tf.saved_model.save(root, str(folder), signatures=functions, options=options)


def _traced(signature: Signature) -> Any:
    """The concrete function of a signature, for any batch size.

    As a `tf.function` it would be traced again, and stored twice, while it is saved.
    """

    def serve(**inputs: tf.Tensor) -> dict[str, tf.Tensor]:
        return signature.function(**inputs)

    return tf.function(serve).get_concrete_function(
        **{
            name: tf.TensorSpec(spec.shape, spec.dtype, name=name)
            for name, spec in signature.inputs.items()
        }
    )


def _lookup_tables(model: GenerativeModel) -> list[Any]:
    """Tables that layers hold: functions do not keep them as they keep variables."""
    return [
        value
        for layer in model._flatten_layers()
        for value in vars(layer).values()
        if isinstance(value, tf.saved_model.experimental.TrackableResource)
    ]


def _with_default(
    inputs: dict[str, list[dict[str, Any]]], main: str
) -> dict[str, list[dict[str, Any]]]:
    # The default is a call of its own to the server, so it is warmed up, too.
    return inputs | {rules.DEFAULT_SIGNATURE: inputs[main]}


def _write_card(folder: Path, card: dict[str, Any]) -> None:
    write_json(folder / CARD_JSON, card)
    write_text(folder / CARD_MARKDOWN, to_markdown(card))


def _refuse_broken(graph: ServedGraph) -> None:
    violations = rules.check(graph)
    if violations:
        shown = "\n".join(f"- {each}" for each in violations[:_SHOWN_VIOLATIONS])
        raise ExportError(
            "A graph that keeps the export rules was expected. Received: "
            f"{len(violations)} violations. Change the signatures' functions.\n{shown}"
        )


def _data_json(data_card: Any) -> Any:
    if data_card is None or isinstance(data_card, Mapping):
        return data_card
    if hasattr(data_card, "to_json"):
        value = data_card.to_json()
        return json.loads(value) if isinstance(value, str) else value
    raise ExportError(
        "A JSON object or an object with to_json() was expected. Received: "
        f"data_card={type(data_card).__name__}. Give tfgenai.data.DatasetCard."
    )


def _is_positive_integer(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value > 0
