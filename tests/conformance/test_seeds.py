"""Law: a sample is a function of its seed, never of its neighbours or of history."""

import numpy as np
from models import batches

from tfgenai.core import random


def test_a_row_does_not_depend_on_its_batch(descriptor):
    model = descriptor.make()
    conditions = descriptor.conditions(5)
    together = model.generate(5, seed=3, **conditions)
    alone = model.generate(
        1,
        seed=random.row_seeds(3, 5)[3:4],
        **{k: v[3:4] for k, v in conditions.items()},
    )
    np.testing.assert_allclose(together[3:4], alone, atol=1e-4)
    in_twos = model.generate(5, seed=3, batch_size=2, **conditions)
    np.testing.assert_allclose(together, in_twos, atol=1e-4)
    compiled = model.generate(5, seed=3, jit_compile=True, **conditions)
    np.testing.assert_allclose(together, compiled, atol=1e-4)


def test_history_does_not_matter_and_seeds_do(descriptor):
    model = descriptor.make()
    conditions = descriptor.conditions(4)
    first = model.generate(4, seed=3, **conditions)
    model.generate(2, seed=9, **descriptor.conditions(2))
    np.testing.assert_array_equal(first, model.generate(4, seed=3, **conditions))
    assert (first != model.generate(4, seed=4, **conditions)).any()
    assert np.abs(first).max() <= 1.0


def test_two_models_of_one_seed_train_alike_and_of_two_do_not(descriptor):
    def trained(seed):
        model = descriptor.make(seed=seed)
        model.compile(jit_compile=False)
        return model.fit(batches(), verbose=0).history

    assert trained(1) == trained(1)
    assert trained(1) != trained(2)
