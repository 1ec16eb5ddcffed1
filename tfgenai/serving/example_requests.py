"""Classify, Regress and MultiInference requests: read, and their answers written."""

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from tensorflow_serving.apis import (
    classification_pb2,
    inference_pb2,
    regression_pb2,
)

from tfgenai.core.errors import ServingError
from tfgenai.serving import examples, json_tensors
from tfgenai.serving.calls import Call
from tfgenai.serving.codes import OversizedError, invalid
from tfgenai.serving.config import Settings
from tfgenai.serving.examples import CLASSIFY, INPUTS, REGRESS
from tfgenai.serving.manager import ModelManager
from tfgenai.serving.metrics import Metrics
from tfgenai.serving.predict_requests import signature_name
from tfgenai.serving.reading import asked_for, model_spec, opened, parse_message
from tfgenai.serving.request_record import RequestRecord
from tfgenai.serving.servable import Servable
from tfgenai.serving.signature import DEFAULT_SIGNATURE, ServedSignature

Outputs = Mapping[str, np.ndarray]

_RESULTS = {CLASSIFY: examples.classifications, REGRESS: examples.regressions}
_JSON = {CLASSIFY: examples.classifications_json, REGRESS: examples.regressions_json}
_MESSAGES = {
    CLASSIFY: (
        classification_pb2.ClassificationRequest,
        classification_pb2.ClassificationResponse,
    ),
    REGRESS: (regression_pb2.RegressionRequest, regression_pb2.RegressionResponse),
}


class ExampleRequests:
    """Reads requests for the models that a manager keeps.

    Args:
        manager: the models.
        settings: the server's limits.
        metrics: where examples are counted.
    """

    def __init__(
        self, manager: ModelManager, settings: Settings, metrics: Metrics
    ) -> None:
        self._manager = manager
        self._settings = settings
        self._metrics = metrics

    def read(self, method: str, body: bytes, record: RequestRecord) -> Call:
        """Reads a `ClassificationRequest` or a `RegressionRequest`.

        Args:
            method: `CLASSIFY` or `REGRESS`.
            body: the bytes of the message.
            record: of the request, to be filled in.

        Returns:
            The call, which closes the model's version.

        Raises:
            ServingError: as TensorFlow Serving would.
        """
        kind, answer = _MESSAGES[method]
        request: Any = parse_message(body, kind.FromString)
        record.signature = request.model_spec.signature_name

        def write(result: Any, spec: Any) -> bytes:
            made: Any = answer(model_spec=spec)
            made.result.CopyFrom(result)
            return bytes(made.SerializeToString())

        return self._read(method, asked_for(request), request.input, record, write)

    def read_json(
        self,
        method: str,
        name: str,
        version: int | None,
        label: str | None,
        body: bytes,
        record: RequestRecord,
    ) -> Call:
        """Reads the body of a REST `:classify` or `:regress` request.

        Args:
            method: `CLASSIFY` or `REGRESS`.
            name: the model's name.
            version: the version, or None for the newest.
            label: the version's label, or None.
            body: the JSON.
            record: of the request, to be filled in.

        Returns:
            The call, which closes the model's version.

        Raises:
            ServingError: as TensorFlow Serving would.
        """
        record.model = name
        document = json_tensors.parse(body)
        record.signature = signature_name(document)
        given = examples.input_from_json(document)
        asked = {"name": name, "version": version, "label": label}
        return self._read(
            method, asked, given, record, lambda result, spec: _JSON[method](result)
        )

    def read_multi(self, body: bytes, record: RequestRecord) -> Call:
        """Reads a `MultiInferenceRequest`: several signatures over the same examples.

        Args:
            body: the bytes of the message.
            record: of the request, to be filled in.

        Returns:
            One call of all that the tasks need.

        Raises:
            ServingError: as TensorFlow Serving would.
        """
        request = parse_message(body, inference_pb2.MultiInferenceRequest.FromString)
        if not request.tasks:
            raise invalid("Inference request must have at least one task")
        for task in request.tasks:
            if not task.model_spec.name:
                raise invalid("Found ModelSpec with an empty model name.")
            if task.model_spec.name != request.tasks[0].model_spec.name:
                raise invalid(
                    "All ModelSpecs in a MultiInferenceRequest must access the same "
                    "model name."
                )
        with opened(self._manager, record, **asked_for(request.tasks[0])) as servable:
            tasks = _tasks(servable, request)
            rows = self._rows(request.input, record)
            joined = _join([signature for signature, _, _ in tasks])
            wanted = tuple(
                f"{signature.name}/{name}"
                for signature, _, names in tasks
                for name in names
            )

            def write(outputs: Outputs) -> bytes:
                made = inference_pb2.MultiInferenceResponse()
                for signature, method, names in tasks:
                    own = {n: outputs[f"{signature.name}/{n}"] for n in names}
                    entry = made.results.add(
                        model_spec=model_spec(servable, signature.name)
                    )
                    result = _RESULTS[method](own, len(rows))
                    if method == CLASSIFY:
                        entry.classification_result.CopyFrom(result)
                    else:
                        entry.regression_result.CopyFrom(result)
                return made.SerializeToString()

            record.signature = joined.name
            return self._call(servable, joined, rows, wanted, write)

    def _read(
        self,
        method: str,
        asked: Mapping[str, Any],
        given: Any,
        record: RequestRecord,
        write: Callable[[Any, Any], bytes],
    ) -> Call:
        """The call of a method; its answer is made of a result and a `ModelSpec`."""
        with opened(self._manager, record, **asked) as servable:
            signature = _find(servable, record.signature)
            wanted = examples.outputs_for(signature, method)
            rows = self._rows(given, record)
            record.signature = signature.name
            spec = model_spec(servable, signature.name)

            def answer(outputs: Outputs) -> bytes:
                return write(_RESULTS[method](outputs, len(rows)), spec)

            return self._call(servable, signature, rows, wanted, answer)

    def _rows(self, given: Any, record: RequestRecord) -> np.ndarray:
        rows = examples.read_input(given)
        record.rows = len(rows)
        if len(rows) > self._settings.max_request_rows:
            raise OversizedError(
                f"At most {self._settings.max_request_rows} examples at a time were "
                f"expected. Received: {len(rows)}. Split the request."
            )
        self._metrics.examples(record.model, len(rows))
        return rows

    def _call(
        self,
        servable: Servable,
        signature: ServedSignature,
        rows: np.ndarray,
        outputs: tuple[str, ...],
        write: Callable[[Outputs], bytes],
    ) -> Call:
        limit = self._settings.max_response_bytes
        return Call(servable, signature, {INPUTS: rows}, outputs, write, limit)


def _find(servable: Servable, name: str) -> ServedSignature:
    signature = servable.signature(name)
    if signature is None:
        raise invalid(
            f"No signature was found with the name: {name or DEFAULT_SIGNATURE}"
        )
    return signature


def _tasks(
    servable: Servable, request: Any
) -> list[tuple[ServedSignature, str, tuple[str, ...]]]:
    """The signature of each task, its method, and the outputs that it needs."""
    tasks: list[tuple[ServedSignature, str, tuple[str, ...]]] = []
    for task in request.tasks:
        name = task.model_spec.signature_name or DEFAULT_SIGNATURE
        if any(name == signature.name for signature, _, _ in tasks):
            raise invalid(f"Duplicate evaluation of signature: {name}")
        signature = servable.signature(name)
        if signature is None:
            raise invalid(f"Requested signature not found in model graph: {name}")
        if task.method_name not in _RESULTS:
            raise ServingError(
                f"Unsupported signature method_name: {task.method_name}",
                code="UNIMPLEMENTED",
            )
        names = examples.outputs_for(signature, task.method_name)
        tasks.append((signature, task.method_name, names))
    inputs = {signature.inputs[INPUTS].tensor for signature, _, _ in tasks}
    if len(inputs) > 1:
        raise invalid("Input tensor must be the same for all Signatures.")
    return tasks


def _join(signatures: list[ServedSignature]) -> ServedSignature:
    """A signature of the outputs of several that share their input."""
    outputs = {
        f"{signature.name}/{name}": field
        for signature in signatures
        for name, field in signature.outputs.items()
    }
    name = "+".join(signature.name for signature in signatures)
    return dataclasses.replace(signatures[0], name=name, outputs=outputs)
