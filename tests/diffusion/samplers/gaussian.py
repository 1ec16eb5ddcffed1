"""A world in which everything is known: Gaussian data and their best predictions.

For data N(mean, std²), independent in each entry, x_t = alpha mean + sqrt(alpha² std² +
sigma²) z with z standard normal. The probability flow keeps z, so that it ends in
mean + std z, exactly.
"""

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from tfgenai.core import random
from tfgenai.diffusion import SAMPLERS
from tfgenai.diffusion.levels import Level, expand, noise_of
from tfgenai.diffusion.predictions import PREDICTION_TYPES, Prediction
from tfgenai.diffusion.samplers.sampler import (
    Sampler,
    Step,
    level_at,
    make_step,
    run_sampler,
)
from tfgenai.diffusion.schedules import (
    Cosine,
    Karras,
    Linear,
    NoiseSchedule,
    RectifiedFlow,
    Sigmoid,
)

MEAN = np.array([0.3, -0.6], np.float32)
STD = np.array([0.5, 1.2], np.float32)

SCHEDULES: dict[str, NoiseSchedule] = {
    "linear": Linear(),
    "cosine": Cosine(),
    "sigmoid": Sigmoid(),
    "karras": Karras(),
    "rectified_flow": RectifiedFlow(),
    "linear, zero snr": Linear(zero_terminal_snr=True),
    "cosine, zero snr": Cosine(zero_terminal_snr=True),
    "linear, 1000": Linear(num_timesteps=1000),
    "cosine, 1000, zero snr": Cosine(num_timesteps=1000, zero_terminal_snr=True),
}
# Levels at which a method's order shows: closer together where little noise is left.
SPACING = "karras"
STEPS = (16, 32, 64, 128)


class Mixed(NoiseSchedule):
    """Several schedules at once, for equal shares of the rows: one graph for all."""

    def __init__(self, schedules: Sequence[NoiseSchedule]) -> None:
        self.schedules = schedules
        super().__init__()

    def level(self, time: tf.Tensor) -> Level:
        parts = tf.split(time, len(self.schedules))
        levels = [s.level(t) for s, t in zip(self.schedules, parts, strict=True)]
        return Level(*(tf.concat(column, 0) for column in zip(*levels, strict=True)))

    def time_of(self, half_log_snr: tf.Tensor) -> tf.Tensor:
        parts = tf.split(half_log_snr, len(self.schedules))
        times = [s.time_of(v) for s, v in zip(self.schedules, parts, strict=True)]
        return tf.concat(times, 0)


def fitting(name: str, schedule: NoiseSchedule) -> bool:
    """Whether a sampler by name fits a schedule."""
    try:
        SAMPLERS.get(name)().check(schedule, PREDICTION_TYPES.get("x0")())
    except ValueError:
        return False
    return True


def predictions_for(schedule: NoiseSchedule) -> list[Prediction]:
    """Every prediction type that fits a schedule."""
    fit = []
    for name in PREDICTION_TYPES:
        prediction = PREDICTION_TYPES.get(name)()
        try:
            prediction.check(schedule)
        except ValueError:
            continue
        fit.append(prediction)
    return fit


def best_estimate(x: tf.Tensor, level: Level, mean=MEAN, std=STD) -> tf.Tensor:
    """E[x_0 | x_t] of Gaussian data."""
    alpha, sigma = expand(level.alpha, x), expand(level.sigma, x)
    gain = alpha * std**2 / (alpha**2 * std**2 + sigma**2)
    return mean + gain * (x - alpha * mean)


def denoiser(predictions: Sequence[Prediction]) -> Callable[..., tf.Tensor]:
    """Best networks of several prediction types, for equal shares of the rows."""

    def denoise(x: tf.Tensor, level: Level, previous: tf.Tensor) -> tf.Tensor:
        parts = len(predictions)
        levels = zip(*(tf.split(column, parts) for column in level), strict=True)
        answers = []
        for prediction, part, entries in zip(
            predictions, tf.split(x, parts), levels, strict=True
        ):
            at = Level(*entries)
            x0 = best_estimate(part, at)
            output = prediction.target(x0, noise_of(part, x0, at), part, at)
            answers.append(prediction.to_x0(output, part, at))
        return tf.concat(answers, 0)

    return denoise


def start(
    sampler: Sampler, schedule: NoiseSchedule, z: tf.Tensor, n: tf.Tensor
) -> tf.Tensor:
    """Exact draws of the first level's marginal."""
    first = level_at(sampler, schedule, tf.zeros_like(n), n)
    alpha, sigma = expand(first.alpha, z), expand(first.sigma, z)
    return alpha * MEAN + tf.sqrt(alpha**2 * STD**2 + sigma**2) * z


def runner(
    sampler: Sampler,
    schedule: NoiseSchedule,
    denoise: Callable[..., tf.Tensor] | None = None,
    **options: Any,
) -> Callable[..., np.ndarray]:
    """A sampler in one graph, from exact draws of the first level.

    Args:
        sampler: the sampler.
        schedule: the schedule.
        denoise: None for the best estimate.
        **options: of `tf.function`.

    Returns:
        A function of the numbers of steps `(rows,)`, standard normal noise
        `(rows, ..., 2)` and seeds `(rows,)`, by default 0, 1, …; it returns samples.
    """
    if denoise is None:

        def denoise(x: tf.Tensor, level: Level, previous: tf.Tensor) -> tf.Tensor:
            return best_estimate(x, level)

    @tf.function(autograph=False, reduce_retracing=True, **options)
    def run(n: tf.Tensor, z: tf.Tensor, seeds: tf.Tensor) -> tf.Tensor:
        x = start(sampler, schedule, z, n)
        return run_sampler(sampler, schedule, denoise, x, seeds, n)

    def call(num_steps: Any, z: Any, seeds: Any = None) -> np.ndarray:
        seeds = np.arange(len(z)) if seeds is None else seeds
        n = tf.constant(num_steps, tf.int32)
        z, seeds = tf.constant(z, tf.float32), tf.constant(seeds, tf.int64)
        return run(n, z, seeds).numpy()

    return call


def sample(
    sampler: Sampler,
    schedule: NoiseSchedule,
    num_steps: Any,
    z: Any,
    denoise: Callable[..., tf.Tensor] | None = None,
) -> np.ndarray:
    """One call of a `runner`."""
    return runner(sampler, schedule, denoise)(num_steps, z)


def all_pairs(name: str) -> list[tuple[str, Prediction]]:
    """Every schedule and prediction type that fits a sampler."""
    return [
        (schedule, prediction)
        for schedule in SCHEDULES
        if fitting(name, SCHEDULES[schedule])
        for prediction in predictions_for(SCHEDULES[schedule])
    ]


def sample_everywhere(
    sampler: Sampler,
    pairs: Sequence[tuple[str, Prediction]],
    num_steps: int,
    z: np.ndarray,
) -> dict[tuple[str, str], np.ndarray]:
    """Runs a sampler for several schedules and prediction types in one graph.

    Args:
        sampler: the sampler; its spacing must not look at the schedule.
        pairs: names of schedules, and prediction types.
        num_steps: number of steps.
        z: float32 `(rows, ..., 2)`, standard normal.

    Returns:
        float32 `(rows, ..., 2)` by schedule and prediction type.
    """
    repeats = (len(pairs),) + (1,) * (z.ndim - 1)
    result = sample(
        sampler,
        Mixed([SCHEDULES[schedule] for schedule, _ in pairs]),
        np.full(len(pairs) * len(z), num_steps),
        np.tile(z, repeats),
        denoiser([prediction for _, prediction in pairs]),
    )
    parts = np.split(result, len(pairs))
    names = [(schedule, prediction.name) for schedule, prediction in pairs]
    return dict(zip(names, parts, strict=True))


def assert_follows_the_flow(sampler: Sampler, name: str, tolerance: float) -> None:
    """Every schedule and prediction type: 64 steps end in mean + std z."""
    z = np.array([[-1.0, -1.0], [0.0, 0.0], [1.0, 1.0]], np.float32)
    for pair, x0 in sample_everywhere(sampler, all_pairs(name), 64, z).items():
        np.testing.assert_allclose(x0[1], MEAN, atol=1e-4, err_msg=str(pair))
        scale = (x0[2] - x0[0]) / 2
        np.testing.assert_allclose(scale, STD, rtol=tolerance, err_msg=str(pair))


def assert_draws_the_data(sampler: Sampler, tolerance: float) -> None:
    """100 steps, 10,240 samples: mean, standard deviations and their correlation.

    Args:
        sampler: the sampler.
        tolerance: of the relative standard deviation, for the steps' own error; four
            standard errors are added.
    """
    pairs = [
        ("linear", "epsilon"),
        ("cosine", "velocity"),
        ("sigmoid", "x0"),
        ("karras", "edm"),
        ("rectified_flow", "flow"),
        ("cosine, zero snr", "velocity"),
    ]
    made = [(schedule, PREDICTION_TYPES.get(name)()) for schedule, name in pairs]
    z = random.numpy_generator(0).standard_normal((320, 32, 2)).astype(np.float32)
    for pair, samples in sample_everywhere(sampler, made, 100, z).items():
        x0 = samples.reshape(-1, 2)
        error = 4.0 / np.sqrt(len(x0))
        assert np.abs(x0.mean(0) - MEAN).max() < error * STD.max(), pair
        wide = x0.std(0) / STD - 1.0
        assert np.abs(wide).max() < tolerance + error / np.sqrt(2.0), (pair, wide)
        assert abs(np.corrcoef(x0.T)[0, 1]) < error, pair


def errors_by_steps(
    sampler: Sampler, schedule: NoiseSchedule, num_steps: Sequence[int] = STEPS
) -> np.ndarray:
    """Root mean squared distance to the exact end, for each number of steps."""
    z = np.array([[-1.5, 0.7], [0.4, -1.1], [1.3, 1.8]], np.float32)
    rows = np.repeat(num_steps, len(z))
    x0 = sample(sampler, schedule, rows, np.tile(z, (len(num_steps), 1)))
    distance = x0.reshape(len(num_steps), *z.shape) - (MEAN + STD * z)
    return np.sqrt(np.mean(distance**2, axis=(1, 2)))


def fitted_order(sampler: Sampler, schedule: str) -> float:
    """Slope of the logarithm of the error against that of the number of steps."""
    errors = errors_by_steps(sampler, SCHEDULES[schedule])
    return -float(np.polyfit(np.log(STEPS), np.log(errors), 1)[0])


def every_step(sampler: Sampler, schedule: NoiseSchedule, num_steps: int) -> Step:
    """All steps of a run as the rows of one, of two values each."""
    index = tf.range(num_steps)
    return make_step(
        sampler,
        schedule,
        tf.cast(index, tf.int64),
        index,
        tf.fill((num_steps,), num_steps),
        tf.zeros_like(index),
        (2,),
    )


def with_noise(step: Step, value: float) -> Step:
    """The same step with a number in place of its noise."""
    shape = (*step.index.shape, 2)
    return dataclasses.replace(step, noise=lambda k: tf.fill(shape, value))
