import pytest
from hypothesis import given
from hypothesis import strategies as st

from tfgenai.core.errors import DataError
from tfgenai.finetune.preferences.records import (
    Preference,
    read_preferences,
    write_preferences,
)

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=20)


@given(
    prompt=TEXTS,
    answers=st.lists(TEXTS, min_size=2, max_size=2, unique=True),
    weight=st.floats(1e-6, 1e6),
    seed=st.none() | st.integers(0, 2**63 - 1),
)
def test_a_file_gives_back_what_was_written(
    tmp_path_factory, prompt, answers, weight, seed
):
    chosen, rejected = answers
    pairs = [
        Preference(prompt=prompt, chosen=chosen, rejected=rejected, weight=weight),
        Preference(
            condition={"labels": 3},
            chosen="a.png",
            rejected="b.png",
            seed=seed,
            rater="r1",
            time="2026-11-27T12:00:00+00:00",
        ),
        Preference(prompt=prompt, chosen=chosen),
        Preference(prompt=prompt, rejected=rejected),
    ]
    path = tmp_path_factory.mktemp("pairs") / "pairs.jsonl"
    assert read_preferences(write_preferences(path, pairs)) == pairs
    assert [each.is_pair for each in pairs] == [True, True, False, False]


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ('{"prompt": "a", "chosen": "b", "rejected": "b"}', "Two different"),
        ('{"prompt": "a", "chosen": "b", "rejected": ""}', "rejected=''"),
        ('{"prompt": "a"}', "neither chosen"),
        ('{"chosen": "b", "rejected": "c"}', "Either a prompt or a condition"),
        ('{"prompt": "a", "condition": {}, "chosen": "b"}', "Either a prompt"),
        ('{"condition": 3, "chosen": "b"}', "condition=3"),
        ('{"prompt": 3, "chosen": "b"}', "prompt=3"),
        ('{"prompt": "a", "chosen": "b", "weight": 0}', "weight=0"),
        ('{"prompt": "a", "chosen": "b", "weight": NaN}', "NaN"),
        ('{"prompt": "a", "chosen": "b", "weight": true}', "weight=True"),
        ('{"prompt": "a", "chosen": "b", "weight": "1"}', "weight='1'"),
        ('{"prompt": "a", "chosen": "b", "seed": -1}', "seed=-1"),
        ('{"prompt": "a", "chosen": "b", "rater": 3}', "rater=3"),
        ('{"prompt": "a", "chosen": "b", "time": "now"}', "time='now'"),
        ('{"prompt": "a", "chosen": "b", "colour": "c"}', "'colour'"),
        ('["prompt"]', "JSON object"),
        ("prompt: a", "JSON object"),
        ("[" * 100_000, "JSON object"),
    ],
)
def test_a_bad_line_is_named(tmp_path, line, words):
    path = tmp_path / "pairs.jsonl"
    good = '{"prompt": "a", "chosen": "b", "rejected": "c"}'
    path.write_text(f"{good}\n\n{line}\n")
    with pytest.raises(DataError, match="line 3") as error:
        read_preferences(path)
    assert words in str(error.value)


def test_files_that_are_none(tmp_path):
    with pytest.raises(DataError, match=r"missing\.jsonl"):
        read_preferences(tmp_path / "missing.jsonl")
    (tmp_path / "empty.jsonl").write_text("\n")
    with pytest.raises(DataError, match="At least one"):
        read_preferences(tmp_path / "empty.jsonl")
    (tmp_path / "latin.jsonl").write_bytes('{"prompt": "ñ"}'.encode("latin-1"))
    with pytest.raises(DataError, match="line 1"):
        read_preferences(tmp_path / "latin.jsonl")
