"""Rows of `tf.Example` in, labels or numbers out: Classify, Regress, MultiInference."""

import base64
import binascii
import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from tensorflow.core.example import example_pb2
from tensorflow_serving.apis import classification_pb2, input_pb2, regression_pb2

from tfgenai.core.errors import ServingError
from tfgenai.serving.codes import invalid
from tfgenai.serving.json_tensors import B64
from tfgenai.serving.json_text import array_text
from tfgenai.serving.signature import ServedSignature

INPUTS = "inputs"
CLASSES, SCORES = "classes", "scores"
OUTPUTS = "outputs"
CLASSIFY, REGRESS = "tensorflow/serving/classify", "tensorflow/serving/regress"

_INT64 = range(-(2**63), 2**63)


def read_input(proto: Any) -> np.ndarray:
    """The examples of an `Input`, serialised, each with the context before it.

    Raises:
        ServingError: INVALID_ARGUMENT if there are none.
    """
    context = b""
    if proto.HasField("example_list_with_context"):
        examples = proto.example_list_with_context.examples
        # Fields of a serialised message may stand in any order, and the last one wins.
        context = proto.example_list_with_context.context.SerializeToString()
    else:
        examples = proto.example_list.examples
    if not examples:
        raise invalid("Input is empty.")
    rows = np.empty(len(examples), object)
    rows[:] = [context + example.SerializeToString() for example in examples]
    return rows


def input_from_json(document: Mapping[str, Any]) -> Any:
    """The `Input` of a REST request: `examples`, and perhaps `context`.

    Raises:
        ServingError: INVALID_ARGUMENT if they are not as they should be.
    """
    examples = document.get("examples")
    if not isinstance(examples, list) or not examples:
        raise invalid("When processing key 'examples': expecting a non-empty list")
    proto = input_pb2.Input()
    if "context" in document:
        proto.example_list_with_context.context.CopyFrom(
            _example(document["context"], "context")
        )
        proto.example_list_with_context.examples.extend(
            _example(each, f"examples[{i}]") for i, each in enumerate(examples)
        )
    else:
        proto.example_list.examples.extend(
            _example(each, f"examples[{i}]") for i, each in enumerate(examples)
        )
    return proto


def outputs_for(signature: ServedSignature, method: str) -> tuple[str, ...]:
    """The outputs of a signature that a method needs.

    Args:
        signature: the signature.
        method: `CLASSIFY` or `REGRESS`.

    Raises:
        ServingError: INVALID_ARGUMENT or FAILED_PRECONDITION if it is no signature for
            this method.
    """
    if len(signature.inputs) != 1:
        raise invalid("Expected one input Tensor.")
    kind = "classification" if method == CLASSIFY else "regression"
    wanted = (CLASSES, SCORES) if method == CLASSIFY else (OUTPUTS,)
    found = tuple(name for name in wanted if name in signature.outputs)
    if INPUTS not in signature.inputs:
        raise ServingError(
            f"No {kind} inputs found in SignatureDef: {signature.name}. Its one input "
            f'must be called "{INPUTS}".',
            code="FAILED_PRECONDITION",
        )
    if not found:
        raise ServingError(
            f"Expected {kind} signature outputs to contain at least one of "
            f"{' or '.join(json.dumps(name) for name in wanted)}. Signature was: "
            f"{signature.name} with {sorted(signature.outputs)}.",
            code="FAILED_PRECONDITION",
        )
    if signature.inputs[INPUTS].kind.dtype != "string":
        raise ServingError(
            f"Serialised tf.Example, strings, were expected by {kind}. Signature "
            f"{signature.name} takes {signature.inputs[INPUTS].kind.name}. Call "
            "Predict.",
            code="FAILED_PRECONDITION",
        )
    return found


def classifications(outputs: Mapping[str, np.ndarray], rows: int) -> Any:
    """A `ClassificationResult` of the outputs `classes` and `scores`.

    Args:
        outputs: either or both, `(rows, num_classes)`.
        rows: how many examples there were.

    Raises:
        ServingError: INVALID_ARGUMENT if they are not of this form.
    """
    labels, scores = outputs.get(CLASSES), outputs.get(SCORES)
    for name, array, kind in ((CLASSES, labels, object), (SCORES, scores, np.float32)):
        if array is None:
            continue
        if array.ndim != 2:
            raise invalid(
                "Expected Tensor shape: [batch_size num_classes] but got "
                f"{list(array.shape)}"
            )
        if array.dtype != kind:
            word = "DT_STRING" if kind is object else "DT_FLOAT"
            raise invalid(f"Expected {name} Tensor of {word}. Got: {array.dtype}")
        if len(array) != rows:
            raise invalid(
                f"Expected {name} output batch size of {rows}. Got: {len(array)}"
            )
    if labels is not None and scores is not None and labels.shape != scores.shape:
        raise invalid(
            "Tensors class and score should match in dim_size(1). Got "
            f"{labels.shape[1]} vs. {scores.shape[1]}"
        )
    result = classification_pb2.ClassificationResult()
    num_classes = next(
        (array.shape[1] for array in (labels, scores) if array is not None), 0
    )
    for row in range(rows):
        entry = result.classifications.add()
        for i in range(num_classes):
            made = entry.classes.add()
            if labels is not None:
                made.label = _label(labels[row, i])
            if scores is not None:
                made.score = scores[row, i]
    return result


def regressions(outputs: Mapping[str, np.ndarray], rows: int) -> Any:
    """A `RegressionResult` of the output `outputs`.

    Args:
        outputs: float32 `(rows,)` or `(rows, 1)`.
        rows: how many examples there were.

    Raises:
        ServingError: INVALID_ARGUMENT if it is not of this form.
    """
    array = outputs[OUTPUTS]
    if array.shape not in ((rows,), (rows, 1)):
        raise invalid(
            "Expected output Tensor shape to be either [batch_size] or [batch_size, 1] "
            f"but got {list(array.shape)} for {rows} examples"
        )
    if array.dtype != np.float32:
        raise invalid(f"Expected output Tensor of DT_FLOAT. Got: {array.dtype}")
    result = regression_pb2.RegressionResult()
    for value in array.ravel().tolist():
        result.regressions.add().value = value
    return result


def classifications_json(result: Any) -> bytes:
    """The body of a REST `:classify` answer."""
    rows = [
        ", ".join(
            f"[{json.dumps(each.label)}, {_number(each.score)}]" for each in row.classes
        )
        for row in result.classifications
    ]
    return _results([f"[{row}]" for row in rows])


def regressions_json(result: Any) -> bytes:
    """The body of a REST `:regress` answer."""
    return _results([_number(each.value) for each in result.regressions])


def _number(value: float) -> str:
    return array_text(SCORES, np.asarray(value, np.float32))


def _label(item: bytes) -> str:
    try:
        return str(item, "utf-8")
    except UnicodeDecodeError as error:
        raise invalid(
            f"UTF-8 text in output {CLASSES!r} was expected. Received: other bytes. "
            "Call Predict."
        ) from error


def _results(texts: Sequence[str]) -> bytes:
    return f'{{\n    "results": [{", ".join(texts)}]\n}}'.encode()


def _example(features: Any, place: str) -> Any:
    if not isinstance(features, dict):
        raise invalid(f"Example must be JSON object but {place} is not")
    example = example_pb2.Example()
    for name, given in features.items():
        values = given if isinstance(given, list) else [given]
        feature = example.features.feature[name]
        if values:
            _fill(feature, values, f"{place}, feature {name!r}")
    return example


def _fill(feature: Any, values: list[Any], place: str) -> None:
    kinds = {type(value) for value in values}
    if kinds <= {str, dict}:
        feature.bytes_list.value.extend(_bytes(value, place) for value in values)
    elif kinds <= {int, bool} and bool not in kinds:
        if any(value not in _INT64 for value in values):
            raise invalid(f"An integer of 64 bits was expected in {place}.")
        feature.int64_list.value.extend(values)
    elif kinds <= {int, float}:
        feature.float_list.value.extend(values)
    else:
        raise invalid(
            f"Unexpected element type in {place}: a number, a string, "
            'or {"b64": ...} was expected, and one kind in a list.'
        )


def _bytes(value: Any, place: str) -> bytes:
    if isinstance(value, str):
        return value.encode("utf-8", "surrogatepass")
    text = value.get(B64) if len(value) == 1 else None
    try:
        if isinstance(text, str):
            return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        pass
    raise invalid(f'An object {{"b64": ...}} of base64 was expected in {place}.')
