"""Proves an export: loads it in a fresh process, asks it, and compares the answers."""

import inspect
import sys
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from tfgenai.core.errors import ExportError
from tfgenai.core.model import GenerativeModel
from tfgenai.core.storage import PathLike
from tfgenai.export import rules
from tfgenai.export.card import CARD_JSON, read_card
from tfgenai.export.compare import largest_difference, rows_of, unusable
from tfgenai.export.graph import (
    ServedGraph,
    folder_bytes,
    hash_weights,
    resolve_version,
)
from tfgenai.export.quantize import rounded_weights
from tfgenai.export.questions import (
    BAD_ROW,
    FEW,
    LOADERS,
    ROWS,
    Answers,
    ask,
    plan_calls,
)
from tfgenai.export.report import Check, VerifyReport
from tfgenai.export.warmup import EXAMPLE_SEED, example_inputs

# Across batch sizes kernels block differently; relative above one, absolute below.
TOLERANCE = 1e-4
# Of models that sample in a loop: a Session and a tf.function let TensorFlow rewrite
# the functions in it differently, and the last bits differ. Log-probabilities lie far
# from the logits that they are differences of, and keep the logits' absolute error.
LOOP_TOLERANCE = 1e-5
_LOOPS = ("While", "StatelessWhile")


def verify(
    path: PathLike,
    model: GenerativeModel | None = None,
    *,
    serving_options: Mapping[str, Any] | None = None,
    python: PathLike = sys.executable,
    timeout: float = 600.0,
) -> VerifyReport:
    """Checks an export as a server would meet it; writes nothing to it.

    A fresh interpreter that imports only TensorFlow loads the export with the Session
    loader, twice, and with the C API, runs the warm-up records and example requests of
    1, 3 and 8 rows, among them a padded batch and one with a bad row.

    Args:
        path: the version folder, or the folder of versions, of which the newest is
            taken.
        model: the model that was exported; its own answers are compared if it is given.
        serving_options: options of the export that its card cannot hold, such as a
            guidance that is a model itself; the others are read there.
        python: the interpreter of the fresh process; another environment's, to see that
            the export loads with that TensorFlow.
        timeout: seconds after which the fresh process is given up.

    Returns:
        The report; `report.ok` is whether every check passed.

    Raises:
        ExportError: if there is no export, or a file of it is missing or torn.

    Example:
        ```python
        report = tfgenai.export.verify("served/digits", model)
        print(report)
        ```
    """
    folder = resolve_version(path)
    graph = ServedGraph(folder)
    checks = [_check_rules(graph), _check_size(graph)]
    card_check, described, options = _check_card(graph)
    checks.append(card_check)
    calls = plan_calls(folder, described)
    answers = ask(folder, calls, python=python, timeout=timeout)
    checks += _check_loads(answers)
    checks += _check_answers(described, answers)
    if model is not None:
        options |= dict(serving_options or {})
        with _as_stored(model, folder):
            checks += _check_model(model, graph, described, answers, options)
    version = int(folder.name) if folder.name.isdecimal() else None
    return VerifyReport(
        path=str(folder),
        version=version,
        tensorflow=answers.tensorflow,
        checks=tuple(checks),
    )


def _as_stored(model: GenerativeModel, folder: Path) -> AbstractContextManager[None]:
    """The model with its weights rounded as those of the export are."""
    try:
        quantize = read_card(folder)["weights"].get("quantize")
    except (ExportError, KeyError, AttributeError):
        quantize = None  # the card has its own check
    return nullcontext() if quantize is None else rounded_weights(model)


def _check_rules(graph: ServedGraph) -> Check:
    violations = rules.check(graph)
    detail = "; ".join(str(violation) for violation in violations[:5])
    return Check("export rules", not violations, detail or "none is broken")


def _check_size(graph: ServedGraph) -> Check:
    needed = graph.needed_weight_bytes()
    stored = sum(value.nbytes for value in graph.weights.values())
    return Check(
        "size",
        stored <= rules.MAX_WEIGHT_RATIO * needed,
        f"{stored:,} bytes of weights stored, {needed:,} read by the signatures, "
        f"{folder_bytes(graph.folder):,} in all",
        stored / needed if needed else None,
    )


def _check_card(
    graph: ServedGraph,
) -> tuple[Check, dict[str, Any], dict[str, Any]]:
    """The card's own check, the inputs of each signature, and the serving options."""
    from_graph = {
        name: [
            {"name": f.name, "dtype": f.dtype, "shape": list(f.shape or (None,))}
            for f in signature.inputs.values()
        ]
        for name, signature in graph.signatures.items()
        if name != rules.DEFAULT_SIGNATURE
    }
    try:
        card = read_card(graph.folder)
        described = {k: v["inputs"] for k, v in card["signatures"].items()}
        weights = card["weights"]["sha256"]
        default = card[rules.DEFAULT_SIGNATURE]
        options = dict(card.get("serving_options", {}))
    except (ExportError, KeyError, TypeError, AttributeError) as error:
        return Check("model card", False, f"{error}"), from_graph, {}
    if _names(described) != _names(from_graph) or default not in described:
        detail = f"it describes other signatures than {sorted(from_graph)}"
        return Check("model card", False, detail), from_graph, options
    if weights != hash_weights(graph.weights):
        detail = "its SHA-256 is not that of the weights"
        return Check("model card", False, detail), described, options
    detail = f"{CARD_JSON} describes the graph and the weights"
    return Check("model card", True, detail), described, options


def _names(described: Mapping[str, Any]) -> dict[str, list[tuple[str, str]]]:
    return {
        name: sorted((field["name"], field["dtype"]) for field in inputs)
        for name, inputs in described.items()
    }


def _check_loads(answers: Answers) -> Iterator[Check]:
    for loader, words in LOADERS.items():
        failure = answers.failures[loader]
        yield Check(f"loads with {words}", not failure, failure or "loaded")
    yield Check(
        "imports only TensorFlow",
        not answers.foreign,
        ", ".join(answers.foreign) or f"TensorFlow {answers.tensorflow}",
    )


def _check_answers(described: Mapping[str, Any], answers: Answers) -> Iterator[Check]:
    for signature in (rules.DEFAULT_SIGNATURE, *described):
        kinds = [kind for kind in answers.kinds(signature) if kind[:4] == "warm"]
        yield _check_warmup(signature, kinds, answers)
    first = range(FEW)
    others = [row for row in range(ROWS) if row != BAD_ROW]
    for signature in described:
        whole = answers.of(signature, "whole")
        yield _compare(f"{signature}: answers", whole, whole)
        if isinstance(whole, str):
            continue
        for loader in ("second", "c_api"):
            other = answers.of(signature, "whole", loader)
            name = f"{signature}: {LOADERS[loader]} says the same"
            yield _compare(name, whole, other)
        # Equal batch sizes: not a bit may depend on what the neighbours are.
        padded = answers.of(signature, "padded")
        name = f"{signature}: rows do not depend on padding"
        yield _compare(name, rows_of(whole, first), padded, first)
        for kind, rows in (("few", first), ("one", range(1))):
            name = f"{signature}: a batch of {len(rows)}"
            other = answers.of(signature, kind)
            yield _compare(name, rows_of(whole, rows), other, tolerance=TOLERANCE)
        for kind in answers.kinds(signature):
            if kind.startswith("bad "):
                name = f"{signature}: {kind}"
                spoilt = answers.of(signature, kind)
                yield _compare(name, rows_of(whole, others), spoilt, others)
                yield _check_bad_row(f"{name} has its own error", spoilt)
    if {"generate", "generate_advanced"} <= set(described):
        plain, full = (
            answers.of("generate", "whole"),
            answers.of("generate_advanced", "whole"),
        )
        name = "generate_advanced: its defaults are those of generate"
        yield _compare(name, plain, full, tolerance=TOLERANCE)


def _check_warmup(signature: str, kinds: list[str], answers: Answers) -> Check:
    name = f"{signature}: warm-up records"
    for kind in kinds:
        for loader in ("session", "c_api"):
            problem = unusable(answers.of(signature, kind, loader))
            if problem:
                return Check(name, False, f"{kind} in {LOADERS[loader]}: {problem}")
    return Check(name, bool(kinds), f"{len(kinds)} answered")


def _check_bad_row(name: str, spoilt: Any) -> Check:
    if isinstance(spoilt, str):
        return Check(name, False, spoilt)
    errors = [text.decode("utf-8", "replace") for text in spoilt[rules.ERROR_OUTPUT]]
    ok = bool(errors[BAD_ROW]) and not any(
        text for row, text in enumerate(errors) if row != BAD_ROW
    )
    problem = unusable(spoilt, allow_errors=True)
    return Check(name, ok and not problem, problem or f"error: {errors[BAD_ROW]!r}")


def _check_model(
    model: GenerativeModel,
    graph: ServedGraph,
    described: Mapping[str, Any],
    answers: Answers,
    serving_options: Mapping[str, Any],
) -> Iterator[Check]:
    """Compares with the model, exactly where there is no loop and no other device."""
    tolerance = _own_tolerance(graph)
    try:
        options = model.serving_options(
            **keras.saving.deserialize_keras_object(dict(serving_options))
        )
        signatures = model.serving_signatures(**options)
    except (TypeError, ValueError) as error:
        yield Check("equals the model's own functions", False, str(error))
        return
    for name, fields in described.items():
        words = f"{name}: equals the model's own function"
        if name not in signatures:
            yield Check(words, False, f"the model has only {sorted(signatures)}")
            continue
        inputs = example_inputs(fields, ROWS)
        tensors = {key: tf.constant(value) for key, value in inputs.items()}
        signature = signatures[name]
        # Traced for any batch size, too: a known one rounds the last bit otherwise.
        function = tf.function(signature.function).get_concrete_function(
            **signature.inputs
        )
        with model.ema.applied():
            own = function(**tensors)
        own = {key: value.numpy() for key, value in own.items()}
        yield _compare(words, own, answers.of(name, "whole"), tolerance=tolerance)
    if "generate" in described:
        asked: dict[str, Any] = dict(example_inputs(described["generate"], ROWS))
        asked.pop(rules.SEED_INPUT)
        # Options such as the sampler are arguments of `generate`, too.
        known = inspect.signature(model.generate).parameters
        asked |= {key: value for key, value in options.items() if key in known}
        # The first argument is the number of rows, or what each row begins with.
        asked.setdefault(next(iter(known)), ROWS)
        samples = _as_served(model.generate(seed=EXAMPLE_SEED, **asked))
        served = answers.of("generate", "whole")
        if not isinstance(served, str):
            served = {model.output_name: served.get(model.output_name)}
        words = "generate: equals model.generate"
        own = {model.output_name: samples}
        yield _compare(words, own, served, tolerance=tolerance)


def _as_served(samples: Any) -> np.ndarray:
    """Arrays as they are; a list of texts as the bytes of a string tensor."""
    if isinstance(samples, np.ndarray):
        return samples
    return np.array([text.encode() for text in samples], object)


def _own_tolerance(graph: ServedGraph) -> float:
    if tf.config.list_logical_devices("GPU"):
        return TOLERANCE
    ops = {node.op for name in graph.signatures for node in graph.nodes(name)}
    return 0.0 if ops.isdisjoint(_LOOPS) else LOOP_TOLERANCE


def _compare(
    name: str,
    expected: Any,
    received: Any,
    rows: Any = None,
    *,
    tolerance: float = 0.0,
) -> Check:
    for answer in (expected, received):
        if isinstance(answer, str):
            return Check(name, False, answer)
    if rows is not None:
        received = rows_of(received, rows)
    problem = unusable(expected) or unusable(received)
    if problem:
        return Check(name, False, problem)
    difference = largest_difference(expected, received)
    allowed = "exactly" if tolerance == 0 else f"within {tolerance:g}"
    return Check(
        name, difference <= tolerance, f"equal {allowed}: {difference:g}", difference
    )
