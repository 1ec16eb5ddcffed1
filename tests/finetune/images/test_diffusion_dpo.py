"""Diffusion-DPO: equation 14 from its four errors, and a reward that rises."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from scipy.special import expit
from tiny_images import diffusion, gan

from tfgenai.core import random
from tfgenai.core.copies import copy_of
from tfgenai.diffusion.levels import Level
from tfgenai.finetune.images import DiffusionDPO
from tfgenai.finetune.images.diffusion_dpo import denoising_errors
from tfgenai.finetune.lora import apply_lora

SEED = random.step_seed(3, 0)


def pairs(n=8, dim=2):
    generator = random.numpy_generator(2)
    return tuple(
        tf.constant(generator.normal(size=(n, dim)).astype(np.float32))
        for _ in range(2)
    )


def labels(n=8):
    return tf.constant(np.arange(n) % 3, tf.int32)


@keras.saving.register_keras_serializable("dpo_tests")
class Recorder(keras.Model):
    """Answers `gain` times its input, and keeps what it was asked."""

    def __init__(self, gain=0.3, name=None, dtype=None):
        super().__init__(name=name, dtype=dtype)
        self.gain = self.add_weight(name="gain", shape=(), initializer="zeros")
        self.gain.assign(gain)
        self.asked = []
        self.built = True

    def call(self, x, time, condition=None, context=None, training=False):
        self.asked.append((x, time, condition, training))
        return self.gain * x

    def get_config(self):
        return {"name": self.name}


def recorded(**options):
    model = diffusion(
        network=Recorder(),
        network_options=None,
        noise_schedule="cosine",
        prediction_type="epsilon",
        loss_weighting="uniform",
        **options,
    )
    dpo = DiffusionDPO(model, beta=20.0)
    dpo.model.network.asked.clear()
    dpo.reference.network.asked.clear()
    dpo.reference.network.gain.assign(0.3)
    return dpo


def losses_of(dpo, *, weight=None, seed=SEED):
    found = dpo.compute_losses(pairs(), labels(), weight, seed=seed, training=True)
    return {name: float(value) for name, value in found.items()}


@pytest.mark.parametrize("weighted", [False, True])
def test_the_loss_is_equation_14_of_the_four_errors(weighted):
    dpo = recorded()
    dpo.model.network.gain.assign(0.9)
    weight = np.linspace(0.0, 2.0, 8).astype(np.float32) if weighted else None
    found = losses_of(dpo, weight=weight)
    # What both networks were given, and with it everything in NumPy.
    ((x, _, _, _),) = dpo.model.network.asked
    ((x_reference, _, _, _),) = dpo.reference.network.asked
    np.testing.assert_array_equal(x, x_reference)
    noisy = np.asarray(x, np.float64)
    chosen, rejected = (np.asarray(part, np.float64) for part in pairs())
    # x_t = alpha x + sigma noise for both pictures: their difference gives alpha, and
    # alpha² + sigma² = 1 the noise, which must be one and the same.
    difference = noisy[:8] - noisy[8:]
    alpha = (difference / (chosen - rejected)).mean(axis=1, keepdims=True)
    sigma = np.sqrt(1.0 - alpha**2)
    noise = (noisy[:8] - alpha * chosen) / sigma
    np.testing.assert_allclose(noisy[8:], alpha * rejected + sigma * noise, atol=1e-5)
    both = np.concatenate([noise, noise])
    error = ((0.9 * noisy - both) ** 2).mean(axis=1)
    error_reference = ((0.3 * noisy - both) ** 2).mean(axis=1)
    gain = error - error_reference
    rows = -np.log(expit(-20.0 * (gain[:8] - gain[8:])))
    expected = (rows * (1.0 if weight is None else weight)).mean()
    np.testing.assert_allclose(found["loss"], expected, rtol=1e-4)
    np.testing.assert_allclose(found["accuracy"], (gain[:8] < gain[8:]).mean())


def test_times_and_conditions_are_alike_for_all_four():
    dpo = recorded(condition_dropout=0.5)
    losses_of(dpo)
    ((_, time, condition, training),) = dpo.model.network.asked
    ((_, time_2, condition_2, training_2),) = dpo.reference.network.asked
    for value, other in ((time, time_2), (condition, condition_2)):
        np.testing.assert_array_equal(value, other)
        np.testing.assert_array_equal(value[:8], value[8:])
    assert training
    assert not training_2
    table = dpo.model.embedding.label_embedding.numpy()
    dropped = (np.asarray(condition[:8]) == table[3]).all(axis=1)
    assert 0 < dropped.sum() < 8


def test_errors_are_what_the_model_minimises():
    model = diffusion(noise_schedule="cosine", loss_weighting="min_snr")
    x, rows = pairs()[0], {"labels": labels()}
    found = model.compute_losses(x, labels(), None, seed=SEED, training=True)["loss"]
    u = random.uniform(random.fold(SEED, 1), (8,))
    level = model.schedule.level(model.weighting.times(u, model.schedule))
    noise = random.normal(random.fold(SEED, 2), (8, 2))
    errors = denoising_errors(
        model, x, rows, Level(*level), noise, tf.ones(8, tf.bool), training=True
    )
    np.testing.assert_allclose(tf.reduce_mean(errors), found, rtol=1e-5)


@pytest.mark.parametrize("adapter", [False, True])
def test_it_starts_at_log_2_and_a_step_prefers_the_chosen(adapter):
    model = diffusion(ema_decay=0.5)
    model.compile(keras.optimizers.Adam(0.1), jit_compile=False)
    # Averages and weights apart: the reference and the start are the averages.
    model.fit(pairs()[0], labels(), verbose=0)
    if adapter:
        apply_lora(model, rank=2, verbose=False)
    dpo = DiffusionDPO(model, beta=10.0)
    reference = [v.numpy() for v in dpo.reference.weights]
    dpo.compile(keras.optimizers.SGD(1e-3), jit_compile=False)
    before = [v.numpy() for v in model.trainable_variables]
    seed = dpo.step_seed()
    history = dpo.fit(pairs(), labels(), shuffle=False, verbose=0)
    np.testing.assert_allclose(history.history["loss"][0], np.log(2.0), rtol=1e-6)
    assert losses_of(dpo, seed=seed)["loss"] < np.log(2.0)
    pairs_of = zip(model.trainable_variables, before, strict=True)
    assert any((v.numpy() != old).any() for v, old in pairs_of)
    for variable, old in zip(dpo.reference.weights, reference, strict=True):
        np.testing.assert_array_equal(variable.numpy(), old)


def test_the_gradient_at_the_start_lowers_the_chosen_and_raises_the_rejected_error():
    # Closed form: at the start d loss = beta / 2 mean(d e_chosen - d e_rejected).
    dpo = recorded()
    with tf.GradientTape() as tape:
        loss = dpo.compute_losses(pairs(), labels(), None, seed=SEED, training=True)
    gradient = tape.gradient(loss["loss"], dpo.model.network.gain.value)
    ((x, _, _, _),) = dpo.model.network.asked
    noisy = np.asarray(x, np.float64)
    chosen, rejected = (np.asarray(part, np.float64) for part in pairs())
    alpha = ((noisy[:8] - noisy[8:]) / (chosen - rejected)).mean(axis=1, keepdims=True)
    noise = (noisy[:8] - alpha * chosen) / np.sqrt(1.0 - alpha**2)
    slope = (2 * (0.3 * noisy - np.concatenate([noise, noise])) * noisy).mean(axis=1)
    expected = 20.0 / 2 * (slope[:8] - slope[8:]).mean()
    np.testing.assert_allclose(gradient, expected, rtol=1e-3)


def test_the_models_own_average_follows():
    model = diffusion(ema_decay=0.5)
    dpo = DiffusionDPO(model)
    dpo.compile(keras.optimizers.SGD(0.1), jit_compile=False)
    before = model.generate(2, labels=[0, 1], seed=0, num_steps=2)
    dpo.fit(pairs(), labels(), epochs=3, verbose=0)
    after = model.generate(2, labels=[0, 1], seed=0, num_steps=2)
    assert (before != after).any()
    np.testing.assert_array_equal(
        dpo.generate(2, labels=[0, 1], seed=0, num_steps=2), after
    )
    np.testing.assert_array_equal(
        copy_of(model).generate(2, labels=[0, 1], seed=0, num_steps=2), after
    )
    assert int(model.step.numpy()) == int(dpo.step.numpy()) == 3


@pytest.mark.parametrize("adapter", [False, True])
def test_a_file_holds_model_and_reference(adapter, tmp_path):
    model = diffusion()
    if adapter:
        apply_lora(model, rank=2, verbose=False)
    dpo = DiffusionDPO(model, beta=7.0)
    dpo.compile(keras.optimizers.Adam(0.01), jit_compile=False)
    dpo.fit(pairs(), labels(), epochs=2, verbose=0)
    dpo.save(tmp_path / "m.keras")
    loaded = keras.saving.load_model(tmp_path / "m.keras")
    assert loaded.beta == 7.0
    assert losses_of(loaded) == losses_of(dpo)
    for each in (dpo, loaded):
        each.fit(pairs(), labels(), shuffle=False, verbose=0)
    assert losses_of(loaded) == losses_of(dpo)


@pytest.mark.parametrize(
    ("make", "options", "error", "words"),
    [
        (gan, {}, TypeError, "GAN"),
        (diffusion, {"beta": 0.0}, ValueError, "beta=0.0"),
        (diffusion, {"beta": float("nan")}, ValueError, "beta=nan"),
    ],
)
def test_bad_input_is_refused(make, options, error, words):
    with pytest.raises(error, match=words):
        DiffusionDPO(make(), **options)


def test_data_without_pairs_are_refused():
    dpo = DiffusionDPO(diffusion())
    dpo.compile()
    with pytest.raises(ValueError, match="Pairs"):
        dpo.fit(pairs()[0], labels(), verbose=0)


@pytest.mark.slow
def test_the_reward_rises_by_a_standard_deviation():
    data = random.numpy_generator(1).normal(size=(2048, 2)).astype(np.float32)
    model = diffusion(
        None,
        network_options={"hidden_dim": 64, "num_blocks": 2},
        noise_schedule="rectified_flow",
        ema_decay=0.99,
    )
    model.compile(keras.optimizers.Adam(2e-3))
    model.fit(data, batch_size=256, epochs=30, verbose=0)
    samples = model.generate(4096, seed=1, num_steps=20)
    reward = samples[:, 0]
    one, other = np.split(np.arange(4096), 2)
    better = np.where(reward[one] > reward[other], one, other)
    worse = np.where(reward[one] > reward[other], other, one)
    dpo = DiffusionDPO(model, beta=2.0)
    dpo.compile(keras.optimizers.Adam(5e-4))
    dpo.fit((samples[better], samples[worse]), batch_size=256, epochs=40, verbose=0)
    after = model.generate(1024, seed=2, num_steps=20)
    assert (after[:, 0].mean() - reward.mean()) / reward.std() >= 1.0
    assert after[:, 1].std() > 0.5  # and no collapse
