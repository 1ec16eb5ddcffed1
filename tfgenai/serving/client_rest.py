"""The client's way over REST, in threads."""

import time
from typing import Any

import urllib3

from tfgenai.serving.client_calls import Call, Connection
from tfgenai.serving.client_rest_codec import failure_of
from tfgenai.serving.retry import Failure

# Threads that share a client each take a connection; more are made and thrown away.
_MAX_CONNECTIONS = 16

_PIECE_BYTES = 2**18

_JSON_HEADERS = {"Content-Type": "application/json"}


class RestTransport:
    """Speaks to a server over HTTP; connections are kept and used again.

    Args:
        connection: where it is.
    """

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        context = connection.tls.context() if connection.tls else None
        self._pool = urllib3.PoolManager(
            retries=False, maxsize=_MAX_CONNECTIONS, ssl_context=context
        )

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
        end = time.monotonic() + timeout
        try:
            response = self._pool.request(
                "GET" if call.body is None else "POST",
                self._connection.url + call.path,
                body=call.body,
                headers=None if call.body is None else _JSON_HEADERS,
                timeout=urllib3.Timeout(total=timeout),
                preload_content=False,
            )
            try:
                body = self._read(response, end)
            except BaseException:
                # What is left of the answer must not be taken for the next one.
                response.close()
                raise
            response.release_conn()
        except urllib3.exceptions.NewConnectionError as error:
            # To urllib3 a refused connection is one that took too long.
            raise Failure("UNAVAILABLE", str(error), is_transient=True) from error
        except urllib3.exceptions.TimeoutError as error:
            raise Failure("DEADLINE_EXCEEDED", str(error)) from error
        except urllib3.exceptions.SSLError as error:
            # A certificate does not become right by asking again.
            raise Failure("UNAVAILABLE", str(error)) from error
        except urllib3.exceptions.LocationValueError as error:
            raise Failure("INVALID_ARGUMENT", f"no URL: {error}") from error
        except urllib3.exceptions.HTTPError as error:
            raise Failure("UNAVAILABLE", str(error), is_transient=True) from error
        if response.status != 200:
            raise failure_of(response.status, response.reason, response.headers, body)
        return body

    def close(self) -> None:
        """Closes the connections."""
        self._pool.clear()

    def _read(self, response: urllib3.BaseHTTPResponse, end: float) -> bytes:
        # Piece by piece: urllib3 bounds the wait for each, not for all of them.
        pieces, size = [], 0
        while piece := response.read1(_PIECE_BYTES):
            pieces.append(piece)
            size += len(piece)
            if size > self._connection.max_message_bytes:
                raise self._connection.oversized()
            if time.monotonic() > end:
                raise Failure("DEADLINE_EXCEEDED", "the answer came too slowly.")
        return b"".join(pieces)
