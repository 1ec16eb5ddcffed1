"""A client for event loops: `Client` with methods that are awaited."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from types import TracebackType
from typing import Any, TypeVar

import numpy as np

from tfgenai.serving.client_base import ClientBase
from tfgenai.serving.client_calls import AsyncTransport, Call, Talk
from tfgenai.serving.client_loops import Loop
from tfgenai.serving.client_types import ModelMetadata, VersionStatus
from tfgenai.serving.retry import Deadline, Failure

T = TypeVar("T")


class AsyncClient(ClientBase):
    """Calls the signatures of one served model without holding up an event loop.

    It takes the arguments of `Client`, sends the same requests and gives the same
    answers and errors. It connects when it is first asked, and belongs to the loop in
    which that happens. Any number of calls may wait at once. A call that is cancelled,
    for example by `asyncio.timeout`, is cancelled at the server, too.

    Args:
        address: host and port of the server, for example `"127.0.0.1:8500"`.
        model: the model's name.
        protocol: `"grpc"` or `"rest"`.
        timeout: seconds to wait for an answer, at most: one deadline over all tries.
        version, label, retries, keepalive, max_message_bytes: see `Client`.
        tls, root_certificates, certificate_chain, private_key: see `Client`.

    Raises:
        ValueError: if an argument makes no sense. Nothing is sent yet.

    Example:
        ```python
        async with tfgenai.serving.AsyncClient(address, model="digits") as client:
            first, second = await asyncio.gather(
                client.generate(seed=1, labels=3), client.generate(seed=2, labels=4)
            )
        ```
    """

    _transport: AsyncTransport | None = None
    _event_loop: asyncio.AbstractEventLoop | None = None

    async def generate(
        self,
        *,
        signature: str | None = None,
        return_errors: bool = False,
        timeout: float | None = None,
        **inputs: Any,
    ) -> dict[str, np.ndarray]:
        """Generates one sample a row, as `Client.generate` does.

        Args:
            signature: name of the signature to call; None for the one that fits.
            return_errors: whether bad rows are answered in the output `error` rather
                than raised.
            timeout: seconds to wait at most; None for the client's.
            **inputs: values by name: one for each row, or one for all.

        Returns:
            Arrays by name, each with the batch first.

        Raises:
            RowError: if the model refuses rows; it holds their numbers.
            UnavailableError: if no server answers in time, however often it is asked.
            ServingError: if the server refuses or fails.
            ValueError: if an input is unknown, missing or does not fit.
            TypeError: if an input is of another kind.
        """
        talk = self._talk_generate(signature, return_errors, inputs)
        return await self._drive(talk, timeout)

    async def predict(
        self,
        signature_name: str,
        inputs: Mapping[str, Any] | None = None,
        /,
        *,
        return_errors: bool = False,
        timeout: float | None = None,
        **more: Any,
    ) -> dict[str, np.ndarray]:
        """Calls any signature, as `Client.predict` does.

        Args:
            signature_name: its name.
            inputs: values by name.
            return_errors: whether bad rows are answered in the output `error` rather
                than raised.
            timeout: seconds to wait at most; None for the client's.
            **more: further values by name.

        Returns:
            Arrays by name.

        Raises:
            RowError: if the model refuses rows; it holds their numbers.
            UnavailableError: if no server answers in time, however often it is asked.
            ServingError: if the server refuses or fails.
            ValueError: if the signature or an input is unknown, missing or does not
                fit.
            TypeError: if an input is of another kind.
        """
        given = dict(inputs or {}) | more
        talk = self._talk_predict(signature_name, return_errors, given)
        return await self._drive(talk, timeout)

    async def generate_progressively(
        self, *, timeout: float | None = None, **inputs: Any
    ) -> AsyncIterator[dict[str, np.ndarray]]:
        """Generates one sample a row, and shows them after each step.

        As `Client.generate_progressively`, but nothing is asked, and no mistake found,
        before the first step is awaited.

        Args:
            timeout: seconds to wait at most for each step; None for the client's.
            **inputs: values by name, as `generate` takes them.

        Yields:
            Arrays by name, such as `{"images": ...}`.

        Raises:
            RowError: if the model refuses rows; it holds their numbers.
            UnavailableError: if no server answers in time, however often it is asked.
            ServingError: if the server refuses or fails.
            ValueError: if the model has no such signature, or an input is unknown,
                missing or does not fit.
            TypeError: if an input is of another kind.
        """
        loop: Loop[dict[str, np.ndarray]]
        loop = await self._drive(self._talk_steps(inputs), timeout)
        while not loop.is_over:
            yield await self._drive(loop.talk(), timeout)

    async def stream(
        self,
        prompts: Any,
        *,
        seed: Any = 0,
        timeout: float | None = None,
        **inputs: Any,
    ) -> AsyncIterator[list[str]]:
        """Writes texts behind prompts, and shows them piece by piece.

        As `Client.stream`, but nothing is asked, and no mistake found, before the first
        piece is awaited.

        Args:
            prompts: one text or several.
            seed: one seed a row, or one for all.
            timeout: seconds to wait at most for each piece; None for the client's.
            **inputs: knobs by name, as `generate` takes them, such as `temperature`.

        Yields:
            Lists of new text, one piece a row.

        Raises:
            RowError: if the model refuses rows; it holds their numbers.
            UnavailableError: if no server answers in time, however often it is asked.
            ServingError: if the server refuses or fails.
            ValueError: if the model has no such signature, or an input is unknown,
                missing or does not fit.
            TypeError: if an input is of another kind.

        Example:
            ```python
            async for (piece,) in client.stream("ROMEO:", seed=1, max_new_tokens=200):
                print(piece, end="", flush=True)
            ```
        """
        loop: Loop[list[str]]
        loop = await self._drive(self._talk_stream(prompts, seed, inputs), timeout)
        while not loop.is_over:
            yield await self._drive(loop.talk(), timeout)

    async def metadata(
        self, *, refresh: bool = False, timeout: float | None = None
    ) -> ModelMetadata:
        """The model's signatures; the server is asked once.

        Args:
            refresh: whether to ask again, for example after a new version came up.
            timeout: seconds to wait at most; None for the client's.

        Raises:
            UnavailableError: if no server answers in time, however often it is asked.
            ServingError: if the server refuses.
        """
        return await self._drive(self._talk_metadata(refresh), timeout)

    async def status(self, *, timeout: float | None = None) -> list[VersionStatus]:
        """The state of the model's versions.

        Args:
            timeout: seconds to wait at most; None for the client's.

        Raises:
            UnavailableError: if no server answers in time, however often it is asked.
            ServingError: if the server refuses.
        """
        return await self._drive(self._talk_status(), timeout)

    async def close(self) -> None:
        """Closes the connections; the client cannot be used any more."""
        self._is_closed = True
        if self._transport is not None:
            await self._transport.close()

    async def __aenter__(self) -> "AsyncClient":
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.close()

    def _connected(self) -> AsyncTransport:
        """The transport, which is made late: it belongs to the loop it is made in."""
        running = asyncio.get_running_loop()
        if self._transport is None:
            self._event_loop = running
            if self._protocol == "grpc":
                from tfgenai.serving.async_client_grpc import AsyncGrpcTransport

                self._transport = AsyncGrpcTransport(self._connection)
            else:
                from tfgenai.serving.async_client_rest import AsyncRestTransport

                self._transport = AsyncRestTransport(self._connection)
        if running is not self._event_loop:
            raise ValueError(
                "The event loop of the first call was expected. Received: another one "
                f"for the client of model {self.model!r}. Make a client in each."
            )
        return self._transport

    async def _drive(self, talk: Talk[T], timeout: float | None) -> T:
        deadline = self._deadline(timeout)
        try:
            call = next(talk)
            while True:
                call = talk.send(await self._ask(call, deadline))
        except StopIteration as end:
            return end.value

    async def _ask(self, call: Call[T], deadline: Deadline) -> T:
        tries, transport = self._tries(call, deadline), self._connected()
        while True:
            try:
                return call.answer(await transport.send(call, tries.begin()))
            except Failure as failure:
                wait = tries.wait_after(failure)
                if wait is None:
                    raise self._error(call, failure, tries) from failure
            await self._retry.async_sleep(wait)
