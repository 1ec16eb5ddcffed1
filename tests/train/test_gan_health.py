import warnings

import keras
import numpy as np
import pytest

import tfgenai as tg
from tfgenai.core import random
from tfgenai.train.gan_health import GANHealth, diversity

SHAPE = (4, 4, 1)
FIGURES = {"generator_gradient_norm", "discriminator_gradient_norm", "sample_diversity"}


class Stub(tg.GAN):
    """A GAN whose samples and gradient norms a test sets."""

    def __init__(self, num_classes=None, images=None):
        super().__init__(SHAPE, 2, network="mlp", num_classes=num_classes)
        self.images = images
        self.set_norms(1.0, 1.0)

    def set_norms(self, generator, discriminator):
        self.gradient_norms.assign([generator, discriminator])

    def generate(self, n=1, *, seed=None, **conditions):
        return self.images(n)


def varied(n):
    return random.numpy_generator(0).uniform(-1, 1, (n, *SHAPE)).astype("float32")


def flat(n):
    return np.full((n, *SHAPE), 0.3, "float32")


def attached(model, **kwargs):
    health = GANHealth(**{"num_samples": 20, "patience": 1, **kwargs})
    health.set_model(model)
    return health


def kinds(health):
    return [alarm["kind"] for alarm in health.alarms]


def end_epoch(health, epoch=0, **logs):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        health.on_epoch_end(epoch, logs)
    return logs


def test_figures_come_from_a_real_training():
    gan = tg.GAN(SHAPE, 2, network="mlp", num_classes=3)
    gan.compile(jit_compile=False)
    x = varied(8)
    y = np.arange(8, dtype="int32") % 3
    health = GANHealth(
        classifier=lambda images: np.arange(len(images)) % 3, num_samples=30
    )
    history = gan.fit(x, y, batch_size=4, verbose=0, callbacks=[health]).history
    assert set(history) >= {*FIGURES, "num_modes", "label_accuracy"}
    norms = gan.gradient_norms.numpy()
    assert history["generator_gradient_norm"] == [norms[0]]
    assert history["discriminator_gradient_norm"] == [norms[1]]
    assert (norms > 0).all()
    labels = np.arange(30) % 3
    images = gan.generate(30, labels=labels, seed=0)
    expected = np.sqrt(np.mean([images[labels == k].var(axis=0) for k in range(3)]))
    assert history["sample_diversity"][0] == pytest.approx(expected, rel=1e-5)
    # Labels are asked for in turn, which is what this classifier answers.
    assert history["label_accuracy"] == [1.0]
    assert history["num_modes"] == [3]
    assert health.history[0]["mode_histogram"] == [10, 10, 10]


def test_diversity_equals_numpy_s_deviation():
    images = varied(50)
    assert diversity(images) == pytest.approx(
        np.sqrt(images.var(axis=0).mean()), rel=1e-5
    )
    assert diversity(flat(5)) == pytest.approx(0.0, abs=1e-7)


def test_diversity_within_labels_sees_a_collapse_of_each():
    labels = np.arange(20) % 2
    images = flat(20) * np.where(labels, 1.0, -1.0)[:, None, None, None]
    assert diversity(images) == pytest.approx(0.3)
    assert diversity(images, labels) == pytest.approx(0.0, abs=1e-7)


def test_no_alarm_where_all_is_well():
    health = attached(Stub(images=varied), classifier=lambda x: np.arange(len(x)) % 10)
    end_epoch(health, real_accuracy=0.7, fake_accuracy=0.99)
    assert health.alarms == []


def test_identical_samples_are_a_collapse():
    health = attached(Stub(images=flat))
    with pytest.warns(UserWarning, match="After epoch 1: the samples have collapsed"):
        health.on_epoch_end(0, {})
    assert kinds(health) == ["collapse"]


def test_a_fall_of_diversity_is_a_collapse():
    model = Stub(images=varied)
    health = attached(model)
    end_epoch(health)
    model.images = lambda n: 0.2 * varied(n)
    end_epoch(health, 1)
    assert kinds(health) == ["collapse"]
    assert health.alarms[0]["epoch"] == 1


@pytest.mark.parametrize(
    "answer",
    [
        lambda x: np.arange(len(x)) % 4,
        lambda x: np.eye(10)[np.arange(len(x)) % 4],
    ],
)
def test_few_modes_give_the_alarm(answer):
    health = attached(Stub(num_classes=10, images=varied), classifier=answer)
    logs = end_epoch(health)
    assert kinds(health) == ["missing_modes"]
    assert logs["num_modes"] == 4
    assert health.history[0]["mode_histogram"] == [5, 5, 5, 5, 0, 0, 0, 0, 0, 0]


def test_a_discriminator_that_knows_all_gives_the_alarm():
    health = attached(Stub(images=varied))
    end_epoch(health, real_accuracy=0.99, fake_accuracy=0.985)
    assert kinds(health) == ["discriminator_won"]


@pytest.mark.parametrize(
    "norms", [(1e-9, 1.0), (1.0, 1e5), (float("nan"), 1.0), (1.0, float("inf"))]
)
def test_lost_gradients_give_the_alarm(norms):
    model = Stub(images=varied)
    model.set_norms(*norms)
    health = attached(model)
    end_epoch(health)
    assert kinds(health) == ["gradients"]


def test_patience_counts_measurements_in_a_row():
    model = Stub(images=flat)
    health = attached(model, patience=2)
    end_epoch(health, 0)
    model.images = varied
    end_epoch(health, 1)
    model.images = flat
    end_epoch(health, 2)
    assert health.alarms == []
    end_epoch(health, 3)
    end_epoch(health, 4)  # still bad: no second alarm
    assert [alarm["epoch"] for alarm in health.alarms] == [3]


@pytest.mark.parametrize(("action", "stops"), [("warn", False), ("stop", True)])
def test_stops_only_when_asked(action, stops):
    model = Stub(images=flat)
    model.stop_training = False
    end_epoch(attached(model, action=action))
    assert model.stop_training is stops


def test_logs_the_last_figures_between_measurements():
    model = Stub(images=varied)
    health = attached(model, every=2)
    first = end_epoch(health, 0)
    model.images = flat
    second = end_epoch(health, 1)
    third = end_epoch(health, 2)
    assert second["sample_diversity"] == first["sample_diversity"]
    assert third["sample_diversity"] < 1e-6
    assert [one["epoch"] for one in health.history] == [0, 2]
    assert set(first) == FIGURES


def test_state_goes_on_after_a_resume():
    first = attached(Stub(images=flat), patience=2)
    end_epoch(first, 0)
    second = attached(Stub(images=flat), patience=2)
    second.set_backup_state(first.get_backup_state())
    end_epoch(second, 1)
    assert kinds(second) == ["collapse"]
    assert len(second.history) == 2


def test_refuses_other_models():
    with pytest.raises(TypeError, match="type Sequential"):
        GANHealth().set_model(keras.Sequential())


@pytest.mark.parametrize(
    "answer", [np.zeros(3, int), np.zeros((3, 10)), np.zeros(20), np.zeros((20, 2, 2))]
)
def test_refuses_a_classifier_s_odd_answer(answer):
    health = attached(Stub(images=varied), classifier=lambda x: answer)
    with pytest.raises(ValueError, match="classifier's answer of shape"):
        health.on_epoch_end(0, {})


@pytest.mark.parametrize(
    "arguments",
    [{"num_samples": 1}, {"every": 0}, {"patience": 0}, {"action": "panic"}],
)
def test_refuses_bad_arguments(arguments):
    (name,) = arguments
    with pytest.raises(ValueError, match=f"{name}="):
        GANHealth(**arguments)
