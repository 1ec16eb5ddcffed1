"""Sound: representations with their inverses, and tones that are made on the fly."""

from tfgenai.data.audio.framing import frame, overlap_and_average
from tfgenai.data.audio.mel import MelSpectrogram, griffin_lim
from tfgenai.data.audio.mu_law import mu_law_decode, mu_law_encode
from tfgenai.data.audio.plucked_strings import plucked_strings

__all__ = [
    "MelSpectrogram",
    "frame",
    "griffin_lim",
    "mu_law_decode",
    "mu_law_encode",
    "overlap_and_average",
    "plucked_strings",
]
