"""Learning-rate schedules against their closed forms, and scaling of both kinds."""

import math

import keras
import numpy as np
import pytest

from tfgenai.train import WarmupCosine
from tfgenai.train.learning_rates import (
    ScaledSchedule,
    learning_rate_schedule,
    scale_learning_rate,
)


@pytest.mark.parametrize(
    ("warmup", "final"), [(0, 0.0), (1, 0.0), (20, 0.1), (99, 1.0)]
)
def test_every_step_agrees_with_the_closed_form(warmup, final):
    peak, total = 3e-4, 100
    schedule = WarmupCosine(peak, total, warmup_steps=warmup, final_fraction=final)

    def closed_form(t):
        if t < warmup:
            return peak * (t + 1) / (warmup + 1)
        share = min((t - warmup) / (total - warmup), 1)
        return peak * (final + (1 - final) * (1 + math.cos(math.pi * share)) / 2)

    steps = range(total + 30)
    np.testing.assert_allclose(
        [float(schedule(t)) for t in steps],
        [closed_form(t) for t in steps],
        rtol=1e-5,
        atol=1e-10,
    )


def test_without_warm_up_it_is_keras_own_cosine_decay():
    ours = WarmupCosine(0.1, 50, final_fraction=0.2)
    keras_own = keras.optimizers.schedules.CosineDecay(0.1, 50, alpha=0.2)
    for t in range(60):
        assert float(ours(t)) == pytest.approx(float(keras_own(t)), rel=1e-5)


def test_an_optimizer_with_the_schedule_survives_its_config():
    schedule = ScaledSchedule(WarmupCosine(0.1, 50, warmup_steps=5), 0.25)
    optimizer = keras.optimizers.Adam(schedule)
    again = keras.optimizers.deserialize(keras.optimizers.serialize(optimizer))
    revived = learning_rate_schedule(again)
    assert revived.get_config() == schedule.get_config()
    assert float(revived(5)) == pytest.approx(0.025)


def test_scaling_lowers_numbers_and_schedules_alike():
    plain = keras.optimizers.SGD(0.1)
    scheduled = keras.optimizers.SGD(WarmupCosine(0.1, 50))
    wrapped = keras.optimizers.LossScaleOptimizer(keras.optimizers.SGD(0.1))
    for optimizer in (plain, scheduled, wrapped):
        scale_learning_rate(optimizer, 0.5)
        scale_learning_rate(optimizer, 0.5)
    assert float(plain.learning_rate) == pytest.approx(0.025)
    assert float(learning_rate_schedule(scheduled)(0)) == pytest.approx(0.025)
    assert isinstance(learning_rate_schedule(scheduled).schedule, WarmupCosine)
    assert float(wrapped.inner_optimizer.learning_rate) == pytest.approx(0.025)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"peak": 0.0, "total_steps": 5}, "peak=0.0"),
        ({"peak": float("nan"), "total_steps": 5}, "peak=nan"),
        ({"peak": 1.0, "total_steps": 0}, "total_steps=0"),
        ({"peak": 1.0, "total_steps": 5, "warmup_steps": 5}, "warmup_steps=5"),
        ({"peak": 1.0, "total_steps": 5, "final_fraction": 1.5}, "final_fraction=1.5"),
    ],
)
def test_numbers_out_of_range_are_refused_by_name(arguments, words):
    with pytest.raises(ValueError, match=words):
        WarmupCosine(**arguments)
