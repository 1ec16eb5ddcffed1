"""Random changes of training examples, each with a word on its effect on labels."""

from tfgenai.data.augment.image import AUGMENTATIONS, Augmentation, Crop, Flip, Shift

__all__ = ["AUGMENTATIONS", "Augmentation", "Crop", "Flip", "Shift"]
