"""IA3: the oracle is the base with scaled weights, written by hand in NumPy."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import tfgenai as tg
from tfgenai.core import random
from tfgenai.core.errors import ConfigError
from tfgenai.finetune.adapter_export import export_with_adapters
from tfgenai.finetune.adapter_files import base_hash, load_adapter, save_adapter
from tfgenai.finetune.ia3 import apply_ia3
from tfgenai.finetune.lora import (
    adapted_layers,
    apply_lora,
    merge_lora,
    remove_adapter,
    unmerge_lora,
    use_adapter,
)
from tfgenai.layers.layer_tree import base_variables


def _gpt(**kwargs):
    sizes = {"max_sequence_length": 8, "num_layers": 2, "num_heads": 2, "hidden_dim": 8}
    model = tg.GPT(11, **{**sizes, **kwargs})
    rng = random.numpy_generator(7)
    for path, variable in base_variables(model):
        if path.endswith("bias"):
            variable.assign(0.3 * rng.standard_normal(variable.shape))
        elif path.endswith("kernel"):
            variable.assign(10 * variable)  # so that what they make matters
    return model


def _tokens():
    return random.numpy_generator(0).integers(0, 11, (8, 9)).astype(np.int32)


def _logits(model):
    return model(_tokens()[:, :8]).numpy()


def _disturb(model, name="default", seed=1):
    rng = random.numpy_generator(seed)
    for _, found in adapted_layers(model):
        if name in found.options:
            gain = found.parts(name)["gain"]
            gain.assign(rng.uniform(0.3, 2.5, gain.shape))


def _base(model):
    return [variable.numpy() for _, variable in base_variables(model)]


@pytest.mark.parametrize(
    "options",
    [
        {},
        {
            "norm": "rms",
            "activation": "swiglu",
            "position_embedding": "rotary",
            "num_key_value_heads": 1,
            "use_bias": False,
        },
    ],
)
def test_step_0_is_the_base_and_the_rest_scaled_weights(options):
    model = _gpt(**options)
    before = _logits(model)
    count = apply_ia3(model, verbose=False)
    shared = 4 if "num_key_value_heads" in options else 8
    inner = model.decoder.blocks[0].feed_forward.intermediate_dim
    assert count.trainable == 2 * (2 * shared + inner)
    np.testing.assert_allclose(_logits(model), before, atol=1e-6)
    _disturb(model)
    adapted = _logits(model)
    assert np.abs(adapted - before).max() > 0.05
    plain = _gpt(**options)
    for ours, block in zip(model.decoder.blocks, plain.decoder.blocks, strict=True):
        for name in ("key", "value"):
            l_kv = getattr(ours.attention, name).adapters.parts("default")["gain"]
            layer = getattr(block.attention, name)
            layer.kernel.assign(layer.kernel.numpy() * l_kv.numpy())
            if layer.use_bias:
                layer.bias.assign(layer.bias.numpy() * l_kv.numpy())
        l_ff = ours.feed_forward.contract.adapters.parts("default")["gain"].numpy()
        contract = block.feed_forward.contract
        contract.kernel.assign(l_ff[:, np.newaxis] * contract.kernel.numpy())
    np.testing.assert_allclose(adapted, _logits(plain), atol=1e-5)


def test_weights_weigh_the_distance_from_one_beside_low_rank_adapters():
    model = _gpt()
    apply_lora(model, rank=2, use_dora=True, name="lora", verbose=False)
    for _, found in adapted_layers(model):
        b = found.parts("lora")["b"]
        b.assign(0.2 * random.numpy_generator(2).standard_normal(b.shape))
    apply_ia3(model, name="ia3", verbose=False)
    _disturb(model, "ia3")
    use_adapter(model, {"ia3": 0.5, "lora": 2.0})
    adapted = _logits(model)
    merge_lora(model)
    np.testing.assert_allclose(_logits(model), adapted, atol=1e-5)
    unmerge_lora(model)
    use_adapter(model, {"ia3": 0.5})
    half = _logits(model)
    for _, found in adapted_layers(model):
        if "ia3" in found.options:
            gain = found.parts("ia3")["gain"]
            gain.assign(1 + 0.5 * (gain - 1))
    use_adapter(model, "ia3")
    np.testing.assert_allclose(_logits(model), half, atol=1e-6)


def test_training_lowers_the_loss_and_moves_nothing_frozen():
    model = _gpt()
    apply_ia3(model, verbose=False)
    before = _base(model)
    model.compile(keras.optimizers.Adam(0.05), jit_compile=False)
    losses = model.fit(_tokens(), epochs=25, verbose=0).history["loss"]
    assert losses[-1] < losses[0] - 0.01
    for old, new in zip(before, _base(model), strict=True):
        np.testing.assert_array_equal(old, new)
    gains = [f.parts("default")["gain"].numpy() for _, f in adapted_layers(model)]
    assert len(gains) == 6
    assert all((gain != 1).any() for gain in gains)


def test_unmerging_restores_every_bit_through_files(tmp_path):
    model = _gpt(ema_decay=0.5)
    apply_ia3(model, verbose=False)
    _disturb(model)
    before, plain, adapted = _base(model), base_hash(model), _logits(model)
    kept = merge_lora(model)
    # Of two blocks: keys and values with their biases, and the last layers' kernels.
    assert kept == 2 * 4 * (2 * (64 + 8) + 8 * 32)
    assert base_hash(model) == plain
    np.testing.assert_allclose(_logits(model), adapted, atol=1e-5)
    model.save(tmp_path / "merged.keras")
    for each in (model, tg.load_model(tmp_path / "merged.keras")):
        unmerge_lora(each)
        for old, new in zip(before, _base(each), strict=True):
            np.testing.assert_array_equal(old, new)
        np.testing.assert_array_equal(_logits(each), adapted)


def test_files_carry_it(tmp_path):
    model = _gpt()
    model.save(tmp_path / "base.keras")
    apply_ia3(model, targets=("key", "contract"), name="new", verbose=False)
    _disturb(model, "new")
    adapted = _logits(model)
    model.save(tmp_path / "model.keras")
    loaded = tg.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(_logits(loaded), adapted)
    path = save_adapter(model, tmp_path / "new.safetensors", name="new")
    base = tg.load_model(tmp_path / "base.keras")
    before = _logits(base)
    assert load_adapter(base, path) == "new"
    np.testing.assert_array_equal(_logits(base), adapted)
    remove_adapter(base, "new")
    np.testing.assert_array_equal(_logits(base), before)
    with pytest.raises(ValueError, match="SHA-256"):
        load_adapter(tg.GPT(11, num_layers=2, num_heads=2, hidden_dim=8), path)


@pytest.mark.slow
def test_rows_of_one_export_have_their_own(tmp_path):
    model = _gpt(max_sequence_length=16)
    apply_ia3(model, name="one", verbose=False)
    apply_lora(model, rank=2, name="two", verbose=False)
    _disturb(model, "one")
    for _, found in adapted_layers(model):
        if "two" in found.options:
            b = found.parts("two")["b"]
            b.assign(0.3 * random.numpy_generator(2).standard_normal(b.shape))
    path = export_with_adapters(
        model,
        tmp_path / "lm",
        adapters=["one", "two"],
        signatures=["score_tokens"],
        warmup_batch_sizes=(1,),
    )
    loaded = tf.saved_model.load(str(path))
    tokens = np.tile(_tokens()[:1, :8], (3, 2))
    answer = loaded.signatures["score_tokens"](
        tokens=tf.constant(tokens),
        num_tokens=tf.constant([16, 16, 16]),
        adapter=tf.constant([1, 0, 2]),
    )
    for row, name in enumerate(("one", None, "two")):
        use_adapter(model, name)
        expected = model.log_probs_of_rows(tokens, np.full(3, 16))[row]
        np.testing.assert_allclose(answer["log_probs"][row], expected, atol=1e-4)


def test_mistakes_are_refused_before_anything_changes():
    vae = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)])
    with pytest.raises(ConfigError, match="Received: model=Sequential"):
        apply_ia3(vae, verbose=False)
    model = _gpt()
    for wrong, words in (
        ({"targets": "query"}, "pattern='query'"),
        ({"name": "a b"}, "name='a b'"),
    ):
        with pytest.raises(ValueError, match=words):
            apply_ia3(model, verbose=False, **wrong)
    assert model.adaptation is None
