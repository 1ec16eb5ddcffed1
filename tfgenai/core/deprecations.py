"""TensorFlow's advice against its older functions, where one of them is what fits."""

import contextlib
import logging
from collections.abc import Iterator

import tensorflow as tf


@contextlib.contextmanager
def without_deprecations() -> Iterator[None]:
    """Keeps TensorFlow from warning of what is deprecated; other words pass.

    Example:
        ```python
        with without_deprecations():
            tf.compat.v1.saved_model.loader.load(session, ["serve"], folder)
        ```
    """
    logger = tf.get_logger()

    def keep(record: logging.LogRecord) -> bool:
        return "deprecat" not in record.getMessage()

    logger.addFilter(keep)
    try:
        yield
    finally:
        logger.removeFilter(keep)
