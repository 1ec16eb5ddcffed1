"""Example requests lie in their ranges; warm-up records hold them bit for bit."""

import numpy as np
import pytest
import tensorflow as tf

from tfgenai.core import random
from tfgenai.core.errors import ExportError
from tfgenai.export.warmup import (
    WARMUP_FILE,
    bad_value,
    example_inputs,
    read_warmup,
    wire_default,
    write_warmup,
)


def field(name, dtype, shape=(None,), **known):
    return {"name": name, "dtype": dtype, "shape": list(shape), **known}


FIELDS = [
    field("seed", "int64", minimum=0, maximum=None),
    field("labels", "int32", minimum=2, maximum=4, required=True),
    field("images", "float32", (None, 2, 3)),
    field("temperature", "float32", minimum=0.5, maximum=2.0, required=True),
    field("num_steps", "int32", minimum=1, maximum=9, required=False),
    field("guidance", "float32", required=False),
    field("prompts", "string"),
    field("stop", "string", required=False),
    field("token_ids", "int32", (None, None), minimum=0, maximum=9),
]


def test_example_inputs():
    inputs = example_inputs(FIELDS, 5)
    np.testing.assert_array_equal(inputs["seed"], random.row_seeds(0, 5))
    assert inputs["labels"].tolist() == [2, 3, 4, 2, 3]
    assert inputs["images"].shape == (5, 2, 3)
    assert inputs["images"].dtype == np.float32
    assert set(np.unique(inputs["images"])) == {-1.0, 1.0}
    assert ((inputs["temperature"] >= 0.5) & (inputs["temperature"] <= 2.0)).all()
    assert len(np.unique(inputs["temperature"])) == 5
    assert inputs["num_steps"].tolist() == [-1] * 5
    assert np.isnan(inputs["guidance"]).all()
    assert inputs["stop"].tolist() == [""] * 5
    assert inputs["token_ids"].shape == (5, 4)
    for name, dtype in (("labels", np.int32), ("seed", np.int64), ("stop", object)):
        assert inputs[name].dtype == dtype


def test_a_row_is_the_same_whatever_their_number():
    many, few = example_inputs(FIELDS, 8), example_inputs(FIELDS, 3)
    for name, values in few.items():
        np.testing.assert_array_equal(values, many[name][:3])


@pytest.mark.parametrize(
    ("name", "value"),
    [("seed", -1), ("labels", 5), ("num_steps", 10), ("prompts", None)],
)
def test_bad_value(name, value):
    (found,) = (each for each in FIELDS if each["name"] == name)
    assert bad_value(found) == value


def test_the_bad_value_of_a_float_is_nan_unless_that_means_the_default():
    assert np.isnan(bad_value(field("images", "float32", (None, 2))))
    knob = field("scale", "float32", minimum=0, maximum=4, required=False)
    assert bad_value(knob) == 5.0
    assert bad_value(knob | {"maximum": None}) is None
    # -1 stands for the default of an integer knob, so it cannot be refused.
    assert bad_value(field("k", "int32", minimum=0, required=False)) is None


def test_texts_are_the_examples_in_turn_and_the_counterexample_is_bad():
    prompts = field("prompts", "string", examples=["ab", "c"], counterexample="")
    inputs = example_inputs([prompts], 5)
    assert inputs["prompts"].tolist() == ["ab", "c", "ab", "c", "ab"]
    assert inputs["prompts"].dtype == object
    assert bad_value(prompts) == ""
    pairs = field("pairs", "string", (None, 2), examples=["ab", "c"])
    assert example_inputs([pairs], 2)["pairs"].tolist() == [["ab", "ab"], ["c", "c"]]
    assert bad_value(pairs) is None


@pytest.mark.parametrize(("dtype", "value"), [("int64", -1), ("string", "")])
def test_wire_default(dtype, value):
    assert wire_default(dtype) == value
    assert np.isnan(wire_default("float32"))


def test_records_come_back(tmp_path):
    file = tmp_path / WARMUP_FILE
    requests = {"generate": FIELDS[:2], "encode": FIELDS[2:3]}
    count = write_warmup(file, requests, model_name="m", batch_sizes=(1, 8))
    records = list(read_warmup(file))
    assert count == len(records) == 4
    assert [name for name, _ in records] == ["generate"] * 2 + ["encode"] * 2
    for (name, inputs), size in zip(records, (1, 8, 1, 8), strict=True):
        expected = example_inputs(requests[name], size)
        assert inputs.keys() == expected.keys()
        for key, value in inputs.items():
            np.testing.assert_array_equal(value, expected[key])


def test_records_are_what_tensorflow_serving_parses(tmp_path):
    from tensorflow_serving.apis import prediction_log_pb2

    file = tmp_path / "records"
    write_warmup(file, {"generate": FIELDS[:1]}, model_name="m", batch_sizes=[2])
    (raw,) = tf.data.TFRecordDataset(str(file))
    log = prediction_log_pb2.PredictionLog.FromString(raw.numpy())
    assert log.WhichOneof("log_type") == "predict_log"
    assert log.predict_log.request.model_spec.name == "m"
    assert log.predict_log.request.model_spec.signature_name == "generate"


def test_torn_records_are_named(tmp_path):
    file = tmp_path / "records"
    write_warmup(file, {"generate": FIELDS[:1]}, model_name="m", batch_sizes=[8])
    file.write_bytes(file.read_bytes()[:-7])
    with pytest.raises(ExportError, match="records"):
        list(read_warmup(file))
    assert list(read_warmup(tmp_path / "none")) == []
