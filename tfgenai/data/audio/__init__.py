"""Representations of sound, each with its inverse: levels, frames, mel spectrograms."""

from tfgenai.data.audio.framing import frame, overlap_and_average
from tfgenai.data.audio.mel import MelSpectrogram, griffin_lim
from tfgenai.data.audio.mu_law import mu_law_decode, mu_law_encode

__all__ = [
    "MelSpectrogram",
    "frame",
    "griffin_lim",
    "mu_law_decode",
    "mu_law_encode",
    "overlap_and_average",
]
