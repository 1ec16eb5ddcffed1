"""Sound cut into frames that overlap, and put together again."""

import tensorflow as tf

from tfgenai.core.errors import ConfigError


def frame(samples: tf.Tensor, frame_length: int, frame_step: int) -> tf.Tensor:
    """Cuts samples into frames; zeros fill up the last ones, so that none is lost.

    Args:
        samples: float `(..., num_samples)`.
        frame_length: samples in a frame.
        frame_step: samples from the beginning of one frame to that of the next, at
            most `frame_length`.

    Returns:
        Tensor `(..., ceil(num_samples / frame_step), frame_length)`.

    Raises:
        ConfigError: if a length is not positive, or frames would leave gaps.

    Example:
        >>> frame(tf.range(5.0), 3, 2).numpy().tolist()
        [[0.0, 1.0, 2.0], [2.0, 3.0, 4.0], [4.0, 0.0, 0.0]]
    """
    check_frames(frame_length, frame_step)
    return tf.signal.frame(samples, frame_length, frame_step, pad_end=True)


def overlap_and_average(
    frames: tf.Tensor, frame_step: int, num_samples: int | tf.Tensor
) -> tf.Tensor:
    """Puts frames together: the inverse of `frame`, exact up to float32 rounding.

    Where frames overlap their mean is taken: of frames that a model has made it is the
    signal whose frames are nearest to them, in squares.

    Args:
        frames: float `(..., num_frames, frame_length)`.
        frame_step: what `frame` was given.
        num_samples: samples to return; those behind them are cut off.

    Returns:
        Tensor `(..., num_samples)`.

    Raises:
        ConfigError: if a length is not positive, or frames would leave gaps.

    Example:
        >>> frames = frame(tf.range(5.0), 3, 2)
        >>> overlap_and_average(frames, 2, 5).numpy().tolist()
        [0.0, 1.0, 2.0, 3.0, 4.0]
    """
    check_frames(frames.shape[-1], frame_step)
    total = tf.signal.overlap_and_add(frames, frame_step)
    count = tf.signal.overlap_and_add(tf.ones(tf.shape(frames)[-2:]), frame_step)
    mean = total / tf.cast(count, total.dtype)
    return mean[..., :num_samples]


def check_frames(frame_length: int, frame_step: int) -> None:
    """Checks the lengths of frames, in samples.

    Raises:
        ConfigError: if one is not positive, or frames would leave gaps.
    """
    for name, value in {"frame_length": frame_length, "frame_step": frame_step}.items():
        if isinstance(value, bool) or not isinstance(value, int) or value < 1:
            raise ConfigError(
                "A positive whole number of samples was expected. Received: "
                f"{name}={value!r}."
            )
    if frame_step > frame_length:
        raise ConfigError(
            "Frames that leave no gap were expected, frame_step <= frame_length. "
            f"Received: frame_step={frame_step}, frame_length={frame_length}. A "
            "quarter of frame_length is usual."
        )
