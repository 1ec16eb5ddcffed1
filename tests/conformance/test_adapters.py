"""Law: an adapter begins as nothing, leaves its base alone, and goes along in files."""

import numpy as np
import pytest
from models import assert_same_samples

import tfgenai as tg
from tfgenai.core import random
from tfgenai.core.errors import CheckpointError
from tfgenai.finetune.adapter_files import load_adapter, save_adapter
from tfgenai.finetune.lora import (
    adapted_layers,
    apply_lora,
    merge_lora,
    unmerge_lora,
    use_adapter,
)
from tfgenai.layers.layer_tree import base_variables


def _base(model):
    return [variable.numpy() for _, variable in base_variables(model)]


def _disturb(model):
    """Makes adapters matter, as long training would."""
    rng = random.numpy_generator(0)
    for _, found in adapted_layers(model):
        b = found.parts("new")["b"]
        b.assign(0.05 * rng.standard_normal(b.shape))


def test_adapters_of_every_model(descriptor, tmp_path):
    model = descriptor.make(ema_decay=0.5, seed=5)
    model.compile(jit_compile=False)
    model.fit(descriptor.batches(), verbose=0)
    model.save(tmp_path / "base.keras")
    samples = descriptor.generate(model, 3, seed=1)

    if descriptor.name == "pixel_cnn":
        # Its convolutions have a step for each pixel that an adapter would not reach.
        with pytest.raises(ValueError, match="which has none"):
            apply_lora(model, verbose=False)
        return

    # Step 0 is the base, which is its average.
    count = apply_lora(model, rank=2, name="new", verbose=False)
    assert 0 < count.trainable < count.total / 2
    # TensorFlow joins a product with what follows it where nothing is added between.
    assert_same_samples(descriptor.generate(model, 3, seed=1), samples, atol=1e-6)

    # The base does not move, its statistics neither; every adapter that acts does.
    before = _base(model)
    model.compile(jit_compile=False)
    model.fit(descriptor.batches(), epochs=2, verbose=0)
    for old, new in zip(before, _base(model), strict=True):
        np.testing.assert_array_equal(old, new)
    moved = [
        bool(found.parts("new")["b"].numpy().any())
        for _, found in adapted_layers(model)
    ]
    assert np.mean(moved) > 0.7

    # Merged it computes the same; taken back, each bit is the base's again.
    _disturb(model)
    adapted = descriptor.generate(model, 3, seed=1)
    merge_lora(model)
    if not isinstance(adapted[0], str):
        np.testing.assert_allclose(
            descriptor.generate(model, 3, seed=1), adapted, atol=2e-3
        )
    unmerge_lora(model)
    for old, new in zip(before, _base(model), strict=True):
        np.testing.assert_array_equal(old, new)
    assert_same_samples(descriptor.generate(model, 3, seed=1), adapted)
    use_adapter(model, None)
    assert_same_samples(descriptor.generate(model, 3, seed=1), samples, atol=1e-6)
    use_adapter(model, "new")

    # It goes along in a model's file, and alone onto the base that it was trained on.
    model.save(tmp_path / "model.keras")
    loaded = tg.load_model(tmp_path / "model.keras")
    assert_same_samples(descriptor.generate(loaded, 3, seed=1), adapted)
    save_adapter(model, tmp_path / "new.safetensors", name="new")
    base = tg.load_model(tmp_path / "base.keras")
    load_adapter(base, tmp_path / "new.safetensors")
    assert_same_samples(descriptor.generate(base, 3, seed=1), adapted)
    with pytest.raises(CheckpointError, match="SHA-256"):
        load_adapter(descriptor.make(seed=6), tmp_path / "new.safetensors")
