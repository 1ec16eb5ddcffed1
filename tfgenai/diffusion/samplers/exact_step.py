"""What the samplers share: a step whose data estimate stays, and how it changes."""

import tensorflow as tf

from tfgenai.diffusion.levels import Level, expand, half_log_snr_gain
from tfgenai.diffusion.samplers.sampler import Step


def exact_step(
    x: tf.Tensor, x0: tf.Tensor, now: Level, then: Level, *, eta: float = 0.0
) -> tuple[tf.Tensor, tf.Tensor]:
    """Law of x at the level `then`, given x at `now` and data that stay `x0`.

    With h the step in half log SNR,

        mean = sigma'/sigma e^(-eta h) x + alpha' (1 - e^(-(1 + eta) h)) x_0,
        std = sigma' sqrt(1 - e^(-2 eta h)).

    eta = 0 is the probability flow ODE: Lu et al. 2022, "DPM-Solver++: Fast Solver for
    Guided Sampling of Diffusion Probabilistic Models", arXiv:2211.01095, proposition
    4.1 with a constant estimate. eta = 1 is the reverse SDE, whose law is the posterior
    q(x_s | x_t, x_0) of Ho et al. 2020, arXiv:2006.11239, equation 7. No quotient has
    alpha below it, so that a step may begin in pure noise; h is then infinite.

    Args:
        x: float32 `(batch, ...)` at the level `now`.
        x0: float32 `(batch, ...)`, the data estimate.
        now: the level of x; sigma > 0.
        then: the level to go to.
        eta: how much noise is drawn anew, from 0.

    Returns:
        The mean, like x, and the standard deviation, float32 `(batch,)`.
    """
    h = half_log_snr_gain(now, then)
    ratio = then.sigma / now.sigma
    if not eta:  # 0 times an infinite h has no value
        mean = expand(ratio, x) * x - expand(then.alpha * tf.math.expm1(-h), x) * x0
        return mean, tf.zeros_like(h)
    mean = (
        expand(ratio * tf.exp(-eta * h), x) * x
        - expand(then.alpha * tf.math.expm1(-(1.0 + eta) * h), x) * x0
    )
    return mean, then.sigma * tf.sqrt(-tf.math.expm1(-2.0 * eta * h))


def change_by_history(
    x0: tf.Tensor, previous_x0: tf.Tensor, step: Step
) -> tuple[tf.Tensor, tf.Tensor]:
    """What the step before says of how the data estimate changes over this one.

    With r the step before over this one in half log SNR: (x_0 - previous x_0) / r, the
    D_1 of multistep solvers. It is 0 in the first step, which has none before it, in
    the last, which is infinite, and after a step from pure noise, which was.

    Args:
        x0: float32 `(batch, ...)`, the data estimate at the level `step.now`.
        previous_x0: the one at `step.previous`.
        step: the step.

    Returns:
        The change, like x0, and 1 / r, float32 `(batch,)`.
    """
    h = half_log_snr_gain(step.now, step.then)
    before = half_log_snr_gain(step.previous, step.now)
    is_alone = step.is_first | step.is_last
    share = tf.where(is_alone, 0.0, tf.math.divide_no_nan(h, before))
    return expand(share, x0) * (x0 - previous_x0), share
