"""Exact log-likelihoods: the probability flow is a continuous normalizing flow.

Song et al. 2021, "Score-Based Generative Modeling through Stochastic Differential
Equations", arXiv:2011.13456, section 4.3 and appendix D.2; the trace is estimated as in
Grathwohl et al. 2019, "FFJORD", arXiv:1810.01367.
"""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import tensorflow as tf

from tfgenai.core import random
from tfgenai.core.conditions import Condition, check_conditions
from tfgenai.core.generation import Generation, require_positive
from tfgenai.diffusion import checks
from tfgenai.diffusion.conditioning import LABELS
from tfgenai.diffusion.levels import Level, expand, noise_of
from tfgenai.diffusion.ode import runge_kutta_4
from tfgenai.diffusion.schedules import NoiseSchedule

# Below this half log SNR, x_t holds less than e^-16 of the data's power.
_LOWEST_HALF_LOG_SNR = -8.0
_DEQUANTIZATION_STREAM, _FIRST_PROBE_STREAM = 0, 1
# A gradient's memory is many times that of a sample.
_DEFAULT_BATCH_SIZE = 64
# How far from a grey level a pixel may be, in steps between levels.
_GREY_LEVEL_TOLERANCE = 0.01


class Likelihood(Generation):
    """The part of `DiffusionModel` that computes log p(x) of its probability flow."""

    schedule: NoiseSchedule
    data_shape: tuple[int, ...]
    num_pixel_levels: int | None
    data_conditions: Callable[[], tuple[Condition, ...]]
    data_estimate: Callable[..., tf.Tensor]

    def log_likelihood(
        self,
        x: Any,
        labels: Any = None,
        *,
        num_steps: int = 64,
        num_probes: int | None = 1,
        seed: int = 0,
        batch_size: int | None = None,
        jit_compile: bool = False,
        **conditions: Any,
    ) -> np.ndarray:
        """Log p(x), or log p(x | conditions), with the averaged weights.

        Unlike the bound in `evaluate`, it is the density of what a deterministic
        sampler draws, with neither thresholding nor guidance. Probes leave it without
        bias; their error falls with the square root of `num_probes`. With
        `num_pixel_levels` it is the log-probability of whole grey levels, by one
        uniform draw within each pixel's step, in expectation a lower bound: Theis et
        al. 2016, "A Note on the Evaluation of Generative Models", arXiv:1511.01844,
        section 3.1. An example's estimate depends on its place and `seed` only.

        Args:
            x: float `(n, ...)`, data; with `num_pixel_levels` on its grey levels.
            labels: one label for all or `n` of them, where the model takes labels.
            num_steps: steps of the Runge–Kutta method, each of four calls of the
                network and as many of its gradient.
            num_probes: random vectors that estimate the trace; each costs a call and a
                gradient. None: the exact trace, one for each dimension of the data.
            seed: int in [0, 2**63), for the probes and the draws within steps.
            batch_size: examples at a time; default `min(n, 64)`.
            jit_compile: whether XLA compiles the loop.
            **conditions: `vector` and `context`, where the model takes them; one value
                for all, or `n` of them.

        Returns:
            float32 `(n,)`, nats per example; see `core.likelihoods.bits_per_dim`.

        Raises:
            TypeError: if data are not floats or a condition is unknown.
            ValueError: if a shape, number or condition does not fit, or if a pixel is
                not on a grey level.

        Example:
            >>> import tfgenai
            >>> model = tfgenai.DiffusionModel(data_shape=(2,))
            >>> print(model.log_likelihood(np.zeros((1, 2)), num_probes=None).round(3))
            [-1.838]
        """
        x = checks.check_data(x, self.data_shape)
        require_positive("num_steps", num_steps)
        if num_probes is not None:
            require_positive("num_probes", num_probes)
        if batch_size is not None:
            require_positive("batch_size", batch_size)
        if labels is not None:
            conditions = {LABELS: labels, **conditions}
        rows = check_conditions(self.data_conditions(), conditions, len(x))
        if self.num_pixel_levels is not None:
            _check_grey_levels(x, self.num_pixel_levels)

        def run(x: tf.Tensor, seeds: tf.Tensor, **rows: tf.Tensor) -> tf.Tensor:
            return self.log_density(x, seeds, rows, num_steps, num_probes)

        key = ("log_likelihood", num_steps, num_probes)
        return self.run_in_batches(
            self.compiled_sampler(key, run, jit_compile),
            {"x": x, "seeds": random.row_seeds(seed, len(x)), **rows},
            batch_size or min(len(x), _DEFAULT_BATCH_SIZE),
        )

    def log_density(
        self,
        x: tf.Tensor,
        seeds: tf.Tensor,
        rows: dict[str, tf.Tensor],
        num_steps: int,
        num_probes: int | None,
    ) -> tf.Tensor:
        """Log p(x) as a pure function, float32 `(batch,)`; see `log_likelihood`."""
        size = math.prod(self.data_shape)

        def noise(x: tf.Tensor, level: Level) -> tf.Tensor:
            return noise_of(x, self.data_estimate(x, level, rows), level)

        def random_signs(k: tf.Tensor) -> tf.Tensor:
            stream = _FIRST_PROBE_STREAM + k
            heads = random.row_uniform(seeds, self.data_shape, stream) < 0.5
            return tf.where(heads, 1.0, -1.0)

        def unit_vector(k: tf.Tensor) -> tf.Tensor:
            one = tf.reshape(tf.one_hot(k, size), (1, *self.data_shape))
            return tf.broadcast_to(one, tf.shape(x))

        # The sum of v J v over unit vectors v is the trace of J; over random signs, its
        # mean is that in expectation (Hutchinson).
        exact = num_probes is None
        probes = Probes(
            unit_vector if exact else random_signs,
            count=num_probes or size,
            scale=1.0 if exact else 1.0 / (num_probes or 1),
        )
        log_width = 0.0
        if self.num_pixel_levels is not None:
            # P(grey level) is the density's mean over its step, times the step's width.
            step = 2.0 / (self.num_pixel_levels - 1)
            draw = random.row_uniform(seeds, self.data_shape, _DEQUANTIZATION_STREAM)
            x += step * (draw - 0.5)
            log_width = size * math.log(step)
        return flow_log_density(x, noise, self.schedule, probes, num_steps) + log_width


class Probes:
    """Vectors v whose v J v, summed and scaled, give the trace of a Jacobian J.

    Args:
        draw: the k-th vector of each row, float32 `(batch, ...)`.
        count: number of vectors.
        scale: factor of the sum.
    """

    def __init__(
        self, draw: Callable[[tf.Tensor], tf.Tensor], *, count: int, scale: float
    ) -> None:
        self.draw = draw
        self.count = count
        self.scale = scale

    def value_and_trace(
        self, function: Callable[[tf.Tensor], tf.Tensor], y: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """A function's value, like y, and the trace of its Jacobian, `(batch,)`."""
        axes = list(range(1, y.shape.rank))

        def add(
            k: tf.Tensor, _: tf.Tensor, total: tf.Tensor
        ) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
            v = self.draw(k)
            with tf.GradientTape() as tape:
                tape.watch(y)
                value = function(y)
            v_jacobian = tape.gradient(value, y, v, unconnected_gradients="zero")
            total += self.scale * tf.reduce_sum(v_jacobian * v, axis=axes)
            return k + 1, tf.ensure_shape(value, y.shape), total

        start = (
            tf.constant(0),
            tf.zeros_like(y),
            tf.zeros_like(y[(..., *[0] * len(axes))]),
        )
        if self.count == 1:  # no loop within the loop
            return add(*start)[1:]
        return tf.while_loop(
            lambda k, *_: k < self.count, add, start, parallel_iterations=1
        )[1:]


def flow_log_density(
    x: tf.Tensor,
    noise: Callable[[tf.Tensor, Level], tf.Tensor],
    schedule: NoiseSchedule,
    probes: Probes,
    num_steps: int,
) -> tf.Tensor:
    """Log density of data under the probability flow of a noise estimate.

    With y = x_t / alpha and s = sigma / alpha, the flow is dy/ds = noise (Karras et al.
    2022, arXiv:2206.00364, equation 4), whatever the schedule. So
    log p(x) = log p(y_1) + integral of tr(d noise / dy) ds, equation 39 of Song et al.
    2021, here in equal steps of the half log SNR -log s, on which rates are about 1.

    Args:
        x: float32 `(batch, ...)`, data.
        noise: estimate of the noise in x_t, `noise(x_t, level)`.
        schedule: the noise schedule; data are put at its least noisy level.
        probes: how the trace is taken.
        num_steps: steps of the Runge–Kutta method.

    Returns:
        float32 `(batch,)`, nats per example.
    """
    size = math.prod(x.shape[1:])
    ends = schedule.level(tf.constant([schedule.min_time, 1.0])).half_log_snr
    first, last = ends[0], tf.maximum(ends[1], _LOWEST_HALF_LOG_SNR)
    step = (last - first) / float(num_steps)

    def rate(
        half_log_snr: tf.Tensor, y: tf.Tensor, _: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor]:
        level = schedule.level_of(tf.fill(tf.shape(y)[:1], half_log_snr))
        value, trace = probes.value_and_trace(
            lambda y: noise(expand(level.alpha, y) * y, level), y
        )
        ds = -tf.exp(-half_log_snr)  # d s / d half_log_snr
        return ds * value, ds * trace

    def body(i: tf.Tensor, y: tf.Tensor, gained: tf.Tensor) -> tuple[tf.Tensor, ...]:
        now = first + tf.cast(i, tf.float32) * step
        y, gained = runge_kutta_4(rate, now, step, (y, gained))
        return i + 1, y, gained

    zeros = tf.zeros_like(x[(..., *[0] * (x.shape.rank - 1))])
    _, y, gained = tf.while_loop(
        lambda i, *_: i < num_steps,
        body,
        (tf.constant(0), x, zeros),
        parallel_iterations=1,
    )
    # Samplers begin with noise of this standard deviation.
    end = schedule.level_of(tf.reshape(last, (1,)))
    std = (1.0 if schedule.variance_preserving else end.sigma) / end.alpha
    squared = tf.reduce_sum(y * y, axis=list(range(1, y.shape.rank)))
    log_prior = -0.5 * squared / std**2 - size * tf.math.log(
        math.sqrt(2.0 * math.pi) * std
    )
    return log_prior + gained


def _check_grey_levels(x: np.ndarray, num_levels: int) -> None:
    steps = (x + 1.0) * (0.5 * (num_levels - 1))
    off = (np.abs(steps - np.round(steps)) > _GREY_LEVEL_TOLERANCE) | (np.abs(x) > 1)
    if off.any():
        raise ValueError(
            f"Pixels on {num_levels} equal grey levels from -1 to 1 were expected, "
            f"because the model has num_pixel_levels={num_levels}. Received: x with "
            f"the value {x[off][0]}. Use bytes / 127.5 - 1."
        )
