"""Safetensors: bits kept, torn and foreign files refused, pickles never read."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from safetensors.numpy import save_file

from tfgenai.core.errors import CheckpointError, StorageError
from tfgenai.gpt.tensor_files import FILE, INDEX, open_tensors


def write_raw(path, kind, shape, data):
    """A file of one tensor `x` byte by byte; NumPy cannot write bfloat16."""
    header = {
        "pad": {"dtype": "U8", "shape": [4], "data_offsets": [0, 4]},
        "x": {"dtype": kind, "shape": shape, "data_offsets": [4, 4 + len(data)]},
    }
    text = json.dumps(header).encode()
    path.write_bytes(len(text).to_bytes(8, "little") + text + bytes(4) + data)


def read_x(folder):
    with open_tensors(folder) as tensors:
        return tensors.read("x")


@given(st.lists(st.integers(0, 2**16 - 1), min_size=1, max_size=6))
def test_bfloat16_is_the_upper_half_of_a_float32(tmp_path_factory, halves):
    folder = tmp_path_factory.mktemp("half")
    halves = np.array(halves, "<u2")
    write_raw(folder / FILE, "BF16", [len(halves)], halves.tobytes())
    found = read_x(folder)
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found.view(np.uint32) >> 16, halves)
    np.testing.assert_array_equal(found.view(np.uint32) & 0xFFFF, 0)


def test_known_values_of_bfloat16(tmp_path):
    # 1, -2 and 3.140625, by sign, exponent and seven bits
    halves = np.array([[0x3F80], [0xC000], [0x4049]], "<u2")
    write_raw(tmp_path / FILE, "BF16", [3, 1], halves.tobytes())
    np.testing.assert_array_equal(read_x(tmp_path), [[1.0], [-2.0], [3.140625]])


@pytest.mark.parametrize("kind", [np.float16, np.float32, np.float64])
def test_other_floats_become_float32(tmp_path, kind):
    values = np.array([[0.5, -3.25]], kind)
    save_file({"x": values}, tmp_path / FILE)
    found = read_x(tmp_path)
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found, values)


def test_integers_are_no_weights(tmp_path):
    save_file({"x": np.zeros(3, np.int8)}, tmp_path / FILE)
    with pytest.raises(CheckpointError, match="'x' of type I8"):
        read_x(tmp_path)


@pytest.fixture
def shards(tmp_path):
    for i, name in enumerate("ab"):
        save_file({name: np.full(2, i, np.float32)}, tmp_path / f"{name}.safetensors")
    places = {name: f"{name}.safetensors" for name in "ab"}
    write_index(tmp_path, places)
    return tmp_path


def write_index(folder, places):
    (folder / INDEX).write_text(json.dumps({"weight_map": places}))


def test_shards_are_one_set_of_tensors(shards):
    with open_tensors(shards) as tensors:
        assert tensors.names == ["a", "b"]
        assert tensors.shape("b") == (2,)
        np.testing.assert_array_equal(tensors.read("b"), [1, 1])


@pytest.mark.parametrize(
    ("places", "error", "words"),
    [
        ({"a": "a.safetensors", "c": "b.safetensors"}, CheckpointError, "without c"),
        ({"a": "a.safetensors", "b": "z.safetensors"}, CheckpointError, r"z\.safe"),
        ({"a": "../a.safetensors"}, StorageError, r"'\.\./a\.safetensors'"),
        ({"a": "/etc/hostname"}, StorageError, "/etc/hostname"),
        ({}, CheckpointError, "weight_map"),
        ({"a": 1}, CheckpointError, "weight_map"),
        ([], CheckpointError, "weight_map"),
    ],
)
def test_an_index_that_does_not_fit_is_refused(shards, places, error, words):
    write_index(shards, places)
    with pytest.raises(error, match=words), open_tensors(shards):
        pass


def test_a_tensor_in_two_shards_is_refused(shards):
    both = {name: np.zeros(2, np.float32) for name in "ab"}
    save_file(both, shards / "b.safetensors")
    with pytest.raises(CheckpointError, match=r"'a' in a\.safetensors and b\.safe"):
        open_tensors(shards).__enter__()


@pytest.mark.parametrize("keep", [0, 7, 40, -1])
def test_a_torn_file_is_refused(tmp_path, keep):
    save_file({"x": np.ones(64, np.float32)}, tmp_path / FILE)
    data = (tmp_path / FILE).read_bytes()
    (tmp_path / FILE).write_bytes(data[:keep])
    with pytest.raises(CheckpointError, match="complete safetensors file"):
        read_x(tmp_path)


def test_pickles_are_refused_with_the_way_out(tmp_path):
    with pytest.raises(CheckpointError, match="without them"):
        read_x(tmp_path)
    (tmp_path / "pytorch_model.bin").write_bytes(b"cposix\nsystem\n")
    with pytest.raises(CheckpointError, match=r"pytorch_model\.bin.*save_pretrained"):
        read_x(tmp_path)
