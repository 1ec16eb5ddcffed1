"""Questions and answers as JSON over REST."""

import functools
import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote, urlsplit

import numpy as np

from tfgenai.serving import codes, json_tensors, json_text
from tfgenai.serving.client_calls import Call
from tfgenai.serving.client_types import (
    ModelMetadata,
    SignatureInfo,
    TensorField,
    VersionStatus,
    field_from_parts,
)
from tfgenai.serving.retry import Failure, seconds_of
from tfgenai.serving.wire import messages_pb2

# Too many requests, a proxy that reaches nobody, overloaded: later it may go.
_TRANSIENT = (429, 502, 503)


class RestCodec:
    """Puts questions about one model as JSON.

    Args:
        model: the model's name.
        version: the version to ask for, or None for the newest.
        label: the label of the version to ask for, or None.
    """

    def __init__(self, model: str, version: int | None, label: str | None) -> None:
        self._path = f"/v1/models/{quote(model, safe='')}"
        if version is not None:
            self._path += f"/versions/{version}"
        elif label is not None:
            self._path += f"/labels/{quote(label, safe='')}"

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
            outputs: its outputs by name; JSON does not say of which type numbers are.

        Returns:
            A call whose answer is arrays by name; strings are objects of type bytes.
        """
        columns = ", ".join(
            f"{json.dumps(name)}: {_input_text(array)}"
            for name, array in inputs.items()
        )
        name = json.dumps(signature_name)
        return Call(
            f"signature {signature_name!r}",
            self._path + ":predict",
            f'{{"signature_name": {name}, "inputs": {{{columns}}}}}'.encode(),
            functools.partial(_read_outputs, outputs),
        )

    def metadata(self) -> Call[ModelMetadata]:
        """Asks for the signatures."""
        return Call("metadata", self._path + "/metadata", None, _read_metadata)

    def status(self) -> Call[list[VersionStatus]]:
        """Asks for the versions."""
        return Call("status", self._path, None, _read_status)


def check_url(address: str, url: str) -> None:
    """Refuses an address that nothing can be asked at.

    Args:
        address: what the caller gave.
        url: the URL made of it.

    Raises:
        ValueError: if it is not one of HTTP with a host.
    """
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        reason = str(error)
    else:
        is_one = parts.scheme in ("http", "https") and parts.hostname and port != 0
        if is_one and not (parts.query or parts.fragment or " " in url):
            return
        reason = "not host:port and not http(s)://host:port/path"
    raise ValueError(
        f"A host and a port, or a URL, were expected. Received: address={address!r} "
        f"({reason}). Write '127.0.0.1:8501' or 'https://example.org/models'."
    )


def failure_of(
    status: int, reason: str | None, headers: Mapping[str, str], body: bytes
) -> Failure:
    """What an HTTP answer other than 200 says.

    Args:
        status: its number.
        reason: its words in the first line.
        headers: its headers, whatever their case.
        body: its body, in which TensorFlow Serving says what is wrong.
    """
    try:
        words = _document(body)["error"]
    except (Failure, KeyError):
        words = None
    if not isinstance(words, str):
        words = f"HTTP {status} {reason or ''}, and no JSON of a model."
    return Failure(
        codes.from_http(status),
        words,
        is_transient=status in _TRANSIENT,
        retry_after=seconds_of(headers.get("Retry-After"), headers.get("Date")),
    )


def _document(body: bytes) -> dict[str, Any]:
    try:
        document = json.loads(body)
    except ValueError:
        document = None
    if not isinstance(document, dict):
        raise Failure("UNKNOWN", "HTTP 200, and no JSON of a model.")
    return document


def _input_text(array: np.ndarray) -> str:
    # Every string is sent as bytes: those that are no UTF-8 could not be sent as text.
    return json_text.array_text(json_text.BYTES_SUFFIX, array)


def _read_outputs(
    fields: Mapping[str, TensorField], body: bytes
) -> dict[str, np.ndarray]:
    answer = _document(body)["outputs"]
    if len(fields) == 1:
        # The name of a single output is left out.
        answer = {next(iter(fields)): answer}
    return {name: _to_array(answer[name], field) for name, field in fields.items()}


def _to_array(value: Any, field: TensorField) -> np.ndarray:
    array = json_tensors.to_array(value, field.kind)
    if array.shape == (0,) and field.shape is not None:
        # JSON has no room for the other axes of no rows.
        return array.reshape(0, *(size or 0 for size in field.shape[1:]))
    return array


def _read_metadata(body: bytes) -> ModelMetadata:
    answer = _document(body)
    definitions = answer["metadata"]["signature_def"]["signature_def"]
    return ModelMetadata(
        name=answer["model_spec"]["name"],
        version=int(answer["model_spec"]["version"]),
        signatures={
            name: SignatureInfo(
                _fields(definition.get("inputs", {})),
                _fields(definition.get("outputs", {})),
            )
            for name, definition in definitions.items()
        },
    )


def _read_status(body: bytes) -> list[VersionStatus]:
    return [
        VersionStatus(
            version=int(entry["version"]),
            state=entry["state"],
            code=entry["status"]["error_code"],
            message=entry["status"]["error_message"],
        )
        for entry in _document(body)["model_version_status"]
    ]


def _fields(infos: Mapping[str, Any]) -> dict[str, TensorField]:
    fields = {}
    for name, info in infos.items():
        shape = info.get("tensor_shape", {})
        dims = None
        if not shape.get("unknown_rank"):
            dims = [int(dim["size"]) for dim in shape.get("dim", [])]
        try:
            number = messages_pb2.DataType.Value(info["dtype"])
        except ValueError:
            continue  # a type that this client does not speak
        field = field_from_parts(name, number, dims)
        if field is not None:
            fields[name] = field
    return fields
