"""Predict requests, as messages and as JSON: read, and their answers written."""

import functools
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from tensorflow_serving.apis import predict_pb2

from tfgenai.serving import codes, json_tensors, json_text
from tfgenai.serving.calls import Call
from tfgenai.serving.config import Settings
from tfgenai.serving.manager import ModelManager
from tfgenai.serving.reading import asked_for, model_spec_bytes, opened, parse_message
from tfgenai.serving.request_record import RequestRecord
from tfgenai.serving.servable import Servable
from tfgenai.serving.signature import (
    DEFAULT_SIGNATURE,
    ServedSignature,
    unknown_signature,
)
from tfgenai.serving.tensors import encode_typed
from tfgenai.serving.varints import packed_field

# Field numbers of PredictResponse and of its map's entries.
_OUTPUTS, _MODEL_SPEC = 1, 2
_KEY, _VALUE = 1, 2

Outputs = Mapping[str, np.ndarray]


class PredictRequests:
    """Reads requests for the models that a manager keeps.

    Args:
        manager: the models.
        settings: the server's limits.
    """

    def __init__(self, manager: ModelManager, settings: Settings) -> None:
        self._manager = manager
        self._settings = settings

    def read(self, body: bytes, record: RequestRecord) -> Call:
        """Reads a `PredictRequest`.

        Args:
            body: the bytes of the message.
            record: of the request, to be filled in.

        Returns:
            The call, which closes the model's version.

        Raises:
            ServingError: as TensorFlow Serving would.
        """
        request = parse_message(body, predict_pb2.PredictRequest.FromString)
        record.signature = request.model_spec.signature_name
        with opened(self._manager, record, **asked_for(request)) as servable:
            signature = servable.signature(record.signature)
            if signature is None:
                name = record.signature or DEFAULT_SIGNATURE
                raise unknown_signature(name, servable.signature_names)
            record.signature = signature.name
            inputs = signature.read_protos(
                request.inputs,
                max_bytes=self._settings.max_request_bytes,
                max_rows=self._settings.max_request_rows,
            )
            wanted = signature.choose_outputs(list(request.output_filter))
            spec = model_spec_bytes(servable.name, servable.version, signature.name)
            write = functools.partial(_message, spec)
            return self._call(servable, signature, inputs, wanted, write, record)

    def read_json(
        self,
        name: str,
        version: int | None,
        label: str | None,
        body: bytes,
        record: RequestRecord,
    ) -> Call:
        """Reads the body of a REST `:predict` request.

        Args:
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
        asked = {"name": name, "version": version, "label": label}
        with opened(self._manager, record, **asked) as servable:
            signature = servable.signature(record.signature)
            if signature is None:
                raise codes.invalid(
                    f'Serving signature name: "{record.signature or DEFAULT_SIGNATURE}"'
                    " not found in signature def"
                )
            record.signature = signature.name
            by_row = "instances" in document
            if by_row == ("inputs" in document):
                raise codes.invalid(
                    "Missing 'inputs' or 'instances' key"
                    if not by_row
                    else "JSON Value: Not formatted correctly expecting only one of "
                    "'inputs' or 'instances' keys to exist"
                )
            inputs = self._json_inputs(signature, document, by_row=by_row)
            write = functools.partial(json_text.response, by_row=by_row)
            wanted = tuple(signature.outputs)
            return self._call(servable, signature, inputs, wanted, write, record)

    def _json_inputs(
        self, signature: ServedSignature, document: dict[str, Any], *, by_row: bool
    ) -> dict[str, np.ndarray]:
        names = list(signature.inputs)
        if by_row:
            columns = json_tensors.rows_to_columns(document["instances"], names)
        else:
            columns = json_tensors.columns(document["inputs"], names)
        inputs = {
            key: json_tensors.to_array(value, signature.inputs[key].kind)
            for key, value in columns.items()
        }
        signature.check_arrays(inputs, max_rows=self._settings.max_request_rows)
        return inputs

    def _call(
        self,
        servable: Servable,
        signature: ServedSignature,
        inputs: Mapping[str, np.ndarray],
        outputs: tuple[str, ...],
        write: Callable[[Outputs], bytes],
        record: RequestRecord,
    ) -> Call:
        first = next(iter(inputs.values()), None)
        record.rows = len(first) if first is not None and first.ndim else 1
        limit = self._settings.max_response_bytes
        return Call(servable, signature, inputs, outputs, write, limit)


def signature_name(document: Mapping[str, Any]) -> str:
    """The signature that a REST request asks for, "" for the default one.

    Raises:
        ServingError: INVALID_ARGUMENT if it is no string.
    """
    name = document.get("signature_name", "")
    if not isinstance(name, str):
        raise codes.invalid(
            "JSON Value not formatted correctly. 'signature_name' key must be a "
            "string value."
        )
    return name


def _message(spec: bytes, outputs: Outputs) -> bytes:
    # By hand: building messages would copy every tensor three times.
    parts = [
        packed_field(
            _OUTPUTS,
            packed_field(_KEY, name.encode())
            + packed_field(_VALUE, encode_typed(array)),
        )
        for name, array in outputs.items()
    ]
    return b"".join([*parts, packed_field(_MODEL_SPEC, spec)])
