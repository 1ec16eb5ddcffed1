"""Solvers that run an SDE backwards, from noise to data, over a score function.

Song et al. 2021, "Score-Based Generative Modeling through Stochastic Differential
Equations", arXiv:2011.13456. Each is one loop of equal steps from `sde.max_time` to
`sde.min_time`; noise is a function of a row's seed. Equations of that paper are meant.
"""

from collections.abc import Callable
from typing import Any

import tensorflow as tf

from tfgenai.core import random
from tfgenai.diffusion.levels import expand
from tfgenai.diffusion.ode import runge_kutta_4
from tfgenai.diffusion.sde import SDE, Score

# Stream 0 of a row's seed is the noise that it begins with.
_FIRST_STREAM = 1


def prior(sde: SDE, seeds: Any, shape: tuple[int, ...]) -> tf.Tensor:
    """Draws from the distribution that solvers begin with.

    Args:
        sde: the SDE.
        seeds: int64 `(batch,)`; see `core.random.row_seeds`.
        shape: shape of one row.

    Returns:
        float32 `(batch, *shape)`.
    """
    return sde.prior_std * random.row_normal(seeds, shape)


def euler_maruyama(
    sde: SDE, score: Score, x: tf.Tensor, seeds: Any, num_steps: int = 1000
) -> tf.Tensor:
    """The reverse-time SDE, equation 6, by the method of Euler and Maruyama.

    Args:
        sde: the SDE.
        score: gradient of log p_t(x), a function of x and t `(batch,)`.
        x: float32 `(batch, ...)`, noise; see `prior`.
        seeds: int64 `(batch,)`.
        num_steps: steps; each calls the score once.

    Returns:
        float32 `(batch, ...)`, a draw of p_t at `sde.min_time`.

    Example:
        >>> from tfgenai.diffusion.sde import VPSDE
        >>> seeds = random.row_seeds(0, 3)
        >>> noise = prior(VPSDE(), seeds, (2,))
        >>> euler_maruyama(VPSDE(), lambda x, t: -x, noise, seeds, 100).shape
        TensorShape([3, 2])
    """
    shape = tuple(x.shape[1:])

    def step(i: tf.Tensor, x: tf.Tensor, t: tf.Tensor, dt: float) -> tf.Tensor:
        z = random.row_normal(seeds, shape, _FIRST_STREAM + i)
        dw = dt**0.5 * z
        return (
            x - sde.reverse_drift(x, t, score) * dt + expand(sde.diffusion(t), x) * dw
        )

    return _backwards(sde, step, x, num_steps)


def predictor_corrector(
    sde: SDE,
    score: Score,
    x: tf.Tensor,
    seeds: Any,
    num_steps: int = 1000,
    *,
    num_corrector_steps: int = 1,
    snr: float = 0.16,
) -> tf.Tensor:
    """Reverse diffusion, then Langevin dynamics at each level: algorithms 2 and 3.

    The corrector's step is that of algorithms 4 and 5, `2 alpha (snr |z| / |score|)²`,
    with |z| / |score| at its typical value sigma_t: a score is -noise / sigma_t. So a
    row does not depend on its neighbours, over which the paper's code averages, and
    does not jump where its score happens to be 0. It is the step of Song & Ermon 2019,
    "Generative Modeling by Estimating Gradients of the Data Distribution",
    arXiv:1907.05600, algorithm 1.

    Args:
        sde: the SDE.
        score: gradient of log p_t(x), a function of x and t `(batch,)`.
        x: float32 `(batch, ...)`, noise; see `prior`.
        seeds: int64 `(batch,)`.
        num_steps: steps; each calls the score `1 + num_corrector_steps` times.
        num_corrector_steps: steps of Langevin dynamics at each level, M in the paper.
        snr: the corrector's signal-to-noise ratio, r in the paper.

    Returns:
        float32 `(batch, ...)`, a draw of p_t at `sde.min_time`.
    """
    shape = tuple(x.shape[1:])
    draws = 1 + num_corrector_steps

    def step(i: tf.Tensor, x: tf.Tensor, t: tf.Tensor, dt: float) -> tf.Tensor:
        def z(k: int) -> tf.Tensor:
            return random.row_normal(seeds, shape, _FIRST_STREAM + i * draws + k)

        # Predictor: x_s = x_t - f + G² score + G z, appendix E.
        f, g = sde.discretize(x, t, dt)
        x = x - f + expand(g**2, x) * score(x, t) + expand(g, x) * z(0)
        # Corrector, at the level that the predictor came to.
        s = t - dt
        ones = tf.ones_like(t)
        alpha = (sde.marginal(ones, t)[0] / sde.marginal(ones, s)[0]) ** 2
        sigma = sde.marginal(ones, s)[1]
        epsilon = expand(2.0 * alpha * (snr * sigma) ** 2, x)
        for k in range(1, draws):
            x = x + epsilon * score(x, s) + tf.sqrt(2.0 * epsilon) * z(k)
        return x

    return _backwards(sde, step, x, num_steps)


def probability_flow(
    sde: SDE, score: Score, x: tf.Tensor, num_steps: int = 100
) -> tf.Tensor:
    """The ordinary differential equation with the same marginals, equation 13.

    By the Runge–Kutta method of order 4; deterministic.

    Args:
        sde: the SDE.
        score: gradient of log p_t(x), a function of x and t `(batch,)`.
        x: float32 `(batch, ...)`, noise; see `prior`.
        num_steps: steps; each calls the score four times.

    Returns:
        float32 `(batch, ...)` at `sde.min_time`.
    """

    def rate(t: tf.Tensor, x: tf.Tensor) -> tuple[tf.Tensor]:
        rows = tf.fill(tf.shape(x)[:1], t)
        return (sde.probability_flow_drift(x, rows, score),)

    def step(i: tf.Tensor, x: tf.Tensor, t: tf.Tensor, dt: float) -> tf.Tensor:
        return runge_kutta_4(rate, t[0], -dt, (x,))[0]

    return _backwards(sde, step, x, num_steps)


def _backwards(
    sde: SDE, step: Callable[..., tf.Tensor], x: tf.Tensor, num_steps: int
) -> tf.Tensor:
    """X = step(i, x, t, dt) from the largest time to the smallest."""
    if isinstance(num_steps, bool) or not isinstance(num_steps, int) or num_steps < 1:
        raise ValueError(
            "A positive number of steps was expected. Received: "
            f"num_steps={num_steps!r}. The paper uses 1000."
        )
    dt = (sde.max_time - sde.min_time) / num_steps

    def body(i: tf.Tensor, x: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        t = tf.fill(tf.shape(x)[:1], sde.max_time - tf.cast(i, tf.float32) * dt)
        return i + 1, tf.ensure_shape(step(i, x, t, dt), x.shape)

    _, x = tf.while_loop(
        lambda i, _: i < num_steps, body, (tf.constant(0), x), parallel_iterations=1
    )
    return x
