import keras
import numpy as np
import pytest
import tensorflow as tf

from tfgenai.gan.losses import (
    ADVERSARIAL_LOSSES,
    AdversarialLoss,
    LeastSquaresLoss,
    MinimaxLoss,
    NonSaturatingLoss,
    WassersteinLoss,
)

LOGITS = np.array([-3.0, -0.7, 0.0, 0.4, 2.5])


def sigmoid(x):
    return 1.0 / (1.0 + np.exp(-x))


# The papers' formulas, from probabilities, in float64: (real, fake, generator).
FORMULAS = {
    "non_saturating": (
        lambda c: -np.log(sigmoid(c)),
        lambda c: -np.log(1 - sigmoid(c)),
        lambda c: -np.log(sigmoid(c)),
    ),
    "minimax": (
        lambda c: -np.log(sigmoid(c)),
        lambda c: -np.log(1 - sigmoid(c)),
        lambda c: np.log(1 - sigmoid(c)),
    ),
    "least_squares": (
        lambda c: (c - 1) ** 2 / 2,
        lambda c: c**2 / 2,
        lambda c: (c - 1) ** 2 / 2,
    ),
    "hinge": (
        lambda c: np.maximum(0, 1 - c),
        lambda c: np.maximum(0, 1 + c),
        lambda c: -c,
    ),
    "wasserstein": (lambda c: -c, lambda c: c, lambda c: -c),
}
PARTS = ("real_loss", "fake_loss", "generator_loss")


def test_all_losses_are_known_by_name():
    assert ADVERSARIAL_LOSSES.names() == sorted(FORMULAS)


@pytest.mark.parametrize("name", FORMULAS)
@pytest.mark.parametrize("part", range(3))
def test_equals_the_formula_of_the_paper(name, part):
    loss = ADVERSARIAL_LOSSES.create(name)
    value = getattr(loss, PARTS[part])(tf.constant(LOGITS, tf.float32))
    np.testing.assert_allclose(value, FORMULAS[name][part](LOGITS), rtol=1e-5)


@pytest.mark.parametrize("name", FORMULAS)
@pytest.mark.parametrize("part", range(3))
def test_gradient_equals_finite_differences_of_the_formula(name, part):
    loss = ADVERSARIAL_LOSSES.create(name)
    logits = tf.constant(LOGITS, tf.float32)
    with tf.GradientTape() as tape:
        tape.watch(logits)
        total = tf.reduce_sum(getattr(loss, PARTS[part])(logits))
    formula, h = FORMULAS[name][part], 1e-6
    expected = (formula(LOGITS + h) - formula(LOGITS - h)) / (2 * h)
    np.testing.assert_allclose(tape.gradient(total, logits), expected, atol=1e-5)


@pytest.mark.parametrize("name", ["non_saturating", "minimax"])
def test_is_log_4_where_the_discriminator_cannot_tell(name):
    loss = ADVERSARIAL_LOSSES.create(name)
    zeros = tf.zeros(3)
    assert float(loss.discriminator_loss(zeros, zeros)) == pytest.approx(np.log(4))


def test_optimal_discriminator_measures_the_jensen_shannon_divergence():
    # Goodfellow et al. 2014, theorem 1: the value is log 4 - 2 JSD(p, q) (closed form).
    p, q = np.array([0.7, 0.2, 0.1]), np.array([0.1, 0.3, 0.6])
    logits = np.log(p / q)  # D* = p / (p + q)
    loss = NonSaturatingLoss()
    value = np.sum(p * loss.real_loss(logits)) + np.sum(q * loss.fake_loss(logits))
    m = (p + q) / 2
    jsd = (np.sum(p * np.log(p / m)) + np.sum(q * np.log(q / m))) / 2
    assert value == pytest.approx(np.log(4) - 2 * jsd, rel=1e-5)


def test_least_squares_optimum_is_the_share_of_real():
    # Mao et al. 2017, equation 11: C* = p / (p + q); the gradient vanishes there.
    p, q = np.array([0.7, 0.2, 0.1]), np.array([0.1, 0.3, 0.6])
    logits = tf.constant(p / (p + q), tf.float32)
    loss = LeastSquaresLoss()
    with tf.GradientTape() as tape:
        tape.watch(logits)
        value = tf.reduce_sum(p * loss.real_loss(logits) + q * loss.fake_loss(logits))
    np.testing.assert_allclose(tape.gradient(value, logits), np.zeros(3), atol=1e-6)


def test_wasserstein_of_shifted_points_is_the_shift():
    # Closed form: W1 of a distribution and itself moved by 1.5; C(x) = x is optimal.
    points = tf.constant([0.3, -1.0, 2.0])
    loss = WassersteinLoss().discriminator_loss(points + 1.5, points)
    assert float(loss) == pytest.approx(-1.5)


def test_minimax_gradient_vanishes_where_the_discriminator_is_sure():
    logits = tf.constant([-20.0])
    slopes = []
    for loss in (MinimaxLoss(), NonSaturatingLoss()):
        with tf.GradientTape() as tape:
            tape.watch(logits)
            value = loss.generator_loss(logits)
        slopes.append(float(tape.gradient(value, logits)[0]))
    assert abs(slopes[0]) < 1e-8
    assert slopes[1] == pytest.approx(-1.0)


@pytest.mark.parametrize("name", FORMULAS)
def test_is_finite_and_float32_for_extreme_half_precision_logits(name):
    loss = ADVERSARIAL_LOSSES.create(name)
    logits = tf.constant([-6e4, 0.0, 6e4], tf.float16)
    for part in PARTS:
        with tf.GradientTape() as tape:
            tape.watch(logits)
            value = getattr(loss, part)(logits)
        assert value.dtype == tf.float32
        assert np.isfinite(value).all()
        assert np.isfinite(tape.gradient(value, logits)).all()


@pytest.mark.parametrize("smoothing", [0.0, 0.1, 0.3])
def test_smoothing_is_cross_entropy_with_a_softer_label(smoothing):
    loss = NonSaturatingLoss(label_smoothing=smoothing)
    d = sigmoid(LOGITS)
    expected = -(1 - smoothing) * np.log(d) - smoothing * np.log(1 - d)
    np.testing.assert_allclose(
        loss.real_loss(tf.constant(LOGITS, tf.float32)), expected, rtol=1e-5
    )
    # One-sided: the label of the fakes stays hard.
    np.testing.assert_allclose(
        loss.fake_loss(tf.constant(LOGITS, tf.float32)), -np.log(1 - d), rtol=1e-5
    )


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("non_saturating", 0.0),
        ("hinge", 0.0),
        ("least_squares", 0.5),
        ("wasserstein", 2.0),
    ],
)
def test_threshold_lies_between_real_and_fake(name, expected):
    loss = ADVERSARIAL_LOSSES.create(name)
    threshold = loss.threshold(tf.constant([4.0, 2.0]), tf.constant([0.0, 2.0]))
    assert float(threshold) == expected


@pytest.mark.parametrize("name", FORMULAS)
def test_comes_back_from_its_config(name):
    loss = ADVERSARIAL_LOSSES.create(name)
    again = keras.saving.deserialize_keras_object(
        keras.saving.serialize_keras_object(loss)
    )
    assert type(again) is type(loss)
    assert again.get_config() == loss.get_config()


def test_smoothing_comes_back_from_its_config():
    loss = keras.saving.deserialize_keras_object(
        keras.saving.serialize_keras_object(NonSaturatingLoss(0.2))
    )
    assert loss.label_smoothing == 0.2


@pytest.mark.parametrize("smoothing", [-0.1, 0.5, float("nan")])
def test_refuses_a_smoothing_out_of_range(smoothing):
    with pytest.raises(ValueError, match="Received: label_smoothing="):
        NonSaturatingLoss(smoothing)


@pytest.mark.parametrize("part", PARTS)
def test_base_asks_for_the_parts(part):
    with pytest.raises(NotImplementedError, match=part):
        getattr(AdversarialLoss(), part)(tf.zeros(2))
