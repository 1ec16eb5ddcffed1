"""Tensors of a folder of safetensors files, read one at a time and never unpickled."""

import contextlib
import json
import math
import os
import struct
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError, safe_open

from tfgenai.core import storage
from tfgenai.core.errors import CheckpointError

FILE = "model.safetensors"
INDEX = f"{FILE}.index.json"
_FLOATS = ("F16", "BF16", "F32", "F64")
# Files whose reading may run whatever code they hold.
_PICKLES = ("*.bin", "*.pt", "*.pth", "*.ckpt", "*.pkl")


class TensorFiles:
    """The tensors of `model.safetensors`, or of the shards that its index names.

    Args:
        handles: for each file, what `safe_open` gave.

    Raises:
        CheckpointError: if two files hold a tensor of one name.
    """

    def __init__(self, handles: Mapping[Path, Any]) -> None:
        self._handles = handles
        self._paths: dict[str, Path] = {}
        for path, handle in handles.items():
            for name in handle.keys():  # noqa: SIM118 - it is no mapping
                if name in self._paths:
                    raise CheckpointError(
                        "Each tensor in one file was expected. Received: "
                        f"{name!r} in {self._paths[name].name} and {path.name}. "
                        "Download the folder again."
                    )
                self._paths[name] = path

    @property
    def names(self) -> list[str]:
        """Names of all tensors, sorted."""
        return sorted(self._paths)

    def shape(self, name: str) -> tuple[int, ...]:
        """Shape of a tensor, without reading it."""
        return tuple(self._slice(name).get_shape())

    def read(self, name: str) -> np.ndarray:
        """The values of a tensor of any float type, as float32.

        Raises:
            CheckpointError: if they are no floats.
        """
        kind = self._slice(name).get_dtype()
        if kind not in _FLOATS:
            raise CheckpointError(
                f"Floats ({', '.join(_FLOATS)}) were expected. Received: {name!r} of "
                f"type {kind}. Save the model unquantised: model.float()."
                "save_pretrained(folder)."
            )
        if kind == "BF16":
            return self._read_bfloat16(name)
        values = self._handles[self._paths[name]].get_tensor(name)
        return values.astype(np.float32, copy=False)

    def _slice(self, name: str) -> Any:
        return self._handles[self._paths[name]].get_slice(name)

    def _read_bfloat16(self, name: str) -> np.ndarray:
        """NumPy knows no bfloat16: it is the upper half of a float32."""
        path, shape = self._paths[name], self.shape(name)
        with open(path, "rb") as file:
            (size,) = struct.unpack("<Q", file.read(8))
            begin, _ = json.loads(file.read(size))[name]["data_offsets"]
            file.seek(8 + size + begin)
            halves = np.frombuffer(file.read(2 * math.prod(shape)), "<u2")
        return (halves.astype(np.uint32) << 16).view(np.float32).reshape(shape)


@contextlib.contextmanager
def open_tensors(folder: storage.PathLike) -> Iterator[TensorFiles]:
    """Opens the tensors of a folder; they are read when they are asked for.

    Args:
        folder: holds `model.safetensors`, or `model.safetensors.index.json` and the
            shards that it names.

    Yields:
        The tensors.

    Raises:
        CheckpointError: if there are no such files, or if they are torn.
        StorageError: if the index cannot be read or points out of the folder.
    """
    folder = Path(folder)
    with contextlib.ExitStack() as stack:
        if (folder / FILE).is_file():
            yield TensorFiles({folder / FILE: _open(stack, folder / FILE)})
            return
        if not (folder / INDEX).is_file():
            raise _no_tensors(folder)
        places = _read_index(folder)
        paths = [storage.safe_join(folder, name) for name in sorted({*places.values()})]
        tensors = TensorFiles({path: _open(stack, path) for path in paths})
        lost = sorted({*places} - {*tensors.names})
        if lost:
            raise CheckpointError(
                "Shards with all tensors of their index were expected. Received: "
                f"folder={os.fspath(folder)!r} without {_some(lost)}. Download it "
                "again."
            )
        yield tensors


def _read_index(folder: Path) -> dict[str, str]:
    """File of each tensor by name."""
    index = storage.read_json(folder / INDEX)
    places = index.get("weight_map") if isinstance(index, dict) else None
    if (
        not isinstance(places, dict)
        or not places
        or not all(isinstance(name, str) for name in places.values())
    ):
        raise CheckpointError(
            "A weight_map of tensors to files was expected. Received: "
            f"{os.fspath(folder / INDEX)!r} without one. Download it again."
        )
    return dict(places)


def _open(stack: contextlib.ExitStack, path: Path) -> Any:
    try:
        return stack.enter_context(safe_open(path, framework="np"))
    except (OSError, SafetensorError) as error:
        raise CheckpointError(
            "A complete safetensors file was expected. Received: "
            f"path={os.fspath(path)!r} ({error}). Download it again."
        ) from error


def _no_tensors(folder: Path) -> CheckpointError:
    pickles = sorted(p.name for pattern in _PICKLES for p in folder.glob(pattern))
    if pickles:
        return CheckpointError(
            f"{FILE} was expected. Received: folder={os.fspath(folder)!r} with "
            f"{_some(pickles)}, which is not read: unpickling runs what is in it. Get "
            "the safetensors file of the same model, or convert it where you trust it "
            "with transformers: AutoModelForCausalLM.from_pretrained(folder)."
            "save_pretrained(new_folder)."
        )
    return CheckpointError(
        f"{FILE} or {INDEX} was expected. Received: folder={os.fspath(folder)!r} "
        "without them. Download the weights, too."
    )


def _some(names: list[str]) -> str:
    shown = ", ".join(names[:4])
    return shown if len(names) <= 4 else f"{shown} and {len(names) - 4} more"
