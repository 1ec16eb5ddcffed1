"""Resampling: the same sound at another rate."""

import numpy as np
import soxr

from tfgenai.core.errors import ConfigError

_MAX_RATE = 2**24  # Hz, far above any converter's


def resample(samples: np.ndarray, from_rate: int, to_rate: int) -> np.ndarray:
    """Brings sound to another rate, without frequencies that the new rate cannot hold.

    By the SoX resampler, a linear-phase filter that keeps what lies below 90 % of the
    lower rate's Nyquist frequency to within 0.1 % and leaves no delay. Values may pass
    those of the input a little, as the curve between samples does.

    Args:
        samples: floats `(time,)` or `(time, channels)`.
        from_rate: samples a second of the input, Hz.
        to_rate: samples a second of the result, Hz.

    Returns:
        float32 of as many axes, `round(time * to_rate / from_rate)` long, at least 1.
        At an equal rate the input itself, as float32.

    Raises:
        ConfigError: if a rate is not a positive whole number.
        ValueError: if `samples` has other axes, or none along time.

    Example:
        >>> resample(np.zeros(8000), 8000, 16000).shape
        (16000,)
    """
    for name, rate in (("from_rate", from_rate), ("to_rate", to_rate)):
        is_number = isinstance(rate, (int, np.integer)) and not isinstance(rate, bool)
        if not is_number or not 1 <= rate <= _MAX_RATE:
            raise ConfigError(
                f"A whole number of Hz in [1, {_MAX_RATE}] was expected. Received: "
                f"{name}={rate!r}."
            )
    samples = np.asarray(samples, np.float32)
    if samples.ndim not in (1, 2) or not len(samples):
        raise ValueError(
            "Samples (time,) or (time, channels) were expected. Received: samples of "
            f"shape {samples.shape}."
        )
    if from_rate == to_rate:
        return samples
    wanted = max(1, round(len(samples) * int(to_rate) / int(from_rate)))
    result = soxr.resample(samples, from_rate, to_rate, quality="HQ")[:wanted]
    if len(result) < wanted:
        behind = [(0, wanted - len(result))] + [(0, 0)] * (samples.ndim - 1)
        result = np.pad(result, behind)
    return result
