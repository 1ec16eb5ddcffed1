"""An export holds what its signatures need, appears whole, and says what it is."""

import os
import signal
import subprocess
import sys
import textwrap
import threading

import keras
import numpy as np
import pytest
import tensorflow as tf

import tfgenai as tg
from tfgenai.core import random
from tfgenai.core.errors import ExportError, StorageError
from tfgenai.core.signatures import Signature
from tfgenai.export import export_saved_model, rules, saved_model
from tfgenai.export.graph import ServedGraph

SEED = {"seed": tf.TensorSpec((None,), tf.int64)}


def serve(folder, signature, **inputs):
    loaded = tf.saved_model.load(str(folder))
    tensors = {name: tf.constant(value) for name, value in inputs.items()}
    return {k: v.numpy() for k, v in loaded.signatures[signature](**tensors).items()}


def test_signatures_and_files(exported):
    graph = ServedGraph(exported)
    assert sorted(graph.signatures) == [
        "generate",
        "generate_advanced",
        "generate_png",
        "serving_default",
    ]
    assert set(graph.signatures["serving_default"].inputs) == {"seed", "labels"}
    assert set(graph.signatures["generate_advanced"].inputs) == {
        "seed",
        "labels",
        "scale",
    }
    images = graph.signatures["generate"].outputs["images"]
    assert (images.dtype, images.shape) == ("float32", (None, 4, 4, 1))
    files = {str(f.relative_to(exported)) for f in exported.rglob("*") if f.is_file()}
    assert files == {
        "assets.extra/tf_serving_warmup_requests",
        "fingerprint.pb",
        "model_card.json",
        "model_card.md",
        "saved_model.pb",
        "variables/variables.data-00000-of-00001",
        "variables/variables.index",
    }
    assert rules.check(exported) == []


def test_only_the_generator_is_stored_and_once(model, exported):
    # By hand: 7 x 16 + 16 float32 numbers; no encoder, optimizer or average.
    graph = ServedGraph(exported)
    assert sum(value.nbytes for value in graph.weights.values()) == 128 * 4
    assert graph.needed_weight_bytes() == 128 * 4
    assert sum(w.numpy().nbytes for w in model.weights) > 10 * 128 * 4


def test_the_averaged_weights_are_exported_and_taken_back(model, exported):
    (weight, shadow), *_ = model.ema.pairs
    assert not np.allclose(weight.numpy(), shadow.numpy())
    stored = ServedGraph(exported).weights.values()
    assert any(np.array_equal(value, shadow.numpy()) for value in stored)
    assert not any(np.array_equal(value, weight.numpy()) for value in stored)


def test_the_answer_is_that_of_generate(model, exported):
    labels = np.array([0, 2, 1], np.int32)
    served = serve(
        exported, "serving_default", seed=random.row_seeds(7, 3), labels=labels
    )
    np.testing.assert_array_equal(
        served["images"], model.generate(3, seed=7, labels=labels)
    )
    assert served["error"].tolist() == [b"", b"", b""]


def test_knobs_take_sentinels_and_values(model, exported):
    served = serve(
        exported,
        "generate_advanced",
        seed=random.row_seeds(7, 2),
        labels=np.array([1, 1], np.int32),
        scale=np.array([np.nan, 0.5], np.float32),
    )
    expected = model.generate(2, seed=7, labels=1, scale=np.array([1.0, 0.5]))
    np.testing.assert_array_equal(served["images"], expected)


def test_versions_count_up_and_can_be_named(model, tmp_path):
    paths = [
        export_saved_model(
            model, tmp_path / "m", version=version, signatures=["generate"]
        )
        for version in (None, 7, None)
    ]
    assert [path.name for path in paths] == ["1", "7", "8"]
    assert sorted(entry.name for entry in (tmp_path / "m").iterdir()) == ["1", "7", "8"]
    assert set(ServedGraph(paths[0]).signatures) == {"generate", "serving_default"}


def test_a_half_precision_model_answers_in_float32(new_model, tmp_path):
    model = new_model(dtype="mixed_bfloat16")
    folder = export_saved_model(model, tmp_path / "m")
    served = serve(folder, "generate", seed=random.row_seeds(1, 2), labels=[0, 1])
    assert served["images"].dtype == np.float32
    np.testing.assert_array_equal(
        served["images"], model.generate(2, seed=1, labels=[0, 1])
    )


def test_a_model_of_two_replicas_is_exported_like_any_other(new_model, tmp_path):
    with tg.train.strategy("mirrored").scope():
        model = new_model()
    folder = export_saved_model(model, tmp_path / "m", signatures=["generate"])
    assert ServedGraph(folder).needed_weight_bytes() == 128 * 4
    served = serve(folder, "generate", seed=random.row_seeds(1, 2), labels=[0, 1])
    np.testing.assert_array_equal(
        served["images"], model.generate(2, seed=1, labels=[0, 1])
    )


def test_a_lookup_table_travels_with_the_export(model, tmp_path):
    lookup = keras.layers.StringLookup(vocabulary=["a", "b"])
    model.lookup = lookup
    try:
        signature = Signature(
            lambda words: {
                "token_ids": lookup(words),
                "error": tf.fill(tf.shape(words), ""),
            },
            {"words": tf.TensorSpec((None,), tf.string)},
        )
        folder = export_saved_model(
            model, tmp_path / "m", signatures={"tokenize": signature}
        )
    finally:
        del model.lookup
    served = serve(folder, "tokenize", words=["b", "?", "a"])
    assert served["token_ids"].tolist() == [2, 0, 1]


@pytest.mark.parametrize("version", [0, -1, "1", 1.0, True])
def test_a_version_that_is_no_positive_integer_is_refused(model, tmp_path, version):
    with pytest.raises(ExportError, match="Received: version="):
        export_saved_model(model, tmp_path / "m", version=version)
    assert not (tmp_path / "m").exists()


def test_an_existing_version_is_refused_and_kept(model, exported):
    before = (exported / "saved_model.pb").read_bytes()
    with pytest.raises(ExportError, match=r"Received: version=1; .* has \[1\]"):
        export_saved_model(model, exported.parent, version=1)
    assert (exported / "saved_model.pb").read_bytes() == before


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"signatures": ["denoise"]}, "signatures="),
        ({"signatures": "generate"}, "signatures="),
        ({"signatures": []}, "signatures="),
        ({"warmup_batch_sizes": (0,)}, "warmup_batch_sizes="),
        ({"warmup_batch_sizes": "8"}, "warmup_batch_sizes="),
        ({"data_card": 3}, "data_card=int"),
        (
            {
                "signatures": {
                    "generate": Signature(
                        lambda **inputs: inputs, {"seed": tf.TensorSpec((8,), tf.int64)}
                    )
                }
            },
            "unknown batch",
        ),
    ],
)
def test_a_bad_argument_is_named_before_a_file_is_touched(
    model, tmp_path, arguments, words
):
    with pytest.raises(ExportError, match=words):
        export_saved_model(model, tmp_path / "m", **arguments)
    assert not (tmp_path / "m").exists()


@pytest.mark.parametrize("thing", [None, "model.keras", keras.Sequential()])
def test_what_is_no_generative_model_is_refused(tmp_path, thing):
    with pytest.raises(ExportError, match="Received: model="):
        export_saved_model(thing, tmp_path / "m")
    assert not (tmp_path / "m").exists()


def test_a_path_that_cannot_be_written_is_named(model, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match="file"):
        export_saved_model(model, tmp_path / "file" / "m")
    with pytest.raises(StorageError, match="file"):
        export_saved_model(model, tmp_path / "file")


def test_an_export_that_breaks_a_rule_never_appears(model, tmp_path):
    def noisy(seed):
        noise = tf.raw_ops.RandomStandardNormal(shape=tf.shape(seed), dtype=tf.float32)
        return {"images": noise, "error": tf.fill(tf.shape(seed), "")}

    with pytest.raises(ExportError, match="keeps random state"):
        export_saved_model(
            model, tmp_path / "m", signatures={"generate": Signature(noisy, SEED)}
        )
    assert list((tmp_path / "m").iterdir()) == []


def test_an_exception_on_the_way_leaves_nothing_and_the_raw_weights(
    model, tmp_path, monkeypatch
):
    raw = [weight.numpy() for weight, _ in model.ema.pairs]

    def full(*args, **kwargs):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(saved_model, "write_warmup", full)
    with pytest.raises(OSError, match="No space left"):
        export_saved_model(model, tmp_path / "m")
    assert list((tmp_path / "m").iterdir()) == []
    for (weight, _), before in zip(model.ema.pairs, raw, strict=True):
        np.testing.assert_array_equal(weight.numpy(), before)


def test_exports_at_the_same_time_get_versions_of_their_own(
    model, tmp_path, monkeypatch
):
    # The first stops in the middle, while the second comes to its start.
    inside, go_on = threading.Event(), threading.Event()
    write_graph = saved_model._write_graph

    def slow_write_graph(*args):
        inside.set()
        assert go_on.wait(60)
        write_graph(*args)

    paths = []
    monkeypatch.setattr(saved_model, "_write_graph", slow_write_graph)
    first = threading.Thread(
        target=lambda: paths.append(
            export_saved_model(model, tmp_path / "m", signatures=["generate"])
        )
    )
    first.start()
    assert inside.wait(60)
    monkeypatch.setattr(saved_model, "_write_graph", write_graph)
    second = threading.Thread(
        target=lambda: paths.append(
            export_saved_model(model, tmp_path / "m", signatures=["generate"])
        )
    )
    second.start()
    go_on.set()
    first.join(60)
    second.join(60)
    assert sorted(path.name for path in paths) == ["1", "2"]


@pytest.mark.slow
def test_kill_9_just_before_the_end_leaves_no_version(model, tmp_path):
    code = f"""
        import os, signal, sys
        sys.path.insert(0, {os.path.dirname(__file__)!r})
        import conftest
        from tfgenai.export import export_saved_model
        model = conftest.TinyGenerator()
        os.rename = lambda *paths: os.kill(os.getpid(), signal.SIGKILL)
        export_saved_model(model, {str(tmp_path / "m")!r})
    """
    run = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert run.returncode == -signal.SIGKILL, run.stderr
    # Something was there, but nothing that a server would take for a version.
    (left,) = (tmp_path / "m").iterdir()
    assert not left.name.isdecimal()
    path = export_saved_model(model, tmp_path / "m", signatures=["generate"])
    assert [entry.name for entry in (tmp_path / "m").iterdir()] == [path.name] == ["1"]
