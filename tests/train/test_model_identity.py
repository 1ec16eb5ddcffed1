"""When two models are the same to a checkpoint, and in what words they differ."""

import keras
from tiny_training import compiled_model

import tfgenai as tg
from tfgenai.train.model_identity import differences, identity_of


def custom_gan(units):
    def network(inputs, outputs):
        return keras.Sequential(
            [
                keras.Input(inputs),
                keras.layers.Flatten(),
                keras.layers.Dense(units),
                keras.layers.Dense(outputs),
                *([keras.layers.Reshape((8, 8, 1))] if outputs > 1 else []),
            ]
        )

    gan = tg.GAN(
        latent_dim=4, generator=network((4,), 64), discriminator=network((8, 8, 1), 1)
    )
    gan.compile()
    return gan


def test_names_that_keras_counts_up_do_not_matter():
    first, second = identity_of(custom_gan(3)), identity_of(custom_gan(3))
    assert first == second
    found = differences(identity_of(custom_gan(5)), first)
    assert sorted(words.split()[0] for words in found) == ["discriminator", "generator"]


def test_differences_are_named_and_shortened():
    here = identity_of(compiled_model(units=4, seed=1))
    there = identity_of(compiled_model(units=7, seed=2))
    assert sorted(differences(here, there)) == [
        "seed (2 there, 1 here)",
        "units (7 there, 4 here)",
    ]
    assert differences(here, here) == []
    many = differences({}, {str(i): "x" * 100 for i in range(9)})
    assert len(many) == 6
    assert many[-1] == "and more"
    assert all(len(words) < 100 for words in many)
