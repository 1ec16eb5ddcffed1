"""DiffusionModel: it learns, drops conditions, measures, is saved, and refuses."""

import json

import keras
import numpy as np
import pytest
import tensorflow as tf
from exact_models import SMALL, GaussianModel, small_model

import tfgenai
from tfgenai.core import random
from tfgenai.diffusion import (
    DDIM,
    MLP,
    Cosine,
    DiffusionModel,
    MinSNR,
    Velocity,
)

MEAN, STD = np.array([0.5, -1.0]), np.array([0.4, 0.8])


def toy_data(n=512):
    """Two clusters and their labels."""
    generator = random.numpy_generator(5)
    y = generator.integers(0, 2, n)
    x = np.where(y[:, None] == 1, 0.8, -0.8) + 0.1 * generator.normal(size=(n, 2))
    return x.astype(np.float32), y.astype(np.int32)


def toy_model(**options):
    return DiffusionModel(data_shape=(2,), network_options=SMALL, **options)


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"prediction_type": "epsilon", "num_timesteps": 100},
        {"noise_schedule": "rectified_flow"},
        {"noise_schedule": "karras", "self_conditioning": True},
    ],
)
def test_training_beats_the_zero_predictor(options):
    x, _ = toy_data()
    model = toy_model(**options)
    model.compile(keras.optimizers.Adam(3e-3), jit_compile=False)
    before = model.evaluate(x, batch_size=128, return_dict=True, verbose=0)
    # Weights are new, so the network answers zero: what follows has to beat that.
    history = model.fit(x, batch_size=128, epochs=15, verbose=0)
    after = model.evaluate(x, batch_size=128, return_dict=True, verbose=0)
    assert history.history["loss"][-1] < 0.8 * before["loss"]
    assert after["loss"] < 0.8 * before["loss"]
    assert after["bits_per_dim"] < before["bits_per_dim"]


def test_samples_of_a_trained_model_follow_their_labels():
    x, y = toy_data()
    model = toy_model(num_classes=2, condition_dropout=0.1)
    model.compile(keras.optimizers.Adam(3e-3), jit_compile=False)
    model.fit(x, y, batch_size=128, epochs=40, verbose=0)
    samples = model.generate(40, labels=np.arange(40) % 2, num_steps=20)
    assert (np.sign(samples.mean(1)) == np.where(np.arange(40) % 2, 1, -1)).mean() > 0.9


def losses(model, x, y=None, sample_weight=None, *, training=True, seed=0):
    return model.compute_losses(
        tf.constant(x),
        None if y is None else tf.constant(y),
        sample_weight,
        seed=random.step_seed(seed, 0),
        training=training,
    )


def test_the_loss_is_that_of_its_definition():
    # The exact answers of data without variance: no error at any level.
    x, _ = toy_data(64)
    same = np.tile(MEAN, (64, 1)).astype(np.float32)
    assert float(losses(GaussianModel(MEAN, [1e-6, 1e-6]), same)["loss"]) < 1e-8
    # An answer of zero to data: their mean square.
    zero = toy_model(prediction_type="x0")
    np.testing.assert_allclose(losses(zero, x)["loss"], np.mean(x**2), rtol=1e-5)


def test_sample_weight_multiplies_each_examples_loss():
    x, _ = toy_data(32)
    model = small_model(prediction_type="x0")
    whole = losses(model, x)["loss"]
    twice = losses(model, x, sample_weight=2.0 * np.ones(32))["loss"]
    np.testing.assert_allclose(twice, 2.0 * whole, rtol=1e-5)
    mask = np.arange(32) < 16
    first = losses(model, x, sample_weight=mask.astype(np.float32))["loss"]
    second = losses(model, x, sample_weight=(~mask).astype(np.float32))["loss"]
    np.testing.assert_allclose(first + second, whole, rtol=1e-5)
    moved = np.where(mask[:, None], x, 100.0).astype(np.float32)
    np.testing.assert_allclose(
        losses(model, moved, sample_weight=mask.astype(np.float32))["loss"], first
    )


class KeptSpy(DiffusionModel):
    def predict_output(self, x, level, rows, kept, previous, **kwargs):
        self.__dict__.setdefault("spied", []).append((kept.numpy(), previous.numpy()))
        return super().predict_output(x, level, rows, kept, previous, **kwargs)


def test_conditions_are_dropped_in_training_only():
    x, y = toy_data(2000)
    model = KeptSpy(
        data_shape=(2,), network_options=SMALL, num_classes=2, condition_dropout=0.3
    )
    losses(model, x, y)
    losses(model, x, y, seed=1)
    first, second = (kept for kept, _ in model.spied)
    for kept in (first, second):
        assert abs(np.mean(~kept) - 0.3) < 0.05
    assert (first != second).any()
    model.spied.clear()
    losses(model, x, y, training=False)
    assert all(kept.all() for kept, _ in model.spied)


def test_dropped_rows_do_not_see_their_label():
    model = small_model(num_classes=3, condition_dropout=0.1)
    x = tf.ones((3, 2))
    level = model.schedule.level(tf.fill((3,), 0.5))
    labels = {"labels": tf.constant([0, 1, 2])}
    answers = [
        model.predict_output(x, level, labels, tf.fill((3,), kept), tf.zeros_like(x))
        for kept in (True, False)
    ]
    assert np.ptp(answers[0], axis=0).min() > 1e-3
    np.testing.assert_array_equal(np.ptp(answers[1], axis=0), 0.0)


def test_half_of_the_steps_see_the_networks_own_estimate():
    x, _ = toy_data(8)
    model = KeptSpy(data_shape=(2,), network_options=SMALL, self_conditioning=True)
    for variable in model.trainable_variables:
        variable.assign(variable + 0.1)
    seen = []
    for seed in range(40):
        model.spied = []
        losses(model, x, seed=seed)
        # With the estimate there are two calls, the first of them without one.
        assert (model.spied[0][1] == 0.0).all() or len(model.spied) == 1
        seen.append((model.spied[-1][1] != 0.0).all())
        assert len(model.spied) == 1 + seen[-1]
    assert 8 <= sum(seen) <= 32


def test_the_bound_is_measured_in_evaluation_only():
    x, _ = toy_data(64)
    model = toy_model()
    model.compile(jit_compile=False)
    history = model.fit(x, batch_size=32, validation_data=(x, None), verbose=0).history
    assert set(history) == {"loss", "val_loss", "val_elbo", "val_bits_per_dim"}
    figures = model.evaluate(x, batch_size=32, return_dict=True, verbose=0)
    assert set(figures) == {"loss", "elbo", "bits_per_dim"}
    np.testing.assert_allclose(
        figures["bits_per_dim"], -figures["elbo"] / (2 * np.log(2)), rtol=1e-5
    )
    again = model.evaluate(x, batch_size=32, return_dict=True, verbose=0)
    assert again == figures


def test_the_bound_of_the_exact_model_is_the_entropy():
    # In continuous time the bound of the true posterior means is tight.
    n = 40000
    noise = random.numpy_generator(1).normal(size=(n, 2))
    x = (MEAN + STD * noise).astype(np.float32)
    elbo = float(losses(GaussianModel(MEAN, STD), x, training=False)["elbo"])
    log_density = -0.5 * noise**2 - np.log(STD) - 0.5 * np.log(2 * np.pi)
    assert abs(elbo - log_density.sum(1).mean()) < 0.15


CONFIGS = [
    {"data_shape": (2,), "network_options": SMALL},
    {
        "data_shape": (2,),
        "network_options": SMALL,
        "num_classes": 3,
        "vector_dim": 4,
        "condition_dropout": 0.1,
        "guidance_scale": 2.0,
        "noise_schedule": Cosine(num_timesteps=50),
        "prediction_type": Velocity(),
        "loss_weighting": MinSNR(gamma=3.0),
        "sampler": DDIM(7, eta=0.5),
        "self_conditioning": True,
        "ema_decay": 0.9,
        "seed": 3,
    },
    {"data_shape": (2,), "network": MLP},
    {
        "image_shape": (4, 4, 1),
        "network": "mlp",
        "noise_schedule": "linear",
        "num_timesteps": 100,
        "zero_terminal_snr": True,
        "thresholding": "dynamic",
        "num_pixel_levels": 16,
    },
]


def make(options):
    """A model; where a network of one's own is asked for, each has a new one."""
    if options.get("network") is MLP:
        options = options | {"network": MLP((2,), **SMALL)}
    return DiffusionModel(**options)


@pytest.mark.parametrize("options", CONFIGS)
def test_the_config_makes_the_model_again(options):
    model = make(options)
    config = model.get_config()
    again = DiffusionModel.from_config(json.loads(json.dumps(config)))
    assert again.get_config() == config
    for a, b in zip(model.weights, again.weights, strict=True):
        np.testing.assert_array_equal(a.value, b.value)


@pytest.mark.parametrize("options", CONFIGS[1:3])
def test_a_saved_model_is_the_model(options, tmp_path):
    model = make(options)
    for variable in model.trainable_variables:
        variable.assign(variable + 0.05)
    model.save(tmp_path / "model.keras")
    loaded = tfgenai.load_model(tmp_path / "model.keras")
    conditions = {"labels": 1, "vector": np.ones(4)} if "num_classes" in options else {}
    np.testing.assert_array_equal(
        loaded.generate(3, seed=1, num_steps=3, **conditions),
        model.generate(3, seed=1, num_steps=3, **conditions),
    )


def test_several_conditions_are_named():
    model = toy_model(num_classes=2, vector_dim=3)
    x, y = toy_data(8)
    rows = {"labels": y, "vector": np.ones((8, 3), np.float32)}

    def loss(rows):
        return model.compute_losses(
            tf.constant(x), rows, None, seed=random.step_seed(0, 0), training=True
        )["loss"]

    assert np.isfinite(loss(rows))
    with pytest.raises(ValueError, match="Add 'vector'"):
        loss({"labels": y})
    with pytest.raises(ValueError, match="dictionary"):
        loss(y)
    with pytest.raises(ValueError, match="labels and vector"):
        loss(None)
    with pytest.raises(TypeError, match="argmax"):
        loss(rows | {"labels": np.eye(2, dtype=np.float32)[y]})


@pytest.mark.parametrize(
    ("options", "match"),
    [
        (
            {"prediction_type": "epsilon", "zero_terminal_snr": True},
            "epsilon.*zero_terminal_snr=True.*Use.*velocity",
        ),
        (
            {"prediction_type": "epsilon", "noise_schedule": "rectified_flow"},
            "pure noise.*velocity",
        ),
        ({"noise_schedule": "karras", "zero_terminal_snr": True}, "cosine"),
        ({"prediction_type": "flow"}, "rectified_flow.*Cosine"),
        ({"loss_weighting": "logit_normal"}, "rectified_flow.*Cosine"),
        ({"num_timesteps": 20, "sampler": DDIM(21)}, "20 steps.*num_steps=21"),
        ({"num_timesteps": 1}, "num_timesteps=1"),
        ({"sampler": "flow_heun"}, "flow"),
        ({"noise_schedule": Cosine(), "num_timesteps": 50}, "constructor"),
        ({"guidance_scale": 2.0}, "condition_dropout=0.1"),
        ({"guidance_scale": 2.0, "num_classes": 3}, "condition_dropout=0.1"),
        ({"condition_dropout": 0.1}, "num_classes, vector_dim or context_shape"),
        ({"condition_dropout": 1.0, "num_classes": 3}, "condition_dropout=1.0"),
        ({"num_classes": 0}, "num_classes=0"),
        ({"thresholding": "hard"}, "thresholding='hard'"),
        ({"image_shape": (4, 4, 1)}, "Either"),
        ({"data_shape": None}, "Either"),
        ({"data_shape": (0,)}, "Positive"),
        ({"network": "mlps"}, "Did you mean 'mlp'"),
        ({"network": MLP((2,), **SMALL)}, "Options of a network that is named"),
        ({"context_shape": (4, 8)}, "unet.*dit"),
        ({"num_pixel_levels": 1}, "num_pixel_levels=1"),
        ({"ema_decay": 1.5}, "ema_decay"),
    ],
)
def test_refusals(options, match):
    with pytest.raises(ValueError, match=match):
        DiffusionModel(**{"data_shape": (2,), "network_options": SMALL} | options)


def test_a_size_that_the_network_cannot_halve_is_refused():
    options = {"channels": (4, 4, 4)}
    with pytest.raises(ValueError, match=r"30.*"):
        DiffusionModel((30, 30, 1), network="unet", network_options=options)


def test_a_network_of_the_wrong_kind_or_output_is_refused():
    with pytest.raises(TypeError, match="Keras model with call"):
        DiffusionModel(data_shape=(2,), network=np.tanh)
    with pytest.raises(ValueError, match="out_channels"):
        DiffusionModel(data_shape=(2,), network=MLP((2,), out_channels=4, **SMALL))


def test_batches_are_checked():
    model = toy_model()
    with pytest.raises(TypeError, match=r"127\.5"):
        losses(model, np.zeros((4, 2), np.int32))
    with pytest.raises(ValueError, match=r"\(2,\)"):
        losses(model, np.zeros((4, 3), np.float32))
