"""Small models with weights that leave nothing out."""

import pytest

from tfgenai.autoregressive import PixelCNN
from tfgenai.core import random


@pytest.fixture(scope="session")
def make_tiny():
    """Makes a small model, all of whose weights, biases too, are random."""

    def make(image_shape=(4, 5, 1), **arguments):
        small = {"num_filters": 6, "num_blocks": 2, "first_kernel_size": 5}
        model = PixelCNN(image_shape, **(small | arguments))
        rng = random.numpy_generator(17)
        for weight in model.network.trainable_variables:
            weight.assign(weight.value + 0.2 * rng.normal(size=weight.shape))
        return model

    return make
