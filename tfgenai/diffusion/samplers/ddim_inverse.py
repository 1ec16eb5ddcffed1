"""DDIM backwards: the noise that its steps turn into the data given."""

from collections.abc import Callable

import tensorflow as tf

from tfgenai.diffusion.levels import Level, expand, noise_of
from tfgenai.diffusion.samplers.sampler import Sampler, level_at
from tfgenai.diffusion.schedules import NoiseSchedule

# Variance that data are taken to have where nothing is known of them. It sets the speed
# of the iteration, not what it ends at; one too small would let it diverge where the
# data vary more and steps are large.
_USUAL_VARIANCE = 1.0


def invert_ddim(
    sampler: Sampler,
    schedule: NoiseSchedule,
    denoise: Callable[[tf.Tensor, Level, tf.Tensor], tf.Tensor],
    x: tf.Tensor,
    num_steps: tf.Tensor,
    num_iterations: int,
) -> tf.Tensor:
    """Runs DDIM's steps backwards: the x of the first level whose samples are `x`.

    Args:
        sampler: names the spacing.
        schedule: the noise schedule.
        denoise: `denoise(x, level, x0)`, the data estimate, given another one.
        x: float32 `(batch, ...)`, data.
        num_steps: int32 `(batch,)`.
        num_iterations: calls of `denoise` per step.

    Returns:
        float32 `(batch, ...)`.
    """
    num_steps = tf.cast(num_steps, tf.int32)

    def body(
        k: tf.Tensor, x: tf.Tensor, x0: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        index = tf.zeros_like(num_steps) + k
        now = level_at(sampler, schedule, index, num_steps)
        then = level_at(sampler, schedule, index + 1, num_steps)
        moving = expand(index < num_steps, x)
        y, estimate = _invert_step(denoise, x, x0, now, then, num_iterations)
        return (
            k - 1,
            tf.ensure_shape(tf.where(moving, y, x), x.shape),
            tf.ensure_shape(tf.where(moving, estimate, x0), x.shape),
        )

    _, noisy, _ = tf.while_loop(
        lambda k, *_: k >= 0,
        body,
        (tf.reduce_max(num_steps) - 1, x, x),
        parallel_iterations=1,
    )
    return noisy


def _invert_step(
    denoise: Callable[[tf.Tensor, Level, tf.Tensor], tf.Tensor],
    x: tf.Tensor,
    x0: tf.Tensor,
    now: Level,
    then: Level,
    num_iterations: int,
) -> tuple[tf.Tensor, tf.Tensor]:
    """The y at level `now` whose DDIM step is x: f(y) = x.

    f(y) = a y + b x0(y). Its derivative lies between sigma'/sigma and alpha'/alpha,
    whose quotient is large where steps are; so the iteration is not the plain one, but
    divides the residual by the derivative that Gaussian data would have.
    """
    a = then.sigma / now.sigma
    b = then.alpha - a * now.alpha
    ratio = tf.exp(-2.0 * now.half_log_snr)  # sigma² / alpha², infinite at pure noise
    share = _USUAL_VARIANCE / (_USUAL_VARIANCE + ratio)
    slope = a + b * tf.math.divide_no_nan(share, now.alpha)
    is_clean = then.sigma == 0.0
    noise = tf.math.divide_no_nan(
        x - expand(then.alpha, x) * x0, expand(then.sigma, x) + tf.zeros_like(x)
    )
    # The paper's own step, with the data estimate made last.
    y = expand(now.alpha, x) * x0 + expand(now.sigma, x) * noise

    def body(
        i: tf.Tensor, y: tf.Tensor, x0: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        x0 = denoise(y, now, x0)
        result = expand(then.alpha, x) * x0 + expand(then.sigma, x) * noise_of(
            y, x0, now
        )
        # What a denoiser takes out of the data is no matter of its last input: asking
        # for it again and again would only add it up. So the last step is corrected
        # once.
        correct = ~is_clean | (i == 0)
        step = tf.where(correct, 1.0 / slope, tf.zeros_like(slope))
        y += expand(step, x) * (x - result)
        return i + 1, tf.ensure_shape(y, x.shape), tf.ensure_shape(x0, x.shape)

    _, y, x0 = tf.while_loop(
        lambda i, *_: i < num_iterations,
        body,
        (tf.constant(0), y, x0),
        parallel_iterations=1,
    )
    return y, x0
