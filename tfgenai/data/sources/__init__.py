"""Where records come from: embedded sets, TFDS and folders; one source a file."""

from tfgenai.data.sources import arrays, embedded, image_folder, tfds
from tfgenai.data.sources.source import SOURCES, Records, Source, open_source

__all__ = [
    "SOURCES",
    "Records",
    "Source",
    "arrays",
    "embedded",
    "image_folder",
    "open_source",
    "tfds",
]
