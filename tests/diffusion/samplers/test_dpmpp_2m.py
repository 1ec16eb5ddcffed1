"""DPM-Solver++(2M): the exact flow, its order, and algorithm 2 written out."""

import numpy as np
import pytest
from gaussian import (
    MEAN,
    SCHEDULES,
    SPACING,
    STD,
    assert_follows_the_flow,
    fitted_order,
    sample,
)

from tfgenai.diffusion import DPMPP2M


def test_it_follows_the_exact_flow():
    assert_follows_the_flow(DPMPP2M(), "dpmpp_2m", 0.016)


@pytest.mark.parametrize("schedule", ["cosine", "karras", "rectified_flow"])
def test_its_error_falls_with_the_square_of_the_steps(schedule):
    order = fitted_order(DPMPP2M(spacing=SPACING), schedule)
    assert order == pytest.approx(2.0, abs=0.2)


def test_it_is_algorithm_2_line_by_line():
    n = 6
    z = np.array([[0.3, -1.2], [1.1, 0.4]], np.float32)
    time = np.linspace(1.0, 0.0, n + 1)[:-1]
    cut = np.exp(-10.0)
    angle = cut + time * (np.pi / 2 - 2 * cut)
    alpha, sigma = np.cos(angle), np.sin(angle)
    lam = np.log(alpha / sigma)

    def best(x, i):
        gain = alpha[i] * STD**2 / (alpha[i] ** 2 * STD**2 + sigma[i] ** 2)
        return MEAN + gain * (x - alpha[i] * MEAN)

    x = alpha[0] * MEAN + np.sqrt(alpha[0] ** 2 * STD**2 + sigma[0] ** 2) * z
    buffer = [best(x, 0)]
    for i in range(1, n):
        h = lam[i] - lam[i - 1]
        d = buffer[-1]
        if i > 1:
            r = (lam[i - 1] - lam[i - 2]) / h
            d = (1 + 1 / (2 * r)) * buffer[-1] - 1 / (2 * r) * buffer[-2]
        x = sigma[i] / sigma[i - 1] * x - alpha[i] * np.expm1(-h) * d
        buffer.append(best(x, i))
    ours = sample(DPMPP2M(), SCHEDULES["cosine"], np.full(2, n), z)
    np.testing.assert_allclose(ours, buffer[-1], atol=1e-4)  # the last step: x_0
