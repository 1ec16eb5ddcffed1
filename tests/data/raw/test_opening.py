"""From names to raw sources."""

import pytest

from tfgenai.core.errors import ConfigError, DataError, DataNotFoundError
from tfgenai.data.raw import open_raw


def test_embedded_sets_are_there():
    digits = open_raw("digits")
    examples = [e for chunk in digits.chunks() for e in digits.read(chunk)]
    assert len(examples) == 1797
    assert {e.label for e in examples} == set("0123456789")
    assert max(int(e.content.max()) for e in examples) == 255
    topics = open_raw("pydoc_topics")
    texts = [e for chunk in topics.chunks() for e in topics.read(chunk)]
    assert sum(len(e.content) for e in texts) > 300_000
    assert [e.id for e in texts] == sorted(e.id for e in texts)


def test_a_name_that_is_near_is_named(tmp_path):
    with pytest.raises(DataNotFoundError, match="Did you mean 'digits'"):
        open_raw("digts")
    with pytest.raises(DataNotFoundError, match="Give a folder"):
        open_raw("")
    (tmp_path / "a.pdf").write_bytes(b"")
    with pytest.raises(DataError, match="that ends in"):
        open_raw(tmp_path / "a.pdf")


def test_the_kind_and_the_options_must_fit():
    with pytest.raises(DataError, match="which holds images"):
        open_raw("digits", kind="text")
    with pytest.raises(ConfigError, match=r"source\.lables"):
        open_raw("digits", lables="folders")
    source = open_raw("digits")
    assert open_raw(source) is source
