"""The client's way over REST, in an event loop."""

import asyncio
from typing import Any

import aiohttp
import yarl

from tfgenai.serving.client_calls import Call, Connection
from tfgenai.serving.client_rest_codec import failure_of
from tfgenai.serving.retry import Failure

_PIECE_BYTES = 2**18

_JSON_HEADERS = {"Content-Type": "application/json"}


class AsyncRestTransport:
    """Speaks to a server over HTTP; made in the loop that it is used in.

    Connections are kept and used again. When one turns out to be closed, aiohttp asks
    what it GETs (metadata, status) once more by itself, within the same try.

    Args:
        connection: where it is.
    """

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(
                ssl=connection.tls.context() if connection.tls else True
            ),
            # One deadline is kept below, over the answer's body, too.
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=None),
        )

    async def send(self, call: Call[Any], timeout: float) -> bytes:
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
            async with (
                asyncio.timeout(timeout),
                self._session.request(
                    "GET" if call.body is None else "POST",
                    # The path is quoted already.
                    yarl.URL(self._connection.url + call.path, encoded=True),
                    data=call.body,
                    headers=None if call.body is None else _JSON_HEADERS,
                    allow_redirects=False,
                ) as response,
            ):
                body = await self._read(response)
        except TimeoutError as error:
            raise Failure("DEADLINE_EXCEEDED", "no answer came in time.") from error
        except (
            aiohttp.ClientConnectorCertificateError,
            aiohttp.ClientConnectorSSLError,
        ) as error:
            # A certificate does not become right by asking again.
            raise Failure("UNAVAILABLE", str(error)) from error
        except ValueError as error:
            raise Failure("INVALID_ARGUMENT", f"no URL: {error}") from error
        except (aiohttp.ClientError, OSError) as error:
            words = str(error) or type(error).__name__
            raise Failure("UNAVAILABLE", words, is_transient=True) from error
        if response.status != 200:
            raise failure_of(response.status, response.reason, response.headers, body)
        return body

    async def close(self) -> None:
        """Closes the connections."""
        await self._session.close()

    async def _read(self, response: aiohttp.ClientResponse) -> bytes:
        pieces, size = [], 0
        async for piece in response.content.iter_chunked(_PIECE_BYTES):
            pieces.append(piece)
            size += len(piece)
            if size > self._connection.max_message_bytes:
                raise self._connection.oversized()
        return b"".join(pieces)
