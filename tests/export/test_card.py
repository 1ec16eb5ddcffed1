"""The model card says what was exported, and nothing that is not known."""

import hashlib
import json

import numpy as np
import pytest

from tfgenai.core.errors import ExportError
from tfgenai.export.card import read_card, to_markdown
from tfgenai.export.graph import ServedGraph


def test_the_card_of_an_export(model, exported):
    card = read_card(exported)
    assert card["family"] == "TinyGenerator"
    assert card["registered_name"] == "tfgenai_tests>TinyGenerator"
    assert card["config"]["image_shape"] == [4, 4, 1]
    assert card["step"] == int(model.step.numpy()) == 6
    assert (card["ema"], card["ema_decay"]) == (True, 0.9)
    assert set(card["versions"]) == {"tfgenai", "keras", "tensorflow", "python"}
    assert card["serving_default"] == "generate"
    assert card["warmup_batch_sizes"] == [1, 8]
    assert card["class_names"] == ["a", "b", "c"]
    assert card["data"] is card["licence"] is card["notes"] is None
    inputs = {f["name"]: f for f in card["signatures"]["generate_advanced"]["inputs"]}
    assert inputs["labels"] == {
        "name": "labels",
        "dtype": "int32",
        "shape": [None],
        "required": True,
        "minimum": 0,
        "maximum": 2,
        "default": None,
        "wire_default": None,
        "description": "the class",
    }
    assert inputs["scale"]["required"] is False
    assert (inputs["scale"]["default"], inputs["scale"]["wire_default"]) == (1.0, "NaN")
    assert card["signatures"]["generate_png"]["outputs"] == [
        {"name": "error", "dtype": "string", "shape": [None]},
        {"name": "image_bytes", "dtype": "string", "shape": [None]},
    ]


def test_the_card_is_strict_json(exported):
    text = (exported / "model_card.json").read_text()

    def refuse(constant):
        raise AssertionError(constant)

    json.loads(text, parse_constant=refuse)


def test_the_hash_is_that_of_the_stored_weights(exported):
    # Independent of the package: sorted "key|dtype|shape|" and raw bytes.
    digest = hashlib.sha256()
    for key, value in sorted(ServedGraph(exported).weights.items()):
        digest.update(f"{key}|{value.dtype}|{value.shape}|".encode() + value.tobytes())
    card = read_card(exported)
    assert card["weights"]["sha256"] == digest.hexdigest()
    assert card["weights"]["count"] == 128
    assert card["weights"]["bytes"] == 128 * np.dtype("float32").itemsize


def test_the_markdown_says_what_is_not_known(exported):
    text = to_markdown(read_card(exported))
    assert "Licence of the weights: not stated" in text
    assert "Training data: not stated" in text
    assert "synthetic" in text
    assert "| `scale` | float32 | batch | 0 to 4 | 1.0 (send 'NaN') |" in text
    assert "## `generate` (`serving_default`)" in text
    assert text == (exported / "model_card.md").read_text()
    card = read_card(exported) | {"data": {"name": "mnist", "licence": "CC0"}}
    assert "Training data: mnist, licence CC0." in to_markdown(card)


@pytest.mark.parametrize("content", [None, "{", "[]", '{"format": 99}'])
def test_a_card_that_cannot_be_read_is_named(tmp_path, content):
    if content is not None:
        (tmp_path / "model_card.json").write_text(content)
    with pytest.raises(ExportError, match=r"model_card\.json"):
        read_card(tmp_path)
