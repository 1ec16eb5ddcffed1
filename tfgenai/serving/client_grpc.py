"""The client's way over gRPC, in threads."""

from collections.abc import Iterable
from typing import Any

import grpc

from tfgenai.serving.client_calls import Call, Connection
from tfgenai.serving.retry import Failure

# With these a server tells when to come back, or by a negative number not to.
_PUSHBACK = "grpc-retry-pushback-ms"

# What the words hold when a server's certificate is refused; gRPC has no code for it.
_UNTRUSTED = "CERTIFICATE_VERIFY_FAILED"

# A quiet connection is given up when a ping is not answered for so long.
_KEEPALIVE_TIMEOUT_MS = 20_000

# A channel that could not connect refuses calls at once until it tries anew. gRPC's own
# pace (1 s at first, 2 min at most) would let all our tries meet the same refusal.
_RECONNECT_MS = (100, 2_000)


class GrpcTransport:
    """Speaks to a server over gRPC.

    Args:
        connection: where it is.
    """

    def __init__(self, connection: Connection) -> None:
        self._channel = open_channel(grpc, connection)

    def send(self, call: Call[Any], timeout: float) -> bytes:
        """Sends a question.

        Args:
            call: the question.
            timeout: seconds to wait at most.

        Returns:
            The bytes of the answer.

        Raises:
            Failure: if the server refuses, fails or does not answer in time.
        """
        try:
            return self._channel.unary_unary(call.path)(call.body, timeout=timeout)
        except grpc.RpcError as error:
            raise failure_of(error) from error

    def close(self) -> None:
        """Closes the channel."""
        self._channel.close()


def open_channel(library: Any, connection: Connection) -> Any:
    """A channel, encrypted where the connection is.

    Args:
        library: `grpc`, or `grpc.aio` for one of an event loop.
        connection: where it leads.
    """
    options = channel_options(connection)
    if connection.tls is None:
        return library.insecure_channel(connection.address, options)
    credentials = grpc.ssl_channel_credentials(**connection.tls.contents())
    return library.secure_channel(connection.address, credentials, options)


def channel_options(connection: Connection) -> list[tuple[str, int]]:
    """The options of a channel.

    Args:
        connection: where it leads, and its limits.
    """
    options = [
        # A batch of images is larger than gRPC's usual limit of 4 MiB.
        ("grpc.max_receive_message_length", connection.max_message_bytes),
        ("grpc.max_send_message_length", connection.max_message_bytes),
        # `tfgenai.serving.retry` asks again, and nobody else.
        ("grpc.enable_retries", 0),
        ("grpc.initial_reconnect_backoff_ms", _RECONNECT_MS[0]),
        ("grpc.max_reconnect_backoff_ms", _RECONNECT_MS[1]),
    ]
    if connection.keepalive is not None:
        options += [
            ("grpc.keepalive_time_ms", round(connection.keepalive * 1000)),
            ("grpc.keepalive_timeout_ms", _KEEPALIVE_TIMEOUT_MS),
            # Servers close connections on which a client pings without any call.
            ("grpc.keepalive_permit_without_calls", 0),
            # By default two pings are sent, and a long generation goes quiet after.
            ("grpc.http2.max_pings_without_data", 0),
        ]
    return options


def failure_of(error: Any) -> Failure:
    """What an error of gRPC says, of the blocking or the asynchronous kind.

    Args:
        error: the error.
    """
    code, words = error.code().name, error.details() or ""
    pushback = _milliseconds(error.trailing_metadata() or ())
    return Failure(
        code,
        words,
        # A certificate does not become right by asking again.
        is_transient=code == "UNAVAILABLE"
        and pushback >= 0
        and _UNTRUSTED not in words,
        retry_after=max(0.0, pushback / 1000),
    )


def _milliseconds(metadata: Iterable[tuple[str, Any]]) -> int:
    for key, value in metadata:
        if key == _PUSHBACK:
            try:
                return int(value)
            except ValueError:
                return -1  # as the retry design of gRPC has it: do not come back
    return 0
