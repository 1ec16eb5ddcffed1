"""A script that loads an export as a server does, importing only TensorFlow.

It is started with a fresh interpreter by `tfgenai.export.verify` and never imports
tfgenai. It answers the calls of a job file through TensorFlow's Session loader, twice,
and through the C API, and writes what came back to a result file:

    python -I fresh_process.py job.json result.json
"""

import base64
import ctypes
import glob
import json
import os
import sys
from typing import Any

import numpy as np

_TAG = "serve"
_TF_STRING = 7
_TF_STRING_BYTES = 24


def encode(value: np.ndarray) -> dict[str, Any]:
    """Turns an array into JSON: raw bytes in base64, or a list of them for strings."""
    array = np.asarray(value)
    if array.dtype.kind in "OSU":
        items = [
            item.encode() if isinstance(item, str) else bytes(item)
            for item in array.ravel().tolist()
        ]
        data: Any = [base64.b64encode(item).decode() for item in items]
        return {"dtype": "string", "shape": list(array.shape), "data": data}
    data = base64.b64encode(np.ascontiguousarray(array).tobytes()).decode()
    return {"dtype": array.dtype.name, "shape": list(array.shape), "data": data}


def decode(value: dict[str, Any]) -> np.ndarray:
    """Turns JSON made by `encode` back into an array; strings become bytes objects."""
    if value["dtype"] == "string":
        flat = np.empty(len(value["data"]), dtype=object)
        flat[:] = [base64.b64decode(item) for item in value["data"]]
        return flat.reshape(value["shape"])
    flat = np.frombuffer(base64.b64decode(value["data"]), dtype=value["dtype"])
    return flat.reshape(value["shape"])


class SessionLoader:
    """TensorFlow's own loader into a Session, the one that the server's is built on."""

    def __init__(self, path: str) -> None:
        import tensorflow as tf

        self._session = tf.compat.v1.Session(graph=tf.Graph())
        meta_graph = tf.compat.v1.saved_model.loader.load(self._session, [_TAG], path)
        self._signatures = meta_graph.signature_def

    def run(self, signature: str, inputs: dict[str, np.ndarray]) -> dict[str, Any]:
        """Answers one call of a signature."""
        definition = self._signatures[signature]
        fetches = {name: info.name for name, info in definition.outputs.items()}
        feeds = {definition.inputs[name].name: value for name, value in inputs.items()}
        return self._session.run(fetches, feeds)


class _Output(ctypes.Structure):
    _fields_ = (("operation", ctypes.c_void_p), ("index", ctypes.c_int))


class _Buffer(ctypes.Structure):
    _fields_ = (
        ("data", ctypes.c_void_p),
        ("length", ctypes.c_size_t),
        ("deallocator", ctypes.c_void_p),
    )


class CApiLoader:
    """TF_LoadSessionFromSavedModel of the wheel's own library, without Python."""

    def __init__(self, path: str) -> None:
        from tensorflow.core.protobuf import meta_graph_pb2

        self._api = _c_api()
        self._status = self._api.TF_NewStatus()
        self._graph = self._api.TF_NewGraph()
        buffer = self._api.TF_NewBuffer()
        tags = (ctypes.c_char_p * 1)(_TAG.encode())
        self._session = self._api.TF_LoadSessionFromSavedModel(
            self._api.TF_NewSessionOptions(),
            None,
            os.fsencode(path),
            tags,
            1,
            self._graph,
            buffer,
            self._status,
        )
        self._raise_for_status()
        content = ctypes.cast(buffer, ctypes.POINTER(_Buffer)).contents
        meta_graph = meta_graph_pb2.MetaGraphDef()
        meta_graph.ParseFromString(ctypes.string_at(content.data, content.length))
        self._signatures = meta_graph.signature_def

    def run(self, signature: str, inputs: dict[str, np.ndarray]) -> dict[str, Any]:
        """Answers one call of a signature."""
        definition = self._signatures[signature]
        names = sorted(definition.outputs)
        feeds = [self._output(definition.inputs[name].name) for name in inputs]
        fetches = [self._output(definition.outputs[name].name) for name in names]
        values = [
            self._tensor(value, definition.inputs[name].dtype)
            for name, value in inputs.items()
        ]
        answers = (ctypes.c_void_p * len(fetches))()
        self._api.TF_SessionRun(
            self._session,
            None,
            (_Output * len(feeds))(*feeds),
            (ctypes.c_void_p * len(values))(*values),
            len(feeds),
            (_Output * len(fetches))(*fetches),
            answers,
            len(fetches),
            None,
            0,
            None,
            self._status,
        )
        for value in values:
            self._api.TF_DeleteTensor(value)
        self._raise_for_status()
        return {
            name: self._array(answer)
            for name, answer in zip(names, answers, strict=True)
        }

    def _output(self, tensor: str) -> _Output:
        operation, index = tensor.split(":")
        found = self._api.TF_GraphOperationByName(self._graph, operation.encode())
        if not found:
            raise KeyError(f"no operation {operation!r} in the graph")
        return _Output(found, int(index))

    def _tensor(self, array: np.ndarray, dtype: int) -> int:
        dims = (ctypes.c_int64 * array.ndim)(*array.shape)
        size = array.size * _TF_STRING_BYTES if dtype == _TF_STRING else array.nbytes
        tensor = self._api.TF_AllocateTensor(dtype, dims, array.ndim, size)
        start = self._api.TF_TensorData(tensor)
        if dtype != _TF_STRING:
            ctypes.memmove(start, np.ascontiguousarray(array).tobytes(), array.nbytes)
            return tensor
        for index, item in enumerate(array.ravel().tolist()):
            place = start + index * _TF_STRING_BYTES
            self._api.TF_StringInit(place)
            self._api.TF_StringCopy(place, item, len(item))
        return tensor

    def _array(self, tensor: int) -> np.ndarray:
        import tensorflow as tf

        api = self._api
        shape = [api.TF_Dim(tensor, axis) for axis in range(api.TF_NumDims(tensor))]
        dtype, start = api.TF_TensorType(tensor), api.TF_TensorData(tensor)
        if dtype == _TF_STRING:
            places = [
                start + index * _TF_STRING_BYTES
                for index in range(int(np.prod(shape, dtype=np.int64)))
            ]
            array = np.empty(len(places), dtype=object)
            array[:] = [
                ctypes.string_at(
                    api.TF_StringGetDataPointer(place), api.TF_StringGetSize(place)
                )
                for place in places
            ]
        else:
            data = ctypes.string_at(start, api.TF_TensorByteSize(tensor))
            array = np.frombuffer(data, dtype=tf.as_dtype(dtype).as_numpy_dtype)
        api.TF_DeleteTensor(tensor)
        return array.reshape(shape)

    def _raise_for_status(self) -> None:
        if self._api.TF_GetCode(self._status):
            raise RuntimeError(self._api.TF_Message(self._status).decode())


def _c_api() -> ctypes.CDLL:
    import tensorflow as tf  # loads the library, so that its own parts are found

    folder = os.path.dirname(tf.__file__)
    found = sorted(glob.glob(os.path.join(folder, "libtensorflow_cc*")))
    if not found:
        raise FileNotFoundError(f"no libtensorflow_cc in {folder}")
    api = ctypes.CDLL(found[0])
    pointer, size, integer = ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int
    for name, result, arguments in (
        ("TF_NewStatus", pointer, []),
        ("TF_NewGraph", pointer, []),
        ("TF_NewBuffer", pointer, []),
        ("TF_NewSessionOptions", pointer, []),
        ("TF_GetCode", integer, [pointer]),
        ("TF_Message", ctypes.c_char_p, [pointer]),
        (
            "TF_LoadSessionFromSavedModel",
            pointer,
            [pointer, pointer, ctypes.c_char_p, pointer, integer, *[pointer] * 3],
        ),
        ("TF_GraphOperationByName", pointer, [pointer, ctypes.c_char_p]),
        (
            "TF_SessionRun",
            None,
            # session, options, feeds, values; fetches, values; targets; metadata
            [pointer] * 4
            + [integer, pointer, pointer, integer, pointer, integer, pointer, pointer],
        ),
        ("TF_AllocateTensor", pointer, [integer, pointer, integer, size]),
        ("TF_DeleteTensor", None, [pointer]),
        ("TF_TensorData", pointer, [pointer]),
        ("TF_TensorByteSize", size, [pointer]),
        ("TF_TensorType", integer, [pointer]),
        ("TF_NumDims", integer, [pointer]),
        ("TF_Dim", ctypes.c_int64, [pointer, integer]),
        ("TF_StringInit", None, [pointer]),
        ("TF_StringCopy", None, [pointer, ctypes.c_char_p, size]),
        ("TF_StringGetDataPointer", pointer, [pointer]),
        ("TF_StringGetSize", size, [pointer]),
    ):
        function = getattr(api, name)
        function.restype, function.argtypes = result, arguments
    return api


def _answers(loader: type, path: str, calls: list[dict[str, Any]]) -> dict[str, Any]:
    """Loads once and answers every call; a failure is reported in words."""
    try:
        model = loader(path)
    except Exception as error:
        return {"failure": f"{type(error).__name__}: {error}", "answers": []}
    answers: list[dict[str, Any]] = []
    for call in calls:
        inputs = {name: decode(value) for name, value in call["inputs"].items()}
        try:
            outputs = model.run(call["signature"], inputs)
        except Exception as error:
            answers.append({"failure": f"{type(error).__name__}: {error}"})
        else:
            answers.append(
                {"outputs": {name: encode(value) for name, value in outputs.items()}}
            )
    return {"failure": "", "answers": answers}


def main(job_file: str, result_file: str) -> None:
    """Answers the calls of `job_file` with every loader and writes `result_file`."""
    import tensorflow as tf

    with open(job_file, encoding="utf-8") as file:
        job = json.load(file)
    loaders = {"session": SessionLoader, "second": SessionLoader, "c_api": CApiLoader}
    result: dict[str, Any] = {
        name: _answers(
            loader,
            job["path"],
            [call for call in job["calls"] if name in call["loaders"]],
        )
        for name, loader in loaders.items()
    }
    result["tensorflow"] = tf.__version__
    result["foreign"] = sorted(
        name for name in sys.modules if name.split(".")[0] == "tfgenai"
    )
    with open(result_file, "w", encoding="utf-8") as file:
        json.dump(result, file)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
