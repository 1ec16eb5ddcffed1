"""What reading a request begins with: its message, and the version that it asks for."""

import contextlib
import functools
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

from google.protobuf.message import DecodeError, Message
from tensorflow_serving.apis import model_pb2

from tfgenai.serving import codes
from tfgenai.serving.manager import ModelManager
from tfgenai.serving.request_record import RequestRecord
from tfgenai.serving.servable import Servable

M = TypeVar("M", bound=Message)


def parse_message(body: bytes, read: Callable[[bytes], M]) -> M:
    """Parses a request.

    Raises:
        ServingError: INVALID_ARGUMENT if the bytes are no such message.
    """
    try:
        return read(body)
    except DecodeError as error:
        raise codes.invalid(
            f"The bytes of a whole request were expected. Received: {len(body)} bytes "
            "that cannot be parsed. Send the message of this method."
        ) from error


def asked_for(request: Any) -> dict[str, Any]:
    """Which model a request asks for, as arguments of `ModelManager.find`.

    Raises:
        ServingError: INVALID_ARGUMENT if it does not say.
    """
    if not request.HasField("model_spec"):
        raise codes.invalid("Missing ModelSpec")
    spec = request.model_spec
    version = spec.version.value if spec.HasField("version") else None
    return {"name": spec.name, "version": version, "label": spec.version_label or None}


@contextlib.contextmanager
def opened(
    manager: ModelManager, record: RequestRecord, **asked: Any
) -> Iterator[Servable]:
    """Keeps a version open for a call that is made in the block.

    It stays open where the block ends well: closing it is then up to the call.

    Args:
        manager: the models.
        record: of the request; the version is written into it.
        **asked: which version, as arguments of `ModelManager.find`.

    Raises:
        ServingError: if it is not served.
    """
    record.model = asked["name"]
    servable = manager.acquire(**asked)
    record.version = servable.version
    try:
        yield servable
    except BaseException:
        servable.release()
        raise


@functools.lru_cache(maxsize=256)
def model_spec_bytes(name: str, version: int, signature_name: str) -> bytes:
    """The bytes of the `ModelSpec` of an answer, which is the same for many."""
    serialized: bytes = _spec(name, version, signature_name).SerializeToString()
    return serialized


def model_spec(servable: Servable, signature_name: str = "") -> Any:
    """The `ModelSpec` of an answer."""
    return _spec(servable.name, servable.version, signature_name)


def _spec(name: str, version: int, signature_name: str) -> Any:
    spec = model_pb2.ModelSpec(name=name, signature_name=signature_name)
    spec.version.value = version
    return spec
