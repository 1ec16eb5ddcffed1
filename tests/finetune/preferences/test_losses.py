"""Oracles: NumPy in float64, and gradients worked out by hand."""

import numpy as np
import pytest
import tensorflow as tf
from scipy.special import expit, log_expit

from tfgenai.core import random
from tfgenai.finetune.preferences.losses import dpo_loss, ipo_loss, kto_loss


def _ratios(n=6):
    rng = random.numpy_generator(0)
    return rng.normal(0, 5, n), rng.normal(0, 5, n)


@pytest.mark.parametrize("smoothing", [0.0, 0.2])
def test_dpo_is_its_formula(smoothing):
    chosen, rejected = _ratios()
    margin = 0.3 * (chosen - rejected)
    expected = -(1 - smoothing) * log_expit(margin) - smoothing * log_expit(-margin)
    loss = dpo_loss(
        tf.constant(chosen, tf.float32),
        tf.constant(rejected, tf.float32),
        beta=0.3,
        label_smoothing=smoothing,
    )
    np.testing.assert_allclose(loss, expected, rtol=1e-4, atol=1e-6)


def test_dpos_gradient_is_the_papers():
    """Rafailov et al. 2023, section 4: β σ(r_rejected - r_chosen), up and down."""
    chosen, rejected = (tf.constant(v, tf.float32) for v in _ratios())
    with tf.GradientTape() as tape:
        tape.watch([chosen, rejected])
        loss = dpo_loss(chosen, rejected, beta=0.3)
    up, down = tape.gradient(loss, [chosen, rejected])
    expected = 0.3 * expit(0.3 * (rejected.numpy() - chosen.numpy()).astype(float))
    np.testing.assert_allclose(up, -expected, rtol=1e-4, atol=1e-7)
    np.testing.assert_allclose(down, expected, rtol=1e-4, atol=1e-7)


def test_dpo_begins_at_log_2_with_half_of_beta():
    ratio = tf.constant([2.5])  # of both answers, so that neither gained on the other
    with tf.GradientTape() as tape:
        tape.watch(ratio)
        loss = dpo_loss(ratio, tf.constant([2.5]), beta=0.3)
    np.testing.assert_allclose(loss, [np.log(2)], rtol=1e-6)
    np.testing.assert_allclose(tape.gradient(loss, ratio), [-0.15], rtol=1e-6)


def test_ipos_gradient_is_twice_the_distance():
    chosen, rejected = (tf.constant(v, tf.float32) for v in _ratios())
    with tf.GradientTape() as tape:
        tape.watch([chosen, rejected])
        loss = ipo_loss(chosen, rejected, beta=0.25)
    up, down = tape.gradient(loss, [chosen, rejected])
    expected = 2.0 * (chosen.numpy() - rejected.numpy() - 2.0)
    np.testing.assert_allclose(up, expected, rtol=1e-5)
    np.testing.assert_allclose(down, -expected, rtol=1e-5)


def test_extreme_margins_stay_finite():
    far = tf.constant([1e4, -1e4])
    loss = dpo_loss(far, -far, beta=1.0)
    np.testing.assert_allclose(loss, [0.0, 2e4], rtol=1e-6)


def test_ipo_is_least_where_the_margin_is_half_of_one_over_beta():
    chosen, rejected = _ratios()
    loss = ipo_loss(tf.constant(chosen), tf.constant(rejected), beta=0.25)
    np.testing.assert_allclose(loss, (chosen - rejected - 2.0) ** 2)
    assert float(ipo_loss(tf.constant(3.0), tf.constant(1.0), beta=0.25)) == 0.0


def test_kto_is_its_formula_without_a_gradient_of_the_divergence():
    ratio, _ = _ratios()
    liked = np.array([True, False] * 3)
    x, z = tf.constant(ratio, tf.float32), tf.constant(1.5)
    with tf.GradientTape() as tape:
        tape.watch([x, z])
        loss = kto_loss(
            x,
            tf.constant(liked),
            z,
            beta=0.2,
            desirable_weight=2.0,
            undesirable_weight=0.5,
        )
    value = np.where(liked, expit(0.2 * (ratio - 1.5)), expit(0.2 * (1.5 - ratio)))
    expected = np.where(liked, 2.0, 0.5) * (1 - value)
    np.testing.assert_allclose(loss, expected, rtol=1e-4)
    of_ratio, of_z = tape.gradient(loss, [x, z])
    assert of_z is None
    assert (np.sign(of_ratio) == np.where(liked, -1, 1)).all()
