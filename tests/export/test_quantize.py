"""8-bit weights: rounding by hand, what is stored, and what is served."""

import keras
import numpy as np
import pytest

import tfgenai as tg
from tfgenai.core import random
from tfgenai.core.errors import ExportError
from tfgenai.export.graph import ServedGraph
from tfgenai.export.quantize import quantize_int8, rounded_weights


def make_model(**options):
    model = tg.VAE((8, 8, 1), 4, hidden_units=(64,), **options)
    model.compile(keras.optimizers.Adam(1e-3))
    return model


@pytest.mark.parametrize("axis", [0, -1])
def test_rounding_is_off_by_half_a_scale_at_most(axis):
    values = random.numpy_generator(0).normal(size=(20, 30)).astype(np.float32)
    values[3], values[:, 5] = 0.0, 0.0
    values[:, 7] *= 1000
    levels, scales = quantize_int8(values, axis)
    assert levels.dtype == np.int8
    assert scales.shape == ((20, 1) if axis == 0 else (1, 30))
    assert abs(levels).max(axis=1 - axis % 2).tolist().count(127) >= 19
    error = abs(levels * scales - values)
    assert (error <= scales * 0.5001).all()
    assert np.isfinite(scales).all()


def test_weights_come_back_also_after_an_error():
    model = make_model(ema_decay=0.9)
    before = [weight.numpy() for weight in model.weights]
    kernels = []

    def fail():
        with rounded_weights(model):
            kernels.append(model.encoder.trainable_variables[0].numpy())
            raise KeyError

    with pytest.raises(KeyError):
        fail()
    assert len(np.unique(kernels[0][:, 0])) <= 255
    assert not np.array_equal(kernels[0], before[0])
    for weight, value in zip(model.weights, before, strict=True):
        np.testing.assert_array_equal(weight.numpy(), value)


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    folder = tmp_path_factory.mktemp("quantized")
    tokenizer = tg.data.tokenizers.ByteTokenizer()
    gpt = tg.GPT(
        tokenizer=tokenizer,
        max_sequence_length=16,
        num_layers=1,
        num_heads=2,
        hidden_dim=64,
        ema_decay=0.9,
    )
    options = {
        "max_prompt_tokens": 8,
        "max_new_tokens": 8,
        "token_buckets": (),
        "signatures": ["generate", "score_tokens"],
        "warmup_batch_sizes": (1,),
    }
    whole = gpt.export_serving(folder / "whole", **options)
    small = gpt.export_serving(folder / "small", quantize="int8", **options)
    return gpt, whole, small


def test_weights_are_a_quarter_as_large(exported):
    _, whole, small = exported
    sizes = [
        sum(value.nbytes for value in ServedGraph(path).weights.values())
        for path in (whole, small)
    ]
    assert 0.25 < sizes[1] / sizes[0] < 0.3
    card = tg.export.read_card(small)
    assert card["weights"]["quantize"] == "int8"
    assert tg.export.read_card(whole)["weights"]["quantize"] is None


@pytest.mark.slow
def test_the_export_is_the_model_with_rounded_weights(exported):
    gpt, _, small = exported
    report = tg.export.verify(small, gpt)
    assert report.ok, str(report)


def test_unknown_names_are_refused(tmp_path):
    with pytest.raises(ExportError, match="int4"):
        make_model().export_serving(tmp_path / "m", quantize="int4")
    assert not list(tmp_path.iterdir())


def test_frozen_weights_are_rounded_too_and_transposed_kernels_by_output():
    model = tg.VAE((8, 8, 1), 4, network="conv")
    decoder = model.decoder
    decoder.trainable = False
    (layer, *_) = (
        layer
        for layer in decoder._flatten_layers()
        if isinstance(layer, keras.layers.Conv2DTranspose)
        and np.prod(layer.kernel.shape) >= 2048
    )
    # (height, width, outputs, inputs): one output is far smaller than the others.
    values = layer.kernel.numpy()
    values[:, :, 0] *= 1e-4
    layer.kernel.assign(values)
    with rounded_weights(model):
        rounded = layer.kernel.numpy()
    assert not np.array_equal(rounded, values)
    np.testing.assert_allclose(
        rounded[:, :, 0], values[:, :, 0], atol=abs(values[:, :, 0]).max() / 250
    )
