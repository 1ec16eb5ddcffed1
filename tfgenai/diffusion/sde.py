"""Diffusion as stochastic differential equations: forward, reversed, and without noise.

Song et al. 2021, "Score-Based Generative Modeling through Stochastic Differential
Equations", arXiv:2011.13456. Its `score` is the gradient of log p_t(x); equations of
that paper are meant where a number stands alone. `sde_solvers` runs them backwards,
`model_sde` finds the one that a model was trained to reverse.
"""

import math
from collections.abc import Callable

import tensorflow as tf

from tfgenai.diffusion.levels import expand

Score = Callable[[tf.Tensor, tf.Tensor], tf.Tensor]


class SDE:
    """dx = f(x, t) dt + g(t) dw, equation 5, with f linear in x.

    A subclass writes `drift`, `diffusion` and `marginal`.

    Attributes:
        min_time: where solvers stop; closer to 0 the score grows without bound.
        max_time: where they begin.
        prior_std: standard deviation of the noise that they begin with.
    """

    min_time = 1e-3
    max_time = 1.0
    prior_std = 1.0

    def drift(self, x: tf.Tensor, t: tf.Tensor) -> tf.Tensor:
        """f(x, t).

        Args:
            x: float32 `(batch, ...)`.
            t: float32 `(batch,)`, time from 0, data, to 1, noise.

        Returns:
            float32 `(batch, ...)`.
        """
        raise NotImplementedError

    def diffusion(self, t: tf.Tensor) -> tf.Tensor:
        """g(t), float32 `(batch,)`."""
        raise NotImplementedError

    def marginal(self, x0: tf.Tensor, t: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Mean and standard deviation of p_0t(x_t | x_0), equation 29.

        Args:
            x0: float32 `(batch, ...)`.
            t: float32 `(batch,)`.

        Returns:
            float32 `(batch, ...)` and float32 `(batch,)`.
        """
        raise NotImplementedError

    def reverse_drift(self, x: tf.Tensor, t: tf.Tensor, score: Score) -> tf.Tensor:
        """f(x, t) - g(t)² score(x, t) of the reverse-time SDE, equation 6."""
        return self.drift(x, t) - expand(self.diffusion(t) ** 2, x) * score(x, t)

    def probability_flow_drift(
        self, x: tf.Tensor, t: tf.Tensor, score: Score
    ) -> tf.Tensor:
        """f(x, t) - ½ g(t)² score(x, t): no noise, but the same marginals, eq. 13."""
        return self.drift(x, t) - expand(0.5 * self.diffusion(t) ** 2, x) * score(x, t)

    def discretize(
        self, x: tf.Tensor, t: tf.Tensor, dt: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """The Markov chain x_t = x_s + f + G z, s = t - dt, with the same marginals.

        Of the VE SDE it is equation 8, G² = sigma_t² - sigma_s²; of the VP SDE
        equation 10, f = (sqrt(1 - beta) - 1) x and G² = beta.

        Returns:
            f like x, and G float32 `(batch,)`.
        """
        ones = tf.ones_like(t)
        alpha_s, sigma_s = self.marginal(ones, t - dt)
        alpha_t, sigma_t = self.marginal(ones, t)
        ratio = alpha_t / alpha_s
        variance = tf.maximum(sigma_t**2 - (ratio * sigma_s) ** 2, 0.0)
        return expand(ratio - 1.0, x) * x, tf.sqrt(variance)


class VPSDE(SDE):
    """Variance preserving: dx = -½ beta(t) x dt + sqrt(beta(t)) dw, equation 11.

    The limit of DDPM's chain; beta(t) is linear, equation 32.

    Args:
        beta_min: beta(0).
        beta_max: beta(1).

    Example:
        >>> mean, std = VPSDE().marginal(tf.ones((1, 2)), tf.ones((1,)))
        >>> print(f"{mean[0, 0]:.4f} {std[0]:.4f}")
        0.0066 1.0000
    """

    def __init__(self, beta_min: float = 0.1, beta_max: float = 20.0) -> None:
        if not 0 <= beta_min < beta_max:
            raise ValueError(
                "0 <= beta_min < beta_max was expected. Received: "
                f"beta_min={beta_min}, beta_max={beta_max}. The paper uses 0.1 and 20."
            )
        self.beta_min = beta_min
        self.beta_max = beta_max

    def beta(self, t: tf.Tensor) -> tf.Tensor:
        """Rate at which variance comes, `(batch,)`."""
        return self.beta_min + t * (self.beta_max - self.beta_min)

    def integral_of_beta(self, t: tf.Tensor) -> tf.Tensor:
        """Integral of beta from 0 to t, `(batch,)`."""
        return 0.5 * t**2 * (self.beta_max - self.beta_min) + t * self.beta_min

    def drift(self, x: tf.Tensor, t: tf.Tensor) -> tf.Tensor:
        """See the base class."""
        return expand(-0.5 * self.beta(t), x) * x

    def diffusion(self, t: tf.Tensor) -> tf.Tensor:
        """See the base class."""
        return tf.sqrt(self.beta(t))

    def marginal(self, x0: tf.Tensor, t: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Equation 33."""
        integral = self.integral_of_beta(t)
        # expm1 is exp - 1 without the cancellation at small t.
        return (
            expand(tf.exp(-0.5 * integral), x0) * x0,
            tf.sqrt(-tf.math.expm1(-integral)),
        )


class SubVPSDE(VPSDE):
    """Sub-VP: at every time less variance than the VP SDE, equation 12.

    Its mean is that of the VP SDE, its standard deviation that one's variance.
    """

    def diffusion(self, t: tf.Tensor) -> tf.Tensor:
        """See the base class."""
        integral = self.integral_of_beta(t)
        return tf.sqrt(self.beta(t) * -tf.math.expm1(-2.0 * integral))

    def marginal(self, x0: tf.Tensor, t: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Equation 29, last line."""
        mean, std = super().marginal(x0, t)
        return mean, std**2


class VESDE(SDE):
    """Variance exploding: dx = sqrt(d sigma²(t)/dt) dw, equation 9.

    The limit of annealed Langevin dynamics; sigma(t) is geometric, equation 30.

    Args:
        sigma_min: sigma(0).
        sigma_max: sigma(1), as large as distances between data.
    """

    min_time = 1e-5

    def __init__(self, sigma_min: float = 0.01, sigma_max: float = 50.0) -> None:
        if not 0 < sigma_min < sigma_max:
            raise ValueError(
                "0 < sigma_min < sigma_max was expected. Received: "
                f"sigma_min={sigma_min}, sigma_max={sigma_max}. The paper uses 0.01 "
                "and 50 for small images."
            )
        self.sigma_min = sigma_min
        self.sigma_max = sigma_max
        self.prior_std = sigma_max

    def sigma(self, t: tf.Tensor) -> tf.Tensor:
        """Standard deviation of the noise, `(batch,)`."""
        return self.sigma_min * (self.sigma_max / self.sigma_min) ** t

    def drift(self, x: tf.Tensor, t: tf.Tensor) -> tf.Tensor:
        """Zero: data stay where they are."""
        return tf.zeros_like(x)

    def diffusion(self, t: tf.Tensor) -> tf.Tensor:
        """See the base class."""
        return self.sigma(t) * math.sqrt(
            2.0 * math.log(self.sigma_max / self.sigma_min)
        )

    def marginal(self, x0: tf.Tensor, t: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Equation 31."""
        return x0, self.sigma(t)
