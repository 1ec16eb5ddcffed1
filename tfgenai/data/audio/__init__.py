"""Sound: representations with their inverses, and tones that are made on the fly.

What needs TensorFlow is loaded when it is first used: resampling and tones do not.
"""

import importlib
from typing import TYPE_CHECKING, Any

# At once, because the module of the same name would hide the function.
from tfgenai.data.audio.plucked_strings import plucked_strings
from tfgenai.data.audio.resampling import resample

if TYPE_CHECKING:
    from tfgenai.data.audio.framing import frame as frame
    from tfgenai.data.audio.framing import overlap_and_average as overlap_and_average
    from tfgenai.data.audio.mel import MelSpectrogram as MelSpectrogram
    from tfgenai.data.audio.mel import griffin_lim as griffin_lim
    from tfgenai.data.audio.mu_law import mu_law_decode as mu_law_decode
    from tfgenai.data.audio.mu_law import mu_law_encode as mu_law_encode

_HOMES = {
    "MelSpectrogram": "mel",
    "frame": "framing",
    "griffin_lim": "mel",
    "mu_law_decode": "mu_law",
    "mu_law_encode": "mu_law",
    "overlap_and_average": "framing",
}

__all__ = [
    "MelSpectrogram",
    "frame",
    "griffin_lim",
    "mu_law_decode",
    "mu_law_encode",
    "overlap_and_average",
    "plucked_strings",
    "resample",
]


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
    raise AttributeError(f"module 'tfgenai.data.audio' has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__
