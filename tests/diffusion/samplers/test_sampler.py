"""Laws that hold for every sampler: rows, seeds, XLA, one step, ranges, configs."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from gaussian import (
    MEAN,
    SCHEDULES,
    STD,
    all_pairs,
    best_estimate,
    denoiser,
    every_step,
    runner,
)

import tfgenai as tg
from tfgenai.core import random
from tfgenai.diffusion import DDIM, SAMPLERS, Euler
from tfgenai.diffusion.levels import noise_of
from tfgenai.diffusion.parts import make_sampler
from tfgenai.diffusion.predictions import PREDICTION_TYPES
from tfgenai.diffusion.samplers.sampler import level_at, run_sampler
from tfgenai.diffusion.schedules import Cosine, Linear

NAMES = SAMPLERS.names()
DETERMINISTIC = {
    "ddim",
    "dpmpp_2m",
    "euler",
    "flow_euler",
    "flow_heun",
    "heun",
    "unipc",
}
STOCHASTIC = {"ddpm", "dpmpp_2m_sde", "euler_ancestral", "euler_maruyama"}
NOISE = np.array([[0.5, -1.0], [1.5, 0.2], [-0.3, 0.9], [0.1, 2.0]], np.float32)


def schedule_for(name):
    return SCHEDULES["rectified_flow" if name.startswith("flow") else "cosine"]


@pytest.mark.parametrize("name", NAMES)
def test_one_step_is_finite_everywhere(name):
    # One step in pure noise and one from each schedule's last level that is not.
    for schedule, prediction in all_pairs(name):
        sampler = SAMPLERS.get(name)(spacing="trailing")
        step = every_step(sampler, SCHEDULES[schedule], 1)
        denoise = denoiser([prediction])
        states = (tf.zeros((1, 2)),) * sampler.num_states
        x0, _, _ = sampler.step(
            lambda y, level, f=denoise: f(y, level, y), step.noise(1), states, step
        )
        assert np.isfinite(x0).all(), (schedule, prediction.name)
        assert np.abs(x0 - MEAN).max() < 5.0, (schedule, prediction.name)


@pytest.mark.parametrize("name", NAMES)
def test_a_row_does_not_depend_on_its_neighbours_steps(name):
    run = runner(SAMPLERS.get(name)(), schedule_for(name))
    mixed = run([3, 5, 8, 1], NOISE)
    for row, steps in ((0, 3), (2, 8), (3, 1)):
        np.testing.assert_array_equal(mixed[row], run([steps] * 4, NOISE)[row])
    alone = run([5], NOISE[1:2], [1])
    np.testing.assert_allclose(mixed[1], alone[0], atol=1e-5)


@pytest.mark.parametrize("name", NAMES)
def test_the_same_seeds_give_the_same_samples_and_xla_too(name):
    sampler, schedule = SAMPLERS.get(name)(), schedule_for(name)
    run, xla = (runner(sampler, schedule, jit_compile=on) for on in (False, True))
    steps = [4, 2, 3, 4]
    one = run(steps, NOISE)
    np.testing.assert_array_equal(one, run(steps, NOISE))
    np.testing.assert_allclose(one, xla(steps, NOISE), atol=1e-4)
    other = run(steps, NOISE, [50, 51, 52, 53])
    if name in DETERMINISTIC:
        np.testing.assert_array_equal(one, other)
    if name in STOCHASTIC:
        assert (one != other).any(axis=1).all()


@pytest.mark.parametrize("name", NAMES)
def test_its_config_makes_it_again(name):
    sampler = SAMPLERS.get(name)(num_steps=7, spacing="linspace")
    again = keras.saving.deserialize_keras_object(
        keras.saving.serialize_keras_object(sampler)
    )
    assert type(again) is type(sampler)
    assert again.get_config() == sampler.get_config()
    assert (again.num_steps, again.spacing) == (7, "linspace")


@pytest.mark.parametrize("name", NAMES)
def test_black_images_come_out_black(name):
    # Data of brightness -1: pure noise at first, every level up to it.
    schedule = (
        SCHEDULES["rectified_flow"]
        if name.startswith("flow")
        else Linear(num_timesteps=1000, zero_terminal_snr=True)
    )

    def denoise(x, level, previous):
        x0 = best_estimate(x, level, mean=-1.0, std=0.05)
        velocity = PREDICTION_TYPES.get("velocity")()
        output = velocity.target(x0, noise_of(x, x0, level), x, level)
        return velocity.to_x0(output, x, level)

    noise = random.numpy_generator(0).standard_normal((16, 32, 2))
    n = tf.fill((16,), 20)
    seeds = tf.range(16, dtype=tf.int64)
    sampler = SAMPLERS.get(name)(spacing="trailing")
    x0 = tf.function(run_sampler, autograph=False)(
        sampler, schedule, denoise, tf.constant(noise, tf.float32), seeds, n
    )
    assert abs(float(tf.reduce_mean(x0)) + 1.0) < 0.02


def test_a_schedule_that_keeps_some_data_starts_grey():
    # Without signal at first, leading steps end off the mean; zero SNR and trailing on.
    errors = {}
    for spacing, zero in (("leading", False), ("trailing", True)):
        schedule = Linear(num_timesteps=1000, zero_terminal_snr=zero)
        x0 = run_sampler(
            DDIM(spacing=spacing),
            schedule,
            lambda x, level, previous: best_estimate(x, level),
            tf.zeros((1, 2)),
            tf.zeros((1,), tf.int64),
            tf.constant([10]),
        )
        errors[spacing] = float(np.abs(x0 - MEAN).max())
    assert errors["trailing"] < 1e-5
    assert errors["leading"] > 5e-3


class NoisyEpsilon(tg.DiffusionModel):
    """Predicts the noise with an error of 1e-3."""

    def predict_output(self, x, level, rows, kept, previous, *, training=False):
        x0 = best_estimate(x, level, mean=0.0, std=0.3)
        return noise_of(x, x0, level) + 1e-3


@pytest.mark.parametrize(("thresholding", "stays"), [("static", True), ("none", False)])
def test_an_error_of_the_noise_at_the_last_level_does_not_leave_the_range(
    thresholding, stays
):
    model = NoisyEpsilon(
        data_shape=(2,),
        network_options={"hidden_dim": 8, "num_blocks": 1},
        prediction_type="epsilon",
        noise_schedule="cosine",
        num_timesteps=1000,
        thresholding=thresholding,
    )
    denoise = model.make_denoise(model.guidance, {})
    for name in NAMES:
        if name.startswith("flow"):
            continue
        sampler = SAMPLERS.get(name)()
        step = every_step(sampler, model.schedule, 1)
        x = step.noise(1)
        states = (tf.zeros_like(x),) * sampler.num_states
        result, _, _ = sampler.step(lambda y, at: denoise(y, at, y), x, states, step)
        # Without a threshold 1e-3 becomes 1e-3 / alpha, about 20.
        assert (np.abs(result).max() <= 1.0) == stays, name


def test_a_run_may_begin_at_any_step_of_each_row():
    schedule, n = Cosine(), tf.constant([64, 64, 64])
    start = tf.constant([0, 20, 50])
    sampler = SAMPLERS.get("unipc")()
    level = level_at(sampler, schedule, start, n)
    alpha, sigma = level.alpha[:, None], level.sigma[:, None]
    x = alpha * MEAN + tf.sqrt(alpha**2 * STD**2 + sigma**2) * NOISE[:3]
    x0 = tf.function(run_sampler, autograph=False)(
        sampler,
        schedule,
        lambda x, level, previous: best_estimate(x, level),
        x,
        tf.zeros((3,), tf.int64),
        n,
        start,
    )
    np.testing.assert_allclose(x0, MEAN + STD * NOISE[:3], atol=5e-3)


@pytest.mark.parametrize("num_steps", [0, -1, 2.0, True, None])
def test_numbers_of_steps_that_are_none_are_refused(num_steps):
    with pytest.raises(ValueError, match=f"num_steps={num_steps}"):
        Euler(num_steps)


def test_an_unknown_spacing_is_refused():
    with pytest.raises(ValueError, match="spacing='trailling'"):
        Euler(spacing="trailling")


def test_a_name_takes_as_many_steps_as_there_are_levels_and_an_object_is_refused():
    schedule = Linear(num_timesteps=10)
    prediction = PREDICTION_TYPES.get("velocity")()
    assert make_sampler("ddpm", schedule, prediction).num_steps == 10
    with pytest.raises(ValueError, match=r"DDIM\(num_steps=11\)"):
        make_sampler(DDIM(11), schedule, prediction)


@pytest.mark.parametrize(
    ("schedule", "usual"),
    [("cosine", "DDIM"), ("karras", "Heun"), ("rectified_flow", "FlowEuler")],
)
def test_every_schedule_has_a_usual_sampler(schedule, usual):
    model = tg.DiffusionModel(data_shape=(2,), noise_schedule=schedule)
    assert type(model.sampler).__name__ == usual
