"""Warnings of what is deprecated are kept back, and others are not."""

import logging

import pytest
import tensorflow as tf

from tfgenai.core.deprecations import without_deprecations


@pytest.fixture
def said():
    """What TensorFlow's logger lets through."""
    records = []
    handler = logging.Handler()
    handler.emit = lambda record: records.append(record.getMessage())
    logger = tf.get_logger()
    logger.addHandler(handler)
    yield records
    logger.removeHandler(handler)


def test_only_deprecations_are_kept_back_and_only_inside(said):
    logger = tf.get_logger()
    with without_deprecations():
        logger.warning("load is deprecated")
        logger.warning("the disk is full")
    with pytest.raises(KeyError), without_deprecations():
        raise KeyError
    logger.warning("save is deprecated")
    assert said == ["the disk is full", "save is deprecated"]
