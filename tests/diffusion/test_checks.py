"""Checks: what passes as it is, and what is refused by its name."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from tfgenai.diffusion import checks

ARGUMENTS = {
    "num_classes": None,
    "vector_dim": None,
    "condition_dim": 8,
    "condition_dropout": 0.0,
    "guidance_scale": 1.0,
    "thresholding": "none",
}


def test_one_of_two_shapes_is_taken():
    assert checks.check_shapes([8, 8, 1], None) == (8, 8, 1)
    assert checks.check_shapes(None, (np.int64(16), 2)) == (16, 2)


@pytest.mark.parametrize(
    ("image_shape", "data_shape", "word"),
    [
        (None, None, "image_shape=None"),
        ((8, 8, 1), (2,), "data_shape="),
        ((8, 8), None, r"image_shape=\(8, 8\)"),
        (None, (), r"\(\)"),
        (None, (0,), r"\(0,\)"),
        (None, (2.5,), "2.5"),
        (None, (True,), "True"),
    ],
)
def test_wrong_shapes_are_refused(image_shape, data_shape, word):
    with pytest.raises(ValueError, match=word):
        checks.check_shapes(image_shape, data_shape)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("num_classes", 0),
        ("vector_dim", -1),
        ("condition_dim", 2.5),
        ("condition_dropout", 1.0),
        ("condition_dropout", -0.1),
        ("guidance_scale", -1.0),
        ("guidance_scale", 101.0),
        ("thresholding", "soft"),
    ],
)
def test_numbers_out_of_range_are_refused_by_name(name, value):
    checks.check_arguments(**ARGUMENTS)
    with pytest.raises(ValueError, match=f"{name}={value!r}"):
        checks.check_arguments(**{**ARGUMENTS, name: value})


def test_pixels_have_256_levels_unless_told_otherwise():
    assert checks.check_pixel_levels("auto", (8, 8, 1)) == 256
    assert checks.check_pixel_levels("auto", None) is None
    assert checks.check_pixel_levels(None, (8, 8, 1)) is None
    assert checks.check_pixel_levels(2, None) == 2
    for value in (1, 0, True, 2.0, "many"):
        with pytest.raises(ValueError, match="num_pixel_levels="):
            checks.check_pixel_levels(value, None)


def test_guidance_needs_dropped_conditions():
    checks.check_guidance(
        is_conditional=True, condition_dropout=0.1, guidance_scale=3.0
    )
    with pytest.raises(ValueError, match=r"condition_dropout=0\.1"):
        checks.check_guidance(
            is_conditional=False, condition_dropout=0.1, guidance_scale=1.0
        )
    with pytest.raises(ValueError, match=r"guidance_scale=3\.0"):
        checks.check_guidance(
            is_conditional=True, condition_dropout=0.0, guidance_scale=3.0
        )


def test_networks_are_layers_whose_outputs_have_the_datas_shape():
    checks.check_network(keras.layers.Dense(1), (2,))
    checks.check_output(tf.zeros((1, 8, 2)), (8, 2))
    with pytest.raises(TypeError, match="type str"):
        checks.check_network("resnet", (2,))
    with pytest.raises(ValueError, match=r"\(8, 3\)"):
        checks.check_output(tf.zeros((1, 8, 3)), (8, 2))


def test_batches_are_floats_of_the_datas_shape():
    checks.check_batch(tf.zeros((4, 2)), (2,))
    with pytest.raises(TypeError, match="uint8"):
        checks.check_batch(tf.zeros((4, 2), tf.uint8), (2,))
    with pytest.raises(ValueError, match=r"\(4, 3\)"):
        checks.check_batch(tf.zeros((4, 3)), (2,))


def test_data_become_float32():
    data = checks.check_data([[1.0, 2.0]], (2,))
    assert data.dtype == np.float32
    for value, error, word in (
        (np.zeros((1, 2), np.uint8), TypeError, "uint8"),
        (np.zeros((1, 3)), ValueError, r"\(1, 3\)"),
        (np.zeros((0, 2)), ValueError, r"\(0, 2\)"),
        (np.zeros(2), ValueError, "known=|shape"),
        (np.array([[0.0, np.nan]]), ValueError, "nan"),
        (np.array([[0.0, np.inf]]), ValueError, "inf"),
    ):
        with pytest.raises(error, match=word):
            checks.check_data(value, (2,), name="known")


def test_masks_are_spread_over_the_data():
    x = np.zeros((2, 4, 4, 3), np.float32)
    mask = np.zeros((4, 4, 1), bool)
    mask[1] = True
    spread = checks.check_mask(mask, x)
    assert spread.shape == x.shape
    assert spread.dtype == np.float32
    assert spread[:, 1].min() == 1
    assert spread.sum() == 2 * 4 * 3
    for value, error, word in (
        (np.full((4, 4, 1), "a"), TypeError, "<U1"),
        (np.zeros((4, 4)), ValueError, r"\(4, 4\)"),
        (np.full(x.shape, 255.0), ValueError, "255"),
    ):
        with pytest.raises(error, match=word):
            checks.check_mask(value, x)
