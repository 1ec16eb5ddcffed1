import json

import pytest

from tfgenai.core.errors import DataError
from tfgenai.finetune.instructions import Conversation, Message, read_conversations
from tfgenai.finetune.instructions.conversations import require_last, to_messages


def _write(path, *lines):
    path.write_bytes(b"\n".join(lines))
    return path


def _line(values):
    return json.dumps(values).encode()


def _said(*roles):
    return [{"role": role, "content": role.upper()} for role in roles]


def test_each_form_of_a_line_is_read(tmp_path):
    path = _write(
        tmp_path / "chats.jsonl",
        b"\xef\xbb\xbf" + _line({"messages": _said("system", "user", "assistant")}),
        _line({"prompt": "2+2=", "completion": "4"}),
        b"  \r",
        _line({"instruction": "Add.", "input": "2 and 2", "output": "4"}),
        _line({"instruction": "Say it.", "output": "é\n"}) + b"\r",
        _line({"instruction": "Say it.", "input": "", "output": "é"}),
    )
    found = read_conversations(path)
    assert found[0].messages == (
        Message("system", "SYSTEM"),
        Message("user", "USER"),
        Message("assistant", "ASSISTANT"),
    )
    pairs = [[content for _, content in each.messages] for each in found[1:]]
    assert pairs == [
        ["2+2=", "4"],
        ["Add.\n\n2 and 2", "4"],
        ["Say it.", "é\n"],
        ["Say it.", "é"],
    ]
    lines = [each.place.rsplit(" ", 1)[-1] for each in found]
    assert lines == ["1", "2", "4", "5", "6"]


@pytest.mark.parametrize(
    ("line", "words"),
    [
        (b"{'prompt': 1}", "JSON object"),
        (b"\xff", "JSON object"),
        (b"[" * 9999, "JSON object"),
        (b"[]", "JSON object"),
        (_line({}), r"\['prompt', 'completion'\] were expected"),
        (_line({"prompt": "a", "answer": "b"}), "'answer'"),
        (_line({"prompt": "a", "completion": "b", "id": 3}), "'id'"),
        (_line({"prompt": "a", "completion": ""}), "content='' in message 2 of role"),
        (_line({"prompt": 7, "completion": "b"}), "content=7"),
        (_line({"instruction": "a", "input": 7, "output": "b"}), "input=7"),
        (_line({"instruction": "a", "output": "b", "text": ""}), "'text'"),
        (_line({"messages": _said("user", "assistant"), "id": 1}), "'id'"),
        (_line({"messages": "hello"}), "list of messages"),
        (_line({"messages": ["hello"]}), "message 1='hello'"),
        (_line({"messages": []}), "0 messages"),
        (_line({"messages": _said("system")}), "role='system'"),
        (_line({"messages": _said("user")}), "end with one of role 'assistant'"),
        (_line({"messages": _said("assistant")}), "message 1 .* where 'user'"),
        (_line({"messages": _said("user", "user")}), "message 2 .* where 'assistant'"),
        (
            _line({"messages": _said("user", "assistant", "system", "assistant")}),
            "message 3 of role='system'",
        ),
        (_line({"messages": _said("usr", "assistant")}), "Did you mean 'user'"),
        (_line({"messages": [{"role": [], "content": "a"}]}), r"role=\[\]"),
        (
            _line({"messages": [{"role": "user", "content": "a", "name": "b"}]}),
            "message 1 with .*'name'",
        ),
        (
            _line(
                {"messages": [*_said("user"), {"role": "assistant", "content": " \n"}]}
            ),
            "message 2 of role 'assistant'",
        ),
    ],
)
def test_a_bad_line_is_named(tmp_path, line, words):
    good = _line({"prompt": "a", "completion": "b"})
    path = _write(tmp_path / "chats.jsonl", good, b"", line, good)
    with pytest.raises(DataError, match=words) as raised:
        read_conversations(path)
    assert "chats.jsonl, line 3" in str(raised.value)


def test_a_file_without_any_is_refused(tmp_path):
    with pytest.raises(DataError, match="nowhere"):
        read_conversations(tmp_path / "nowhere.jsonl")
    with pytest.raises(DataError, match="has none"):
        read_conversations(_write(tmp_path / "empty.jsonl", b"", b" "))


def test_conversations_in_python_are_checked_alike():
    talk = Conversation([Message("user", "a"), {"role": "assistant", "content": "b"}])
    assert talk.messages == (Message("user", "a"), Message("assistant", "b"))
    with pytest.raises(ValueError, match="role 'assistant'"):
        Conversation([Message("user", "a")])
    with pytest.raises(TypeError, match="list of messages"):
        to_messages("hello")
    with pytest.raises(ValueError, match="last of role='assistant'"):
        require_last(talk.messages, "user")
