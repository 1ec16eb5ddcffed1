"""Classifier guidance: Gaussian closed forms, finite differences, refusals."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from exact_models import GaussianModel, noisy_batch, small_model

from tfgenai.diffusion import ClassifierGuidance, NoGuidance

MEAN, STD = np.array([0.5, -1.0]), np.array([0.4, 0.8])
SLOPE = np.array([0.7, -0.3])
LEVELS = (0.05, 0.3, 0.7, 0.95)


@keras.saving.register_keras_serializable("tests")
class ExponentialTilt(keras.layers.Layer):
    """Logits (0, a·x - 50): the log probability of class 1 is a·x - 50 to the bit."""

    def call(self, x):
        if isinstance(x, list):
            x, time = x
            assert time.shape.rank == 1
        score = tf.reduce_sum(x * tf.constant(SLOPE, tf.float32), 1) - 50.0
        return tf.stack([tf.zeros_like(score), score], 1)


@pytest.fixture(scope="module")
def gaussian():
    return GaussianModel(MEAN, STD)


@pytest.fixture(scope="module")
def classifier():
    return keras.Sequential(
        [
            keras.Input((2,)),
            keras.layers.Dense(
                8,
                "tanh",
                kernel_initializer=keras.initializers.RandomNormal(stddev=1.0, seed=1),
            ),
            keras.layers.Dense(
                3,
                kernel_initializer=keras.initializers.RandomNormal(stddev=1.0, seed=2),
            ),
        ]
    )


def shift_of(guidance, model, x, level, **rows):
    rows = {k: tf.constant(np.broadcast_to(v, len(x))) for k, v in rows.items()}
    arguments = (model, x, level, rows, tf.zeros_like(x))
    return guidance.estimate(*arguments) - NoGuidance().estimate(*arguments)


def rows(scale=1.0):
    return {"target_labels": np.int32(1), "classifier_scale": np.float32(scale)}


@pytest.mark.parametrize("time", LEVELS)
def test_the_shift_is_the_posterior_covariance_times_the_slope(gaussian, time):
    x, level = noisy_batch(gaussian, 5, time=time)
    shift = shift_of(
        ClassifierGuidance(ExponentialTilt()), gaussian, x, level, **rows(2)
    )
    alpha, sigma = float(level.alpha[0]), float(level.sigma[0])
    covariance = STD**2 * sigma**2 / (alpha**2 * STD**2 + sigma**2)
    np.testing.assert_allclose(
        shift, np.tile(2.0 * covariance * SLOPE, (5, 1)), rtol=1e-3, atol=1e-5
    )


@pytest.mark.parametrize("time", LEVELS)
def test_a_noise_aware_classifier_shifts_by_equation_14(gaussian, time):
    x, level = noisy_batch(gaussian, 5, time=time)
    guidance = ClassifierGuidance(ExponentialTilt(), noise_aware=True)
    shift = shift_of(guidance, gaussian, x, level, **rows(2))
    # epsilon - sigma s g, in the units of the data: (x - sigma epsilon) / alpha.
    factor = float(level.sigma[0]) ** 2 / float(level.alpha[0])
    np.testing.assert_allclose(
        shift, np.tile(2.0 * factor * SLOPE, (5, 1)), rtol=1e-4, atol=1e-5
    )


@pytest.mark.parametrize("jit_compile", [False, True])
def test_samples_follow_the_tilted_gaussian(gaussian, jit_compile):
    # N(m, v) times exp(s a·x) is N(m + s v a, v), and DDIM keeps the noise.
    guidance = ClassifierGuidance(ExponentialTilt())
    arguments = {"seed": 3, "num_steps": 100, "jit_compile": jit_compile}
    guided = gaussian.generate(
        8, guidance=guidance, target_labels=1, classifier_scale=2.0, **arguments
    )
    shift = guided - gaussian.generate(8, **arguments)
    expected = np.tile(2.0 * STD**2 * SLOPE, (8, 1))
    np.testing.assert_allclose(shift, expected, rtol=0.02)


def test_pure_noise_is_not_guided():
    model = GaussianModel(MEAN, STD, zero_terminal_snr=True)
    x, level = noisy_batch(model, 3, time=1.0)
    guidance = ClassifierGuidance(ExponentialTilt(), noise_aware=True)
    np.testing.assert_array_equal(shift_of(guidance, model, x, level, **rows(9)), 0.0)
    samples = model.generate(3, guidance=guidance, target_labels=1, num_steps=5)
    assert np.isfinite(samples).all()


def test_the_gradient_is_that_of_finite_differences(classifier):
    model = small_model()
    guidance = ClassifierGuidance(classifier)
    x, level = noisy_batch(model, 4, time=0.6)
    labels = np.array([0, 1, 2, 1], np.int32)
    shift = shift_of(
        guidance, model, x, level, target_labels=labels, classifier_scale=np.float32(1)
    )

    def log_probability(x):
        x0 = NoGuidance().estimate(model, x, level, {}, tf.zeros_like(x))
        log_p = tf.nn.log_softmax(classifier(x0)).numpy()
        return log_p[np.arange(4), labels]

    step = 1e-2
    for axis in range(2):
        move = step * np.eye(2, dtype=np.float32)[axis]
        slope = (log_probability(x + move) - log_probability(x - move)) / (2 * step)
        expected = level.sigma**2 / level.alpha * slope
        np.testing.assert_allclose(shift[:, axis], expected, rtol=0.02, atol=2e-3)


def test_samples_are_more_often_of_the_wanted_class(classifier):
    model = GaussianModel([0.0, 0.0], [1.0, 1.0])
    guidance = ClassifierGuidance(classifier, scale=3.0)

    def share(**knobs):
        x = model.generate(60, seed=0, num_steps=20, guidance=guidance, **knobs)
        return np.mean(classifier(x).numpy().argmax(1) == 2)

    shares = [share(target_labels=2, classifier_scale=s) for s in (0.0, 3.0, 30.0)]
    assert shares[0] < shares[1] < shares[2]
    assert shares[2] > 0.85


def test_no_scale_is_no_guidance(gaussian):
    guidance = ClassifierGuidance(ExponentialTilt())
    arguments = {"seed": 3, "num_steps": 4}
    np.testing.assert_array_equal(
        gaussian.generate(
            3, guidance=guidance, target_labels=1, classifier_scale=0.0, **arguments
        ),
        gaussian.generate(3, **arguments),
    )


def test_a_model_with_labels_takes_no_others(classifier):
    model = small_model(num_classes=3)
    guidance = ClassifierGuidance(classifier)
    guided = model.generate(3, labels=[0, 1, 2], guidance=guidance, num_steps=3)
    assert (guided != model.generate(3, labels=[0, 1, 2], num_steps=3)).all()
    with pytest.raises(TypeError, match="target_labels"):
        model.generate(3, labels=0, target_labels=1, guidance=guidance)
    with pytest.raises(ValueError, match="3 logits"):
        small_model(num_classes=4).generate(1, labels=0, guidance=guidance)


def test_refusals(gaussian, classifier):
    guidance = ClassifierGuidance(classifier)
    with pytest.raises(ValueError, match="'target_labels'"):
        gaussian.generate(2, guidance=guidance)
    with pytest.raises(ValueError, match="target_labels=3"):
        gaussian.generate(2, guidance=guidance, target_labels=3)
    with pytest.raises(ValueError, match="classifier_scale=-1"):
        gaussian.generate(2, guidance=guidance, target_labels=0, classifier_scale=-1)
    with pytest.raises(TypeError, match="Keras model"):
        ClassifierGuidance(lambda x: x)
    with pytest.raises(ValueError, match="scale=-1"):
        ClassifierGuidance(classifier, scale=-1)
    with pytest.raises(ValueError, match="does not take them"):
        GaussianModel(np.zeros(5), np.ones(5)).generate(1, guidance=guidance)
    flat = keras.Sequential([keras.Input((2,)), keras.layers.Reshape((2, 1))])
    with pytest.raises(ValueError, match="Logits of shape"):
        gaussian.generate(2, guidance=ClassifierGuidance(flat), target_labels=0)


def test_the_weights_that_are_read_can_be_found(classifier):
    assert ClassifierGuidance(classifier).models == (classifier,)
