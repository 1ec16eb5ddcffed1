"""Law: two replicas take the step of one, and draw noise of their own."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from models import assert_same_state, constant_noise, state

import tfgenai as tg
from tfgenai.core import random


def trained(descriptor):
    model = descriptor.make(ema_decay=0.9)
    # Gradients, not Adam's signs, are compared: SGD.
    model.compile(
        jit_compile=False,
        **{name: keras.optimizers.SGD(0.01) for name in model.optimizer_names},
    )
    # two batches of 8, then 5 rows: 3 for one replica and 2 for the other
    data = descriptor.batches(n=21, batch_size=8, drop_remainder=False)
    model.fit(data, epochs=1, verbose=0)
    # the norms that are noted are those of the first replica's gradients
    return {k: v for k, v in state(model).items() if "gradient_norms" not in k}


@pytest.mark.slow
def test_two_replicas_take_the_steps_of_one(descriptor, monkeypatch):
    if descriptor.has_batch_norm:
        pytest.skip("statistics of half a batch are not those of a whole one")
    monkeypatch.setattr(random, "normal", constant_noise)
    monkeypatch.setattr(random, "next_scoped_seed", lambda: tf.constant([0, 0]))
    monkeypatch.setattr(
        random,
        "uniform",
        lambda seed, shape, minval=0.0, maxval=1.0: tf.fill(shape, 0.5),
    )
    one = trained(descriptor)
    with tg.train.strategy("mirrored").scope():
        two = trained(descriptor)
    assert_same_state(one, two, rtol=1e-5, atol=1e-5)


@pytest.mark.slow
def test_replicas_draw_different_noise(descriptor, monkeypatch):
    if descriptor.noise is None:
        pytest.skip("its training draws no noise")
    drawn = []
    real = getattr(random, descriptor.noise)

    def spy(seed, shape, *further):
        noise = real(seed, shape, *further)
        tf.py_function(lambda v: drawn.append(v.numpy()), [noise], [])
        return noise

    monkeypatch.setattr(random, descriptor.noise, spy)
    with tg.train.strategy("mirrored").scope():
        model = descriptor.make()
        model.compile()
        model.fit(descriptor.batches(n=8, batch_size=8), verbose=0)
    assert len(drawn) >= 2
    assert all(len(noise) == 4 for noise in drawn)  # half of the batch each
    firsts = {noise.ravel()[0].item() for noise in drawn}
    assert len(firsts) == len(drawn)
    assert np.isfinite(list(firsts)).all()
