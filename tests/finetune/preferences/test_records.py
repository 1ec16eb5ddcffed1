import json

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
    single = json.loads(path.read_text().split("\n")[2])
    assert single == {
        "prompt": prompt,
        "completion": chosen,
        "label": True,
        "weight": 1.0,
    }


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ('{"prompt": "a", "chosen": "b", "rejected": "b"}', "Two different"),
        ('{"prompt": "a", "chosen": "b", "rejected": ""}', "rejected=''"),
        ('{"prompt": "a", "chosen": "b", "rejected": null}', "null for one"),
        ('{"prompt": "a", "chosen": null, "rejected": null}', "null for one"),
        ('{"prompt": "a"}', "Either chosen and rejected or completion and label"),
        ('{"prompt": "a", "chosen": "b"}', "with ['chosen']"),
        ('{"prompt": "a", "completion": "b"}', "with ['completion']"),
        ('{"prompt": "a", "label": true}', "with ['label']"),
        ('{"prompt": "a", "chosen": "b", "completion": "b", "label": true}', "Either"),
        ('{"prompt": "a", "completion": "b", "label": 1}', "label=1"),
        ('{"prompt": "a", "completion": "", "label": true}', "completion=''"),
        ('{"chosen": "b", "rejected": "c"}', "Either a prompt or a condition"),
        ('{"prompt": "a", "condition": {}, %s}', "Either a prompt"),
        ('{"condition": 3, %s}', "condition=3"),
        ('{"prompt": 3, %s}', "prompt=3"),
        ('{"prompt": "\\ud83d", %s}', "prompt="),
        ('{"prompt": "a", "chosen": "b", "rejected": "\\ud83d"}', "rejected="),
        ('{"prompt": "a", %s, "weight": 0}', "weight=0"),
        ('{"prompt": "a", %s, "weight": -1}', "weight=-1"),
        ('{"prompt": "a", %s, "weight": NaN}', "NaN"),
        ('{"prompt": "a", %s, "weight": 1e999}', "weight=inf"),
        (f'{{"prompt": "a", %s, "weight": 1{"0" * 400}}}', "weight=1000"),
        ('{"prompt": "a", %s, "weight": true}', "weight=True"),
        ('{"prompt": "a", %s, "weight": "1"}', "weight='1'"),
        ('{"prompt": "a", %s, "seed": -1}', "seed=-1"),
        ('{"prompt": "a", %s, "rater": 3}', "rater=3"),
        ('{"prompt": "a", %s, "time": "now"}', "time='now'"),
        ('{"prompt": "a", %s, "colour": "c"}', "'colour'"),
        ('{"prompt": "a", %s, "place": "c"}', "'place'"),
        ('["prompt"]', "JSON object"),
        ("prompt: a", "JSON object"),
        ("[" * 100_000, "JSON object"),
    ],
)
def test_a_bad_line_is_named(tmp_path, line, words):
    path = tmp_path / "pairs.jsonl"
    good = '{"prompt": "a", "chosen": "b", "rejected": "c"}'
    line = line.replace("%s", '"completion": "b", "label": false')
    path.write_text(f"{good}\n\n{line}\n")
    with pytest.raises(DataError, match="line 3") as error:
        read_preferences(path)
    assert words in str(error.value)


def test_answers_know_their_line(tmp_path):
    path = tmp_path / "pairs.jsonl"
    path.write_text('\n{"prompt": "a", "completion": "b", "label": false}\n')
    (found,) = read_preferences(path)
    assert found == Preference(prompt="a", rejected="b")
    assert found.place == f"{path}, line 2"
    assert write_preferences(path, [found, found]) == path
    assert len(read_preferences(path)) == 2  # who says it twice means it


def test_what_json_has_not_is_not_written(tmp_path):
    bad = Preference(condition={"x": float("nan")}, chosen="a.png", rejected="b.png")
    with pytest.raises(ValueError, match="JSON"):
        write_preferences(tmp_path / "pairs.jsonl", [bad])
    assert not list(tmp_path.iterdir())


def test_files_that_are_none(tmp_path):
    with pytest.raises(DataError, match=r"missing\.jsonl"):
        read_preferences(tmp_path / "missing.jsonl")
    (tmp_path / "empty.jsonl").write_text("\n")
    with pytest.raises(DataError, match="At least one"):
        read_preferences(tmp_path / "empty.jsonl")
    (tmp_path / "latin.jsonl").write_bytes('{"prompt": "ñ"}'.encode("latin-1"))
    with pytest.raises(DataError, match="line 1"):
        read_preferences(tmp_path / "latin.jsonl")
