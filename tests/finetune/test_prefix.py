"""Prefix tuning: step 0, files, exports, and decoding with a cache or without."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import tfgenai as tg
from tfgenai.core import random
from tfgenai.core.errors import ConfigError
from tfgenai.finetune.adapter_export import export_with_adapters
from tfgenai.finetune.adapter_files import load_adapter, save_adapter
from tfgenai.finetune.ia3 import apply_ia3
from tfgenai.finetune.lora import (
    adapted_layers,
    merge_lora,
    remove_adapter,
    use_adapter,
)
from tfgenai.finetune.prefix import apply_prefix
from tfgenai.gpt.context import context_start
from tfgenai.layers.layer_tree import base_variables

LLAMA = {
    "norm": "rms",
    "activation": "swiglu",
    "position_embedding": "rotary",
    "num_key_value_heads": 1,
    "use_qk_norm": True,
    "sliding_window": 3,
}


def _gpt(**kwargs):
    sizes = {"max_sequence_length": 8, "num_layers": 2, "num_heads": 2, "hidden_dim": 8}
    return tg.GPT(11, **{**sizes, **kwargs})


def _tokens():
    return random.numpy_generator(0).integers(0, 11, (8, 9)).astype(np.int32)


def _logits(model):
    return model(_tokens()[:, :8]).numpy()


def _disturb(model, name="default", seed=1):
    rng = random.numpy_generator(seed)
    for _, found in adapted_layers(model):
        if name in found.options:
            for variable in found.parts(name).values():
                variable.assign(2 * rng.standard_normal(variable.shape))


@pytest.mark.parametrize("options", [{}, LLAMA, {"dtype": "mixed_bfloat16"}])
def test_step_0_is_the_base(options):
    model = _gpt(**options)
    before = _logits(model)
    count = apply_prefix(model, num_prefix_tokens=20, verbose=False)
    shared = 4 if "num_key_value_heads" in options else 8
    assert count.trainable == 2 * (2 * 20 * shared + 2)
    np.testing.assert_array_equal(_logits(model), before)
    for _, found in adapted_layers(model):
        assert found.parts("default")["keys"].numpy().any()
        assert not found.parts("default")["gate"].numpy().any()
    _disturb(model)
    assert np.abs(_logits(model) - before).max() > 0.01
    use_adapter(model, None)
    np.testing.assert_array_equal(_logits(model), before)


def test_training_lowers_the_loss_and_moves_nothing_frozen():
    model = _gpt(dropout=0.1, remat=True)
    apply_prefix(model, num_prefix_tokens=4, verbose=False)
    before = [variable.numpy() for _, variable in base_variables(model)]
    start = [v.numpy() for _, f in adapted_layers(model) for v in f.weights]
    model.compile(keras.optimizers.Adam(0.05), jit_compile=False)
    first = model.evaluate(_tokens(), verbose=0, return_dict=True)["loss"]
    model.fit(_tokens(), epochs=30, verbose=0)
    assert (
        model.evaluate(_tokens(), verbose=0, return_dict=True)["loss"] < first - 0.005
    )
    for old, (_, new) in zip(before, base_variables(model), strict=True):
        np.testing.assert_array_equal(old, new.numpy())
    end = [v.numpy() for _, f in adapted_layers(model) for v in f.weights]
    assert all((a != b).any() for a, b in zip(start, end, strict=True))


@pytest.mark.parametrize("options", [{}, LLAMA])
def test_writing_with_a_cache_is_reading_anew_for_each_token(options):
    """Past the context, too: what has slid out of sight takes no prefix with it."""
    model = _gpt(**options)
    apply_prefix(model, num_prefix_tokens=5, verbose=False)
    _disturb(model)
    prompts = [[1, 2, 3], [4, 5, 6, 7]]
    written = model.generate_tokens(prompts, temperature=0.0, max_new_tokens=12)
    for prompt, new in zip(prompts, written, strict=True):
        text = list(prompt)
        for token in new:
            start = int(context_start(tf.constant([len(text)]), 8)[0])
            logits = model(np.array([text[start:]], np.int32)).numpy()[0, -1]
            assert logits.max() - logits[token] < 1e-4
            text.append(int(token))
    use_adapter(model, None)
    base = model.generate_tokens(prompts, temperature=0.0, max_new_tokens=12)
    assert any((a != b).any() for a, b in zip(base, written, strict=True))


def test_files_carry_it_beside_others(tmp_path):
    model = _gpt()
    model.save(tmp_path / "base.keras")
    apply_ia3(model, name="ia3", verbose=False)
    apply_prefix(model, num_prefix_tokens=3, name="new", verbose=False)
    _disturb(model, "new")
    alone = _logits(model)
    for _, found in adapted_layers(model):
        if "ia3" in found.options:
            gain = found.parts("ia3")["gain"]
            gain.assign(1.5 * gain)
    use_adapter(model, {"new": 0.5, "ia3": 1.0})
    both = _logits(model)
    assert np.abs(both - alone).max() > 0.001
    model.save(tmp_path / "model.keras")
    loaded = tg.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(_logits(loaded), both)
    path = save_adapter(model, tmp_path / "new.safetensors", name="new")
    base = tg.load_model(tmp_path / "base.keras")
    before = _logits(base)
    assert load_adapter(base, path) == "new"
    np.testing.assert_array_equal(_logits(base), alone)
    remove_adapter(base, "new")
    np.testing.assert_array_equal(_logits(base), before)
    with pytest.raises(ValueError, match="SHA-256"):
        load_adapter(_gpt(seed=1), path)


@pytest.mark.slow
def test_exports_of_one_and_for_each_row(tmp_path):
    model = _gpt(max_sequence_length=16, **{**LLAMA, "sliding_window": 9})
    for length, name in ((2, "one"), (5, "two")):
        apply_prefix(model, num_prefix_tokens=length, name=name, verbose=False)
        _disturb(model, name, seed=length)
    tokens = np.tile(_tokens()[:1, :8], (3, 2))
    given = {
        "tokens": tf.constant(tokens),
        "num_tokens": tf.constant([16, 16, 16]),
    }
    expected = {}
    for name in ("one", None, "two"):
        use_adapter(model, name)
        expected[name] = model.log_probs_of_rows(tokens, np.full(3, 16))
    options = {"signatures": ["score_tokens"], "warmup_batch_sizes": (1,)}
    path = model.export_serving(tmp_path / "lm", **options)
    loaded = tf.saved_model.load(str(path))
    answer = loaded.signatures["score_tokens"](**given)
    np.testing.assert_allclose(answer["log_probs"], expected["two"], atol=1e-4)
    path = export_with_adapters(model, tmp_path / "rows", **options)
    loaded = tf.saved_model.load(str(path))
    answer = loaded.signatures["score_tokens"](**given, adapter=tf.constant([1, 0, 2]))
    for row, name in enumerate(("one", None, "two")):
        np.testing.assert_allclose(
            answer["log_probs"][row], expected[name][row], atol=1e-4
        )


def test_mistakes_are_refused_before_anything_changes():
    with pytest.raises(ConfigError, match="Received: model=Sequential"):
        apply_prefix(keras.Sequential([keras.layers.Dense(2)]), verbose=False)
    model = _gpt()
    for wrong in (0, -1, 2.0, True, "3"):
        with pytest.raises(ConfigError, match="Received: num_prefix_tokens="):
            apply_prefix(model, num_prefix_tokens=wrong, verbose=False)
    assert model.adaptation is None
    apply_prefix(model, name="mine", verbose=False)
    with pytest.raises(ConfigError, match=r"the prefixes \['mine'\]"):
        merge_lora(model)
    with pytest.raises(ValueError, match="name='mine'"):
        apply_prefix(model, name="mine", verbose=False)
