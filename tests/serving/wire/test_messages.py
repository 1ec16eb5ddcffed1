"""The client's messages: the official ones byte for byte, under another package."""

import subprocess
import sys
from pathlib import Path

import pytest
from google.protobuf.descriptor import FieldDescriptor
from hypothesis import given
from hypothesis import strategies as st
from tensorflow.core.framework import tensor_pb2, tensor_shape_pb2, types_pb2
from tensorflow.core.protobuf import meta_graph_pb2
from tensorflow_serving.apis import (
    get_model_metadata_pb2,
    get_model_status_pb2,
    model_pb2,
    predict_pb2,
    status_pb2,
)

import tfgenai
from tfgenai.serving.wire import messages_pb2

_PAIRS = [
    (messages_pb2.TensorShapeProto, tensor_shape_pb2.TensorShapeProto),
    (messages_pb2.TensorShapeProto.Dim, tensor_shape_pb2.TensorShapeProto.Dim),
    (messages_pb2.TensorProto, tensor_pb2.TensorProto),
    (messages_pb2.TensorInfo, meta_graph_pb2.TensorInfo),
    (messages_pb2.SignatureDef, meta_graph_pb2.SignatureDef),
    (messages_pb2.SignatureDefMap, get_model_metadata_pb2.SignatureDefMap),
    (messages_pb2.ModelSpec, model_pb2.ModelSpec),
    (messages_pb2.PredictRequest, predict_pb2.PredictRequest),
    (messages_pb2.PredictResponse, predict_pb2.PredictResponse),
    (
        messages_pb2.GetModelMetadataRequest,
        get_model_metadata_pb2.GetModelMetadataRequest,
    ),
    (
        messages_pb2.GetModelMetadataResponse,
        get_model_metadata_pb2.GetModelMetadataResponse,
    ),
    (messages_pb2.StatusProto, status_pb2.StatusProto),
    (messages_pb2.ModelVersionStatus, get_model_status_pb2.ModelVersionStatus),
    (messages_pb2.GetModelStatusRequest, get_model_status_pb2.GetModelStatusRequest),
    (messages_pb2.GetModelStatusResponse, get_model_status_pb2.GetModelStatusResponse),
]

# An enumeration and a 32-bit integer have the same bytes.
_SAME_BYTES = {FieldDescriptor.TYPE_ENUM: FieldDescriptor.TYPE_INT32}


@pytest.mark.parametrize(("ours", "official"), _PAIRS, ids=lambda m: m.__name__)
def test_fields_have_the_official_names_numbers_and_types(ours, official):
    for field in ours.DESCRIPTOR.fields:
        other = official.DESCRIPTOR.fields_by_name[field.name]
        assert field.number == other.number
        assert _SAME_BYTES.get(field.type, field.type) == _SAME_BYTES.get(
            other.type, other.type
        )
        assert field.is_repeated == other.is_repeated
        assert field.is_packed == other.is_packed
        if (
            field.message_type is not None
            and not field.message_type.GetOptions().map_entry
        ):
            name = field.message_type.name
            assert name == other.message_type.name


def test_enumerations_have_the_official_numbers():
    official = dict(types_pb2.DataType.items())
    assert all(official[n] == v for n, v in messages_pb2.DataType.items())
    states = get_model_status_pb2.ModelVersionStatus.State
    assert messages_pb2.ModelVersionStatus.State.items() == states.items()


_TENSORS = st.fixed_dictionaries(
    {},
    optional={
        "dtype": st.sampled_from([1, 2, 3, 4, 7, 9, 10]),
        "tensor_content": st.binary(max_size=8),
        "float_val": st.lists(st.floats(width=32, allow_nan=False), max_size=3),
        "double_val": st.lists(st.floats(allow_nan=False), max_size=3),
        "int_val": st.lists(st.integers(-(2**31), 2**31 - 1), max_size=3),
        "string_val": st.lists(st.binary(max_size=4), max_size=3),
        "int64_val": st.lists(st.integers(-(2**63), 2**63 - 1), max_size=3),
        "bool_val": st.lists(st.booleans(), max_size=3),
        "half_val": st.lists(st.integers(0, 2**16 - 1), max_size=3),
        "uint32_val": st.lists(st.integers(0, 2**32 - 1), max_size=3),
        "uint64_val": st.lists(st.integers(0, 2**64 - 1), max_size=3),
    },
)


@given(
    st.dictionaries(st.text(max_size=3), _TENSORS, max_size=2),
    st.text(max_size=5),
    st.none() | st.integers(0, 2**63 - 1) | st.text(max_size=5),
    st.lists(st.text(max_size=3), max_size=2),
)
def test_requests_have_the_same_bytes(inputs, name, version, output_filter):
    def fill(request):
        request.model_spec.name = name
        if isinstance(version, int):
            request.model_spec.version.value = version
        elif version is not None:
            request.model_spec.version_label = version
        request.output_filter.extend(output_filter)
        for key, values in inputs.items():
            tensor = request.inputs[key]
            tensor.tensor_shape.dim.add(size=2)
            for field, value in values.items():
                if isinstance(value, list):
                    getattr(tensor, field).extend(value)
                else:
                    setattr(tensor, field, value)
        return request.SerializeToString(deterministic=True)

    ours = fill(messages_pb2.PredictRequest())
    assert ours == fill(predict_pb2.PredictRequest())
    read = predict_pb2.PredictRequest.FromString(ours)
    back = messages_pb2.PredictRequest.FromString(read.SerializeToString())
    assert back.SerializeToString(deterministic=True) == ours


def test_the_generated_code_is_that_of_the_proto(tmp_path):
    """The command of the file's head, run again."""
    root = Path(tfgenai.__file__).parent.parent
    proto = Path("tfgenai/serving/wire/messages.proto")
    command = [sys.executable, "-m", "grpc_tools.protoc", f"-I{root}"]
    command += [f"--python_out={tmp_path}", f"--pyi_out={tmp_path}", str(proto)]
    subprocess.run(command, check=True, cwd=root)
    for name in ("messages_pb2.py", "messages_pb2.pyi"):
        made = (tmp_path / proto.parent / name).read_text()
        kept = (root / proto.parent / name).read_text()
        # Other releases of the compiler write another version in the comment's place.
        assert _descriptor(made) == _descriptor(kept)


def _descriptor(text):
    return [line for line in text.splitlines() if "AddSerializedFile" in line] or text
