"""One signature of a served model: what a request must hold to be run."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from tfgenai.core.errors import ServingError
from tfgenai.serving.codes import OversizedError, invalid
from tfgenai.serving.tensors import Kind, kind_of, shape_of, to_array

DEFAULT_SIGNATURE = "serving_default"


@dataclasses.dataclass(frozen=True)
class Field:
    """An input or output.

    Args:
        name: its name in requests.
        tensor: its name in the graph, for example `"serving_default_seed:0"`.
        kind: its type.
        shape: its axes, None where the size is open; None as a whole where even
            their number is.
    """

    name: str
    tensor: str
    kind: Kind
    shape: tuple[int | None, ...] | None

    @classmethod
    def from_proto(cls, name: str, info: Any) -> "Field":
        """Reads a `TensorInfo`.

        Raises:
            ServingError: INVALID_ARGUMENT if it is no plain tensor of a type that
                can go over the wire.
        """
        shape = None
        if not info.tensor_shape.unknown_rank:
            dims = (dim.size for dim in info.tensor_shape.dim)
            shape = tuple(None if size < 0 else size for size in dims)
        return cls(name, info.name, kind_of(info.dtype), shape)


@dataclasses.dataclass(frozen=True)
class ServedSignature:
    """A signature with the checks that keep a bad request from the graph.

    Args:
        name: its name in the export.
        inputs: what a request holds.
        outputs: what the answer holds.
        defaults: values that the export gives for inputs that are left out.
    """

    name: str
    inputs: dict[str, Field]
    outputs: dict[str, Field]
    defaults: dict[str, np.ndarray]

    @classmethod
    def from_proto(cls, name: str, definition: Any) -> "ServedSignature":
        """Reads a `SignatureDef`.

        Raises:
            ServingError: INVALID_ARGUMENT if an input or output cannot be served.
        """
        inputs, outputs = (
            {key: Field.from_proto(key, fields[key]) for key in sorted(fields)}
            for fields in (definition.inputs, definition.outputs)
        )
        # Newer exports may hold values for inputs that a request leaves out.
        defaults = {
            key: to_array(value, max_bytes=2**31)
            for key, value in getattr(definition, "defaults", {}).items()
        }
        return cls(name, inputs, outputs, defaults)

    def read_protos(
        self, protos: Mapping[str, Any], *, max_bytes: int, max_rows: int
    ) -> dict[str, np.ndarray]:
        """Turns a request's tensors into arrays, once they are known to fit.

        Args:
            protos: `TensorProto` by name.
            max_bytes: largest size of one tensor in memory.
            max_rows: most rows.

        Raises:
            ServingError: INVALID_ARGUMENT or RESOURCE_EXHAUSTED, before memory is
                taken for what a tensor only claims.
        """
        self._check_names(protos)
        for name, proto in protos.items():
            kind = kind_of(proto.dtype)
            self._check_field(name, kind.name, shape_of(proto), max_rows)
        return self.defaults | {
            name: to_array(proto, max_bytes=max_bytes) for name, proto in protos.items()
        }

    def check_arrays(self, arrays: Mapping[str, np.ndarray], *, max_rows: int) -> None:
        """Checks arrays that were made for this signature's types.

        Raises:
            ServingError: INVALID_ARGUMENT or RESOURCE_EXHAUSTED if they do not fit.
        """
        for name, array in arrays.items():
            kind = self.inputs[name].kind
            self._check_field(name, kind.name, array.shape, max_rows)

    def choose_outputs(self, wanted: Sequence[str]) -> tuple[str, ...]:
        """The outputs to compute: those wanted, or all.

        Raises:
            ServingError: INVALID_ARGUMENT if one is unknown or named twice.
        """
        for name in wanted:
            if name not in self.outputs:
                raise invalid(
                    f"output tensor alias not found in signature: {name} Outputs "
                    f"expected to be in the set {{{','.join(self.outputs)}}}."
                )
            if wanted.count(name) > 1:
                raise invalid(f"duplicate output tensor alias: {name}")
        return tuple(sorted(wanted)) or tuple(self.outputs)

    def _check_names(self, given: Mapping[str, Any]) -> None:
        extra = sorted(set(given) - set(self.inputs))
        missing = sorted(set(self.inputs) - set(given) - set(self.defaults))
        if extra or missing:
            raise invalid(
                f"input size does not match signature: {len(given)}!="
                f"{len(self.inputs)} len({{{','.join(sorted(given))}}}) != "
                f"len({{{','.join(self.inputs)}}}). Sent extra: {{{','.join(extra)}}}. "
                f"Missing but required: {{{','.join(missing)}}}."
            )

    def _check_field(
        self, name: str, kind_name: str, shape: tuple[int, ...], max_rows: int
    ) -> None:
        field = self.inputs[name]
        if kind_name != field.kind.name:
            number = list(self.inputs).index(name)
            raise invalid(
                f"Expects arg[{number}] to be {field.kind.name} but {kind_name} is "
                f"provided (input {name!r} of signature {self.name!r})"
            )
        if field.shape is None:
            return
        fits = len(shape) == len(field.shape) and all(
            wanted is None or wanted == size
            for wanted, size in zip(field.shape, shape, strict=True)
        )
        if not fits:
            raise invalid(
                f"A tensor of shape {_shape_text(field.shape)} was expected for input "
                f"{name!r} of signature {self.name!r}. Received: shape={list(shape)}. "
                "Reshape it."
            )
        if shape and field.shape[0] is None and shape[0] > max_rows:
            raise OversizedError(
                f"At most {max_rows} rows at a time were expected. Received: "
                f"{shape[0]} in input {name!r}. Split the request."
            )


def unknown_signature(name: str, known: Sequence[str]) -> ServingError:
    """The error of a Predict call for a signature that the model has not."""
    return ServingError(
        f'Serving signature key "{name}" not found. The model has {sorted(known)}.',
        code="FAILED_PRECONDITION",
    )


def _shape_text(shape: Sequence[int | None]) -> str:
    return f"[{', '.join('?' if size is None else str(size) for size in shape)}]"
