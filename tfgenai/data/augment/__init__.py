"""Random changes of training examples, each with a word on its effect on labels."""

from tfgenai.data.augment.appearance import Color, Cutout, Noise
from tfgenai.data.augment.geometry import Rotate, Scale
from tfgenai.data.augment.image import AUGMENTATIONS, Augmentation, Crop, Flip, Shift

__all__ = [
    "AUGMENTATIONS",
    "Augmentation",
    "Color",
    "Crop",
    "Cutout",
    "Flip",
    "Noise",
    "Rotate",
    "Scale",
    "Shift",
]
