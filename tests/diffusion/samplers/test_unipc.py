"""UniPC: the exact flow, its order, its weights, and what it asks of the network."""

import math

import numpy as np
import pytest
import tensorflow as tf
from gaussian import (
    MEAN,
    SCHEDULES,
    SPACING,
    STD,
    assert_follows_the_flow,
    best_estimate,
    fitted_order,
    sample,
)

from tfgenai.diffusion import UniPC


def test_it_follows_the_exact_flow():
    assert_follows_the_flow(UniPC(), "unipc", 0.012)


@pytest.mark.parametrize("schedule", ["cosine", "karras", "rectified_flow"])
def test_its_error_falls_with_the_cube_of_the_steps(schedule):
    # The corrector UniC-2 raises the order of UniP-2 by one.
    order = fitted_order(UniPC(spacing=SPACING), schedule)
    assert order == pytest.approx(3.0, abs=0.25)


@pytest.mark.parametrize("h", [1e-3, 0.05, 0.29, 0.31, 1.0, 5.0])
@pytest.mark.parametrize("share", [0.5, 1.0, 1.7])
def test_the_corrector_solves_the_papers_linear_system(h, share):
    # R rho = b with R = [[1, 1], [r_1, 1]], in float64.
    r = -1.0 / share
    phi = [math.expm1(-h) / -h]
    for k in (1, 2):
        phi.append((phi[-1] - 1 / math.factorial(k)) / -h)
    if h < 0.1:  # the recursion cancels
        phi = [
            sum((-h) ** n / math.factorial(n + k) for n in range(9)) for k in (1, 2, 3)
        ]
    b = [phi[1] / phi[0], 2 * phi[2] / phi[0]]
    expected = np.linalg.solve([[1.0, 1.0], [r, 1.0]], b)
    weights = UniPC()._corrector_weights(tf.constant([h]), tf.constant([share]))
    # The change before is (x_0 - previous x_0) share = D_1 as the paper has it.
    np.testing.assert_allclose(np.concatenate(weights), expected, rtol=1e-4)


def test_it_is_the_papers_algorithm_written_out_in_float64():
    n = 7
    z = np.array([[0.3, -1.2], [1.1, 0.4]], np.float32)
    time = np.linspace(1.0, 0.0, n + 1)[:-1]
    log_alpha = -0.5 * (0.1 * time + 0.5 * 19.9 * time**2)
    alpha, sigma = np.exp(log_alpha), np.sqrt(-np.expm1(2 * log_alpha))
    lam = np.log(alpha / sigma)

    def best(x, i):
        gain = alpha[i] * STD**2 / (alpha[i] ** 2 * STD**2 + sigma[i] ** 2)
        return MEAN + gain * (x - alpha[i] * MEAN)

    x = alpha[0] * MEAN + np.sqrt(alpha[0] ** 2 * STD**2 + sigma[0] ** 2) * z
    answers = [best(x, 0)]
    for i in range(1, n):
        hh = -(lam[i] - lam[i - 1])
        phi_1 = np.expm1(hh)
        base = sigma[i] / sigma[i - 1] * x - alpha[i] * phi_1 * answers[-1]
        if i == 1:
            predicted, d, rho = base, 0.0, (0.0, 0.5)
        else:
            r = (lam[i - 2] - lam[i - 1]) / -hh
            d = (answers[-2] - answers[-1]) / r
            predicted = base - alpha[i] * phi_1 * 0.5 * d
            phi_2 = phi_1 / hh - 1
            phi_3 = phi_2 / hh - 0.5
            b = np.array([phi_2, 2 * phi_3]) / phi_1
            rho = np.linalg.solve([[1.0, 1.0], [r, 1.0]], b)
        ahead = best(predicted, i)
        x = base - alpha[i] * phi_1 * (rho[0] * d + rho[1] * (ahead - answers[-1]))
        answers.append(ahead)
    ours = sample(UniPC(), SCHEDULES["linear"], np.full(2, n), z)
    np.testing.assert_allclose(ours, answers[-1], atol=1e-4)  # the last step: x_0


def test_the_network_is_called_once_a_step():
    calls = tf.Variable(0)

    def denoise(x, level, previous):
        calls.assign_add(1)
        return best_estimate(x, level)

    sample(UniPC(), SCHEDULES["linear"], np.full(2, 6), np.zeros((2, 2)), denoise)
    assert int(calls) == 6
