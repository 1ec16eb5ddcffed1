"""Freeze-D: the discriminator's first layers stay, all else goes on learning."""

import numpy as np
import pytest
from tiny_images import diffusion, gan, pictures

from tfgenai.finetune.images import freeze_discriminator


def weights_of(network):
    return {
        layer.name: [w.numpy() for w in layer.trainable_weights]
        for layer in network.layers
        if layer.weights
    }


def test_the_first_layers_stay_bit_for_bit_and_the_others_move():
    model = gan(network="dcgan")
    model.compile(jit_compile=False)
    model.fit(pictures(1), verbose=0)
    first = next(layer for layer in model.discriminator.layers if layer.weights)
    kept = [w.numpy() for w in first.weights]
    assert freeze_discriminator(model, 1) == [first.name]
    before = weights_of(model.discriminator), weights_of(model.generator)
    with pytest.raises(ValueError, match="compile"):
        model.fit(pictures(1), verbose=0)
    model.compile(jit_compile=False)
    model.fit(pictures(1).repeat(3), verbose=0)
    for old, new in zip(kept, first.weights, strict=True):
        np.testing.assert_array_equal(new.numpy(), old)
    after = weights_of(model.discriminator), weights_of(model.generator)
    for old, new in zip(before, after, strict=True):
        for name in old.keys() - {first.name}:
            assert any(
                (a != b).any() for a, b in zip(old[name], new[name], strict=True)
            )


def test_layers_are_counted_from_the_image_on_and_the_label_is_no_layer_of_it():
    model = gan(network="mlp")  # three Dense layers and an Embedding
    names = freeze_discriminator(model, 2)
    units = [model.discriminator.get_layer(name).units for name in names]
    assert units == [512, 256]
    left = {tuple(v.shape) for v in model.discriminator.trainable_variables}
    assert left == {(256, 1), (1,), (3, 256)}


@pytest.mark.parametrize("num_layers", [0, 3, -1, 1.0, True])
def test_one_layer_at_least_is_frozen_and_one_trains(num_layers):
    with pytest.raises(ValueError, match=r"from 1 to 2 .*num_layers="):
        freeze_discriminator(gan(network="mlp"), num_layers)


def test_another_model_is_refused():
    with pytest.raises(TypeError, match="DiffusionModel"):
        freeze_discriminator(diffusion(), 1)
