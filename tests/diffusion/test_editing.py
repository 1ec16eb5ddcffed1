"""Edits of data: what is kept to the bit, and Gaussian closed forms for the rest."""

import numpy as np
import pytest
import tensorflow as tf
from exact_models import GaussianModel, small_model

from tfgenai.core import random
from tfgenai.diffusion import DDIM, DiffusionModel

MEAN, STD = np.array([0.5, -1.0]), np.array([0.4, 0.8])
SAMPLERS = (None, DDIM(8, eta=1.0), DDIM(8, spacing="linspace"))


@pytest.fixture(scope="module")
def model():
    return GaussianModel(MEAN, STD, sampler=DDIM(8))


@pytest.fixture(scope="module")
def x():
    noise = random.numpy_generator(1).normal(size=(5, 2))
    return (MEAN + STD * noise).astype(np.float32)


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_a_strength_of_zero_returns_the_data(model, x, sampler):
    np.testing.assert_array_equal(
        model.image_to_image(x, strength=0.0, sampler=sampler), x
    )


def test_a_strength_of_one_is_generate(model, x):
    np.testing.assert_allclose(
        model.image_to_image(x, strength=1.0, seed=4),
        model.generate(5, seed=4),
        atol=1e-3,  # the first level has a trace of the data
    )


def test_a_small_step_is_the_closed_form():
    # One step from level t: E[x_0 | x_t] of the noised data.
    model = GaussianModel(MEAN, STD)
    x = np.tile(MEAN, (2000, 1)).astype(np.float32)
    result = model.image_to_image(x, strength=0.5, num_steps=2, seed=1)
    level = model.schedule.level(tf.constant([0.5]))
    alpha, sigma = float(level.alpha[0]), float(level.sigma[0])
    gain = alpha * STD**2 / (alpha**2 * STD**2 + sigma**2)
    np.testing.assert_allclose(result.mean(0), MEAN, atol=0.03)
    np.testing.assert_allclose(result.std(0), gain * sigma, rtol=0.05)


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_the_strength_is_each_rows_own(model, x, sampler):
    strengths = [0.0, 0.25, 0.5, 0.75, 1.0]
    arguments = {"seed": np.arange(5), "sampler": sampler}
    together = model.image_to_image(x, strength=strengths, **arguments)
    for i, strength in enumerate(strengths):
        alone = model.image_to_image(x, strength=strength, **arguments)[i]
        np.testing.assert_allclose(together[i], alone, atol=1e-5)


def test_more_strength_goes_further(model, x):
    moved = [
        np.abs(model.image_to_image(x, strength=s, seed=0) - x).mean()
        for s in (0.1, 0.4, 0.7, 1.0)
    ]
    assert (np.diff(moved) > 0).all()


@pytest.mark.parametrize("sampler", SAMPLERS)
@pytest.mark.parametrize("schedule", ["cosine", "karras", "rectified_flow"])
def test_what_is_not_masked_stays_to_the_bit(x, sampler, schedule):
    model = small_model(noise_schedule=schedule, sampler=DDIM(8))
    mask = np.array([[1, 0], [0, 1], [1, 1], [0, 0], [0, 1]])
    result = model.inpaint(x, mask, sampler=sampler, seed=2)
    np.testing.assert_array_equal(result[mask == 0], x[mask == 0])
    assert (result[mask == 1] != x[mask == 1]).all()


def test_the_known_part_goes_its_true_way(x):
    class Spy(GaussianModel):
        def predict_output(self, x, level, *args, **kwargs):
            tf.py_function(
                lambda *values: seen.append([v.numpy() for v in values]),
                [x, level.alpha, level.sigma],
                [],
            )
            return super().predict_output(x, level, *args, **kwargs)

    seen: list = []
    Spy(MEAN, STD).inpaint(x, np.array([True, False]), num_steps=6, seed=np.arange(5))
    noise = random.row_normal(tf.range(5, dtype=tf.int64), (2,), 0).numpy()
    assert len(seen) == 6
    for state, alpha, sigma in seen:
        expected = alpha * x[:, 1] + sigma * noise[:, 1]
        np.testing.assert_allclose(state[:, 1], expected, atol=1e-5)


def test_a_full_mask_is_generate_and_a_half_one_blends(model, x):
    samples = model.generate(5, seed=3)
    np.testing.assert_allclose(model.inpaint(x, np.ones(2), seed=3), samples, atol=1e-6)
    # The last estimate is blended, so a constant answer is, too.
    constant = GaussianModel([0.25, 0.25], [1e-6, 1e-6], sampler=DDIM(4))
    np.testing.assert_allclose(
        constant.inpaint(x, np.full(2, 0.5)), 0.5 * x + 0.125, atol=1e-5
    )


def test_the_unknown_part_fits_the_known():
    # Correlated Gaussian, with the exact network: E[b | a] = 0.9 a. The replacement is
    # an approximation that leans to the marginal, so the slope is a bit lower.
    class Correlated(GaussianModel):
        def posterior_mean(self, x, level, mean):
            alpha, sigma = level.alpha[0], level.sigma[0]
            covariance = tf.constant([[1.0, 0.9], [0.9, 1.0]])
            total = alpha**2 * covariance + sigma**2 * tf.eye(2)
            return alpha * tf.linalg.matvec(covariance @ tf.linalg.inv(total), x)

    model = Correlated([0.0, 0.0], [1.0, 1.0])
    known = np.linspace(-1.5, 1.5, 200).astype(np.float32)
    x = np.stack([known, np.zeros(200, np.float32)], 1)
    new = model.inpaint(x, [0.0, 1.0], num_steps=40, sampler=DDIM(eta=1.0))[:, 1]
    slope = np.polyfit(known, new, 1)[0]
    assert 0.5 < slope < 1.0


@pytest.mark.parametrize("shape", [(2, 4, 4, 3), (2, 4, 4, 1), (4, 4, 3), (4, 4, 1)])
def test_masks_of_images(shape):
    model = DiffusionModel(
        (4, 4, 3), network="mlp", network_options={"hidden_dim": 8, "num_blocks": 1}
    )
    x = np.full((2, 4, 4, 3), 0.5, np.float32)
    mask = np.zeros(shape, bool)
    mask[..., 2:, :, :] = True
    result = model.inpaint(x, mask, num_steps=2)
    assert (result[:, :2] == 0.5).all()
    assert (result[:, 2:] != 0.5).all()


def test_the_arc_begins_and_ends_at_samples(model):
    frames = model.interpolate(3, 4, num_frames=5)
    assert frames.shape == (5, 2)
    assert frames.dtype == np.float32
    np.testing.assert_allclose(frames[0], model.generate(1, seed=3)[0], atol=1e-5)
    np.testing.assert_allclose(frames[-1], model.generate(1, seed=4)[0], atol=1e-5)


def test_the_arc_keeps_the_noises_length():
    # A Gaussian's samples are its noise, scaled: so is the arc between them.
    big = GaussianModel(np.zeros(200), np.ones(200))
    frames = big.interpolate(0, 1, num_frames=5, num_steps=100)
    norms = np.linalg.norm(frames, axis=1)
    straight = np.linspace(norms[0], norms[-1], 5)
    np.testing.assert_allclose(norms, straight, rtol=0.05)
    same = big.interpolate(2, 2, num_frames=3, num_steps=4)
    np.testing.assert_allclose(same, same[[0, 0, 0]], atol=1e-5)


def test_self_conditioning_conditions_and_batches_work_in_all():
    model = small_model(self_conditioning=True, num_classes=3, condition_dropout=0.1)
    x = np.full((5, 2), 0.5, np.float32)
    labels = np.arange(5) % 3
    arguments = {"labels": labels, "guidance_scale": 2.0, "num_steps": 3}
    calls = {
        "image_to_image": lambda **more: model.image_to_image(x, **more),
        "inpaint": lambda **more: model.inpaint(x, [1, 0], **more),
        "generate_from": lambda **more: model.generate_from(x, **more),
        "interpolate": lambda **more: model.interpolate(0, 1, num_frames=5, **more),
    }
    for name, call in calls.items():
        whole = call(**arguments)
        np.testing.assert_allclose(
            call(batch_size=2, **arguments), whole, atol=1e-5, err_msg=name
        )
        other = call(**arguments | {"labels": (labels + 1) % 3})
        assert (other != whole).any(), name


def test_the_average_is_used(x):
    model = small_model(ema_decay=0.9)
    edits = [
        lambda: model.image_to_image(x, num_steps=3),
        lambda: model.inpaint(x, [1, 0], num_steps=3),
        lambda: model.interpolate(0, 1, num_frames=3, num_steps=3),
    ]
    before = [edit() for edit in edits]
    for variable in model.trainable_variables:
        variable.assign(0.0 * variable.value)
    for edit, expected in zip(edits, before, strict=True):
        np.testing.assert_array_equal(edit(), expected)


@pytest.mark.parametrize(
    ("arguments", "match"),
    [
        ({"strength": 1.5}, "strength=1.5"),
        ({"strength": [0.5, 0.5]}, "strength of shape"),
        ({"x": np.zeros((5, 3), np.float32)}, r"\(n, 2\)"),
        ({"x": np.full((5, 2), np.nan, np.float32)}, "Finite"),
        ({"num_steps": 0}, "num_steps=0"),
        ({"batch_size": 0}, "batch_size=0"),
        ({"sampler": "none"}, "'ddim'"),
    ],
)
def test_image_to_image_refuses(model, x, arguments, match):
    with pytest.raises(ValueError, match=match):
        model.image_to_image(**{"x": x} | arguments)


@pytest.mark.parametrize(
    ("mask", "error", "match"),
    [
        (np.ones(3), ValueError, "mask of shape"),
        (np.ones((4, 2)), ValueError, "mask of shape"),
        (np.array([0.0, 2.0]), ValueError, "from 0.0 to 2.0"),
        (np.array([0.0, np.nan]), ValueError, "nan"),
        (np.array(["a", "b"]), TypeError, "mask of type"),
    ],
)
def test_inpaint_refuses(model, x, mask, error, match):
    with pytest.raises(error, match=match):
        model.inpaint(x, mask)


def test_interpolate_refuses(model):
    with pytest.raises(ValueError, match=r"draws no noise.*eta.*sampler='ddim'"):
        model.interpolate(0, 1, sampler=DDIM(eta=0.5))
    with pytest.raises(ValueError, match="num_frames=1"):
        model.interpolate(0, 1, num_frames=1)
    with pytest.raises(TypeError, match="strenght"):
        model.interpolate(0, 1, strenght=0.5)
