"""The reference text that comes with every Python, and needs no download."""

import platform

from tfgenai.data.sources.text_source import TEXT_SOURCES, TextSource


@TEXT_SOURCES.register("pydoc_topics")
class PydocTopics(TextSource):
    """What `help()` prints on topics such as "assert": about 80 documents, 0.5 MB.

    They are parts of the Python Language Reference and differ a little between versions
    of Python. All of them are "train".
    """

    name = "pydoc_topics"
    licence = "PSF License Version 2"
    homepage = "https://docs.python.org/3/reference/"

    def __init__(self) -> None:
        self.origin = f"embedded in Python {platform.python_version()} (pydoc_data)"

    def split_names(self) -> list[str]:
        """See `TextSource.split_names`."""
        return ["train"]

    def read(self, split: str) -> list[str]:
        """See `TextSource.read`."""
        from pydoc_data.topics import topics

        self.require_split(split)
        return [topics[name] for name in sorted(topics)]
