"""Raw tones of plucked strings: names, labels, and no dependence on chunks."""

import pickle  # noqa: TID251 - a source goes to other processes

import numpy as np
import pytest

from tfgenai.core.errors import ConfigError
from tfgenai.data.audio import plucked_strings
from tfgenai.data.raw.plucked_strings import PITCHES, RawPluckedStrings


def test_tones_are_those_of_the_function_whatever_the_chunk():
    source = pickle.loads(  # noqa: S301 - our own bytes
        pickle.dumps(RawPluckedStrings(num_examples=500, num_samples=400, seed=3))
    )
    chunks = source.chunks()
    assert [chunk.number for chunk in chunks] == list(range(len(chunks)))
    assert len(chunks) > 1
    examples = [e for chunk in reversed(chunks) for e in source.read(chunk)]
    examples.sort(key=lambda example: example.id)
    expected, labels = plucked_strings(500, pitches=PITCHES, num_samples=400, seed=3)
    found = np.stack([example.content.samples[:, 0] for example in examples])
    np.testing.assert_array_equal(found, expected)
    assert examples[21].label == "A4"
    assert [e.label == "A4" for e in examples] == (labels == 21).tolist()
    assert {example.content.sample_rate for example in examples} == {8000}


def test_what_changes_the_tones_changes_the_fingerprint():
    made = [
        RawPluckedStrings(),
        RawPluckedStrings(seed=1),
        RawPluckedStrings(num_examples=2),
        RawPluckedStrings(num_samples=2),
    ]
    assert len({source.fingerprint() for source in made}) == len(made)
    assert RawPluckedStrings().fingerprint() == made[0].fingerprint()


@pytest.mark.parametrize("options", [{"num_examples": 0}, {"num_samples": 1.5}])
def test_arguments_are_checked(options):
    with pytest.raises(ConfigError, match=next(iter(options))):
        RawPluckedStrings(**options)
