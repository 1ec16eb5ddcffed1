"""One export, many adapters: each row answers as the model with its adapter alone."""

import numpy as np
import pytest
import tensorflow as tf

import tfgenai as tg
from tfgenai.core import random
from tfgenai.finetune.adapter_export import export_with_adapters
from tfgenai.finetune.lora import adapted_layers, apply_lora, merge_lora, use_adapter

pytestmark = pytest.mark.slow


def _with_two(model, **options):
    rng = random.numpy_generator(1)
    for name, rank in (("one", 2), ("two", 3)):
        apply_lora(model, rank=rank, name=name, verbose=False, **options)
    for _, found in adapted_layers(model):
        for name in found.options:
            b = found.parts(name)["b"]
            b.assign(0.3 * rng.standard_normal(b.shape))
    return model


def _generated(model, adapters, **arguments):
    """Each row as the model writes it with its own adapter, in a batch of one kind."""
    samples = {}
    for adapter in (None, "one", "two"):
        use_adapter(model, adapter)
        samples[adapter] = model.generate(**arguments)
    names = [None, "one", "two"]
    return [samples[names[number]][row] for row, number in enumerate(adapters)]


def _endpoint(path, name):
    loaded = tf.saved_model.load(str(path))
    return loaded, loaded.signatures[name]


def test_texts_of_rows_with_different_adapters(tmp_path):
    model = _with_two(
        tg.GPT(
            tokenizer=tg.data.tokenizers.ByteTokenizer(),
            max_sequence_length=32,
            num_layers=2,
            num_heads=2,
            hidden_dim=16,
        ),
        use_dora=True,
    )
    path = export_with_adapters(
        model,
        tmp_path / "lm",
        serving_options={"max_prompt_tokens": 8, "max_new_tokens": 12},
        warmup_batch_sizes=(1,),
    )
    _, generate = _endpoint(path, "generate")
    prompts, adapters = ["To be", "that", "is", "x"], [1, 0, 2, 1]
    given = {
        "prompts": tf.constant(prompts),
        "seed": tf.range(4, dtype=tf.int64),
    }
    answer = generate(**given, adapter=tf.constant(adapters))
    expected = _generated(
        model, adapters, prompts=prompts, seed=list(range(4)), max_new_tokens=12
    )
    assert [text.decode() for text in answer["texts"].numpy()] == expected
    assert len(set(_generated(model, [0, 1, 2], prompts=["To"] * 3, seed=[1] * 3))) == 3
    # A number that is no adapter's is an error of its row alone.
    bad = generate(**given, adapter=tf.constant([1, 3, -1, -2]))
    assert [bool(error) for error in bad["error"].numpy()] == [False, True, False, True]
    assert b"adapter" in bad["error"].numpy()[1]
    assert bad["texts"].numpy()[0].decode() == expected[0]
    _, chunk = _endpoint(path, "decode_chunk")
    assert "adapter" in chunk.structured_input_signature[1]


def test_images_with_guidance_and_different_adapters(tmp_path):
    model = _with_two(
        tg.DiffusionModel(
            image_shape=(8, 8, 1),
            num_classes=3,
            condition_dropout=0.1,
            network_options={"channels": (8, 16), "num_blocks": 1},
            num_timesteps=20,
        )
    )
    sampler = {"sampler": tg.diffusion.DDIM(num_steps=3)}
    path = export_with_adapters(
        model, tmp_path / "digits", serving_options=sampler, warmup_batch_sizes=(1,)
    )
    _, generate = _endpoint(path, "generate_advanced")
    adapters, labels, seeds = [2, 0, 1, 2], [0, 1, 2, 1], [5, 6, 7, 8]
    specs = generate.structured_input_signature[1]
    unset = {
        name: tf.cast(tf.fill((4,), np.nan if s.dtype.is_floating else -1), s.dtype)
        for name, s in specs.items()
    }
    answer = generate(
        **{
            **unset,
            "seed": tf.constant(seeds, tf.int64),
            "labels": tf.constant(labels),
            "adapter": tf.constant(adapters),
            "guidance_scale": tf.constant([3.0, 1.0, 2.0, 1.0]),
        }
    )
    assert not any(answer["error"].numpy())
    expected = _generated(
        model,
        adapters,
        n=4,
        labels=labels,
        seed=seeds,
        guidance_scale=[3.0, 1.0, 2.0, 1.0],
        **sampler,
    )
    np.testing.assert_allclose(answer["images"], expected, atol=1e-4)


def test_the_export_passes_its_verification_in_a_session(tmp_path):
    model = _with_two(tg.GAN((8, 8, 1), 4))
    export_with_adapters(model, tmp_path / "gan", warmup_batch_sizes=(1,))
    report = tg.export.verify(tmp_path / "gan")
    assert [check for check in report.checks if not check.ok] == []


def test_mistakes_leave_no_folder(tmp_path):
    model = tg.GPT(11, max_sequence_length=8, num_layers=1, num_heads=2, hidden_dim=8)
    with pytest.raises(ValueError, match="apply_lora"):
        export_with_adapters(model, tmp_path / "lm")
    apply_lora(model, rank=1, verbose=False)
    with pytest.raises(ValueError, match="'other'"):
        export_with_adapters(model, tmp_path / "lm", adapters=["other"])
    merge_lora(model)
    with pytest.raises(ValueError, match="unmerge_lora first"):
        export_with_adapters(model, tmp_path / "lm")
    assert not (tmp_path / "lm").exists()
