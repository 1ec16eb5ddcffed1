"""A client of `tfgenai serve` and of TensorFlow Serving, without TensorFlow."""

from collections.abc import Mapping
from types import TracebackType
from typing import Any

import numpy as np

from tfgenai.core.errors import RowError
from tfgenai.serving.client_inputs import (
    GENERATE,
    GENERATE_ADVANCED,
    check_names,
    choose_signature,
    to_caller,
    to_rows,
)
from tfgenai.serving.client_loops import Loops
from tfgenai.serving.client_types import (
    ModelMetadata,
    Transport,
    VersionStatus,
    nearest,
)

_ERROR = "error"
_PROTOCOLS = ("grpc", "rest")


class Client(Loops):
    """Calls the signatures of one served model.

    Args:
        address: host and port of the server, for example `"127.0.0.1:8500"`.
        model: the model's name.
        protocol: `"grpc"` or `"rest"`; both give the same answers.
        timeout: seconds to wait for an answer, at most.
        version: the version to ask for; None for the newest.
        label: the label of the version to ask for, instead of its number.

    Raises:
        ValueError: if an argument makes no sense. Nothing is sent yet.

    Example:
        ```python
        with tfgenai.serving.Client("127.0.0.1:8500", model="digits") as client:
            images = client.generate(seed=[1, 2], labels=[3, 4])["images"]
        ```
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
    ) -> None:
        _check_arguments(protocol, timeout, version, label)
        self.model = model
        self.timeout = timeout
        self._metadata: ModelMetadata | None = None
        self._transport: Transport
        # Each imports only what it needs: the client is to start in a moment.
        if protocol == "grpc":
            from tfgenai.serving.client_grpc import GrpcTransport

            self._transport = GrpcTransport(
                address, model=model, version=version, label=label
            )
        else:
            from tfgenai.serving.client_rest import RestTransport

            self._transport = RestTransport(
                address, model=model, version=version, label=label
            )

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
            ServingError: if the server refuses or fails.
            ValueError: if an input is unknown, missing or does not fit.
            TypeError: if an input is of another kind.
        """
        metadata = self.metadata(timeout=timeout)
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
        return self._run(chosen, arrays, return_errors, timeout)

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
            ServingError: if the server refuses or fails.
            ValueError: if the signature or an input is unknown, missing or does not
                fit.
            TypeError: if an input is of another kind.
        """
        signature = self.metadata(timeout=timeout).signature(signature_name)
        given = dict(inputs or {}) | more
        if given.keys() != signature.inputs.keys():
            raise ValueError(
                f"Values for exactly {sorted(signature.inputs)} were expected. "
                f"Received: {sorted(given)}. Signature {signature_name!r} takes those."
            )
        arrays = {
            name: field.to_array(given[name])
            for name, field in signature.inputs.items()
        }
        return self._run(signature_name, arrays, return_errors, timeout)

    def metadata(
        self, *, refresh: bool = False, timeout: float | None = None
    ) -> ModelMetadata:
        """The model's signatures; the server is asked once.

        Args:
            refresh: whether to ask again, for example after a new version came up.
            timeout: seconds to wait at most; None for the client's.

        Raises:
            ServingError: if the server refuses or does not answer in time.
        """
        if self._metadata is None or refresh:
            self._metadata = self._transport.metadata(self._seconds(timeout))
        return self._metadata

    def status(self, *, timeout: float | None = None) -> list[VersionStatus]:
        """The state of the model's versions.

        Args:
            timeout: seconds to wait at most; None for the client's.

        Raises:
            ServingError: if the server refuses or does not answer in time.
        """
        return self._transport.status(self._seconds(timeout))

    def close(self) -> None:
        """Closes the connections."""
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

    def _seconds(self, timeout: float | None) -> float:
        return self.timeout if timeout is None else timeout

    def _run(
        self,
        signature_name: str,
        inputs: dict[str, np.ndarray],
        return_errors: bool,
        timeout: float | None,
    ) -> dict[str, np.ndarray]:
        answer = self._transport.predict(signature_name, inputs, self._seconds(timeout))
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


def _check_arguments(
    protocol: str, timeout: float, version: int | None, label: str | None
) -> None:
    if protocol not in _PROTOCOLS:
        raise ValueError(
            f"One of {list(_PROTOCOLS)} was expected. Received: protocol={protocol!r}."
            f"{nearest(str(protocol), _PROTOCOLS)}"
        )
    if not timeout > 0:
        raise ValueError(
            "A positive number of seconds was expected. Received: "
            f"timeout={timeout!r}. Use 30.0."
        )
    if version is not None and label is not None:
        raise ValueError(
            "A version or a label was expected. Received: "
            f"version={version!r} and label={label!r}. Give one of them."
        )
