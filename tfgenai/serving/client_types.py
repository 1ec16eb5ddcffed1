"""What a client knows of a served model, and the values it sends there."""

import dataclasses
import difflib
from typing import Any

import numpy as np

from tfgenai.serving.tensors import KINDS, Kind

# What stands for "the model's default" on the wire, by NumPy's kind of type.
_SENTINELS: dict[str, Any] = {"f": float("nan"), "i": -1, "O": b""}

# Kinds of NumPy types whose values may be sent as the kind on the left.
_MAY_BECOME = {"f": "fiu", "i": "iu", "u": "iu", "b": "b", "O": "OSU"}


@dataclasses.dataclass(frozen=True)
class TensorField:
    """An input or output of a signature.

    Args:
        name: its name in requests.
        kind: its type on the wire.
        shape: its axes, None where the size is open; None as a whole where even
            their number is.
    """

    name: str
    kind: Kind
    shape: tuple[int | None, ...] | None

    @property
    def dtype(self) -> str:
        """NumPy's name of its type, or `"string"`."""
        return self.kind.dtype

    @property
    def rank(self) -> int | None:
        """The number of its axes, or None where it is unknown."""
        return None if self.shape is None else len(self.shape)

    def to_array(self, value: Any) -> np.ndarray:
        """Converts a caller's value to the type of this input.

        Args:
            value: number, string, list or array.

        Returns:
            Array of this field's type; strings are objects of type bytes.

        Raises:
            TypeError: if the values are of another kind.
            ValueError: if they are out of the type's range or ragged.
        """
        array = np.asarray(value, object if self.dtype == "string" else None)
        if array.size == 0:
            array = array.astype(self.kind.numpy)
        if array.dtype.kind not in _MAY_BECOME[self.kind.numpy.kind]:
            raise TypeError(
                f"Values of type {self.dtype} were expected. Received: "
                f"{self.name}={_short(value)} of type {array.dtype}. Convert them "
                "first."
            )
        if self.dtype == "string":
            return self._strings(array, value)
        with np.errstate(over="ignore"):
            converted = array.astype(self.kind.numpy)
        is_whole = self.kind.numpy.kind in "iu"
        if is_whole and not np.array_equal(converted, array):
            raise ValueError(
                f"Values in the range of {self.dtype} were expected. Received: "
                f"{self.name}={_short(value)}. Change those outside of it."
            )
        return converted

    def sentinel(self, num_rows: int) -> np.ndarray:
        """One row after the other that says: use the model's default.

        Args:
            num_rows: number of rows.

        Raises:
            ValueError: if this type has no such value.
        """
        if self.kind.numpy.kind not in _SENTINELS:
            raise ValueError(
                f"A value for {self.name!r} was expected, because type {self.dtype} "
                f"has none that stands for the default. Received: {self.name}=None. "
                "Give one."
            )
        rest = () if self.shape is None else self.shape[1:]
        shape = (num_rows, *(1 if size is None else size for size in rest))
        return np.full(shape, _SENTINELS[self.kind.numpy.kind], self.kind.numpy)

    def _strings(self, array: np.ndarray, value: Any) -> np.ndarray:
        flat = array.ravel().tolist()
        if not all(isinstance(item, str | bytes) for item in flat):
            raise TypeError(
                f"Strings were expected. Received: {self.name}={_short(value)}. "
                "Convert them first."
            )
        converted = np.empty(len(flat), object)
        converted[:] = [i.encode() if isinstance(i, str) else i for i in flat]
        return converted.reshape(array.shape)


@dataclasses.dataclass(frozen=True)
class SignatureInfo:
    """What a signature takes and gives.

    Args:
        inputs: by name.
        outputs: by name.
    """

    inputs: dict[str, TensorField]
    outputs: dict[str, TensorField]


@dataclasses.dataclass(frozen=True)
class ModelMetadata:
    """What a server says of one version of a model.

    Args:
        name: the model's name.
        version: the version's number.
        signatures: by name.
    """

    name: str
    version: int
    signatures: dict[str, SignatureInfo]

    def signature(self, name: str) -> SignatureInfo:
        """The signature of that name.

        Raises:
            ValueError: if the model has none; the message lists them.
        """
        if name not in self.signatures:
            # Names that begin so are the file format's own.
            known = sorted(n for n in self.signatures if not n.startswith("__"))
            raise ValueError(
                f"One of the signatures {known} of model "
                f"{self.name!r} was expected. Received: signature_name={name!r}."
                f"{nearest(name, self.signatures)}"
            )
        return self.signatures[name]


@dataclasses.dataclass(frozen=True)
class VersionStatus:
    """What a server says of the state of one version.

    Args:
        version: the version's number.
        state: `"AVAILABLE"` when it is served; `"START"`, `"LOADING"`,
            `"UNLOADING"` or `"END"` otherwise.
        code: canonical code, `"OK"` unless something is wrong with it.
        message: what is wrong with it.
    """

    version: int
    state: str
    code: str
    message: str


def field_from_parts(
    name: str, number: int, dims: list[int] | None
) -> TensorField | None:
    """Makes a field, or None if its type cannot go over the wire.

    Args:
        name: the field's name.
        number: `tensorflow.DataType`.
        dims: sizes, negative where open; None if their number is unknown.
    """
    for kind in KINDS:
        if kind.number == number:
            shape = None
            if dims is not None:
                shape = tuple(None if size < 0 else size for size in dims)
            return TensorField(name, kind, shape)
    return None


def nearest(name: str, known: Any) -> str:
    """A hint at the name that was probably meant, or nothing."""
    near = difflib.get_close_matches(name, list(known), n=1)
    return f" Did you mean {near[0]!r}?" if near else ""


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."
