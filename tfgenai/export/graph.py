"""Reads a SavedModel folder from its protos: signatures, reachable nodes, weights."""

import dataclasses
import functools
import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
from tensorflow.core.protobuf import saved_model_pb2

from tfgenai.core.errors import ExportError
from tfgenai.core.storage import PathLike, is_partial

SAVED_MODEL = "saved_model.pb"
VARIABLES = "variables/variables"
_OBJECT_GRAPH = "_CHECKPOINTABLE_OBJECT_GRAPH"
# Where an export whose weights are constants keeps their names.
FROZEN = "tfgenai_frozen_weights"
TAG = "serve"
_REPAIR = "Export the model again, or restore the file from where it was copied."


@dataclasses.dataclass(frozen=True)
class Field:
    """One input or output of a signature as the server sees it.

    Args:
        name: the key on the wire.
        dtype: TensorFlow's name of the type, for example `"float32"`.
        shape: sizes of the axes, None where unknown; None if the rank is unknown.
        tensor: name of the tensor in the graph; empty for composite tensors.
    """

    name: str
    dtype: str
    shape: tuple[int | None, ...] | None
    tensor: str


@dataclasses.dataclass(frozen=True)
class SignatureFields:
    """Inputs and outputs of one signature, by name."""

    inputs: dict[str, Field]
    outputs: dict[str, Field]


@dataclasses.dataclass(frozen=True)
class Node:
    """An op that a signature can reach.

    Args:
        op: name of the op.
        where: node name, with the function's name before it when it is inside one.
        is_call: whether the op is a function of the graph itself, called by name.
        must_compile: whether the node, or the function it is in, asks for XLA.
        device: the device it is pinned to, or an empty string.
        proto: the `NodeDef`.
    """

    op: str
    where: str
    is_call: bool
    must_compile: bool
    device: str
    proto: Any


class ServedGraph:
    """The part of a SavedModel that its signatures can reach.

    What restores or saves variables lies outside and is not looked at.

    Args:
        folder: `<path>/<version>/`.

    Raises:
        ExportError: if a file is missing or cannot be parsed; it is named.
    """

    def __init__(self, folder: PathLike) -> None:
        self.folder = Path(folder)
        meta_graph = _read_meta_graph(self.folder)
        self._graph = meta_graph.graph_def
        self._nodes = {node.name: node for node in self._graph.node}
        self._frozen = frozenset(
            meta_graph.collection_def[FROZEN].node_list.value
            if FROZEN in meta_graph.collection_def
            else ()
        )
        self._functions = {
            function.signature.name: function
            for function in self._graph.library.function
        }
        # TensorFlow adds a signature that runs initialisers; nobody calls it.
        self.signatures = {
            name: SignatureFields(
                _fields(definition.inputs), _fields(definition.outputs)
            )
            for name, definition in sorted(meta_graph.signature_def.items())
            if not name.startswith("__saved_model")
        }

    @functools.cached_property
    def weights(self) -> dict[str, np.ndarray]:
        """Every stored weight by its checkpoint key, or by its constant's name."""
        if self._frozen:
            return {
                name: tf.make_ndarray(self._nodes[name].attr["value"].tensor)
                for name in sorted(self._frozen)
            }
        return _read_weights(self.folder)

    def nodes(self, signature: str) -> Iterator[Node]:
        """Every node the signature's outputs depend on, inside functions too."""
        seen: set[str] = set()
        functions: list[str] = []
        fields = self.signatures[signature].outputs.values()
        waiting = [_node_name(field.tensor) for field in fields if field.tensor]
        while waiting:
            name = waiting.pop()
            if name in seen or name not in self._nodes:
                continue
            seen.add(name)
            proto = self._nodes[name]
            functions += _called_functions(proto, self._functions)
            waiting += [_node_name(source) for source in proto.input]
            yield self._node(proto, name, False)
        yield from self._function_nodes(functions)

    def _function_nodes(self, functions: list[str]) -> Iterator[Node]:
        seen: set[str] = set()
        while functions:
            name = functions.pop()
            if name in seen or name not in self._functions:
                continue
            seen.add(name)
            function = self._functions[name]
            must_compile = function.attr["_XlaMustCompile"].b
            for proto in function.node_def:
                functions += _called_functions(proto, self._functions)
                yield self._node(proto, f"{name}/{proto.name}", must_compile)

    def needed_weight_bytes(self) -> int:
        """Bytes of all weights that some signature reads, each counted once."""
        needed: dict[str, int] = {}
        for signature in self.signatures:
            for node in self.nodes(signature):
                if node.op == "VarHandleOp":
                    needed[node.where] = variable_bytes(node.proto)
                elif node.where in self._frozen:
                    needed[node.where] = self.weights[node.where].nbytes
        return sum(needed.values())

    def _node(self, proto: Any, where: str, in_compiled_function: bool) -> Node:
        return Node(
            op=proto.op,
            where=where,
            is_call=proto.op in self._functions,
            must_compile=in_compiled_function or proto.attr["_XlaMustCompile"].b,
            device=proto.device,
            proto=proto,
        )


def variable_bytes(node: Any) -> int:
    """Bytes of the variable that a `VarHandleOp` stands for."""
    shape = tf.TensorShape(node.attr["shape"].shape)
    return int((shape.num_elements() or 0) * tf.as_dtype(node.attr["dtype"].type).size)


def resolve_version(path: PathLike) -> Path:
    """Returns the version folder meant by `path`: itself, or its newest version.

    Raises:
        ExportError: if there is neither a SavedModel nor a version folder.
    """
    folder = Path(path)
    if (folder / SAVED_MODEL).exists():
        return folder
    versions = version_folders(folder)
    if versions:
        return versions[max(versions)]
    if folder.name.isdecimal() or (folder / "variables").exists():
        raise ExportError(_missing(folder / SAVED_MODEL))
    raise ExportError(
        "A folder of numbered versions, each with a SavedModel, was expected. "
        f"Received: path={str(folder)!r}, which has none. Export a model to it first."
    )


def version_folders(path: PathLike) -> dict[int, Path]:
    """The version folders in `path`, by number; what TensorFlow Serving would see."""
    folder = Path(path)
    if not folder.is_dir():
        return {}
    return {
        int(entry.name): entry
        for entry in folder.iterdir()
        if entry.name.isdecimal() and entry.is_dir() and not is_partial(entry)
    }


def hash_weights(weights: dict[str, np.ndarray]) -> str:
    """SHA-256 over names, types, shapes and bytes of the weights, in name order."""
    digest = hashlib.sha256()
    for key in sorted(weights):
        value = weights[key]
        digest.update(f"{key}|{value.dtype}|{value.shape}|".encode())
        digest.update(np.ascontiguousarray(value).tobytes())
    return digest.hexdigest()


def folder_bytes(folder: PathLike) -> int:
    """Bytes of all files below `folder`."""
    return sum(
        file.stat().st_size for file in Path(folder).rglob("*") if file.is_file()
    )


def _read_weights(folder: Path) -> dict[str, np.ndarray]:
    prefix = folder / VARIABLES
    # A model without any variable has no data file, but always an index.
    for suffix in (".index", ".data-00000-of-00001"):
        file = prefix.with_name(prefix.name + suffix)
        if not file.is_file():
            raise ExportError(_missing(file))
    try:
        reader = tf.train.load_checkpoint(str(prefix))
        keys = sorted(reader.get_variable_to_shape_map())
        weights = {key: reader.get_tensor(key) for key in keys}
    except (tf.errors.OpError, IndexError, ValueError, RuntimeError) as error:
        raise ExportError(
            "A complete checkpoint was expected. Received: "
            f"path={str(prefix)!r}, which is torn ({_first_line(error)}). {_REPAIR}"
        ) from error
    # Read with the rest, because a short data file may lack nothing else.
    weights.pop(_OBJECT_GRAPH, None)
    return weights


def _read_meta_graph(folder: Path) -> Any:
    file = folder / SAVED_MODEL
    if not file.is_file():
        raise ExportError(_missing(file))
    saved_model = saved_model_pb2.SavedModel()
    try:
        saved_model.ParseFromString(file.read_bytes())
    except Exception as error:  # protobuf's DecodeError has moved between releases
        raise ExportError(
            f"A SavedModel was expected. Received: path={str(file)!r}, which is torn "
            f"or is something else ({_first_line(error)}). {_REPAIR}"
        ) from error
    for meta_graph in saved_model.meta_graphs:
        if TAG in meta_graph.meta_info_def.tags:
            return meta_graph
    raise ExportError(
        f"A SavedModel with a graph tagged {TAG!r} was expected. Received: "
        f"path={str(file)!r}, which is torn or is something else. {_REPAIR}"
    )


def _fields(infos: Any) -> dict[str, Field]:
    fields = {}
    for name, info in sorted(infos.items()):
        shape = tf.TensorShape(info.tensor_shape)
        plain = info.WhichOneof("encoding") == "name"
        fields[name] = Field(
            name=name,
            dtype=tf.as_dtype(info.dtype).name if plain else "composite",
            shape=None if shape.rank is None else tuple(shape.as_list()),
            tensor=info.name if plain else "",
        )
    return fields


def _called_functions(proto: Any, library: dict[str, Any]) -> list[str]:
    called = [proto.op] if proto.op in library else []
    for value in proto.attr.values():
        if value.HasField("func"):
            called.append(value.func.name)
        called += [function.name for function in value.list.func]
    return called


def _node_name(source: str) -> str:
    return source.removeprefix("^").split(":")[0]


def _missing(file: Path) -> str:
    return (
        f"A complete export was expected. Received: path={str(file.parent)!r}, where "
        f"{str(file)!r} is missing. {_REPAIR}"
    )


def _first_line(error: Exception) -> str:
    return str(error).splitlines()[0] if str(error) else type(error).__name__
