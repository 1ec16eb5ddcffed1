"""Refuses what the package cannot run on: another Keras backend, channels first.

It is imported before Keras, which fails in its own words for a backend that is not
installed.
"""

import os

from tfgenai.core.errors import ConfigError


def require_tensorflow(backend: str) -> None:
    """Checks the name of the Keras backend.

    Raises:
        ConfigError: if it is another one than TensorFlow.
    """
    if backend != "tensorflow":
        raise ConfigError(
            f"The Keras backend 'tensorflow' was expected. Received: "
            f"backend={backend!r}. Set KERAS_BACKEND=tensorflow (or unset it) before "
            "Keras is imported."
        )


def require_channels_last(image_data_format: str) -> None:
    """Checks the layout of images.

    Raises:
        ConfigError: if it is not channels_last.
    """
    if image_data_format != "channels_last":
        raise ConfigError(
            "The image data format 'channels_last' was expected. Received: "
            f"image_data_format={image_data_format!r}. Call "
            "keras.config.set_image_data_format('channels_last')."
        )


require_tensorflow(os.environ.get("KERAS_BACKEND", "tensorflow"))

import keras  # noqa: E402

require_tensorflow(keras.backend.backend())  # it may be set in keras.json, too
require_channels_last(keras.config.image_data_format())
