"""Augmentations of sound: shift, gain, noise, and masks over spectrograms."""

import abc
import math

import tensorflow as tf

from tfgenai.core import random
from tfgenai.core.registry import Registry

SOUND_AUGMENTATIONS: "Registry[type[SoundAugmentation]]" = Registry("augment")


class SoundAugmentation(abc.ABC):
    """A random change of each sound of a batch; labels stay right."""

    @abc.abstractmethod
    def __call__(self, sounds: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
        """Changes a batch.

        Args:
            sounds: float32 `(batch, num_samples)` in [-1, 1], or for `SpecAugment`
                spectrograms `(batch, frames, bins)`.
            seed: int32 `(2,)`; all randomness comes from it.

        Returns:
            float32 of the same shape.
        """


@SOUND_AUGMENTATIONS.register("time_shift")
class TimeShift(SoundAugmentation):
    """Begins each sound earlier or later; silence comes in.

    Args:
        max_shift: largest shift as a share of the sound's length, in (0, 1).

    Raises:
        ValueError: if it is out of range.
    """

    def __init__(self, max_shift: float = 0.1) -> None:
        self.max_shift = _share("max_shift", max_shift)

    def __call__(self, sounds: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
        """See `SoundAugmentation`."""
        batch, length = tf.unstack(tf.shape(sounds))
        most = tf.maximum(
            tf.cast(self.max_shift * tf.cast(length, tf.float32), tf.int32), 1
        )
        shift = random.integers(seed, (batch, 1), 2 * most + 1) - most
        places = tf.range(length)[tf.newaxis, :] - shift
        inside = tf.clip_by_value(places, 0, length - 1)
        moved = tf.gather(sounds, inside, batch_dims=1)
        moved = tf.where(places == inside, moved, 0.0)
        return tf.ensure_shape(moved, sounds.shape)


@SOUND_AUGMENTATIONS.register("gain")
class Gain(SoundAugmentation):
    """Makes each sound louder or softer, but never so loud that it clips.

    Args:
        max_decibels: largest change, in dB, uniform between both limits.

    Raises:
        ValueError: if it is not positive.
    """

    def __init__(self, max_decibels: float = 6.0) -> None:
        if not 0 < max_decibels < math.inf:
            raise ValueError(
                "A positive number of dB was expected. Received: "
                f"max_decibels={max_decibels}."
            )
        self.max_decibels = max_decibels

    def __call__(self, sounds: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
        """See `SoundAugmentation`."""
        most = self.max_decibels
        decibels = random.uniform(seed, (tf.shape(sounds)[0], 1), -most, most)
        peak = tf.reduce_max(tf.abs(sounds), axis=1, keepdims=True)
        room = tf.math.divide_no_nan(1.0, peak)
        factor = tf.pow(10.0, decibels / 20.0)
        return sounds * tf.where(peak > 0.0, tf.minimum(factor, room), 1.0)


@SOUND_AUGMENTATIONS.register("background")
class Background(SoundAugmentation):
    """Adds white noise at a distance from the sound's own loudness.

    Args:
        min_snr: smallest ratio of the sound's power to the noise's, in dB.
        max_snr: the largest; each sound's is uniform between both.

    Raises:
        ValueError: if they are not in order.
    """

    def __init__(self, min_snr: float = 15.0, max_snr: float = 40.0) -> None:
        if not -math.inf < min_snr <= max_snr < math.inf:
            raise ValueError(
                "min_snr <= max_snr, in dB, was expected. Received: "
                f"min_snr={min_snr}, max_snr={max_snr}."
            )
        self.min_snr = min_snr
        self.max_snr = max_snr

    def __call__(self, sounds: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
        """See `SoundAugmentation`; what would clip is cut off."""
        shape = (tf.shape(sounds)[0], 1)
        ratio = random.uniform(random.fold(seed, 0), shape, self.min_snr, self.max_snr)
        power = tf.reduce_mean(tf.square(sounds), axis=1, keepdims=True)
        stddev = tf.sqrt(power) * tf.pow(10.0, -ratio / 20.0)
        noise = random.normal(random.fold(seed, 1), tf.shape(sounds))
        return tf.clip_by_value(sounds + stddev * noise, -1.0, 1.0)


@SOUND_AUGMENTATIONS.register("spec_augment")
class SpecAugment(SoundAugmentation):
    """Covers stretches of time and of pitch of spectrograms.

    Park et al. 2019, "SpecAugment: A Simple Data Augmentation Method for Automatic
    Speech Recognition", arXiv:1904.08779, section 2, without time warping, which it
    finds to matter least. What is covered has the spectrogram's mean.

    Args:
        max_frames: widest stretch of time as a share of the frames, in (0, 1).
        max_bins: widest stretch of pitch as a share of the bins, in (0, 1).
        num_masks: stretches of each kind.

    Raises:
        ValueError: if a number is out of range.
    """

    def __init__(
        self, max_frames: float = 0.15, max_bins: float = 0.2, num_masks: int = 1
    ) -> None:
        self.max_frames = _share("max_frames", max_frames)
        self.max_bins = _share("max_bins", max_bins)
        if isinstance(num_masks, bool) or not isinstance(num_masks, int):
            raise ValueError(
                f"A whole number was expected. Received: num_masks={num_masks!r}."
            )
        if num_masks < 1:
            raise ValueError(
                f"At least one mask was expected. Received: num_masks={num_masks}."
            )
        self.num_masks = num_masks

    def __call__(self, sounds: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
        """See `SoundAugmentation`."""
        batch, frames, bins = tf.unstack(tf.shape(sounds))
        in_time = self._covered(random.fold(seed, 0), batch, frames, self.max_frames)
        in_pitch = self._covered(random.fold(seed, 1), batch, bins, self.max_bins)
        covered = in_time[:, :, tf.newaxis] | in_pitch[:, tf.newaxis, :]
        mean = tf.reduce_mean(sounds, axis=(1, 2), keepdims=True)
        return tf.where(covered, mean, sounds)

    def _covered(
        self, seed: tf.Tensor, batch: tf.Tensor, length: tf.Tensor, share: float
    ) -> tf.Tensor:
        shape = (batch, self.num_masks, 1)
        most = tf.cast(share * tf.cast(length, tf.float32), tf.int32)
        width = random.integers(random.fold(seed, 0), shape, most + 1)
        # Uniform in [0, length - width), as in the paper
        draw = random.uniform(random.fold(seed, 1), shape)
        first = tf.cast(draw * tf.cast(length - width, tf.float32), tf.int32)
        places = tf.range(length)
        return tf.reduce_any((places >= first) & (places < first + width), axis=1)


def _share(name: str, value: float) -> float:
    if not 0 < value < 1:
        raise ValueError(f"A share in (0, 1) was expected. Received: {name}={value}.")
    return value
