"""The client's way over gRPC, in an event loop."""

from typing import Any

import grpc
import grpc.aio

from tfgenai.serving.client_calls import Call, Connection
from tfgenai.serving.client_grpc import failure_of, open_channel


class AsyncGrpcTransport:
    """Speaks to a server over gRPC; made in the loop that it is used in.

    Args:
        connection: where it is.
    """

    def __init__(self, connection: Connection) -> None:
        self._channel = open_channel(grpc.aio, connection)

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
        ask = self._channel.unary_unary(call.path)
        try:
            return await ask(call.body, timeout=timeout)
        except grpc.RpcError as error:
            raise failure_of(error) from error

    async def close(self) -> None:
        """Closes the channel."""
        await self._channel.close()
