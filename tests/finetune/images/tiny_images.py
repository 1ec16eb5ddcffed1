"""Small models of classes, and pictures for them."""

import numpy as np
import tensorflow as tf

import tfgenai as tg
from tfgenai.core import random

IMAGE_SHAPE = (8, 8, 1)


def diffusion(num_classes=3, **options):
    options = {"network_options": {"hidden_dim": 16, "num_blocks": 1}} | options
    return tg.DiffusionModel(data_shape=(2,), num_classes=num_classes, **options)


def gan(num_classes=3, network="mlp", **options):
    return tg.GAN(IMAGE_SHAPE, 4, network=network, num_classes=num_classes, **options)


def points(label, n=8, seed=0):
    """A batch of 2-d points of one class."""
    x = random.numpy_generator(seed).normal(size=(n, 2)).astype(np.float32)
    return tf.data.Dataset.from_tensors((x, np.full(n, label, np.int32)))


def pictures(label, n=8, seed=0):
    """A batch of noise pictures of one class."""
    x = random.numpy_generator(seed).uniform(-1, 1, (n, *IMAGE_SHAPE))
    x = x.astype(np.float32)
    return tf.data.Dataset.from_tensors((x, np.full(n, label, np.int32)))
