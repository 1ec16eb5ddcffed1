"""The variational bound against closed forms in float64, term by term and in total."""

import numpy as np
import pytest
import tensorflow as tf

from tfgenai.core import random
from tfgenai.diffusion import bound
from tfgenai.diffusion.levels import expand
from tfgenai.diffusion.schedules import NOISE_SCHEDULES

SEED = random.step_seed(5, 0)
STEPS = [10, 100, None]


def half_log_snr(schedule):
    """All of a chain's levels, or the two ends of continuous time; float64, to -10."""
    steps = schedule.num_timesteps
    times = (
        [schedule.min_time, 1.0] if steps is None else np.arange(1, steps + 1) / steps
    )
    half = schedule.level(tf.constant(times, tf.float32)).half_log_snr
    return np.maximum(np.float64(half), -10.0)


def diffusion_term(schedule, v):
    """½ ∑ (SNR(s) - SNR(t)) v / (1 + v SNR(t)), or the integral that is its limit.

    v / (1 + v SNR) is the smallest possible squared error for data of variance v.
    """
    snr = np.exp(2 * half_log_snr(schedule))
    if schedule.num_timesteps is None:
        return 0.5 * np.log((1 + v * snr[0]) / (1 + v * snr[1]))
    return 0.5 * np.sum((snr[:-1] - snr[1:]) * v / (1 + v * snr[1:]))


def estimate(x, denoise, schedule, num_pixel_levels=None, seed=SEED):
    return np.float64(
        bound.variational_bound(
            tf.constant(x, tf.float32),
            denoise,
            schedule,
            seed=seed,
            num_pixel_levels=num_pixel_levels,
        )
    )


def knows(x):
    return lambda noisy, level: tf.constant(x, tf.float32)


@pytest.mark.parametrize("steps", STEPS)
@pytest.mark.parametrize("name", NOISE_SCHEDULES.names())
def test_one_step_stands_for_all_of_them(name, steps):
    # The error is a known function of the level, so that only the draw of the step is
    # random; its mean over evenly spread draws is the sum over all steps.
    schedule = NOISE_SCHEDULES.create(name, num_timesteps=steps)
    x = np.zeros((65_536, 1))

    def denoise(noisy, level):
        return tf.sqrt(2.0 / (1.0 + 2.0 * level.snr))[:, tf.newaxis]

    with_error, without = (estimate(x, f, schedule).mean() for f in (denoise, knows(x)))
    expected = diffusion_term(schedule, 2.0)
    # What continuous time leaves out below a half log SNR of -3 would be 2.5e-3.
    rel = 1.5e-4 if steps is None else 1e-3
    assert with_error - without == pytest.approx(expected, rel=rel)


def test_draws_of_a_step_follow_the_log_snr():
    schedule = NOISE_SCHEDULES.create("cosine", num_timesteps=20)
    half = half_log_snr(schedule)
    u = bound.stratified_uniform(SEED, 100_000)
    index, weight = bound._draw_step(u, schedule)
    counts = np.bincount(np.int64(index), minlength=20) / 100_000
    share = (half[:-1] - half[1:]) / (half[0] - half[-1])
    assert counts[0] == 0  # the first level has no step before it
    np.testing.assert_allclose(counts[1:], share, atol=2e-4)
    snr = np.exp(2 * half)
    np.testing.assert_allclose(
        weight[1:], 0.5 * (snr[:-1] - snr[1:]) / share, rtol=1e-4
    )


@pytest.mark.parametrize("steps", STEPS)
@pytest.mark.parametrize("name", ["cosine", "linear", "karras", "rectified_flow"])
def test_the_other_terms_of_data_that_are_known(name, steps):
    # Reconstruction: E -log N(x; x + noise / snr) = d (½ log 2 pi e - half_log_snr).
    schedule = NOISE_SCHEDULES.create(name, num_timesteps=steps)
    half, n = half_log_snr(schedule), 50_000
    x = np.full((n, 2), 1.5)
    nats = estimate(x, knows(x), schedule)
    prior = 0.5 * np.exp(2 * half[-1]) * 2 * 1.5**2
    expected = prior + 2 * (0.5 * np.log(2 * np.pi * np.e) - half[0])
    assert nats.std() == pytest.approx(1.0, rel=0.05)  # ½ chi² of two numbers
    assert nats.mean() == pytest.approx(expected, abs=4 / np.sqrt(n))


def test_the_prior_term_is_a_kl_divergence():
    # KL(N(alpha x, sigma²) | N(0, sigma²)), the noise that samplers begin with.
    schedule = NOISE_SCHEDULES.create("karras", sigma_max=3.0)
    x = np.array([[0.0], [2.0]])
    nats = estimate(x, knows(x), schedule)
    seed_alone = estimate(0 * x, knows(0 * x), schedule)
    np.testing.assert_allclose(nats - seed_alone, [0.0, 0.5 * 4 / 9], rtol=1e-4)


@pytest.mark.parametrize("steps", STEPS)
def test_gaussian_data_with_the_best_denoiser(steps):
    schedule = NOISE_SCHEDULES.create("cosine", num_timesteps=steps)
    mean, v, n = 0.3, 0.5, 100_000
    x = mean + np.sqrt(v) * random.numpy_generator(1).normal(size=(n, 1))

    def denoise(noisy, level):
        gain = level.alpha * v / (level.alpha**2 * v + level.sigma**2)
        return mean + expand(gain, noisy) * (noisy - expand(level.alpha, noisy) * mean)

    nats = estimate(x, denoise, schedule)
    half = half_log_snr(schedule)
    expected = (
        0.5 * np.exp(2 * half[-1]) * (mean**2 + v)
        + 0.5 * np.log(2 * np.pi * np.e)
        - half[0]
        + diffusion_term(schedule, v)
    )
    error = nats.std() / np.sqrt(n)
    assert nats.mean() == pytest.approx(expected, abs=4 * error)
    entropy = 0.5 * np.log(2 * np.pi * np.e * v)
    if steps is None:
        assert expected == pytest.approx(entropy, abs=1e-3)
    else:
        assert expected > entropy + 0.05


def test_pixels_are_reconstructed_by_a_softmax():
    # Kingma et al. 2021, appendix A.3, over all 256 grey levels at once, in float64.
    schedule = NOISE_SCHEDULES.create("cosine")
    greys = np.arange(256) / 127.5 - 1
    pixels = random.numpy_generator(2).integers(0, 256, (64, 5))
    pixels[0] = [0, 255, 1, 254, 128]
    x = greys[pixels]
    half = half_log_snr(schedule)
    stream = random.fold(SEED, bound._RECONSTRUCTION_STREAM)
    z = x + np.exp(-half[0]) * np.float64(random.normal(stream, x.shape))
    logits = -0.5 * np.exp(2 * half[0]) * (z[..., None] - greys) ** 2
    log_total = np.log(np.exp(logits - logits.max(-1, keepdims=True)).sum(-1))
    log_p = np.take_along_axis(logits, pixels[..., None], -1)[..., 0]
    expected = -(log_p - logits.max(-1) - log_total).sum(-1)
    prior = 0.5 * np.exp(2 * half[-1]) * np.sum(x**2, axis=1)
    nats = estimate(x, knows(x), schedule, num_pixel_levels=256)
    np.testing.assert_allclose(nats - prior, expected, rtol=1e-3, atol=1e-3)


def best_for_bytes(noisy, level):
    """E[x_0 | x_t] of uniform random bytes, the best denoiser there is."""
    greys = tf.constant(np.arange(256) / 127.5 - 1, tf.float32)
    z = noisy / expand(level.alpha, noisy)
    logits = -0.5 * (z - greys) ** 2 * expand(level.snr, noisy)
    return tf.nn.softmax(logits, axis=-1) @ greys[:, tf.newaxis]


@pytest.mark.parametrize("steps", [20, None])
@pytest.mark.parametrize(
    "denoise",
    [
        best_for_bytes,
        lambda noisy, level: tf.zeros_like(noisy),
        lambda noisy, level: tf.clip_by_value(
            noisy / expand(level.alpha, noisy), -1.0, 1.0
        ),
    ],
    ids=["best", "zero", "clipped"],
)
def test_no_denoiser_compresses_random_bytes(denoise, steps):
    # F1: bits per dimension of uniform bytes are 8 or more.
    schedule = NOISE_SCHEDULES.create("cosine", num_timesteps=steps)
    pixels = random.numpy_generator(4).integers(0, 256, (40_000, 1))
    nats = estimate(pixels / 127.5 - 1, denoise, schedule, num_pixel_levels=256)
    bits = nats.mean() / np.log(2)
    assert bits >= 8 - 0.05
    if denoise is best_for_bytes and steps is None:
        assert bits == pytest.approx(8.0, abs=0.1)


def test_strata_are_uniform_and_even():
    u = bound.stratified_uniform(SEED, 1000).numpy()
    np.testing.assert_allclose(np.diff(np.sort(u)), 1e-3, atol=1e-6)
    assert (u >= 0).all()
    assert (u < 1).all()
