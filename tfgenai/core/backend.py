"""Refuses what the package cannot run on: another Keras backend, channels first."""

import keras

from tfgenai.core.errors import ConfigError


def require_supported_backend() -> None:
    """Checks the global Keras settings that everything here relies on.

    Raises:
        ConfigError: if Keras runs on another backend than TensorFlow, or if its
            image data format is channels_first.
    """
    if keras.backend.backend() != "tensorflow":
        raise ConfigError(
            "The Keras backend 'tensorflow' was expected. Received: "
            f"backend={keras.backend.backend()!r}. Set KERAS_BACKEND=tensorflow (or "
            "unset it) before Keras is imported."
        )
    if keras.config.image_data_format() != "channels_last":
        raise ConfigError(
            "The image data format 'channels_last' was expected. Received: "
            f"image_data_format={keras.config.image_data_format()!r}. Call "
            "keras.config.set_image_data_format('channels_last')."
        )


require_supported_backend()
