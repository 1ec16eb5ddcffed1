"""Sampling with caches: equal to full passes, to log_prob and to the distribution."""

import itertools

import numpy as np
import pytest
import scipy.stats
import tensorflow as tf

from tfgenai.autoregressive import draw_by_full_passes
from tfgenai.core import random
from tfgenai.core.likelihoods import (
    Categorical,
    DiscretizedLogistic,
    DiscretizedLogisticMixture,
)

CASES = {
    "grey": {},
    "dilated_labels_wide_kernel": {
        "kernel_size": 5,
        "dilations": (1, 2),
        "num_classes": 3,
    },
    "row_context": {"row_context_dim": 8, "num_row_blocks": 2},
    "attention": {"attention_blocks": (0, 1), "num_heads": 2},
    "colour": {
        "image_shape": (3, 4, 3),
        "likelihood": Categorical(4),
        "attention_blocks": (1,),
        "num_heads": 2,
        "num_classes": 3,
    },
    "colour_logistic": {
        "image_shape": (3, 4, 3),
        "likelihood": DiscretizedLogistic(8),
    },
    "colour_mixture": {
        "image_shape": (3, 4, 3),
        "likelihood": DiscretizedLogisticMixture(2, num_levels=8),
    },
}


@pytest.mark.parametrize("case", CASES)
def test_caches_change_nothing(make_tiny, case):
    # Trap P2, with one temperature a row, greedy among them.
    model = make_tiny(**CASES[case])
    labels = None if model.num_classes is None else tf.constant([0, 1, 2])
    seeds = tf.constant(random.row_seeds(1, 3))
    temperature = tf.constant([1.0, 0.5, 0.0])

    @tf.function(autograph=False)
    def both():
        cached, log_prob = model.sample_with_log_prob(
            seeds, temperature=temperature, labels=labels
        )
        one_hot = None if labels is None else tf.one_hot(labels, 3)
        plain = draw_by_full_passes(
            model.network, model.likelihood, seeds, temperature, one_hot
        )
        return cached, plain, log_prob, model.log_prob(cached, labels)

    cached, plain, during, after = (t.numpy() for t in both())
    assert model.likelihood.supports(cached).numpy().all()
    np.testing.assert_allclose(cached, plain, atol=1e-5)
    np.testing.assert_allclose(during, after, atol=1e-4, rtol=1e-6)
    assert len(np.unique(cached.reshape(3, -1), axis=0)) == 3


def all_images(shape, levels):
    values = itertools.product(np.linspace(-1, 1, levels), repeat=int(np.prod(shape)))
    return np.float32(list(values)).reshape(-1, *shape)


@pytest.mark.parametrize(
    ("shape", "levels", "arguments"),
    [
        ((2, 2, 1), 2, {"row_context_dim": 4}),
        ((2, 1, 3), 2, {"likelihood": Categorical(2), "attention_blocks": (0,)}),
        (
            (2, 1, 2),
            3,
            {"likelihood": DiscretizedLogisticMixture(2, num_levels=3)},
        ),
    ],
)
def test_all_images_have_probability_one_and_samples_follow_it(
    make_tiny, shape, levels, arguments
):
    # Enumeration; chi-square of the draws against it, p > 1e-4.
    model = make_tiny(shape, num_heads=2, **arguments)
    images = all_images(shape, levels)
    probabilities = np.exp(model.log_likelihood(images).astype(np.float64))
    assert probabilities.sum() == pytest.approx(1.0, abs=1e-5)

    n = 4000
    samples = model.generate(n, seed=3, batch_size=n).reshape(n, -1)
    digits = np.rint((samples + 1) * (levels - 1) / 2).astype(int)
    index = digits @ levels ** np.arange(digits.shape[1])[::-1]
    counts = np.bincount(index, minlength=len(images))
    expected = n * probabilities / probabilities.sum()
    many = expected >= 5
    counts = np.append(counts[many], counts[~many].sum())
    expected = np.append(expected[many], expected[~many].sum())
    keep = expected > 0
    assert scipy.stats.chisquare(counts[keep], expected[keep]).pvalue > 1e-4


def test_temperature_zero_takes_the_likeliest_value_of_each_pixel(make_tiny):
    model = make_tiny()
    x = model.generate(2, temperature=0.0, seed=5)
    np.testing.assert_array_equal(x, np.where(model(x) > 0, 1.0, -1.0))
    np.testing.assert_array_equal(x[0], x[1])


def test_a_row_does_not_depend_on_its_neighbours(make_tiny):
    model = make_tiny(num_classes=3, row_context_dim=8)
    seeds = random.row_seeds(4, 5)
    together = model.generate(5, seed=seeds, labels=[0, 1, 2, 0, 1])
    alone = model.generate(1, seed=seeds[3:4], labels=0)
    np.testing.assert_array_equal(together[3:4], alone)


def test_xla_gives_the_same_samples(make_tiny):
    model = make_tiny((3, 3, 1), num_blocks=1, attention_blocks=(0,), num_heads=2)
    np.testing.assert_array_equal(
        model.generate(3, seed=1, jit_compile=True), model.generate(3, seed=1)
    )
