"""The reference text of Python: as `help()` has it, and the same each time."""

import platform
from pydoc_data.topics import topics

import pytest

from tfgenai.core.errors import DataError
from tfgenai.data.sources import open_text_source
from tfgenai.data.sources.pydoc_topics import PydocTopics


def test_the_documents_are_the_topics_in_the_order_of_their_names():
    documents = PydocTopics().read("train")
    assert documents == [text for _, text in sorted(topics.items())]
    assert documents[0] == topics["assert"]
    assert 60 < len(documents) < 120


def test_who_changes_what_was_read_changes_nothing_for_others():
    PydocTopics().read("train").clear()
    assert PydocTopics().read("train")


def test_the_card_tells_the_version_of_python_and_the_licence():
    source = open_text_source("pydoc_topics")
    assert isinstance(source, PydocTopics)
    assert f"Python {platform.python_version()} " in source.origin
    assert source.licence.startswith("PSF")
    assert source.homepage.startswith("https://docs.python.org")


@pytest.mark.parametrize("split", ["test", "all", ""])
def test_all_of_it_is_for_training(split):
    assert PydocTopics().split_names() == ["train"]
    with pytest.raises(DataError, match=rf"\['train'\].*split='{split}'"):
        PydocTopics().read(split)
