"""What both clients share: arguments, what is asked in which order, and errors."""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from tfgenai.core.errors import RowError, ServingError, UnavailableError
from tfgenai.serving.client_calls import Call, Codec, Connection, Talk
from tfgenai.serving.client_inputs import (
    GENERATE,
    GENERATE_ADVANCED,
    check_names,
    choose_signature,
    to_caller,
    to_rows,
)
from tfgenai.serving.client_loops import Loops
from tfgenai.serving.client_tls import PathLike, choose_tls
from tfgenai.serving.client_types import ModelMetadata, VersionStatus, nearest
from tfgenai.serving.retry import Deadline, Failure, Retry, Tries

_ERROR = "error"
_PROTOCOLS = ("grpc", "rest")
_URLS = ("http://", "https://")

# What one protocol buffer can hold.
_MAX_MESSAGE_BYTES = 2**31 - 1

# gRPC pings no more often than this, whatever it is told.
_LEAST_KEEPALIVE = 10.0


class ClientBase(Loops):
    """A client without its waiting, which `Client` and `AsyncClient` add.

    Methods named `_talk_*` are talks: they yield the calls to make, are sent the
    answers, and return what the caller gets.

    Its arguments are described at `Client`.
    """

    def __init__(
        self,
        address: str,
        *,
        model: str,
        protocol: str = "grpc",
        timeout: float = 30.0,
        version: int | None = None,
        label: str | None = None,
        retries: int | Retry = 3,
        keepalive: float | None = 300.0,
        max_message_bytes: int = _MAX_MESSAGE_BYTES,
        tls: bool | None = None,
        root_certificates: PathLike | None = None,
        certificate_chain: PathLike | None = None,
        private_key: PathLike | None = None,
    ) -> None:
        _check_choices(address, protocol, version, label)
        _check_timeout(timeout)
        _check_limits(keepalive, max_message_bytes)
        self.model = model
        self.timeout = timeout
        self._protocol = protocol
        self._retry = retries if isinstance(retries, Retry) else Retry(retries)
        self._connection = Connection(
            address,
            choose_tls(address, tls, root_certificates, certificate_chain, private_key),
            keepalive,
            max_message_bytes,
        )
        self._metadata: ModelMetadata | None = None
        self._is_closed = False
        self._codec: Codec
        # Each imports only what it needs: the client is to start in a moment.
        if protocol == "grpc":
            from tfgenai.serving.client_grpc_codec import GrpcCodec

            self._codec = GrpcCodec(model, version, label)
        else:
            from tfgenai.serving.client_rest_codec import RestCodec, check_url

            check_url(address, self._connection.url)
            self._codec = RestCodec(model, version, label)
        self._open()

    def _open(self) -> None:
        """Makes what must be there before anything is asked."""

    def _talk_generate(
        self, signature: str | None, return_errors: bool, inputs: dict[str, Any]
    ) -> Talk[dict[str, np.ndarray]]:
        metadata = yield from self._talk_metadata()
        basic = metadata.signature(GENERATE)
        if signature is None:
            known = (
                basic.inputs | metadata.signatures.get(GENERATE_ADVANCED, basic).inputs
            )
        else:
            known = metadata.signature(signature).inputs
        check_names(inputs, known, [name for name in basic.inputs if name in known])
        given = {name: value for name, value in inputs.items() if value is not None}
        chosen = signature or choose_signature(metadata.signatures, given)
        arrays = to_rows(metadata.signature(chosen), given)
        return (yield from self._run(chosen, arrays, return_errors))

    def _talk_predict(
        self, signature_name: str, return_errors: bool, given: dict[str, Any]
    ) -> Talk[dict[str, np.ndarray]]:
        metadata = yield from self._talk_metadata()
        signature = metadata.signature(signature_name)
        if given.keys() != signature.inputs.keys():
            raise ValueError(
                f"Values for exactly {sorted(signature.inputs)} were expected. "
                f"Received: {sorted(given)}. Signature {signature_name!r} takes those."
            )
        arrays = {
            name: field.to_array(given[name])
            for name, field in signature.inputs.items()
        }
        return (yield from self._run(signature_name, arrays, return_errors))

    def _talk_metadata(self, refresh: bool = False) -> Talk[ModelMetadata]:
        if self._metadata is None or refresh:
            self._metadata = yield self._codec.metadata()
        return self._metadata

    def _talk_status(self) -> Talk[list[VersionStatus]]:
        return (yield self._codec.status())

    def _run(
        self, signature_name: str, inputs: Mapping[str, Any], return_errors: bool
    ) -> Talk[dict[str, np.ndarray]]:
        metadata = yield from self._talk_metadata()
        fields = metadata.signature(signature_name).outputs
        answer = yield self._codec.predict(signature_name, inputs, fields)
        outputs = {name: to_caller(name, array) for name, array in answer.items()}
        errors = outputs.get(_ERROR)
        if return_errors or errors is None:
            return outputs
        rows = {row: text for row, text in enumerate(errors.ravel().tolist()) if text}
        if rows:
            first = next(iter(rows))
            raise RowError(
                f"Rows that model {self.model!r} takes were expected. Received: "
                f"{len(rows)} of {errors.size} that it refuses, the first is row "
                f"{first}: {rows[first]!r}. Correct them, or pass return_errors=True.",
                rows=rows,
            )
        del outputs[_ERROR]
        return outputs

    def _deadline(self, timeout: float | None) -> Deadline:
        if self._is_closed:
            raise ValueError(
                "An open client was expected. Received: one of model "
                f"{self.model!r} that was closed. Make a new one."
            )
        if timeout is not None:
            _check_timeout(timeout)
        return Deadline(self._retry, self.timeout if timeout is None else timeout)

    def _tries(self, call: Call[Any], deadline: Deadline) -> Tries:
        limit = self._connection.max_message_bytes
        if call.body is not None and len(call.body) > limit:
            raise ValueError(
                f"A request of at most max_message_bytes={limit} was expected. "
                f"Received: {len(call.body)} bytes for {call.what}. Send fewer rows at "
                "once, or raise it."
            )
        return Tries(self._retry, deadline)

    def _error(self, call: Call[Any], failure: Failure, tries: Tries) -> ServingError:
        """What the caller is told: the server's words, and what they answer."""
        times = "1 try" if tries.count == 1 else f"{tries.count} tries"
        asked = (
            f"address={self._connection.address!r} over {self._protocol}, asked for "
            f"{call.what} of model {self.model!r} in {times} and "
            f"{tries.deadline.seconds_gone:.1f} seconds"
        )
        if failure.retry_after:
            asked += f"; it asks to wait {failure.retry_after:g} seconds before another"
        if failure.code not in ("UNAVAILABLE", "DEADLINE_EXCEEDED"):
            return ServingError(
                f"{failure.words} ({failure.code} from {asked})", code=failure.code
            )
        return UnavailableError(
            f"An answer within {tries.deadline.timeout:g} seconds was expected. "
            f"Received: {failure.code}: {failure.words} ({asked}). Check that the "
            "server runs there, or raise timeout.",
            code=failure.code,
        )


def _check_choices(
    address: str, protocol: str, version: int | None, label: str | None
) -> None:
    if protocol not in _PROTOCOLS:
        raise ValueError(
            f"One of {list(_PROTOCOLS)} was expected. Received: protocol={protocol!r}."
            f"{nearest(str(protocol), _PROTOCOLS)}"
        )
    is_text = isinstance(address, str) and bool(address)
    if not is_text or (protocol == "grpc" and address.startswith(_URLS)):
        raise ValueError(
            f"A host and a port were expected. Received: address={address!r}. Write "
            "'127.0.0.1:8500', or protocol='rest' for a URL."
        )
    if version is not None and label is not None:
        raise ValueError(
            "A version or a label was expected. Received: "
            f"version={version!r} and label={label!r}. Give one of them."
        )


def _check_timeout(timeout: float) -> None:
    if not 0 < timeout < math.inf:
        raise ValueError(
            "A positive number of seconds was expected. Received: "
            f"timeout={timeout!r}. Use 30.0."
        )


def _check_limits(keepalive: float | None, max_message_bytes: int) -> None:
    if keepalive is not None and not _LEAST_KEEPALIVE <= keepalive < math.inf:
        raise ValueError(
            f"A number of seconds from {_LEAST_KEEPALIVE} on was expected. Received: "
            f"keepalive={keepalive!r}. Use 300.0, or None for no pings."
        )
    if not 0 < max_message_bytes <= _MAX_MESSAGE_BYTES:
        raise ValueError(
            f"A number of bytes up to {_MAX_MESSAGE_BYTES} was expected. Received: "
            f"max_message_bytes={max_message_bytes!r}. Leave it out for that many."
        )
