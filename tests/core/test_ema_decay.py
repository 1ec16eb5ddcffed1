"""Decays of averages against their definitions: half-life, power profile, warm-up."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from tfgenai.core.ema_decay import (
    ConstantDecay,
    EMADecay,
    HalfLifeDecay,
    PowerDecay,
    resolve_decay,
)


def profile(decay: EMADecay, steps: int) -> np.ndarray:
    """Weight of each step's value in the average after the last, by definition."""
    factors = decay.factor(tf.range(steps, dtype=tf.float32)).numpy().astype(float)
    weights = np.zeros(steps)
    for step, factor in enumerate(factors):
        weights *= factor
        weights[step] = 1.0 - factor
    return weights


def test_a_constant_decay_is_geometric_once_warm():
    weights = profile(ConstantDecay(0.9), 500)
    np.testing.assert_allclose(weights[-2] / weights[-1], 0.9, rtol=1e-6)
    assert float(ConstantDecay(0.9).factor(tf.constant(0.0))) == pytest.approx(0.1)


def test_a_half_life_halves_a_weight_after_so_many_steps():
    weights = profile(HalfLifeDecay(20.0), 2000)
    assert weights[-21] / weights[-1] == pytest.approx(0.5, rel=1e-4)


def test_a_half_life_is_short_at_first():
    early = HalfLifeDecay(1000.0, rampup_ratio=0.05).factor(tf.constant(99.0))
    assert float(early) == pytest.approx(0.5 ** (1 / 5), rel=1e-5)


@pytest.mark.parametrize("relative_std", [0.05, 0.1, 0.2])
def test_a_power_profile_has_the_width_that_was_asked_for(relative_std):
    steps = 4000
    weights = profile(PowerDecay(relative_std), steps)
    time = np.arange(1, steps + 1) / steps
    mean = np.sum(weights * time)
    std = np.sqrt(np.sum(weights * (time - mean) ** 2))
    assert weights.sum() == pytest.approx(1.0, abs=1e-5)
    assert std == pytest.approx(relative_std, rel=0.01)


def test_published_exponents_of_the_power_profile():
    # Karras et al. 2024, section 3.1: 5 % and 10 % are gamma = 16.97 and 6.94
    assert PowerDecay(0.05).gamma == pytest.approx(16.97, abs=0.01)
    assert PowerDecay(0.10).gamma == pytest.approx(6.94, abs=0.01)


@pytest.mark.parametrize(
    "decay", [ConstantDecay(0.99), HalfLifeDecay(10.0), PowerDecay(0.1)]
)
def test_a_decay_survives_its_config(decay):
    config = keras.saving.serialize_keras_object(decay)
    again = keras.saving.deserialize_keras_object(config)
    assert type(again) is type(decay)
    assert again.get_config() == decay.get_config()


@pytest.mark.parametrize(
    ("make", "name"),
    [
        (lambda: resolve_decay(1.0), "ema_decay"),
        (lambda: HalfLifeDecay(0.0), "half_life"),
        (lambda: PowerDecay(0.3), "relative_std"),
    ],
)
def test_numbers_out_of_range_are_refused(make, name):
    with pytest.raises(ValueError, match=name):
        make()


def test_something_else_is_refused():
    with pytest.raises(TypeError, match="ema_decay='fast'"):
        resolve_decay("fast")
