"""Resizing is TensorFlow's, gradients too."""

import numpy as np
import pytest
import tensorflow as tf

from tfgenai.core import random
from tfgenai.finetune.heads.resize import LinearResize


@pytest.mark.parametrize("size", [(14, 20), (3, 4), (7, 5), (5, 13)])
def test_it_is_tensorflows_resize(size):
    x = random.numpy_generator(0).standard_normal((2, 7, 10, 3)).astype(np.float32)
    expected = tf.image.resize(x, size, antialias=True)
    np.testing.assert_allclose(LinearResize(*size)(x), expected, atol=1e-5)
