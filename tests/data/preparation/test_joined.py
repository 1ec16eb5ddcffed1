"""Several sources as one."""

import pytest
from fake_source import FakeSource, pictures, renamed

from tfgenai.core.errors import DataError
from tfgenai.data.preparation.joined import JoinedSource


def test_chunks_are_numbered_on_and_read_from_their_own_source():
    first = FakeSource(pictures(20), chunk_size=8)
    second = FakeSource([renamed(e, f"synthetic/{e.id}") for e in pictures(10)])
    joined = JoinedSource([first, second])
    chunks = joined.chunks()
    assert [chunk.number for chunk in chunks] == [0, 1, 2, 3]
    ids = [example.id for chunk in chunks for example in joined.read(chunk)]
    assert ids == [e.id for e in first.examples] + [e.id for e in second.examples]


def test_kinds_are_not_mixed():
    with pytest.raises(DataError, match=r"\['images', 'text'\]"):
        JoinedSource([FakeSource([]), FakeSource([], kind="text")])


def test_what_a_model_made_is_marked(prepare_source):
    made = [
        renamed(e, f"synthetic/{e.id}", synthetic=True) for e in pictures(9, seed=5)
    ]
    prepared = prepare_source(
        FakeSource(pictures(30)), how={"synthetic": [FakeSource(made)]}
    )
    assert prepared.card.preparation["num_synthetic"] == 9
    marked = {row["id"] for row in prepared.ledger().to_pylist() if row["synthetic"]}
    assert marked == {e.id for e in made}
    read = [e for name in prepared.split_names() for e in prepared.read(name)]
    assert {e.id for e in read if e.synthetic} == marked
