"""A client of `tfgenai serve` and of TensorFlow Serving, without TensorFlow."""

from collections.abc import Iterator, Mapping
from types import TracebackType
from typing import Any, TypeVar

import numpy as np

from tfgenai.serving.client_base import ClientBase
from tfgenai.serving.client_calls import Call, Talk, Transport
from tfgenai.serving.client_loops import Loop
from tfgenai.serving.client_types import ModelMetadata, VersionStatus
from tfgenai.serving.retry import Deadline, Failure

T = TypeVar("T")


class Client(ClientBase):
    """Calls the signatures of one served model.

    Threads may share one; its connections are kept and used again. Within an event
    loop, use `AsyncClient`.

    Args:
        address: host and port of the server, for example `"127.0.0.1:8500"`; for REST
            also a URL.
        model: the model's name.
        protocol: `"grpc"` or `"rest"`; both give the same answers.
        timeout: seconds to wait for an answer, at most: one deadline over all tries.
        version: the version to ask for; None for the newest.
        label: the label of the version to ask for, instead of its number.
        retries: how often to ask again when the server is not there or too busy; 0 for
            never, which is right for a signature that changes something. A `Retry` says
            also how long to wait in between.
        keepalive: seconds between pings while a gRPC call waits, so that nothing on
            the way takes the connection for dead; None for none. Below 300, servers
            that are not told otherwise hang up. REST sends none.
        max_message_bytes: what a request or an answer may hold.
        tls: whether to encrypt; None for where a certificate or `https://` is given.
        root_certificates: path of a PEM file: who signed the server's certificate.
            None for those that the system (REST) or gRPC trusts.
        certificate_chain: path of a PEM file: this client's own certificate, where the
            server asks for one.
        private_key: path of a PEM file: the key of `certificate_chain`.

    Raises:
        ValueError: if an argument makes no sense. Nothing is sent yet.

    Example:
        ```python
        with tfgenai.serving.Client("127.0.0.1:8500", model="digits") as client:
            images = client.generate(seed=[1, 2], labels=[3, 4])["images"]
        ```
    """

    _transport: Transport

    def generate(
        self,
        *,
        signature: str | None = None,
        return_errors: bool = False,
        timeout: float | None = None,
        **inputs: Any,
    ) -> dict[str, np.ndarray]:
        """Generates one sample a row.

        `generate` is called, or `generate_advanced` if one of its further inputs is
        given; those that are left out take the model's defaults. With `num_steps`, and
        where the model has signatures `generate_up_to_<k>_steps`, the smallest that
        fits all rows is called.

        Args:
            signature: name of the signature to call, such as `"inpaint"`; None for the
                one that fits.
            return_errors: whether bad rows are answered in the output `error` rather
                than raised.
            timeout: seconds to wait at most; None for the client's.
            **inputs: values by name: one for each row, or one for all.

        Returns:
            Arrays by name, each with the batch first. Text is of type str, and bytes
            where the name ends in `_bytes`.

        Raises:
            RowError: if the model refuses rows; it holds their numbers.
            UnavailableError: if no server answers in time, however often it is asked.
            ServingError: if the server refuses or fails.
            ValueError: if an input is unknown, missing or does not fit.
            TypeError: if an input is of another kind.
        """
        talk = self._talk_generate(signature, return_errors, inputs)
        return self._drive(talk, timeout)

    def predict(
        self,
        signature_name: str,
        inputs: Mapping[str, Any] | None = None,
        /,
        *,
        return_errors: bool = False,
        timeout: float | None = None,
        **more: Any,
    ) -> dict[str, np.ndarray]:
        """Calls any signature.

        Args:
            signature_name: its name.
            inputs: values by name.
            return_errors: whether bad rows are answered in the output `error` rather
                than raised.
            timeout: seconds to wait at most; None for the client's.
            **more: further values by name.

        Returns:
            Arrays by name. Text is of type str, and bytes where the name ends in
            `_bytes`.

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
        return self._drive(talk, timeout)

    def generate_progressively(
        self, *, timeout: float | None = None, **inputs: Any
    ) -> Iterator[dict[str, np.ndarray]]:
        """Generates one sample a row, and shows them after each step.

        For models that sample in steps and serve `denoise_step`. Rows of fewer steps
        stand still at the end; the last of what is yielded is what `generate` answers.

        Args:
            timeout: seconds to wait at most for each step; None for the client's.
            **inputs: values by name, as `generate` takes them.

        Returns:
            An iterator of arrays by name, such as `{"images": ...}`.

        Raises:
            RowError: if the model refuses rows; it holds their numbers.
            UnavailableError: if no server answers in time, however often it is asked.
            ServingError: if the server refuses or fails.
            ValueError: if the model has no such signature, or an input is unknown,
                missing or does not fit.
            TypeError: if an input is of another kind.
        """
        return self._loop(self._drive(self._talk_steps(inputs), timeout), timeout)

    def stream(
        self,
        prompts: Any,
        *,
        seed: Any = 0,
        timeout: float | None = None,
        **inputs: Any,
    ) -> Iterator[list[str]]:
        """Writes texts behind prompts, and shows them piece by piece.

        For language models, which serve `decode_chunk`. Together the pieces are what
        `generate` writes with the same seeds and knobs.

        Args:
            prompts: one text or several.
            seed: one seed a row, or one for all.
            timeout: seconds to wait at most for each piece; None for the client's.
            **inputs: knobs by name, as `generate` takes them, such as `temperature`.

        Returns:
            An iterator over lists of new text, one piece a row; pieces are empty for
            rows that have ended, or that wait for the rest of a character.

        Raises:
            RowError: if the model refuses rows; it holds their numbers.
            UnavailableError: if no server answers in time, however often it is asked.
            ServingError: if the server refuses or fails.
            ValueError: if the model has no such signature, or an input is unknown,
                missing or does not fit.
            TypeError: if an input is of another kind.

        Example:
            ```python
            for (piece,) in client.stream("ROMEO:", seed=1, max_new_tokens=200):
                print(piece, end="", flush=True)
            ```
        """
        talk = self._talk_stream(prompts, seed, inputs)
        return self._loop(self._drive(talk, timeout), timeout)

    def metadata(
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
        return self._drive(self._talk_metadata(refresh), timeout)

    def status(self, *, timeout: float | None = None) -> list[VersionStatus]:
        """The state of the model's versions.

        Args:
            timeout: seconds to wait at most; None for the client's.

        Raises:
            UnavailableError: if no server answers in time, however often it is asked.
            ServingError: if the server refuses.
        """
        return self._drive(self._talk_status(), timeout)

    def close(self) -> None:
        """Closes the connections; the client cannot be used any more."""
        self._is_closed = True
        self._transport.close()

    def __enter__(self) -> "Client":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _open(self) -> None:
        if self._protocol == "grpc":
            from tfgenai.serving.client_grpc import GrpcTransport

            self._transport = GrpcTransport(self._connection)
        else:
            from tfgenai.serving.client_rest import RestTransport

            self._transport = RestTransport(self._connection)

    def _loop(self, loop: Loop[T], timeout: float | None) -> Iterator[T]:
        while not loop.is_over:
            yield self._drive(loop.talk(), timeout)

    def _drive(self, talk: Talk[T], timeout: float | None) -> T:
        deadline = self._deadline(timeout)
        try:
            call = next(talk)
            while True:
                call = talk.send(self._ask(call, deadline))
        except StopIteration as end:
            return end.value

    def _ask(self, call: Call[T], deadline: Deadline) -> T:
        tries = self._tries(call, deadline)
        while True:
            try:
                return call.answer(self._transport.send(call, tries.begin()))
            except Failure as failure:
                wait = tries.wait_after(failure)
                if wait is None:
                    raise self._error(call, failure, tries) from failure
            self._retry.sleep(wait)
