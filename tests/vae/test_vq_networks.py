"""Networks of a VQ-VAE: shapes, precision, seeds, and images that cannot be halved."""

import numpy as np
import pytest
import tensorflow as tf

from tfgenai.vae import vq_decoder, vq_encoder


@pytest.mark.parametrize(
    ("shape", "filters", "small"),
    [((8, 8, 1), (4,), (4, 4)), ((12, 8, 3), (4, 6), (3, 2))],
)
def test_shapes(shape, filters, small):
    encoder = vq_encoder(shape, 5, filters=filters)
    decoder = vq_decoder(shape, 5, num_parameters=2, filters=filters)
    assert encoder.output_shape == (None, *small, 5)
    assert decoder.output_shape == (None, *shape[:2], 2)


def test_a_pixel_moves_only_the_vectors_near_it():
    encoder = vq_encoder((16, 16, 1), 3, filters=(4,), num_residual_blocks=1)
    x = np.zeros((1, 16, 16, 1), np.float32)
    changed = x.copy()
    changed[0, 0, 0] = 1.0
    moved = np.abs(encoder(changed) - encoder(x)).max(-1)[0] > 0
    assert moved[0, 0]
    # 4×4 of stride 2, then 3×3: no further than the third vector
    assert not moved[3:].any()
    assert not moved[:, 3:].any()


def test_outputs_are_float32_under_half_precision():
    encoder = vq_encoder((8, 8, 1), 3, filters=(4,), dtype="mixed_bfloat16")
    assert encoder.layers[1].compute_dtype == "bfloat16"
    assert encoder(tf.zeros((1, 8, 8, 1))).dtype == tf.float32


def test_weights_are_those_of_the_seed():
    one, same, other = (
        vq_encoder((8, 8, 1), 3, filters=(4,), seed=seed).get_weights()
        for seed in (1, 1, 2)
    )
    for a, b in zip(one, same, strict=True):
        np.testing.assert_array_equal(a, b)
    assert (one[0] != other[0]).any()


@pytest.mark.parametrize("build", [vq_encoder, vq_decoder])
def test_an_image_that_cannot_be_halved_is_refused(build):
    more = {"num_parameters": 1} if build is vq_decoder else {}
    with pytest.raises(ValueError, match=r"divisible by 4.*image_shape=\(6, 8, 1\)"):
        build((6, 8, 1), 3, filters=(4, 4), **more)
