"""Questions and answers as gRPC messages."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from tfgenai.serving import codes, tensors
from tfgenai.serving.client_calls import Call
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


class GrpcCodec:
    """Puts questions about one model as messages.

    Args:
        model: the model's name.
        version: the version to ask for, or None for the newest.
        label: the label of the version to ask for, or None.
    """

    def __init__(self, model: str, version: int | None, label: str | None) -> None:
        self._spec = messages_pb2.ModelSpec(name=model)
        if version is not None:
            self._spec.version.value = version
        elif label is not None:
            self._spec.version_label = label

    def predict(
        self,
        signature_name: str,
        inputs: Mapping[str, np.ndarray],
        outputs: Mapping[str, TensorField],
    ) -> Call[dict[str, np.ndarray]]:
        """Asks for the outputs of a signature.

        Args:
            signature_name: its name.
            inputs: arrays by name.
            outputs: its outputs by name.

        Returns:
            A call whose answer is arrays by name; strings are objects of type bytes.
        """
        request = messages_pb2.PredictRequest(model_spec=self._spec)
        request.model_spec.signature_name = signature_name
        for name, array in inputs.items():
            tensors.fill(request.inputs[name], array)
        return Call(
            f"signature {signature_name!r}",
            _PREDICTION_SERVICE + "Predict",
            request.SerializeToString(),
            _read_outputs,
        )

    def metadata(self) -> Call[ModelMetadata]:
        """Asks for the signatures."""
        request = messages_pb2.GetModelMetadataRequest(
            model_spec=self._spec, metadata_field=[_SIGNATURE_DEF]
        )
        return Call(
            "metadata",
            _PREDICTION_SERVICE + "GetModelMetadata",
            request.SerializeToString(),
            _read_metadata,
        )

    def status(self) -> Call[list[VersionStatus]]:
        """Asks for the versions."""
        request = messages_pb2.GetModelStatusRequest(model_spec=self._spec)
        return Call(
            "status",
            _MODEL_SERVICE + "GetModelStatus",
            request.SerializeToString(),
            _read_status,
        )


def _read_outputs(body: bytes) -> dict[str, np.ndarray]:
    response = messages_pb2.PredictResponse.FromString(body)
    return {
        name: tensors.to_array(proto, max_bytes=_MAX_ANSWER_BYTES)
        for name, proto in response.outputs.items()
    }


def _read_metadata(body: bytes) -> ModelMetadata:
    response = messages_pb2.GetModelMetadataResponse.FromString(body)
    # Any.Unpack would refuse the official type's name.
    definitions = messages_pb2.SignatureDefMap.FromString(
        response.metadata[_SIGNATURE_DEF].value
    )
    return ModelMetadata(
        name=response.model_spec.name,
        version=response.model_spec.version.value,
        signatures={
            name: SignatureInfo(_fields(definition.inputs), _fields(definition.outputs))
            for name, definition in definitions.signature_def.items()
        },
    )


def _read_status(body: bytes) -> list[VersionStatus]:
    response = messages_pb2.GetModelStatusResponse.FromString(body)
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


def _fields(infos: Mapping[str, Any]) -> dict[str, TensorField]:
    fields = {}
    for name, info in infos.items():
        known = not info.tensor_shape.unknown_rank
        dims = [dim.size for dim in info.tensor_shape.dim] if known else None
        field = field_from_parts(name, info.dtype, dims)
        if field is not None:
            fields[name] = field
    return fields
