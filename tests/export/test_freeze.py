"""Weights as constants: the same answers, nothing to restore, each weight once."""

import numpy as np
import pytest
import tensorflow as tf

import tfgenai as tg
from tfgenai.core.errors import ExportError
from tfgenai.export import freeze
from tfgenai.export.card import CARD_MARKDOWN
from tfgenai.export.graph import ServedGraph, folder_bytes


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    """A GPT with a loop and tables, as it is and with constants."""
    gpt = tg.GPT(
        tokenizer=tg.data.tokenizers.ByteTokenizer(),
        max_sequence_length=16,
        num_layers=1,
        num_heads=2,
        hidden_dim=32,
    )
    folder = tmp_path_factory.mktemp("frozen")
    options = {"max_new_tokens": 4, "warmup_batch_sizes": (1,)}
    options |= {"signatures": ["generate", "score"]}
    whole = gpt.export_serving(folder / "whole", **options)
    frozen = gpt.export_serving(folder / "frozen", optimize=True, **options)
    return gpt, whole, frozen


def _ask(folder, signature, **inputs):
    loaded = tf.saved_model.load(str(folder))
    given = {name: tf.constant(value) for name, value in inputs.items()}
    return {k: v.numpy() for k, v in loaded.signatures[signature](**given).items()}


def test_answers_stay_the_same(exported):
    _, whole, frozen = exported
    asked = {"prompts": ["once", "upon a"], "seed": np.array([1, 2])}
    one, other = (_ask(f, "generate", **asked) for f in (whole, frozen))
    assert one["texts"].tolist() == other["texts"].tolist()
    one, other = (_ask(f, "score", texts=["once upon"]) for f in (whole, frozen))
    assert set(one) == set(other)
    for name, value in one.items():
        if value.dtype != object:
            np.testing.assert_allclose(other[name], value, rtol=1e-5)


def test_each_weight_is_kept_once_and_no_variable(exported):
    _, whole, frozen = exported
    graphs = [ServedGraph(folder) for folder in (whole, frozen)]
    variables, constants = (graph.weights for graph in graphs)
    assert len(constants) == len(variables)
    as_bytes = [sorted(v.tobytes() for v in w.values()) for w in (variables, constants)]
    assert as_bytes[0] == as_bytes[1]
    assert graphs[0].needed_weight_bytes() == graphs[1].needed_weight_bytes() > 0
    for gone in ("variables", "fingerprint.pb"):
        assert (whole / gone).exists()
        assert not (frozen / gone).exists()
    ops = {node.op for name in graphs[1].signatures for node in graphs[1].nodes(name)}
    assert not ops & {"VarHandleOp", "ReadVariableOp"}
    assert folder_bytes(frozen) < 1.1 * folder_bytes(whole)


def test_it_keeps_the_export_rules_and_is_proved_like_any_other(exported):
    gpt, _, frozen = exported
    assert tg.export.check(frozen) == []
    report = tg.export.verify(frozen, model=gpt)
    assert report.ok, str(report)
    assert tg.export.read_card(frozen)["weights"]["constants"] is True
    assert "All weights are constants" in (frozen / CARD_MARKDOWN).read_text()


def test_too_many_weights_for_one_file_are_refused_and_leave_nothing(
    tmp_path, monkeypatch
):
    monkeypatch.setattr(freeze, "MAX_BYTES", 1000)
    model = tg.VAE((8, 8, 1), 4, hidden_units=(64,))
    with pytest.raises(ExportError, match="At most 1,000 bytes of weights"):
        model.export_serving(tmp_path / "m", optimize=True)
    assert list((tmp_path / "m").iterdir()) == []
