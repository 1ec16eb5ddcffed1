"""The fourth-order Runge–Kutta method for a tuple of tensors."""

from collections.abc import Callable

import tensorflow as tf

State = tuple[tf.Tensor, ...]


def runge_kutta_4(
    rate: Callable[..., State], t: tf.Tensor, step: tf.Tensor, state: State
) -> State:
    """One step of dy/dt = rate(t, *y) with the classical method of order 4.

    Args:
        rate: derivatives of the tensors of the state, as many as there are.
        t: float32 scalar, where the step begins.
        step: float32 scalar, its length; negative to go backwards.
        state: tensors.

    Returns:
        The state at `t + step`.

    Example:
        >>> y = (tf.constant(1.0),)
        >>> y = runge_kutta_4(lambda t, y: (-y,), tf.constant(0.0), tf.constant(0.1), y)
        >>> print(f"{y[0]:.6f}")  # exp(-0.1)
        0.904837
    """

    def at(share: float, slope: State) -> State:
        return tuple(y + share * step * k for y, k in zip(state, slope, strict=True))

    k1 = rate(t, *state)
    k2 = rate(t + 0.5 * step, *at(0.5, k1))
    k3 = rate(t + 0.5 * step, *at(0.5, k2))
    k4 = rate(t + step, *at(1.0, k3))
    return tuple(
        y + step / 6.0 * (a + 2.0 * b + 2.0 * c + d)
        for y, a, b, c, d in zip(state, k1, k2, k3, k4, strict=True)
    )
