"""Weights of an export as constants of its graph, which is then optimised further."""

import itertools
import shutil
from pathlib import Path
from typing import Any

import tensorflow as tf
from tensorflow.core.protobuf import saved_model_pb2

from tfgenai.core.deprecations import without_deprecations
from tfgenai.core.errors import ExportError
from tfgenai.core.storage import write_bytes
from tfgenai.export.graph import FROZEN, SAVED_MODEL, TAG, variable_bytes

# What a protocol buffer can hold, less some room for the graph itself.
MAX_BYTES = 2**31 - 2**26


def freeze_saved_model(folder: Path) -> None:
    """Makes the weights of a SavedModel constants, each once for all signatures.

    TensorFlow then does once, while the model is loaded, what depends on weights alone,
    and no step of a loop reads a variable. Signatures, their names and answers stay the
    same. There is nothing left to be trained, so that the export loads as a graph of
    TensorFlow 1 does: in TensorFlow Serving, and by `tf.saved_model.load`.

    Args:
        folder: the version folder; it is changed in place.

    Raises:
        ExportError: if the weights are too many for one file.
    """
    file = folder / SAVED_MODEL
    saved_model = saved_model_pb2.SavedModel.FromString(file.read_bytes())
    (meta_graph,) = saved_model.meta_graphs
    variables = [n for n in meta_graph.graph_def.node if n.op == "VarHandleOp"]
    _refuse_large(sum(variable_bytes(node) for node in variables))
    with (
        tf.Graph().as_default(),
        tf.compat.v1.Session() as session,
        without_deprecations(),
    ):
        tf.compat.v1.saved_model.loader.load(session, [TAG], str(folder))
        frozen = tf.compat.v1.graph_util.convert_variables_to_constants(
            session, meta_graph.graph_def, _kept_nodes(meta_graph)
        )
    _forget_shapes(frozen)
    meta_graph.graph_def.CopyFrom(frozen)
    for field in ("object_graph_def", "saver_def", "collection_def"):
        meta_graph.ClearField(field)
    kept = {node.name for node in frozen.node}
    meta_graph.collection_def[FROZEN].node_list.value.extend(
        node.name for node in variables if node.name in kept
    )
    write_bytes(file, saved_model.SerializeToString())
    shutil.rmtree(folder / "variables")
    # It tells of the graph and the checkpoint that were there.
    (folder / "fingerprint.pb").unlink(missing_ok=True)


def _kept_nodes(meta_graph: Any) -> list[str]:
    """The nodes of all signatures; what fills tables is one of them."""
    tensors = {
        info.name
        for definition in meta_graph.signature_def.values()
        for infos in (definition.inputs, definition.outputs)
        for info in infos.values()
    }
    return sorted({tensor.split(":")[0] for tensor in tensors})


def _forget_shapes(graph: Any) -> None:
    """Takes out hints about shapes, which still tell of variables, not of values."""
    nodes = [graph.node, *(each.node_def for each in graph.library.function)]
    for node in itertools.chain(*nodes):
        node.attr.pop("_output_shapes", None)


def _refuse_large(size: int) -> None:
    if size > MAX_BYTES:
        raise ExportError(
            f"At most {MAX_BYTES:,} bytes of weights were expected, which one file can "
            f"hold as constants. Received: {size:,}. Leave optimize out, or take "
            'quantize="int8".'
        )
