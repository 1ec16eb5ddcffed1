"""UniPC: a multistep predictor whose result corrects itself, at no further call."""

import math

import keras
import tensorflow as tf

from tfgenai.diffusion.levels import expand, half_log_snr_gain, where_level
from tfgenai.diffusion.samplers.exact_step import change_by_history, exact_step
from tfgenai.diffusion.samplers.sampler import SAMPLERS, Denoise, Sampler, Step

_SMALL = 0.3  # below it, differences of the phi functions are taken from their series


@SAMPLERS.register("unipc")
@keras.saving.register_keras_serializable("tfgenai")
class UniPC(Sampler):
    """UniPC-2: predictor UniP-2, corrector UniC-2, B(h) = e^h - 1, on data estimates.

    Zhao et al. 2023, "UniPC: A Unified Predictor-Corrector Framework for Fast Sampling
    of Diffusion Models", arXiv:2302.04867, algorithms 1 and 2 in the multistep form for
    data prediction. The network is called at the predicted point; its
    answer corrects that point and serves the next step as it is, so that a run of n
    steps takes n calls. The first step is of order 1, its correction of order 2; the
    last, which is infinite in the solver's variable, is of order 1 and not corrected.

    Args:
        num_steps: steps where the caller says nothing.
        spacing: see `Sampler`.

    Example:
        >>> UniPC(num_steps=10).get_config()
        {'num_steps': 10, 'spacing': 'trailing'}
    """

    num_states = 2  # the data estimate at `now`, and that of the step before

    def __init__(self, num_steps: int = 20, *, spacing: str = "trailing") -> None:
        super().__init__(num_steps, spacing=spacing)

    def step(
        self,
        denoise: Denoise,
        x: tf.Tensor,
        states: tuple[tf.Tensor, ...],
        step: Step,
    ) -> tuple[tf.Tensor, tf.Tensor, tuple[tf.Tensor, ...]]:
        """See the base class."""
        now, then = step.now, step.then
        x0 = tf.cond(
            tf.reduce_any(step.is_first), lambda: denoise(x, now), lambda: states[0]
        )
        x0 = tf.where(expand(step.is_first, x), x0, states[0])
        change, share = change_by_history(x0, states[1], step)
        predicted, _ = exact_step(x, x0 + 0.5 * change, now, then)

        def look_ahead() -> tf.Tensor:
            # Rows in their last step have no level to look at; what they get is unused.
            return denoise(predicted, where_level(step.is_last, now, then))

        ahead = tf.cond(tf.reduce_all(step.is_last), lambda: x0, look_ahead)
        ahead = tf.ensure_shape(ahead, x.shape)
        weights = self._corrector_weights(half_log_snr_gain(now, then), share)
        past, future = (expand(weight, x) for weight in weights)
        estimate = x0 + past * change + future * (ahead - x0)
        corrected, _ = exact_step(x, estimate, now, then)
        is_last = expand(step.is_last, x)
        return tf.where(is_last, predicted, corrected), x0, (ahead, x0)

    def _corrector_weights(
        self, h: tf.Tensor, share: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """Weights of the changes before and over the step, `(batch,)` each.

        The solution of the paper's linear system for r_1 = -1 / share and r_2 = 1.
        """
        # b_1 = phi_2 / phi_1 and b_2 = 2 phi_3 / phi_1 at -h; both finite at infinity.
        gone = -tf.math.expm1(-h)
        phi_1 = tf.math.divide_no_nan(gone, h)
        phi_2 = tf.math.divide_no_nan(1.0 - phi_1, h)
        b_1 = tf.math.divide_no_nan(1.0 - phi_1, gone)
        b_2 = tf.math.divide_no_nan(1.0 - 2.0 * phi_2, gone)
        z = -tf.minimum(h, _SMALL)
        series_1, series_2, series_3 = (_phi(k, z) for k in (1, 2, 3))
        b_1 = tf.where(h < _SMALL, series_2 / series_1, b_1)
        b_2 = tf.where(h < _SMALL, 2.0 * series_3 / series_1, b_2)
        past = (b_1 - b_2) * share / (1.0 + share)
        # Without a step before, the paper's code takes 1/2, which is b_1 for small h.
        return past, tf.where(share == 0.0, 0.5, b_1 - past)


def _phi(k: int, z: tf.Tensor) -> tf.Tensor:
    """phi_k(z) = sum over n of z^n / (n + k)!, for small z."""
    total = tf.zeros_like(z)
    for n in reversed(range(7)):
        total = total * z + 1.0 / math.factorial(n + k)
    return total
