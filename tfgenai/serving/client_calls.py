"""One question to a server: what is sent, and how the answer is read."""

import dataclasses
from collections.abc import Callable, Generator, Mapping
from typing import Any, Generic, Protocol, TypeVar

import numpy as np
from google.protobuf.message import DecodeError

from tfgenai.core.errors import ServingError
from tfgenai.serving.client_tls import Tls
from tfgenai.serving.client_types import ModelMetadata, TensorField, VersionStatus
from tfgenai.serving.retry import Failure

T = TypeVar("T")


@dataclasses.dataclass(frozen=True)
class Call(Generic[T]):
    """A question to a server.

    Args:
        what: what is asked, in words, for errors.
        path: the gRPC method, or the path of the URL.
        body: the request; None where HTTP knows a GET.
        read: makes the answer out of its bytes.
    """

    what: str
    path: str
    body: bytes | None
    read: Callable[[bytes], T]

    def answer(self, body: bytes) -> T:
        """Reads an answer.

        Args:
            body: its bytes.

        Raises:
            Failure: if they are none.
        """
        try:
            return self.read(body)
        except (
            AttributeError,
            DecodeError,
            LookupError,
            ServingError,
            TypeError,
            ValueError,
        ) as error:
            raise Failure(
                "UNKNOWN",
                f"{len(body)} bytes that are no answer of a model "
                f"({type(error).__name__}: {error})",
            ) from error


# What a client does before it answers: it yields calls and is sent their answers. So
# the same lines serve those that wait in a thread and those that wait in a loop.
Talk = Generator[Call[Any], Any, T]


@dataclasses.dataclass(frozen=True)
class Connection:
    """Where a server is and how to speak to it.

    Args:
        address: host and port, or for REST a URL.
        tls: certificates; None where nothing is encrypted.
        keepalive: seconds between signs of life while gRPC waits; None for none.
        max_message_bytes: what a request or an answer may hold.
    """

    address: str
    tls: Tls | None
    keepalive: float | None
    max_message_bytes: int

    @property
    def url(self) -> str:
        """The server's URL, without a slash at its end."""
        if "://" in self.address:
            return self.address.rstrip("/")
        return f"{'https' if self.tls else 'http'}://{self.address.rstrip('/')}"

    def oversized(self) -> Failure:
        """What to say of an answer that is too large."""
        return Failure(
            "RESOURCE_EXHAUSTED",
            f"an answer of more than max_message_bytes={self.max_message_bytes}. Ask "
            "for fewer rows at once, or raise it.",
        )


class Codec(Protocol):
    """How one protocol puts questions and reads answers; it sends nothing."""

    def predict(
        self,
        signature_name: str,
        inputs: Mapping[str, np.ndarray],
        outputs: Mapping[str, TensorField],
    ) -> Call[dict[str, np.ndarray]]:
        """Asks for the outputs of a signature."""

    def metadata(self) -> Call[ModelMetadata]:
        """Asks for the signatures."""

    def status(self) -> Call[list[VersionStatus]]:
        """Asks for the versions."""


class Transport(Protocol):
    """A way to a server that is waited for in a thread."""

    def send(self, call: Call[Any], timeout: float) -> bytes:
        """Sends a question and gives the bytes of the answer, or raises `Failure`."""

    def close(self) -> None:
        """Closes the connections."""


class AsyncTransport(Protocol):
    """A way to a server that is waited for in an event loop."""

    async def send(self, call: Call[Any], timeout: float) -> bytes:
        """Sends a question and gives the bytes of the answer, or raises `Failure`."""

    async def close(self) -> None:
        """Closes the connections."""
