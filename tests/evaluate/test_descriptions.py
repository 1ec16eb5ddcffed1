import types

import numpy as np

from tfgenai.evaluate.descriptions import describe_extractor, describe_model, notes_on
from tfgenai.evaluate.real_images import load_real_data

REAL = load_real_data(np.zeros((2, 2, 2, 1), np.uint8))


def test_model_is_described_by_the_short_entries_of_its_config() -> None:
    model = types.SimpleNamespace(
        step=np.int32(12),
        count_params=lambda: 34,
        get_config=lambda: {
            "latent_dim": 5,
            "image_shape": (8, 8, 1),
            "network": {"class_name": "Dense"},
            "long": "x" * 101,
            "ema_decay": None,
        },
    )
    assert describe_model(model) == {
        "class": "SimpleNamespace",
        "weights": 34,
        "training steps": 12,
        "latent_dim": 5,
        "image_shape": [8, 8, 1],
    }


def test_extractor_is_described_by_hash_and_provenance(extractor) -> None:
    description = describe_extractor(extractor)
    assert description["SHA-256"] == extractor.sha256
    assert description["test_accuracy"] == extractor.provenance["test_accuracy"]
    assert "versions" not in description
    assert describe_extractor(None) == {}


def test_notes_warn_of_what_is_missing_weak_or_copied() -> None:
    weak = types.SimpleNamespace(provenance={"test_accuracy": 0.5})
    nearest = types.SimpleNamespace(details={"num_identical": 3}, n=9)
    notes = notes_on(REAL, {"nearest": nearest}, weak)
    assert [note[:20] for note in notes] == [
        "The training images ",
        "The extractor is rig",
        "3 of 9 generated ima",
    ]
    assert len(notes_on(REAL, {}, None)) == 1
