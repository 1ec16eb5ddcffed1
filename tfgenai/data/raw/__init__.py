"""Raw data one example at a time, as it came: also what is broken."""

from tfgenai.data.raw.example import KINDS, Example, Kind, Problem, Sound
from tfgenai.data.raw.source import RAW_SOURCES, Chunk, RawSource, open_raw

__all__ = [
    "KINDS",
    "RAW_SOURCES",
    "Chunk",
    "Example",
    "Kind",
    "Problem",
    "RawSource",
    "Sound",
    "open_raw",
]
