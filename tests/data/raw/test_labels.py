"""Tables of labels: whoever wrote them is told of the line."""

import pytest

from tfgenai.core.errors import ConfigError, DataError
from tfgenai.data.raw.labels import Known, by_pattern, compile_pattern, read_table


def test_csv_and_jsonl_say_the_same(tmp_path):
    (tmp_path / "a.csv").write_text('\ufeffid,label\n"x, y.png",1\nz.png,\n')
    (tmp_path / "a.jsonl").write_text(
        '{"file": "x, y.png", "label": 1}\n\n{"path": "./z.png"}\n'
    )
    wanted = {"x, y.png": Known("1"), "z.png": Known()}
    assert read_table(tmp_path / "a.csv") == wanted
    assert read_table(tmp_path / "a.jsonl") == wanted


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("a.jsonl", '{"id": "a"}\n{broken\n', "line 2"),
        ("a.jsonl", "[1]\n", "no JSON object"),
        ("a.csv", "name,label\na,b\n", r"no column of .*, but \['name', 'label'\]"),
        ("a.csv", "id,label\na,b\na,c\n", "line 3, which says other things of 'a'"),
        ("a.csv", 'id,label\n"a,b\n', "can be read"),
    ],
)
def test_mistakes_are_located(tmp_path, name, text, words):
    (tmp_path / name).write_text(text)
    with pytest.raises(DataError, match=words):
        read_table(tmp_path / name)


def test_patterns():
    pattern = compile_pattern(r"(?P<label>\d)_(?P<group>[a-z]+)")
    assert by_pattern(pattern, "sub/7_theo_3.wav") == Known("7", "theo")
    assert by_pattern(pattern, "other.wav") == Known()
    with pytest.raises(ConfigError, match="regular expression"):
        compile_pattern("(")


def test_json_too_deep_to_read_is_located(tmp_path):
    (tmp_path / "a.jsonl").write_text('{"id": "a"}\n' + "[" * 200_000)
    with pytest.raises(DataError, match="can be read"):
        read_table(tmp_path / "a.jsonl")
