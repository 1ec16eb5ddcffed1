"""Oracles: scikit-learn where it has the figure, and counting by hand."""

import dataclasses
import json
import re

import numpy as np
import pytest
from sklearn import metrics

import tfgenai as tg
from tfgenai.core.errors import DataError
from tfgenai.finetune.heads.classifier import ClassifierHead
from tfgenai.finetune.heads.report import _calibration, evaluate_classifier

SHAPE = (8, 8, 1)


@pytest.fixture(scope="module")
def measured():
    data = tg.data.load_arrays("digits", split="train")
    x = (data.images.astype(np.float32) / 127.5 - 1.0).reshape(-1, *SHAPE)[:600]
    y = data.labels[:600].astype(np.int32)
    head = ClassifierHead(tg.VAE(SHAPE, 16, hidden_units=(32,)), 10)
    head.fit_probe(x[:300], y[:300])
    report = evaluate_classifier(head, (x[300:], y[300:]), (x[:300], y[:300]))
    return report, head.predict_probabilities(x[300:]), y[300:], y[:300]


def test_figures_are_scikit_learns(measured):
    report, probabilities, y, _ = measured
    answers = probabilities.argmax(1)
    assert report.accuracy == pytest.approx(metrics.accuracy_score(y, answers))
    low, high = report.accuracy_interval
    assert low < report.accuracy < high
    assert report.log_loss == pytest.approx(
        metrics.log_loss(y, probabilities), rel=1e-4
    )
    np.testing.assert_array_equal(
        report.confusion, metrics.confusion_matrix(y, answers)
    )
    f1 = metrics.f1_score(y, answers, average=None, zero_division=0)
    np.testing.assert_allclose([each.f1 for each in report.classes], f1)
    assert sum(each.num_examples for each in report.classes) == 300


def test_baselines_are_what_they_say(measured):
    report, _, y, known = measured
    assert report.majority_accuracy == np.mean(y == np.bincount(known).argmax())
    # Raw pixels of these digits are known to be easy.
    assert report.simple_accuracy > 0.85


def test_it_prints_and_saves(measured, tmp_path):
    report, *_ = measured
    assert f"accuracy {report.accuracy:.4f}" in str(report)
    assert len(str(report).splitlines()) == 13
    report.save(tmp_path / "report.json")
    saved = json.loads((tmp_path / "report.json").read_text())
    assert saved["classes"][3]["name"] == "3"


def test_a_page_has_every_class_and_escapes_their_names(measured, tmp_path):
    report, *_ = measured
    named = dataclasses.replace(report.classes[3], name="<script>three</script>")
    classes = [*report.classes[:3], named, *report.classes[4:]]
    report = dataclasses.replace(report, classes=classes)
    page = report.save(tmp_path / "report.html").read_text("utf-8")
    assert "<script" not in page
    assert page.count("&lt;script&gt;three") == 3  # figures, a row and a column
    assert f"{report.accuracy:.2%}" in page
    cells = [int(n) for n in re.findall(r"\)\">(\d+)</td>", page)]
    np.testing.assert_array_equal(np.reshape(cells, (10, 10)), report.confusion)
    assert page.count("<circle") == len(report.calibration)
    assert "http" not in page
    with pytest.raises(ValueError, match=r"report\.txt"):
        report.save(tmp_path / "report.txt")


def test_the_calibration_error_by_hand():
    confidence = np.array([0.95, 0.95, 0.55, 0.55, 1.0])
    is_right = np.array([True, False, True, False, True])
    error, bins = _calibration(confidence, is_right)
    # Bins of a fifteenth: [0.95, 0.95, 1.0] stand together, [0.55, 0.55] too.
    assert [each["num_examples"] for each in bins] == [2, 3]
    expected = 0.4 * abs(0.55 - 0.5) + 0.6 * abs(2.9 / 3 - 2 / 3)
    assert error == pytest.approx(expected)


def test_texts_have_a_baseline_of_neighbouring_tokens():
    gpt = tg.GPT(9, max_sequence_length=8, num_layers=1, num_heads=2, hidden_dim=8)
    head = ClassifierHead(gpt, 2)
    # Both classes have the same tokens; their order tells.
    x = np.array([[1, 2, 3, -1], [3, 2, 1, -1]] * 20, np.int32)
    y = np.array([0, 1] * 20, np.int32)
    head.fit_probe(x, y)
    report = evaluate_classifier(head, (x, y), (x, y))
    assert report.simple_accuracy == 1.0
    assert report.majority_accuracy == 0.5


def test_a_split_without_a_class_is_refused():
    head = ClassifierHead(tg.VAE(SHAPE, 4), 3)
    x = np.zeros((4, *SHAPE), np.float32)
    good, bad = np.array([0, 1, 2, 0]), np.array([0, 1, 1, 0])
    with pytest.raises(DataError, match="test labels without any"):
        evaluate_classifier(head, (x, bad), (x, good))
    with pytest.raises(DataError, match="train labels without any"):
        evaluate_classifier(head, (x, good), (x, bad))
