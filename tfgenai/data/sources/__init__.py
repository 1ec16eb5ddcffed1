"""Where records come from: embedded sets, TFDS and folders; one source a file."""

from tfgenai.data.sources import (
    arrays,
    embedded,
    image_folder,
    pydoc_topics,
    text_files,
    tfds,
    tfds_text,
)
from tfgenai.data.sources.source import SOURCES, Records, Source, open_source
from tfgenai.data.sources.text_source import (
    TEXT_SOURCES,
    TextSource,
    is_text,
    open_text_source,
)

__all__ = [
    "SOURCES",
    "TEXT_SOURCES",
    "Records",
    "Source",
    "TextSource",
    "arrays",
    "embedded",
    "image_folder",
    "is_text",
    "open_source",
    "open_text_source",
    "pydoc_topics",
    "text_files",
    "tfds",
    "tfds_text",
]
