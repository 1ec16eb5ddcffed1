"""Where records come from: embedded sets, TFDS and folders; one source a file."""

from tfgenai.data.sources import (
    arrays,
    embedded,
    image_folder,
    plucked_strings,
    pydoc_topics,
    sound_folder,
    text_files,
    tfds,
    tfds_sound,
    tfds_text,
)
from tfgenai.data.sources.sound_records import SoundRecords
from tfgenai.data.sources.sound_source import (
    SOUND_SOURCES,
    SoundSource,
    is_sound,
    open_sound_source,
)
from tfgenai.data.sources.source import SOURCES, Records, Source, open_source
from tfgenai.data.sources.text_source import (
    TEXT_SOURCES,
    TextSource,
    is_text,
    open_text_source,
)

__all__ = [
    "SOUND_SOURCES",
    "SOURCES",
    "TEXT_SOURCES",
    "Records",
    "SoundRecords",
    "SoundSource",
    "Source",
    "TextSource",
    "arrays",
    "embedded",
    "image_folder",
    "is_sound",
    "is_text",
    "open_sound_source",
    "open_source",
    "open_text_source",
    "plucked_strings",
    "pydoc_topics",
    "sound_folder",
    "text_files",
    "tfds",
    "tfds_sound",
    "tfds_text",
]
