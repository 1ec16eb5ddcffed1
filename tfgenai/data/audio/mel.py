"""Log-mel spectrograms, and sound from them: the algorithm of Griffin and Lim."""

import dataclasses
import math

import tensorflow as tf

from tfgenai.core import random
from tfgenai.core.errors import ConfigError
from tfgenai.data.audio.framing import check_frames

_FLOOR = 1e-5
_NONNEGATIVE_STEPS = 200
_TINY = 1e-8


@dataclasses.dataclass(frozen=True)
class MelSpectrogram:
    """Magnitudes of sound by time and pitch as people hear it, in logarithms.

    Frames are centred: the signal is mirrored by half a frame at both ends, so that its
    first and last samples count as the others do. Magnitudes, not powers, are summed by
    triangles that are evenly spaced in mel, 2595 · log10(1 + f / 700) (O'Shaughnessy
    1987, "Speech Communication").

    Args:
        sample_rate: samples a second, Hz.
        frame_length: samples in a frame; even.
        frame_step: samples from one frame to the next, at most half of `frame_length`.
        num_mel_bins: number of pitches.
        min_frequency: lowest frequency, Hz.
        max_frequency: highest, Hz; None for half of `sample_rate`.

    Raises:
        ConfigError: if a number is out of range.

    Example:
        >>> spectrogram = MelSpectrogram(8000)
        >>> spectrogram(tf.zeros((2, 8000))).shape
        TensorShape([2, 63, 64])
    """

    sample_rate: int
    frame_length: int = 512
    frame_step: int = 128
    num_mel_bins: int = 64
    min_frequency: float = 20.0
    max_frequency: float | None = None

    def __post_init__(self) -> None:
        check_frames(self.frame_length, self.frame_step)
        if self.frame_length % 2 or 2 * self.frame_step > self.frame_length:
            raise ConfigError(
                "An even frame_length of at least two steps was expected. Received: "
                f"frame_length={self.frame_length}, frame_step={self.frame_step}."
            )
        if self.num_mel_bins < 1:
            raise ConfigError(
                "At least one pitch was expected. Received: "
                f"num_mel_bins={self.num_mel_bins}."
            )
        if not 0 <= self.min_frequency < self._highest <= self.sample_rate / 2:
            raise ConfigError(
                "0 <= min_frequency < max_frequency <= sample_rate / 2 was expected. "
                f"Received: min_frequency={self.min_frequency}, "
                f"max_frequency={self.max_frequency}, sample_rate={self.sample_rate}."
            )

    def __call__(self, samples: tf.Tensor) -> tf.Tensor:
        """The spectrogram of sound.

        Args:
            samples: float `(..., num_samples)` in [-1, 1], more than half a frame.

        Returns:
            float32 `(..., num_samples // frame_step + 1, num_mel_bins)`, natural
            logarithms, not below that of 1e-5.
        """
        magnitudes = self.magnitudes(samples)
        mel = tf.tensordot(magnitudes, self._weights(), 1)
        return tf.math.log(tf.maximum(mel, _FLOOR))

    def magnitudes(self, samples: tf.Tensor) -> tf.Tensor:
        """Magnitudes by frequency, float32 `(..., frames, frame_length // 2 + 1)`."""
        return tf.abs(self._transform(tf.cast(samples, tf.float32)))

    def invert(
        self,
        log_mel: tf.Tensor,
        num_samples: int,
        *,
        num_iterations: int = 60,
        seed: int = 0,
    ) -> tf.Tensor:
        """Sound whose spectrogram is near to one: the inverse, but for phases.

        The magnitudes are the non-negative ones that explain the mel spectrogram best
        (Lee & Seung 2001, "Algorithms for Non-negative Matrix Factorization", equation
        4), their phases those that `griffin_lim` finds.

        Args:
            log_mel: what the call returned, `(..., frames, num_mel_bins)`.
            num_samples: samples to return.
            num_iterations: rounds of Griffin and Lim.
            seed: of the phases that it begins with.

        Returns:
            float32 `(..., num_samples)`.
        """
        mel, weights = tf.exp(tf.cast(log_mel, tf.float32)), self._weights()
        back = tf.tensordot(mel, weights, [[-1], [1]])
        gram = tf.matmul(weights, weights, transpose_b=True)

        def improve(i: tf.Tensor, magnitudes: tf.Tensor) -> tuple[tf.Tensor, ...]:
            fitted = tf.tensordot(magnitudes, gram, 1)
            return i + 1, magnitudes * back / (fitted + _TINY)

        _, magnitudes = tf.while_loop(
            lambda i, _: i < _NONNEGATIVE_STEPS, improve, (tf.constant(0), back)
        )
        return griffin_lim(
            magnitudes,
            self.frame_length,
            self.frame_step,
            num_samples,
            num_iterations=num_iterations,
            seed=seed,
        )

    @property
    def _highest(self) -> float:
        return self.max_frequency or self.sample_rate / 2

    def _transform(self, samples: tf.Tensor) -> tf.Tensor:
        return _transform(samples, self.frame_length, self.frame_step)

    def _weights(self) -> tf.Tensor:
        return tf.signal.linear_to_mel_weight_matrix(
            self.num_mel_bins,
            self.frame_length // 2 + 1,
            self.sample_rate,
            self.min_frequency,
            self._highest,
        )


def griffin_lim(
    magnitudes: tf.Tensor,
    frame_length: int,
    frame_step: int,
    num_samples: int,
    *,
    num_iterations: int = 60,
    momentum: float = 0.99,
    seed: int = 0,
) -> tf.Tensor:
    """Sound whose short-time Fourier transform has about these magnitudes.

    Griffin & Lim 1984, "Signal Estimation from Modified Short-Time Fourier Transform",
    section III, in the accelerated form of Perraudin, Balazs & Søndergaard 2013, "A
    Fast Griffin-Lim Algorithm", algorithm 2. After 60 rounds the magnitudes of decaying
    tones are met up to a tenth of their norm.

    Args:
        magnitudes: float `(..., frames, frame_length // 2 + 1)` of centred frames
            under a Hann window, as from `MelSpectrogram.magnitudes`.
        frame_length: samples in a frame; even.
        frame_step: samples from one frame to the next.
        num_samples: samples to return.
        num_iterations: rounds; more are nearer.
        momentum: weight of the last change; 0 for the form of 1984.
        seed: of the phases that it begins with.

    Returns:
        float32 `(..., num_samples)`.
    """
    check_frames(frame_length, frame_step)
    magnitudes = tf.cast(magnitudes, tf.float32)
    size = tf.cast(magnitudes, tf.complex64)
    phases = random.uniform(
        random.step_seed(seed, 0), tf.shape(magnitudes), 0.0, 2.0 * math.pi
    )

    def sound_of(spectrum: tf.Tensor) -> tf.Tensor:
        return _inverse(spectrum, frame_length, frame_step, num_samples)

    def direction(spectrum: tf.Tensor) -> tf.Tensor:
        length = tf.cast(tf.maximum(tf.abs(spectrum), _TINY), tf.complex64)
        return spectrum / length

    def improve(
        i: tf.Tensor, angles: tf.Tensor, previous: tf.Tensor
    ) -> tuple[tf.Tensor, ...]:
        consistent = _transform(sound_of(size * angles), frame_length, frame_step)
        ahead = consistent + momentum * (consistent - previous)
        return i + 1, direction(ahead), consistent

    angles = tf.complex(tf.cos(phases), tf.sin(phases))
    start = (tf.constant(0), angles, tf.zeros_like(angles))
    _, angles, _ = tf.while_loop(lambda i, *_: i < num_iterations, improve, start)
    return sound_of(size * angles)


def _transform(samples: tf.Tensor, frame_length: int, frame_step: int) -> tf.Tensor:
    half = frame_length // 2
    paddings = [[0, 0]] * (samples.shape.rank - 1) + [[half, half]]
    padded = tf.pad(samples, paddings, mode="REFLECT")
    return tf.signal.stft(padded, frame_length, frame_step, frame_length)


def _inverse(
    spectrum: tf.Tensor, frame_length: int, frame_step: int, num_samples: int
) -> tf.Tensor:
    window = tf.signal.inverse_stft_window_fn(frame_step)
    padded = tf.signal.inverse_stft(
        spectrum, frame_length, frame_step, frame_length, window_fn=window
    )
    half = frame_length // 2
    cut = padded[..., half : half + num_samples]
    missing = num_samples - tf.shape(cut)[-1]
    paddings = [[0, 0]] * (spectrum.shape.rank - 2) + [[0, missing]]
    return tf.ensure_shape(tf.pad(cut, paddings), (*spectrum.shape[:-2], num_samples))
