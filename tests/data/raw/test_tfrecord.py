"""TFRecord files, against those that TensorFlow writes."""

import contextlib
import io

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from tfgenai.core.errors import DataError
from tfgenai.data.raw import open_raw, tfrecord
from tfgenai.data.raw.tfrecord import parse_example

_FEATURES = st.one_of(
    st.lists(st.integers(-(2**63), 2**63 - 1), max_size=4),
    st.lists(st.binary(max_size=9), max_size=4),
    st.lists(st.floats(width=32, allow_nan=False), max_size=4),
)


def png(value):
    buffer = io.BytesIO()
    Image.new("L", (2, 2), value).save(buffer, "PNG")
    return buffer.getvalue()


def feature(values):
    if all(isinstance(value, bytes) for value in values):
        return tf.train.Feature(bytes_list=tf.train.BytesList(value=values))
    if all(isinstance(value, int) for value in values):
        return tf.train.Feature(int64_list=tf.train.Int64List(value=values))
    return tf.train.Feature(float_list=tf.train.FloatList(value=values))


def serialized(features):
    made = {key: feature(values) for key, values in features.items()}
    example = tf.train.Example(features=tf.train.Features(feature=made))
    return example.SerializeToString()


def write(path, records):
    with tf.io.TFRecordWriter(str(path)) as writer:
        for record in records:
            writer.write(record)


def read(source):
    return [e for chunk in source.chunks() for e in source.read(chunk)]


@given(st.dictionaries(st.text(st.characters(codec="utf-8"), max_size=5), _FEATURES))
def test_features_come_back_as_tensorflow_wrote_them(features):
    assert parse_example(serialized(features)) == features


def test_images_and_labels_come_back(tmp_path, monkeypatch):
    monkeypatch.setattr(tfrecord, "_RECORDS_IN_CHUNK", 3)
    path = tmp_path / "a.tfrecord"
    write(path, [serialized({"image": [png(i)], "label": [i % 2]}) for i in range(8)])
    source = open_raw(path)
    assert [len(list(source.read(c))) for c in source.chunks()] == [3, 3, 2]
    found = read(source)
    assert [int(np.max(e.content)) for e in found] == list(range(8))
    assert [e.label for e in found] == [str(i % 2) for i in range(8)]


def test_what_follows_a_broken_length_is_not_taken_for_data(tmp_path):
    path = tmp_path / "a.tfrecord"
    records = [serialized({"text": [b"text %d" % i]}) for i in range(4)]
    write(path, [*records[:2], b"nonsense", records[3]])
    data = path.read_bytes()
    assert [e.content or e.problem.code for e in read(open_raw(path))] == [
        "text 0",
        "text 1",
        "unreadable",
        "text 3",
    ]
    for cut in (data[:-3], data[:-9]):
        path.write_bytes(cut)
        assert read(open_raw(path))[-1].problem.code == "truncated"
    broken = bytearray(data)
    broken[len(records[0]) + 16] ^= 1
    path.write_bytes(bytes(broken))
    assert [e.content or e.problem.code for e in read(open_raw(path))] == [
        "text 0",
        "truncated",
    ]


def test_a_file_of_something_else_is_refused(tmp_path):
    path = tmp_path / "a.tfrecord"
    for data in (b"", b"these are words, and not a few of them"):
        path.write_bytes(data)
        with pytest.raises(DataError, match="TFRecord file"):
            open_raw(path)
    write(path, [serialized({"pixels": [b"x"]})])
    with pytest.raises(DataError, match=r"with \['pixels'\]"):
        open_raw(path)


def _message(number, data):
    return bytes([number << 3 | 2, len(data)]) + data


_TEXT = _message(1, b"text")
_HUGE = b"\x08\xff\xff\xff\xff\xff\xff\x7f"  # field 1, an integer of 49 bits


@pytest.mark.parametrize(
    "record",
    [
        _HUGE,
        _message(1, _HUGE),
        _message(1, _message(1, _HUGE)),
        _message(1, _message(1, _TEXT + b"\x10\x05")),
        _message(1, _message(1, _TEXT + _message(2, _HUGE))),
        _message(1, _message(1, _TEXT + _message(2, _message(1, _HUGE)))),
        _message(1, _message(1, _TEXT + _message(2, _message(2, _HUGE)))),
        _message(1, _message(1, _TEXT + _message(2, _message(2, _message(1, b"abc"))))),
    ],
)
def test_fields_of_another_type_are_no_example(tmp_path, record):
    with pytest.raises(ValueError, match=r"no tf\.train\.Example"):
        parse_example(record)
    path = tmp_path / "a.tfrecord"
    write(path, [serialized({"text": [b"fine"]}), record])
    assert [e.content or e.problem.code for e in read(open_raw(path))] == [
        "fine",
        "unreadable",
    ]


@given(st.binary(max_size=60))
def test_bytes_are_an_example_or_are_not(data):
    with contextlib.suppress(ValueError):
        parse_example(data)
