"""Checks: which pixels are known, and the channels that parameters are of."""

import numpy as np
import pytest

from tfgenai.autoregressive.checks import check_known, check_likelihood
from tfgenai.core.likelihoods import (
    Bernoulli,
    Categorical,
    DiscretizedLogistic,
    DiscretizedLogisticMixture,
)

SHAPE = (2, 3, 1)


def test_rows_are_counted_from_the_top():
    known = check_known(None, 1, 4, SHAPE)
    assert known.shape == (4, 2, 3)
    assert known[:, 0].all()
    assert not known[:, 1].any()


def test_one_mask_serves_all_images():
    mask = np.array([[True, False, True], [False, True, False]])
    known = check_known(mask, None, 4, SHAPE)
    np.testing.assert_array_equal(known, np.stack([mask] * 4))
    np.testing.assert_array_equal(check_known(known, None, 4, SHAPE), known)


@pytest.mark.parametrize(
    ("likelihood", "expected"),
    [
        (Bernoulli(), [0, 1, 2]),
        (Categorical(2), [0, 0, 1, 1, 2, 2]),
        (DiscretizedLogistic(), [0, 1, 2, 0, 1, 2]),
        (DiscretizedLogisticMixture(), None),
    ],
)
def test_parameters_know_their_channel(likelihood, expected):
    assert check_likelihood(likelihood, (4, 4, 3), 8) == expected
