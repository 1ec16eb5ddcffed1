"""Weights by reward: closed forms, and what training with them does to samples."""

import keras
import numpy as np
import pytest
from tiny_images import diffusion

from tfgenai.core import random
from tfgenai.finetune.images import reward_weights


def test_normal_rewards_shift_by_variance_over_temperature():
    # Closed form: exp(r / t) N(r; m, s²) is proportional to N(r; m + s² / t, s²).
    rewards = random.numpy_generator(0).normal(2.0, 0.5, 200_000)
    weights = reward_weights(rewards, temperature=0.5)
    np.testing.assert_allclose(weights.mean(), 1.0, rtol=1e-5)
    np.testing.assert_allclose((weights * rewards).mean(), 2.0 + 0.25 / 0.5, atol=0.01)


def test_rewards_that_are_shifted_or_huge_weigh_the_same():
    rewards = np.array([0.0, 1.0, 2.0])
    expected = np.exp(rewards) / np.exp(rewards).mean()
    for shift in (0.0, -5.0, 1000.0):
        np.testing.assert_allclose(reward_weights(rewards + shift), expected, rtol=1e-6)


@pytest.mark.parametrize(
    ("rewards", "temperature", "words"),
    [
        ([], 1.0, r"shape \(0,\)"),
        ([[1.0]], 1.0, r"shape \(1, 1\)"),
        ([1.0, np.nan], 1.0, "1 of them"),
        ([1.0], 0.0, "temperature=0.0"),
        ([1.0], float("nan"), "temperature=nan"),
    ],
)
def test_bad_input_is_refused(rewards, temperature, words):
    with pytest.raises(ValueError, match=words):
        reward_weights(rewards, temperature=temperature)


@pytest.mark.slow
def test_weighted_training_raises_the_reward_of_samples_by_its_deviation():
    data = random.numpy_generator(1).normal(size=(2048, 2)).astype(np.float32)
    model = diffusion(
        None,
        network_options={"hidden_dim": 64, "num_blocks": 2},
        noise_schedule="rectified_flow",
        ema_decay=0.99,
    )
    model.compile(keras.optimizers.Adam(2e-3))
    model.fit(data, batch_size=256, epochs=30, verbose=0)
    samples = model.generate(4096, seed=1, num_steps=20)
    before = samples[:, 0]
    weights = reward_weights(before, temperature=float(before.std()) / 1.5)
    labels = np.zeros(len(samples), np.int32)
    model.fit(
        samples, labels, sample_weight=weights, batch_size=256, epochs=30, verbose=0
    )
    after = model.generate(1024, seed=2, num_steps=20)[:, 0]
    # Closed form of the target: 1.5 standard deviations up.
    rise = (after.mean() - before.mean()) / before.std()
    assert 1.0 <= rise <= 2.0
