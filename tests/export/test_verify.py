"""Verifying sees what is right in a good export and each thing that is wrong."""

import json
import shutil

import pytest
import tensorflow as tf

from tfgenai.core.errors import ExportError
from tfgenai.core.signatures import SEED, Signature
from tfgenai.export import export_saved_model, fresh_process, questions, verify

INPUTS = {
    "seed": SEED.spec,
    "labels": tf.TensorSpec((None,), tf.int32),
}


@pytest.fixture
def in_process(monkeypatch):
    """Runs the fresh process's script in this one, which takes no seconds to start."""

    def run(command, **kwargs):
        fresh_process.main(*command[-2:])
        return type("Done", (), {"returncode": 0, "stderr": ""})

    monkeypatch.setattr(questions.subprocess, "run", run)


def failed(report):
    names = {check.name for check in report.failed}
    # In this process more than TensorFlow is imported.
    return names - {"imports only TensorFlow"}


def export_function(model, folder, function):
    signature = Signature(function, INPUTS)
    return export_saved_model(model, folder, signatures={"generate": signature})


def good(model, seed, labels):
    return model.serving_signatures()["generate"].function(seed=seed, labels=labels)


@pytest.mark.slow
def test_a_good_export_in_a_fresh_process(model, exported):
    report = verify(exported.parent, model)
    assert report.ok, str(report)
    assert report.version == 1
    assert report.tensorflow == tf.__version__
    figures = {check.name: check.figure for check in report.checks}
    assert figures["size"] == 1.0
    assert figures["generate: equals model.generate"] == 0.0
    assert figures["generate: the C API says the same"] == 0.0
    assert figures["generate: bad labels"] == 0.0
    assert 0.0 <= figures["generate_png: a batch of 1"] <= 1e-4
    assert json.loads(json.dumps(report.to_json()))["ok"] is True
    assert str(report).endswith(f"with TensorFlow {tf.__version__}")


def test_the_same_checks_pass_without_a_model_and_without_touching_files(
    exported_plain, in_process
):
    before = {f: f.stat().st_mtime_ns for f in exported_plain.rglob("*")}
    report = verify(exported_plain)
    assert failed(report) == set()
    assert {f: f.stat().st_mtime_ns for f in exported_plain.rglob("*")} == before
    assert [check.ok for check in report.checks].count(False) == 1


def test_another_model_is_told_apart(new_model, exported_plain, in_process):
    report = verify(exported_plain, new_model(initial=1))
    assert "generate: equals model.generate" in failed(report)
    assert "generate: equals the model's own function" in failed(report)
    assert not any("batch" in name or "bad" in name for name in failed(report))


def test_rows_that_see_each_other_are_found(model, tmp_path, in_process):
    def coupled(seed, labels):
        answer = good(model, seed, labels)
        mean = tf.reduce_mean(answer["images"], axis=0, keepdims=True)
        return answer | {"images": answer["images"] - mean}

    report = verify(export_function(model, tmp_path / "m", coupled))
    assert failed(report) == {
        "generate: rows do not depend on padding",
        "generate: a batch of 3",
        "generate: a batch of 1",
        "generate: bad seed",
        "generate: bad labels",
    }


def test_a_bad_row_without_an_error_is_found(model, tmp_path, in_process):
    def silent(seed, labels):
        answer = good(model, tf.abs(seed), tf.clip_by_value(labels, 0, 2))
        return answer | {"error": tf.fill(tf.shape(seed), "")}

    report = verify(export_function(model, tmp_path / "m", silent))
    assert failed(report) == {
        "generate: bad seed has its own error",
        "generate: bad labels has its own error",
    }


def test_an_error_that_spreads_to_neighbours_is_found(model, tmp_path, in_process):
    def spreading(seed, labels):
        answer = good(model, seed, labels)
        first = tf.reduce_any(answer["error"] != "")
        text = tf.where(first, "some row is bad", "")
        return answer | {"error": tf.fill(tf.shape(seed), text)}

    report = verify(export_function(model, tmp_path / "m", spreading))
    assert "generate: bad labels has its own error" in failed(report)


def test_nan_in_a_good_answer_is_found(model, tmp_path, in_process):
    def not_a_number(seed, labels):
        answer = good(model, seed, labels)
        return answer | {"images": answer["images"] * float("nan")}

    report = verify(export_function(model, tmp_path / "m", not_a_number))
    assert {"generate: answers", "generate: warm-up records"} <= failed(report)
    assert "NaN" in str(report)


def test_bytes_that_are_no_text_are_found(model, tmp_path, in_process):
    def not_utf8(seed, labels):
        answer = good(model, seed, labels)
        return answer | {"texts": tf.fill(tf.shape(seed), b"\xff")}

    report = verify(export_function(model, tmp_path / "m", not_utf8))
    assert "UTF-8" in str(report)
    assert not report.ok


def test_a_swapped_or_missing_card_is_found(exported_plain, tmp_path, in_process):
    folder = shutil.copytree(exported_plain, tmp_path / "1")
    card = json.loads((folder / "model_card.json").read_text())
    card["weights"]["sha256"] = "0" * 64
    (folder / "model_card.json").write_text(json.dumps(card))
    assert failed(verify(folder)) == {"model card"}
    (folder / "model_card.json").unlink()
    report = verify(folder)
    assert "model card" in failed(report)
    assert "generate: a batch of 3" not in failed(report)


def test_missing_warm_up_records_are_found(exported_plain, tmp_path, in_process):
    folder = shutil.copytree(exported_plain, tmp_path / "1")
    (folder / "assets.extra" / "tf_serving_warmup_requests").unlink()
    assert failed(verify(folder)) == {
        "generate: warm-up records",
        "serving_default: warm-up records",
    }


def test_a_folder_without_an_export_is_refused(tmp_path):
    with pytest.raises(ExportError, match="numbered versions"):
        verify(tmp_path)
    with pytest.raises(ExportError, match=r"saved_model\.pb"):
        verify(tmp_path / "3")


def test_a_process_that_cannot_start_or_crashes_is_reported(exported_plain, tmp_path):
    with pytest.raises(ExportError, match="Received: python="):
        verify(exported_plain, python=tmp_path / "no_python")
    script = tmp_path / "python"
    script.write_text("#!/bin/sh\necho broken >&2\nexit 3\n")
    script.chmod(0o755)
    with pytest.raises(ExportError, match=r"(?s)exit code 3.*broken"):
        verify(exported_plain, python=script)
