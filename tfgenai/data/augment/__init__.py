"""Random changes of training examples, each with a word on its effect on labels."""

from tfgenai.data.augment.appearance import Color, Cutout, Noise
from tfgenai.data.augment.geometry import Rotate, Scale
from tfgenai.data.augment.image import AUGMENTATIONS, Augmentation, Crop, Flip, Shift
from tfgenai.data.augment.mixing import CutMix, MixUp
from tfgenai.data.augment.preview import preview
from tfgenai.data.augment.sound import (
    SOUND_AUGMENTATIONS,
    Background,
    Gain,
    SoundAugmentation,
    SpecAugment,
    TimeShift,
)
from tfgenai.data.augment.text import SpanCorruption, TokenDropout

__all__ = [
    "AUGMENTATIONS",
    "SOUND_AUGMENTATIONS",
    "Augmentation",
    "Background",
    "Color",
    "Crop",
    "CutMix",
    "Cutout",
    "Flip",
    "Gain",
    "MixUp",
    "Noise",
    "Rotate",
    "Scale",
    "Shift",
    "SoundAugmentation",
    "SpanCorruption",
    "SpecAugment",
    "TimeShift",
    "TokenDropout",
    "preview",
]
