"""The client's way over gRPC."""

from collections.abc import Callable, Mapping
from typing import Any

import grpc
import numpy as np

from tfgenai.core.errors import ServingError, UnavailableError
from tfgenai.serving import codes, tensors
from tfgenai.serving.client_types import (
    ModelMetadata,
    SignatureInfo,
    TensorField,
    VersionStatus,
    field_from_parts,
)
from tfgenai.serving.wire import messages_pb2

_PREDICTION_SERVICE = "/tensorflow.serving.PredictionService/"
_MODEL_SERVICE = "/tensorflow.serving.ModelService/"

_SIGNATURE_DEF = "signature_def"

# An answer's claims are believed up to here.
_MAX_ANSWER_BYTES = 2**31 - 1


class GrpcTransport:
    """Speaks to one model of a server over gRPC.

    Args:
        address: host and port.
        model: the model's name.
        version: the version to ask for, or None for the newest.
        label: the label of the version to ask for, or None.
    """

    def __init__(
        self, address: str, *, model: str, version: int | None, label: str | None
    ) -> None:
        self._address = address
        self._spec = messages_pb2.ModelSpec(name=model)
        if version is not None:
            self._spec.version.value = version
        elif label is not None:
            self._spec.version_label = label
        # A batch of images is larger than gRPC's usual limit of 4 MiB.
        self._channel = grpc.insecure_channel(
            address,
            options=[
                ("grpc.max_receive_message_length", -1),
                ("grpc.max_send_message_length", -1),
            ],
        )
        self._predict = self._method(
            _PREDICTION_SERVICE + "Predict", messages_pb2.PredictResponse
        )
        self._metadata = self._method(
            _PREDICTION_SERVICE + "GetModelMetadata",
            messages_pb2.GetModelMetadataResponse,
        )
        self._status = self._method(
            _MODEL_SERVICE + "GetModelStatus", messages_pb2.GetModelStatusResponse
        )

    def predict(
        self, signature: str, inputs: Mapping[str, np.ndarray], timeout: float
    ) -> dict[str, np.ndarray]:
        """Calls a signature.

        Args:
            signature: its name.
            inputs: arrays by name.
            timeout: seconds to wait at most.

        Returns:
            Arrays by name; strings are objects of type bytes.

        Raises:
            ServingError: if the server refuses or fails.
            UnavailableError: if it does not answer in time.
        """
        request = messages_pb2.PredictRequest(model_spec=self._spec)
        request.model_spec.signature_name = signature
        for name, array in inputs.items():
            tensors.fill(request.inputs[name], array)
        response = self._call(self._predict, request, timeout)
        return {
            name: tensors.to_array(proto, max_bytes=_MAX_ANSWER_BYTES)
            for name, proto in response.outputs.items()
        }

    def metadata(self, timeout: float) -> ModelMetadata:
        """Asks for the signatures.

        Args:
            timeout: seconds to wait at most.

        Raises:
            ServingError: if the server refuses or does not answer in time.
        """
        request = messages_pb2.GetModelMetadataRequest(
            model_spec=self._spec, metadata_field=[_SIGNATURE_DEF]
        )
        response = self._call(self._metadata, request, timeout)
        # Any.Unpack would refuse the official type's name.
        definitions = messages_pb2.SignatureDefMap.FromString(
            response.metadata[_SIGNATURE_DEF].value
        )
        return ModelMetadata(
            name=response.model_spec.name,
            version=response.model_spec.version.value,
            signatures={
                name: SignatureInfo(
                    _fields(definition.inputs), _fields(definition.outputs)
                )
                for name, definition in definitions.signature_def.items()
            },
        )

    def status(self, timeout: float) -> list[VersionStatus]:
        """Asks for the versions.

        Args:
            timeout: seconds to wait at most.

        Raises:
            ServingError: if the server refuses or does not answer in time.
        """
        request = messages_pb2.GetModelStatusRequest(model_spec=self._spec)
        response = self._call(self._status, request, timeout)
        names = messages_pb2.ModelVersionStatus.State
        return [
            VersionStatus(
                version=entry.version,
                state=names.Name(entry.state),
                code=codes.name_of(entry.status.error_code),
                message=entry.status.error_message,
            )
            for entry in response.model_version_status
        ]

    def close(self) -> None:
        """Closes the channel."""
        self._channel.close()

    def _method(self, path: str, response: Any) -> Callable[..., Any]:
        return self._channel.unary_unary(
            path,
            request_serializer=lambda message: message.SerializeToString(),
            response_deserializer=response.FromString,
        )

    def _call(self, method: Callable[..., Any], request: Any, timeout: float) -> Any:
        try:
            return method(request, timeout=timeout)
        except grpc.RpcError as error:
            raise self._error(error, timeout) from error

    def _error(self, error: Any, timeout: float) -> ServingError:
        code, words = error.code().name, error.details() or ""
        if code in ("UNAVAILABLE", "DEADLINE_EXCEEDED"):
            return UnavailableError(
                f"An answer within {timeout:g} seconds was expected. Received: "
                f"address={self._address!r}, {code}: {words}. Check that the server "
                "runs there, or raise timeout.",
                code=code,
            )
        return ServingError(words, code=code)


def _fields(infos: Mapping[str, Any]) -> dict[str, TensorField]:
    fields = {}
    for name, info in infos.items():
        known = not info.tensor_shape.unknown_rank
        dims = [dim.size for dim in info.tensor_shape.dim] if known else None
        field = field_from_parts(name, info.dtype, dims)
        if field is not None:
            fields[name] = field
    return fields
