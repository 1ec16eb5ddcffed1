"""New classes: their rows train, and nothing else moves by a single bit."""

import keras
import numpy as np
import pytest
from tiny_images import diffusion, gan, pictures, points

import tfgenai as tg
from tfgenai.finetune.freeze import unfreeze
from tfgenai.finetune.images import add_classes
from tfgenai.finetune.lora import apply_lora


def trained_diffusion(**options):
    model = diffusion(ema_decay=0.9, condition_dropout=0.2, **options)
    model.compile(keras.optimizers.Adam(1e-2), jit_compile=False)
    model.fit(points(1).repeat(5), verbose=0)
    return model


def snapshot(model):
    return {
        variable.path: variable.numpy()
        for variable in model.weights
        if "step" not in variable.name
    }


def fit(model, data, steps=5):
    optimizer = keras.optimizers.AdamW(1e-2, weight_decay=0.5)
    others = (
        {"discriminator_optimizer": keras.optimizers.AdamW(1e-2, weight_decay=0.5)}
        if isinstance(model, tg.GAN)
        else {}
    )
    model.compile(optimizer, jit_compile=False, **others)
    model.fit(data.repeat(steps), verbose=0)


@pytest.mark.parametrize("old_label", [False, True])
def test_only_the_new_row_moves_even_under_weight_decay(old_label):
    model = trained_diffusion()
    grown = add_classes(model)
    before = snapshot(grown)
    data = points(3)
    if old_label:  # whose gradient would move its row
        data = data.concatenate(points(1))
    fit(grown, data)
    moved = {path for path, v in snapshot(grown).items() if (v != before[path]).any()}
    table = grown.embedding.label_embedding
    shadow = next(s for w, s in grown.ema.pairs if w is table)
    assert moved == {table.path, shadow.path}
    for variable in (table, shadow):
        rows = (variable.numpy() != before[variable.path]).any(axis=1)
        assert rows.tolist() == [False, False, False, True, False]


def test_old_classes_give_the_same_samples_to_the_bit():
    model = trained_diffusion()
    grown = add_classes(model, 2)
    fit(grown, points(4))
    kwargs = {"labels": [0, 1, 2], "seed": 4, "num_steps": 3, "guidance_scale": 2.0}
    np.testing.assert_array_equal(
        model.generate(3, **kwargs), grown.generate(3, **kwargs)
    )


@pytest.mark.parametrize(("init", "expected"), [("mean", None), (2, 2)])
def test_new_rows_stand_before_that_of_no_label_and_start_as_asked(init, expected):
    model = trained_diffusion()
    average = next(
        s for w, s in model.ema.pairs if w is model.embedding.label_embedding
    ).numpy()
    table = add_classes(model, 2, init=init).embedding.label_embedding.numpy()
    row = average[:3].mean(axis=0) if expected is None else average[expected]
    np.testing.assert_array_equal(table[:3], average[:3])
    np.testing.assert_allclose(table[3:5], np.stack([row, row]), rtol=1e-6)
    np.testing.assert_array_equal(table[5], average[3])


def test_the_given_model_stays_and_the_new_one_counts_anew():
    model = trained_diffusion()
    before = snapshot(model)
    grown = add_classes(model)
    assert all((v == before[path]).all() for path, v in snapshot(model).items())
    assert model.num_classes == 3
    assert grown.num_classes == 4
    assert int(grown.step.numpy()) == 0
    assert model.trainable_variables[0].trainable


def test_an_adapter_trains_beside_the_token_and_old_rows_stay():
    grown = add_classes(trained_diffusion())
    apply_lora(grown, rank=2, verbose=False)
    unfreeze(grown, "label_embedding", verbose=False)
    table = grown.embedding.label_embedding
    before, kernels = table.numpy(), snapshot(grown.network)
    fit(grown, points(1).concatenate(points(3)))
    rows = (table.numpy() != before).any(axis=1)
    assert rows.tolist() == [False, False, False, True, False]
    after = snapshot(grown.network)
    moved = [path for path, value in after.items() if (value != kernels[path]).any()]
    assert moved
    assert all("kernel" not in path for path in moved)


@pytest.mark.slow
def test_the_new_model_is_one_like_any_other(tmp_path):
    grown = add_classes(trained_diffusion())
    fit(grown, points(3))
    kwargs = {"labels": [3, 0], "seed": 1, "num_steps": 2}
    samples = grown.generate(2, **kwargs)
    grown.save(tmp_path / "m.keras")
    loaded = tg.load_model(tmp_path / "m.keras")
    np.testing.assert_array_equal(loaded.generate(2, **kwargs), samples)
    grown.save_to_preset(tmp_path / "preset")
    preset = tg.DiffusionModel.from_preset(tmp_path / "preset")
    np.testing.assert_array_equal(preset.generate(2, **kwargs), samples)
    folder = grown.export_serving(tmp_path / "served")
    assert (folder / "saved_model.pb").is_file()
    # and it grows again
    assert add_classes(loaded).num_classes == 5


@pytest.mark.parametrize("run_eagerly", [False, True])
def test_a_loaded_model_keeps_the_old_rows(tmp_path, run_eagerly):
    grown = add_classes(trained_diffusion())
    grown.save(tmp_path / "grown.keras")
    loaded = tg.load_model(tmp_path / "grown.keras")
    table = loaded.embedding.label_embedding
    before = table.numpy()
    np.testing.assert_array_equal(before, grown.embedding.label_embedding)
    optimizer = keras.optimizers.AdamW(1e-2, weight_decay=0.5)
    loaded.compile(optimizer, jit_compile=False, run_eagerly=run_eagerly)
    loaded.fit(points(3).concatenate(points(1)), verbose=0)
    rows = (table.numpy() != before).any(axis=1)
    assert rows.tolist() == [False, False, False, True, False]


def test_a_gan_learns_a_row_in_each_network_and_nothing_else():
    model = gan(network="dcgan", dropout=0.2, ema_decay=0.9)
    model.compile(jit_compile=False)
    model.fit(pictures(1).repeat(3), verbose=0)
    grown = add_classes(model)
    before = snapshot(grown)
    kwargs = {"labels": [0, 1, 2], "seed": 4}
    old = model.generate(3, **kwargs)
    np.testing.assert_array_equal(grown.generate(3, **kwargs), old)
    fit(grown, pictures(3).concatenate(pictures(1)))
    tables = []
    for path, value in snapshot(grown).items():
        rows = (value != before[path]).reshape(len(np.atleast_1d(value)), -1)
        if rows.any() and "gradient_norms" not in path:
            assert rows.any(axis=1).tolist() == [False, False, False, True]
            tables.append(path)
    assert len(tables) == 3  # of generator, its average, and discriminator
    np.testing.assert_array_equal(grown.generate(3, **kwargs), old)


def test_a_latent_diffusion_grows_over_the_same_autoencoder():
    model = tg.LatentDiffusion(tg.VAE((8, 8, 1), 4), num_classes=3)
    grown = add_classes(model)
    kwargs = {"labels": [0, 2], "seed": 4, "num_steps": 2}
    np.testing.assert_array_equal(
        grown.generate(2, **kwargs), model.generate(2, **kwargs)
    )
    assert [tuple(v.shape) for v in grown.trainable_variables] == [(5, 128)]


def test_a_spectrally_normalised_embedding_grows_too():
    critic = tg.gan.networks.mlp_discriminator(
        (8, 8, 1), num_classes=3, spectral_normalization=True
    )
    model = gan(discriminator=critic)
    grown = add_classes(model)
    fit(grown, pictures(3))
    shapes = [tuple(v.shape) for v in grown.discriminator.trainable_variables]
    assert shapes == [(4, 256)]
    assert grown.generate(2, labels=[3, 1], seed=0).shape == (2, 8, 8, 1)


@pytest.mark.parametrize(
    ("make", "options", "error", "words"),
    [
        (lambda: diffusion(None), {}, ValueError, "num_classes=None"),
        (diffusion, {"init": 3}, ValueError, "init=3"),
        (diffusion, {"init": "random"}, ValueError, "init='random'"),
        (diffusion, {"init": True}, ValueError, "init=True"),
        (diffusion, {"num_new": 0}, ValueError, "num_new=0"),
        (lambda: tg.VAE((8, 8, 1), 2, num_classes=3), {}, TypeError, "VAE"),
    ],
)
def test_bad_input_is_refused(make, options, error, words):
    with pytest.raises(error, match=words):
        add_classes(make(), **options)


def test_adapters_come_after_classes():
    model = diffusion()
    apply_lora(model, rank=1, verbose=False)
    with pytest.raises(ValueError, match="without adapters"):
        add_classes(model)


def test_a_network_without_an_embedding_of_labels_is_refused():
    z, labels = keras.Input((4,)), keras.Input((), dtype="int32")
    coded = keras.layers.CategoryEncoding(3, output_mode="one_hot")(labels)
    x = keras.layers.Concatenate()([z, coded])
    images = keras.layers.Reshape((8, 8, 1))(keras.layers.Dense(64)(x))
    generator = keras.Model([z, labels], images)
    model = tg.GAN((8, 8, 1), 4, generator=generator, num_classes=3, network="mlp")
    with pytest.raises(ValueError, match=r"keras\.layers\.Embedding"):
        add_classes(model)
