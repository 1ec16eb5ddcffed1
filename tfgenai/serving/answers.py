"""Requests answered: from the bytes of a request to the bytes of its answer.

Nothing here knows of sockets. The gRPC and the REST side call these functions in
worker threads; every refusal is a `ServingError`.
"""

import json
from collections.abc import Callable
from typing import Any, TypeVar

from google.protobuf import json_format
from google.protobuf.message import DecodeError, Message
from tensorflow_serving.apis import (
    get_model_metadata_pb2,
    get_model_status_pb2,
    model_pb2,
    predict_pb2,
)

from tfgenai.core.errors import ServingError
from tfgenai.serving import codes, json_tensors, json_text
from tfgenai.serving.config import Settings
from tfgenai.serving.manager import ModelManager
from tfgenai.serving.servable import Servable
from tfgenai.serving.signature import DEFAULT_SIGNATURE, unknown_signature
from tfgenai.serving.tensors import encode_typed
from tfgenai.serving.varints import packed_field

_SIGNATURE_DEF = "signature_def"

# Field numbers of PredictResponse and of its map's entries.
_OUTPUTS, _MODEL_SPEC = 1, 2
_KEY, _VALUE = 1, 2

M = TypeVar("M", bound=Message)


class Answers:
    """Answers requests out of the models that a manager keeps.

    Args:
        manager: the models.
        settings: the server's limits.
    """

    def __init__(self, manager: ModelManager, settings: Settings) -> None:
        self._manager = manager
        self._settings = settings

    def predict(self, body: bytes) -> bytes:
        """Answers a `PredictRequest` with a `PredictResponse`.

        Raises:
            ServingError: as TensorFlow Serving would.
        """
        request = _parse(body, predict_pb2.PredictRequest.FromString)
        with self._manager.use(**_asked_for(request)) as servable:
            signature = servable.signature(request.model_spec.signature_name)
            if signature is None:
                name = request.model_spec.signature_name or DEFAULT_SIGNATURE
                raise unknown_signature(name, servable.signature_names)
            inputs = signature.read_protos(
                request.inputs,
                max_bytes=self._settings.max_request_bytes,
                max_rows=self._settings.max_request_rows,
            )
            wanted = signature.choose_outputs(list(request.output_filter))
            outputs = servable.run(signature, inputs, wanted)
        # Written by hand: building messages would copy every tensor three times.
        parts = [
            packed_field(
                _OUTPUTS,
                packed_field(_KEY, name.encode())
                + packed_field(_VALUE, encode_typed(array)),
            )
            for name, array in outputs.items()
        ]
        spec = _model_spec(servable, signature.name)
        parts.append(packed_field(_MODEL_SPEC, spec.SerializeToString()))
        return b"".join(parts)

    def predict_json(
        self, name: str, version: int | None, label: str | None, body: bytes
    ) -> bytes:
        """Answers the body of a REST `:predict` request.

        Raises:
            ServingError: as TensorFlow Serving would.
        """
        document = json_tensors.parse(body)
        signature_name = document.get("signature_name", "")
        if not isinstance(signature_name, str):
            raise codes.invalid(
                "JSON Value not formatted correctly. 'signature_name' key must be a "
                "string value."
            )
        with self._manager.use(name, version=version, label=label) as servable:
            signature = servable.signature(signature_name)
            if signature is None:
                raise codes.invalid(
                    f'Serving signature name: "{signature_name or DEFAULT_SIGNATURE}" '
                    "not found in signature def"
                )
            by_row = "instances" in document
            if by_row == ("inputs" in document):
                raise codes.invalid(
                    "Missing 'inputs' or 'instances' key"
                    if not by_row
                    else "JSON Value: Not formatted correctly expecting only one of "
                    "'inputs' or 'instances' keys to exist"
                )
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
            outputs = servable.run(signature, inputs, tuple(signature.outputs))
        return json_text.response(outputs, by_row=by_row)

    def metadata(self, body: bytes) -> bytes:
        """Answers a `GetModelMetadataRequest`.

        Raises:
            ServingError: as TensorFlow Serving would.
        """
        request = _parse(
            body, get_model_metadata_pb2.GetModelMetadataRequest.FromString
        )
        servable = self._manager.find(**_asked_for(request))
        if not request.metadata_field:
            raise codes.invalid(
                "GetModelMetadataRequest must specify at least one metadata_field"
            )
        for field in request.metadata_field:
            if field != _SIGNATURE_DEF:
                raise codes.invalid(f"Metadata field {field} is not supported")
        response = get_model_metadata_pb2.GetModelMetadataResponse(
            model_spec=_model_spec(servable)
        )
        response.metadata[_SIGNATURE_DEF].Pack(servable.definitions)
        return response.SerializeToString()

    def metadata_json(self, name: str, version: int | None, label: str | None) -> bytes:
        """Answers a REST `/metadata` request."""
        servable = self._manager.find(name, version=version, label=label)
        return _json(
            {
                "model_spec": _as_dict(_model_spec(servable)),
                "metadata": {_SIGNATURE_DEF: _as_dict(servable.definitions)},
            }
        )

    def status(self, body: bytes) -> bytes:
        """Answers a `GetModelStatusRequest`.

        Raises:
            ServingError: as TensorFlow Serving would.
        """
        request = _parse(body, get_model_status_pb2.GetModelStatusRequest.FromString)
        return self._status(**_asked_for(request)).SerializeToString()

    def status_json(self, name: str, version: int | None, label: str | None) -> bytes:
        """Answers a REST status request."""
        return _json(_as_dict(self._status(name, version, label)))

    @property
    def is_serving(self) -> bool:
        """Whether any model can be asked."""
        return any(self._manager.available.values())

    def _status(self, name: str, version: int | None, label: str | None) -> Any:
        if label:
            version = self._manager.find(name, label=label).version
        states = self._manager.states(name)
        if not states:
            raise ServingError(
                f"Could not find any versions of model {name}", code="NOT_FOUND"
            )
        if version is not None:
            states = [state for state in states if state.version == version]
            if not states:
                raise ServingError(
                    f"Could not find version {version} of model {name}",
                    code="NOT_FOUND",
                )
        response = get_model_status_pb2.GetModelStatusResponse()
        for state in states:
            entry = response.model_version_status.add(
                version=state.version, state=int(state.state)
            )
            entry.status.error_code = codes.NUMBERS.get(state.code, 2)
            entry.status.error_message = state.message
        return response


def _parse(body: bytes, read: Callable[[bytes], M]) -> M:
    try:
        return read(body)
    except DecodeError as error:
        raise codes.invalid(
            f"The bytes of a whole request were expected. Received: {len(body)} bytes "
            "that cannot be parsed. Send the message of this method."
        ) from error


def _asked_for(request: Any) -> dict[str, Any]:
    """Which model a request asks for, as arguments of `ModelManager.find`."""
    if not request.HasField("model_spec"):
        raise codes.invalid("Missing ModelSpec")
    spec = request.model_spec
    version = spec.version.value if spec.HasField("version") else None
    return {"name": spec.name, "version": version, "label": spec.version_label or None}


def _model_spec(servable: Servable, signature_name: str = "") -> Any:
    spec = model_pb2.ModelSpec(name=servable.name, signature_name=signature_name)
    spec.version.value = servable.version
    return spec


def _as_dict(message: Message) -> dict[str, Any]:
    return json_format.MessageToDict(
        message,
        preserving_proto_field_name=True,
        always_print_fields_with_no_presence=True,
    )


def _json(value: Any) -> bytes:
    return (json.dumps(value, indent=1, ensure_ascii=False) + "\n").encode()
