"""What all ways to choose tokens refuse before they begin."""

import pytest
from tiny_gpt import tiny, tiny_bytes

from tfgenai.gpt import BeamSearch, ContrastiveSearch, Regex, SpeculativeSampling

WAYS = [BeamSearch(2), ContrastiveSearch(2), SpeculativeSampling(tiny(), 2)]
ways = pytest.mark.parametrize("decoding", WAYS, ids=lambda way: type(way).__name__)


@ways
def test_texts_longer_than_the_model_sees_are_refused(decoding):
    with pytest.raises(ValueError, match="at most 8 together"):
        tiny().generate_tokens([[1, 2]], max_new_tokens=7, decoding=decoding)


@ways
def test_knobs_that_mean_nothing_are_refused(decoding):
    with pytest.raises(ValueError, match="repetition_penalty"):
        tiny().generate_tokens(
            [[1]], max_new_tokens=2, repetition_penalty=2.0, decoding=decoding
        )


@pytest.mark.parametrize(
    "knob", [{"temperature": 0.5}, {"top_k": 3}, {"top_p": 0.9}, {"min_p": 0.1}]
)
@pytest.mark.parametrize("decoding", WAYS[:2], ids=["beam", "contrastive"])
def test_a_search_has_no_use_for_knobs_of_the_drawing(decoding, knob):
    with pytest.raises(ValueError, match=next(iter(knob))):
        tiny().generate_tokens([[1]], max_new_tokens=2, decoding=decoding, **knob)


def test_a_constraint_is_refused():
    with pytest.raises(ValueError, match="No constraint"):
        tiny_bytes().generate(
            ["a"], max_new_tokens=2, decoding=BeamSearch(2), constraint=Regex("a+")
        )


@ways
def test_stop_tokens_stop(decoding):
    model = tiny()
    (whole,) = model.generate_tokens([[1, 2]], max_new_tokens=5, decoding=decoding)
    assert len(whole) > 2
    (cut,) = model.generate_tokens(
        [[1, 2]], max_new_tokens=5, stop_tokens=[int(whole[1])], decoding=decoding
    )
    if not isinstance(decoding, BeamSearch):  # a beam may go another way around it
        assert cut.tolist() == whole[: whole.tolist().index(whole[1])].tolist()
    assert whole[1] not in cut
