"""One loaded version: answers, warm-up, and memory that is given back."""

import shutil
import threading

import numpy as np
import pytest
import tensorflow as tf
from tensorflow_serving.apis import prediction_log_pb2

from tfgenai.core.errors import ServingError
from tfgenai.serving.config import Settings
from tfgenai.serving.servable import WARMUP_FILE, Servable

_SETTINGS = Settings()


@pytest.fixture
def linear(exports):
    servable = Servable("linear", 1, exports["half"], _SETTINGS)
    yield servable
    servable.retire()


def _ask(servable, x):
    signature = servable.signature("")
    return servable.run(signature, {"x": np.asarray(x, np.float32)}, ("y",))["y"]


def test_it_answers(linear):
    np.testing.assert_array_equal(_ask(linear, [2.0, 4.0]), [3.0, 4.0])
    assert linear.signature_names == ["serving_default"]
    assert linear.signature("x") is None


def test_only_the_wanted_outputs_are_computed(exports, images_of):
    servable = Servable("digits", 1, exports["digits"], _SETTINGS)
    signature = servable.signature("generate")
    inputs = {"seed": np.array([7]), "labels": np.array([3], np.int32)}
    (images,) = servable.run(signature, inputs, ("images",)).values()
    np.testing.assert_array_equal(images, images_of([7], [3]))
    assert servable.run(signature, inputs, ("error",)) == {"error": [b""]}
    servable.retire()


def test_the_graphs_own_refusal_keeps_its_code_and_words(exports):
    servable = Servable("digits", 1, exports["digits"], _SETTINGS)
    with pytest.raises(ServingError, match="too large") as caught:
        servable.run(servable.signature("fail"), {"x": np.ones(1, np.float32)}, ("y",))
    assert caught.value.code == "INVALID_ARGUMENT"
    servable.retire()


def test_the_session_stays_open_until_the_last_request(linear):
    assert linear.acquire()
    assert linear.acquire()
    linear.retire()
    assert not linear.acquire()
    linear.release()
    np.testing.assert_array_equal(_ask(linear, [2.0]), [3.0])
    assert not linear.closed
    linear.release()
    assert linear.closed


def test_many_threads_may_ask_at_once(linear):
    answers = {}

    def ask(number):
        for _ in range(20):
            answers[number] = _ask(linear, [number]).item()

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers == {number: number / 2 + 2 for number in range(8)}


def _write_warmup(folder, *logs):
    (folder / WARMUP_FILE).parent.mkdir(exist_ok=True)
    with tf.io.TFRecordWriter(str(folder / WARMUP_FILE)) as writer:
        for log in logs:
            writer.write(log.SerializeToString())


def _record(name, value, signature="serving_default"):
    log = prediction_log_pb2.PredictionLog()
    request = log.predict_log.request
    request.model_spec.signature_name = signature
    request.inputs[name].CopyFrom(tf.make_tensor_proto(value))
    return log


@pytest.fixture
def copy(exports, tmp_path):
    return shutil.copytree(exports["half"], tmp_path / "1")


def test_warmup_records_are_run_before_it_serves(copy, monkeypatch):
    other = prediction_log_pb2.PredictionLog()
    other.classify_log.request.model_spec.name = "x"
    _write_warmup(copy, _record("x", np.ones(8, np.float32)), other)
    seen = []
    run = Servable.run

    def watch(self, signature, inputs, outputs):
        seen.append(inputs["x"].shape)
        return run(self, signature, inputs, outputs)

    monkeypatch.setattr(Servable, "run", watch)
    Servable("linear", 1, copy, _SETTINGS).retire()
    assert seen == [(8,)]
    Servable("linear", 1, copy, Settings(enable_model_warmup=False)).retire()
    assert seen == [(8,)]


@pytest.mark.parametrize(
    ("record", "words"),
    [
        (_record("z", np.ones(1, np.float32)), "Sent extra: {z}"),
        (_record("x", np.ones(1, np.float32), "gone"), "signature_name='gone'"),
    ],
)
def test_a_warmup_record_that_fails_keeps_a_version_from_serving(copy, record, words):
    _write_warmup(copy, record)
    with pytest.raises(ServingError) as caught:
        Servable("linear", 1, copy, _SETTINGS)
    assert words in str(caught.value)


def test_torn_warmup_records_keep_a_version_from_serving(copy):
    _write_warmup(copy, _record("x", np.ones(1, np.float32)))
    whole = (copy / WARMUP_FILE).read_bytes()
    (copy / WARMUP_FILE).write_bytes(whole[:-3])
    with pytest.raises(ServingError) as caught:
        Servable("linear", 1, copy, _SETTINGS)
    assert caught.value.code == "DATA_LOSS"


@pytest.mark.parametrize(
    "file",
    [
        "saved_model.pb",
        "variables/variables.index",
        "variables/variables.data-00000-of-00001",
    ],
)
@pytest.mark.parametrize("damage", ["missing", "truncated", "empty"])
def test_a_broken_export_is_refused_in_words(copy, file, damage):
    path = copy / file
    if damage == "missing":
        path.unlink()
    else:
        content = path.read_bytes()
        path.write_bytes(content[: len(content) // 2] if damage == "truncated" else b"")
    with pytest.raises(ServingError, match="A whole SavedModel was expected") as caught:
        Servable("linear", 1, copy, _SETTINGS)
    assert str(copy) in str(caught.value)


def test_a_signature_that_cannot_be_served_does_not_hide_the_others(tmp_path, caplog):
    @tf.function(input_signature=[tf.TensorSpec((None,), tf.bfloat16, name="x")])
    def odd(x):
        return {"y": x}

    @tf.function(input_signature=[tf.TensorSpec((None,), tf.float32, name="x")])
    def call(x):
        return {"y": x}

    module = tf.Module()
    tf.saved_model.save(module, str(tmp_path / "1"), {"odd": odd, "call": call})
    servable = Servable("m", 1, tmp_path / "1", _SETTINGS)
    assert servable.signature_names == ["call"]
    assert "signature 'odd'" in caplog.text
    servable.retire()
