"""The Runge–Kutta method against an exact solution, and its order."""

import numpy as np
import tensorflow as tf

from tfgenai.diffusion.ode import runge_kutta_4


def error(num_steps):
    # A pair that turns by the angle t² / 2: y = sin, z = cos.
    state = (tf.constant(0.0, tf.float64), tf.constant(1.0, tf.float64))
    step = tf.constant(2.0 / num_steps, tf.float64)
    for i in range(num_steps):
        t = i * step
        state = runge_kutta_4(lambda t, y, z: (t * z, -t * y), t, step, state)
    return np.hypot(state[0] - np.sin(2.0), state[1] - np.cos(2.0))


def test_the_method_is_of_fourth_order():
    coarse, fine = error(10), error(20)
    assert coarse < 1e-3
    assert 12 < coarse / fine < 20
