import json

import numpy as np
import pytest
import safetensors.numpy

import tfgenai as tg
from tfgenai.core.errors import CheckpointError
from tfgenai.finetune.adapter_files import base_hash, load_adapter, save_adapter
from tfgenai.finetune.lora import (
    adapted_layers,
    adapter_names,
    apply_lora,
    merge_lora,
)


def _gpt(**kwargs):
    return tg.GPT(
        11, max_sequence_length=8, num_layers=1, num_heads=2, hidden_dim=8, **kwargs
    )


def _adapted(**options):
    model = _gpt()
    apply_lora(model, rank=2, verbose=False, **options)
    for _, found in adapted_layers(model):
        for variable in found.weights:
            variable.assign(variable + 0.1)
    return model


TOKENS = np.arange(8, dtype=np.int32)[np.newaxis]


def test_a_file_under_another_name_beside_another_adapter(tmp_path):
    model = _adapted(use_dora=True, targets=("query", "expand"))
    logits = model(TOKENS).numpy()
    save_adapter(model, tmp_path / "a.safetensors")
    base = _gpt()
    apply_lora(base, rank=1, name="other", verbose=False)
    assert load_adapter(base, tmp_path / "a.safetensors", name="mine") == "mine"
    assert adapter_names(base) == ["other", "mine"]
    np.testing.assert_array_equal(base(TOKENS), logits)


def test_the_hash_is_of_the_base_merged_or_not():
    plain = base_hash(_gpt())
    model = _adapted()
    assert base_hash(model) == plain
    merge_lora(model)
    assert base_hash(model) == plain
    assert base_hash(_gpt(seed=1)) != plain
    model.decoder.blocks[0].attention.query.bias.assign_add(np.full(8, 1e-6))
    assert base_hash(model) != plain


def test_the_file_is_small():
    """At the size that is common for a character model: below 1 % of the base."""
    model = tg.GPT(65, num_layers=6, num_heads=6, hidden_dim=384)
    count = apply_lora(model, rank=8, targets=("query", "value"), verbose=False)
    assert count.trainable < 0.01 * count.total


def test_mistakes_are_named_and_leave_the_model_as_it_was(tmp_path):
    path = save_adapter(_adapted(), tmp_path / "a.safetensors")
    model = _gpt()
    with pytest.raises(CheckpointError, match="SHA-256"):
        load_adapter(_gpt(seed=1), path)
    with pytest.raises(CheckpointError, match="missing"):
        load_adapter(model, tmp_path / "missing")
    data = path.read_bytes()
    for name, broken in {
        "torn": data[: len(data) // 2],
        "text": b"hello",
        "other": safetensors.numpy.save({"x": np.zeros(2)}),
        "format": _edited(data, format="other"),
        "options": _edited(data, options={"name": "a", "rank": -1}),
        "unknown": _edited(data, options={"name": "a", "depth": 1}),
        "layer": _edited(data, layers={"99": "x"}),
        "text_layer": _edited(data, layers={"query": "x"}),
        "norm": _edited(data, layers={"3": "decoder/block_0/attention_norm"}),
    }.items():
        file = tmp_path / name
        file.write_bytes(broken)
        with pytest.raises(CheckpointError, match=name):
            load_adapter(model, file)
    assert model.adaptation is None or not adapter_names(model)
    assert load_adapter(model, path) == "default"
    with pytest.raises(ValueError, match="name='default'"):
        load_adapter(model, path)
    with pytest.raises(ValueError, match="'other'"):
        save_adapter(model, tmp_path / "b", name="other")
    assert not (tmp_path / "b").exists()


def _edited(data, **changes):
    size = int.from_bytes(data[:8], "little")
    header = json.loads(data[8 : 8 + size])
    description = json.loads(header["__metadata__"]["adapter"])
    return safetensors.numpy.save(
        safetensors.numpy.load(data),
        {"adapter": json.dumps({**description, **changes})},
    )


@pytest.mark.slow
def test_a_fresh_process_loads_a_model_with_adapters(tmp_path, in_fresh_process):
    model = tg.VAE((8, 8, 1), 4, hidden_units=(16,))
    apply_lora(model, rank=2, verbose=False)
    model.save(tmp_path / "model.keras")
    code = (
        "import sys, tfgenai as tg; model = tg.load_model(sys.argv[1]);"
        "print(len(model.trainable_variables))"
    )
    (found,) = in_fresh_process(code, tmp_path / "model.keras")
    assert int(found) == len(model.trainable_variables) > 0
