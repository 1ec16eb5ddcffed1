from collections import Counter

import hypothesis
import pytest
from hypothesis import strategies as st

from tfgenai.core.errors import DataError
from tfgenai.finetune.preferences.records import Preference
from tfgenai.finetune.preferences.rows import compared_rows


@hypothesis.given(st.lists(st.sampled_from("abcde"), min_size=2, max_size=30))
def test_strangers_answered_other_requests(prompts):
    hypothesis.assume(2 * max(Counter(prompts).values()) <= len(prompts))
    answers = [f"{prompt}{number}" for number, prompt in enumerate(prompts)]
    judged = [
        Preference(prompt=prompt, chosen=answer)
        for prompt, answer in zip(prompts, answers, strict=True)
    ]
    rows = compared_rows(judged, "kto")
    assert [row.first for row in rows] == list(zip(prompts, answers, strict=True))
    assert all(row.second[0] == row.first[0] for row in rows)
    assert all(row.second[1][0] != row.first[0] for row in rows)
    assert sorted(row.second[1] for row in rows) == sorted(answers)


def test_pairs_are_two_answers_to_kto():
    pairs = [
        Preference(prompt="a", chosen="good", rejected="bad", weight=2.0),
        Preference(prompt="b", chosen="so", rejected="so lala", place="x, line 9"),
    ]
    (first, second) = compared_rows(pairs, "dpo")
    assert first == (("a", "good"), ("a", "bad"), True, 2.0, "preference 1")
    assert second.place == "x, line 9"
    rows = compared_rows(pairs, "kto")
    assert [row.is_liked for row in rows] == [True, False, True, False]
    assert [row.weight for row in rows] == [2.0, 2.0, 1.0, 1.0]
    own = {"a": {"good", "bad"}, "b": {"so", "so lala"}}
    assert all(row.second[1] not in own[row.first[0]] for row in rows)


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ([], "none"),
        ([Preference(prompt="a", chosen="b")], "preference 1 with chosen='b'.*kto"),
        ([Preference(prompt="a", rejected="b", place="x, line 7")], "x, line 7"),
        (
            [Preference(condition={"labels": 1}, chosen="b", rejected="c")],
            "labels.*DiffusionDPO",
        ),
    ],
)
def test_what_cannot_be_compared_is_named(wrong, words):
    with pytest.raises(DataError, match=words):
        compared_rows(wrong, "dpo")
