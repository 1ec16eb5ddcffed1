"""The client's way over REST."""

import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

import numpy as np
import urllib3

from tfgenai.core.errors import ServingError, UnavailableError
from tfgenai.serving import codes, json_tensors, json_text
from tfgenai.serving.client_types import (
    ModelMetadata,
    SignatureInfo,
    TensorField,
    VersionStatus,
    field_from_parts,
)
from tfgenai.serving.wire import messages_pb2

# Threads that share a client each take a connection; more are made and thrown away.
_MAX_CONNECTIONS = 16


class RestTransport:
    """Speaks to one model of a server over REST.

    Args:
        address: host and port, or a URL.
        model: the model's name.
        version: the version to ask for, or None for the newest.
        label: the label of the version to ask for, or None.
    """

    def __init__(
        self, address: str, *, model: str, version: int | None, label: str | None
    ) -> None:
        root = address if "://" in address else f"http://{address}"
        self._address = address
        self._url = f"{root.rstrip('/')}/v1/models/{quote(model, safe='')}"
        if version is not None:
            self._url += f"/versions/{version}"
        elif label is not None:
            self._url += f"/labels/{quote(label, safe='')}"
        self._pool = urllib3.PoolManager(retries=False, maxsize=_MAX_CONNECTIONS)
        self._known: ModelMetadata | None = None

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
        columns = ", ".join(
            f"{json.dumps(name)}: {_input_text(array)}"
            for name, array in inputs.items()
        )
        body = f'{{"signature_name": {json.dumps(signature)}, "inputs": {{{columns}}}}}'
        answer = self._ask("POST", ":predict", timeout, body.encode())["outputs"]
        # JSON does not say of which type its numbers are; the signature does.
        if self._known is None:
            self._known = self.metadata(timeout)
        fields = self._known.signature(signature).outputs
        if len(fields) == 1:
            # The name of a single output is left out.
            answer = {next(iter(fields)): answer}
        return {name: _read(answer[name], field) for name, field in fields.items()}

    def metadata(self, timeout: float) -> ModelMetadata:
        """Asks for the signatures.

        Args:
            timeout: seconds to wait at most.

        Raises:
            ServingError: if the server refuses or does not answer in time.
        """
        answer = self._ask("GET", "/metadata", timeout)
        definitions = answer["metadata"]["signature_def"]["signature_def"]
        self._known = ModelMetadata(
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
        return self._known

    def status(self, timeout: float) -> list[VersionStatus]:
        """Asks for the versions.

        Args:
            timeout: seconds to wait at most.

        Raises:
            ServingError: if the server refuses or does not answer in time.
        """
        answer = self._ask("GET", "", timeout)
        return [
            VersionStatus(
                version=int(entry["version"]),
                state=entry["state"],
                code=entry["status"]["error_code"],
                message=entry["status"]["error_message"],
            )
            for entry in answer["model_version_status"]
        ]

    def close(self) -> None:
        """Closes the connections."""
        self._pool.clear()

    def _ask(
        self, method: str, path: str, timeout: float, body: bytes | None = None
    ) -> dict[str, Any]:
        try:
            response = self._pool.request(
                method,
                self._url + path,
                body=body,
                headers={"Content-Type": "application/json"} if body else None,
                timeout=urllib3.Timeout(total=timeout),
            )
        except urllib3.exceptions.TimeoutError as error:
            raise self._unavailable(error, "DEADLINE_EXCEEDED", timeout) from error
        except urllib3.exceptions.HTTPError as error:
            raise self._unavailable(error, "UNAVAILABLE", timeout) from error
        code = "OK" if response.status == 200 else codes.from_http(response.status)
        try:
            answer = json.loads(response.data)
        except ValueError:
            answer = None
        if code == "OK" and isinstance(answer, dict):
            return answer
        words = answer.get("error") if isinstance(answer, dict) else None
        if not isinstance(words, str):
            words = f"HTTP {response.status} {response.reason}, and no JSON of a model."
            code = "UNKNOWN" if code == "OK" else code
        if code in ("UNAVAILABLE", "DEADLINE_EXCEEDED"):
            raise self._unavailable(words, code, timeout)
        raise ServingError(words, code=code)

    def _unavailable(
        self, reason: object, code: str, timeout: float
    ) -> UnavailableError:
        return UnavailableError(
            f"An answer within {timeout:g} seconds was expected. Received: "
            f"address={self._address!r}, {code}: {reason}. Check that the server runs "
            "there, or raise timeout.",
            code=code,
        )


def _input_text(array: np.ndarray) -> str:
    # Every string is sent as bytes: those that are no UTF-8 could not be sent as text.
    return json_text.array_text(json_text.BYTES_SUFFIX, array)


def _read(value: Any, field: TensorField) -> np.ndarray:
    array = json_tensors.to_array(value, field.kind)
    if array.shape == (0,) and field.shape is not None:
        # JSON has no room for the other axes of no rows.
        return array.reshape(0, *(size or 0 for size in field.shape[1:]))
    return array


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
