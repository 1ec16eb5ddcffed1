"""Knobs: their ranges, their defaults, and lists brought to a fixed width."""

import numpy as np
import pytest

from tfgenai.core.conditions import check_conditions
from tfgenai.gpt.knobs import bias_knobs, knob_conditions, stop_knobs


def check(n=2, **given):
    knobs = knob_conditions(10, max_new_tokens=50, default_new_tokens=20)
    return check_conditions(knobs, {**stop_knobs(()), **bias_knobs({}), **given}, n)


def test_nothing_said_is_plain_sampling():
    rows = check()
    plain = {
        "max_new_tokens": 20,
        "temperature": 1.0,
        "top_k": 0,
        "top_p": 1.0,
        "min_p": 0.0,
        "repetition_penalty": 1.0,
        "num_stop_tokens": 0,
        "num_logit_bias": 0,
    }
    for name, value in plain.items():
        np.testing.assert_array_equal(rows[name], [value, value])


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"temperature": -0.1}, r"\[0, 100\].*temperature=-0.1"),
        ({"temperature": np.nan}, "temperature=nan"),
        ({"top_p": 0.0}, "top_p=0"),
        ({"top_p": [0.5, 1.1]}, "top_p=1.1"),
        ({"top_k": -1}, "top_k=-1"),
        ({"min_p": 1.5}, "min_p=1.5"),
        ({"repetition_penalty": 0.0}, "repetition_penalty=0"),
        ({"max_new_tokens": 0}, "max_new_tokens=0"),
        ({"max_new_tokens": 51}, "max_new_tokens=51"),
        (stop_knobs([3, 10]), r"\[0, 9\].*stop_tokens=10"),
        (bias_knobs({-2: 1.0}), "logit_bias_tokens=-2"),
        (bias_knobs({2: np.inf}), "logit_bias_values=inf"),
    ],
)
def test_values_out_of_range_are_refused_by_name(given, words):
    with pytest.raises(ValueError, match=words):
        check(**given)


def test_grammars_are_numbered_and_named():
    def names(**options):
        options = {"max_new_tokens": 5, "default_new_tokens": 5, **options}
        return {knob.name: knob for knob in knob_conditions(9, **options)}

    assert "grammar" not in names()
    knob = names(grammars=("date", "json"))["grammar"]
    assert (knob.minimum, knob.maximum, knob.default) == (0, 2, 0)
    assert "1 date, 2 json" in knob.description


def test_lists_have_a_fixed_width_and_a_count():
    stop = stop_knobs([5, 2])
    assert stop["stop_tokens"].tolist() == [5, 2, 0, 0, 0, 0, 0, 0]
    assert stop["num_stop_tokens"] == 2
    bias = bias_knobs({4: -1.5, 1: 2.0})
    assert bias["logit_bias_tokens"].tolist() == [4, 1] + [0] * 14
    assert bias["logit_bias_values"].tolist() == [-1.5, 2.0] + [0.0] * 14
    assert bias["num_logit_bias"] == 2


def test_lists_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match=r"At most 8.*stop_tokens with 9"):
        stop_knobs(range(9))
    with pytest.raises(ValueError, match=r"At most 16.*logit_bias with 17"):
        bias_knobs(dict.fromkeys(range(17), 1.0))
    with pytest.raises(TypeError, match=r"stop_tokens=\['\.'\].*tokenizer"):
        stop_knobs(["."])
