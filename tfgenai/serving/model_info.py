"""Requests that run nothing: what is served, and what it takes."""

import json
from typing import Any

from google.protobuf import json_format
from google.protobuf.message import Message
from tensorflow_serving.apis import (
    get_model_metadata_pb2,
    get_model_status_pb2,
    model_management_pb2,
)

from tfgenai.core.errors import ConfigError, ServingError
from tfgenai.serving import codes
from tfgenai.serving.config import models_from_proto
from tfgenai.serving.manager import ModelManager
from tfgenai.serving.reading import asked_for, model_spec, parse_message

_SIGNATURE_DEF = "signature_def"


class ModelInfo:
    """Tells of the models that a manager keeps.

    Args:
        manager: the models.
    """

    def __init__(self, manager: ModelManager) -> None:
        self._manager = manager

    def metadata(self, body: bytes) -> bytes:
        """Answers a `GetModelMetadataRequest`.

        Raises:
            ServingError: as TensorFlow Serving would.
        """
        request = parse_message(
            body, get_model_metadata_pb2.GetModelMetadataRequest.FromString
        )
        servable = self._manager.find(**asked_for(request))
        if not request.metadata_field:
            raise codes.invalid(
                "GetModelMetadataRequest must specify at least one metadata_field"
            )
        for field in request.metadata_field:
            if field != _SIGNATURE_DEF:
                raise codes.invalid(f"Metadata field {field} is not supported")
        response = get_model_metadata_pb2.GetModelMetadataResponse(
            model_spec=model_spec(servable)
        )
        response.metadata[_SIGNATURE_DEF].Pack(servable.definitions)
        return response.SerializeToString()

    def metadata_json(self, name: str, version: int | None, label: str | None) -> bytes:
        """Answers a REST `/metadata` request."""
        servable = self._manager.find(name, version=version, label=label)
        return _json(
            {
                "model_spec": _as_dict(model_spec(servable)),
                "metadata": {_SIGNATURE_DEF: _as_dict(servable.definitions)},
            }
        )

    def status(self, body: bytes) -> bytes:
        """Answers a `GetModelStatusRequest`.

        Raises:
            ServingError: as TensorFlow Serving would.
        """
        request = parse_message(
            body, get_model_status_pb2.GetModelStatusRequest.FromString
        )
        return self._status(**asked_for(request)).SerializeToString()

    def status_json(self, name: str, version: int | None, label: str | None) -> bytes:
        """Answers a REST status request."""
        return _json(_as_dict(self._status(name, version, label)))

    def reload(self, body: bytes) -> bytes:
        """Answers a `ReloadConfigRequest`: other models from now on.

        Raises:
            ServingError: INVALID_ARGUMENT if the configuration makes no sense,
                FAILED_PRECONDITION if what it asks for cannot be served.
        """
        request = parse_message(
            body, model_management_pb2.ReloadConfigRequest.FromString
        )
        if not request.config.HasField("model_config_list"):
            raise codes.invalid(
                "ServerModelConfig type not supported by HandleReloadConfigRequest. "
                "Only ModelConfigList is currently supported"
            )
        try:
            models = models_from_proto(request.config)
        except ConfigError as error:
            raise codes.invalid(str(error)) from error
        self._manager.reload(models)
        response = model_management_pb2.ReloadConfigResponse()
        response.status.error_code = codes.NUMBERS["OK"]
        return response.SerializeToString()

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


def _as_dict(message: Message) -> dict[str, Any]:
    return json_format.MessageToDict(
        message,
        preserving_proto_field_name=True,
        always_print_fields_with_no_presence=True,
    )


def _json(value: Any) -> bytes:
    return (json.dumps(value, indent=1, ensure_ascii=False) + "\n").encode()
