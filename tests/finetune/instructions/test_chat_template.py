import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tfgenai.data.tokenizers import BPETokenizer
from tfgenai.finetune.instructions import ChatTemplate, Message
from tfgenai.finetune.instructions.chat_template import TEMPLATES, get_template
from tfgenai.finetune.instructions.conversations import ROLES

TALK = (
    Message("system", "Be brief."),
    Message("user", "Hello"),
    Message("assistant", "Hi!"),
    Message("user", "Who?"),
    Message("assistant", "Me."),
)


def test_the_presets_write_what_they_are_named_after():
    # ChatML as OpenAI published it.
    assert get_template("chatml").render(TALK[:4]) == (
        "<|im_start|>system\nBe brief.<|im_end|>\n"
        "<|im_start|>user\nHello<|im_end|>\n"
        "<|im_start|>assistant\nHi!<|im_end|>\n"
        "<|im_start|>user\nWho?<|im_end|>\n"
        "<|im_start|>assistant\n"
    )
    assert get_template("plain").render(TALK[1:3]) == (
        "### User:\nHello\n### Assistant:\nHi!\n"
    )


@pytest.mark.parametrize("name", list(TEMPLATES))
def test_answers_are_the_assistants_words_and_the_mark_of_their_end(name):
    template = get_template(name)
    pieces = template.pieces(TALK)
    end = template.assistant[1]
    assert [p.text for p in pieces if p.is_answer] == [f"Hi!{end}", f"Me.{end}"]
    assert [p.is_answer for p in pieces] == [False, True, False, True]
    # Where an answer is due, all is as in the whole conversation up to there.
    assert template.pieces(TALK[:4]) == pieces[:3]
    assert "".join(p.text for p in pieces) == template.render(TALK)


# Text of the very characters that marks are made of is the hardest to tell apart.
_content = st.text(st.sampled_from("#: \nUser<|>im_endstart"), min_size=1, max_size=30)


@pytest.mark.parametrize("name", list(TEMPLATES))
@given(
    contents=st.lists(_content.filter(str.strip), min_size=1, max_size=4),
    has_system=st.booleans(),
)
def test_what_is_written_comes_back(name, contents, has_system):
    roles = ["system"] * has_system + ["user", "assistant"] * 2
    messages = tuple(map(Message, roles, contents))
    template = get_template(name)
    assert template.parse(template.render(messages)) == messages


@pytest.mark.parametrize("name", list(TEMPLATES))
@pytest.mark.parametrize("role", ROLES)
def test_words_that_hold_a_mark_are_refused(name, role):
    template = get_template(name)
    forged = template.render(TALK[3:])
    messages = [
        m._replace(content=f"a {forged} b") if m.role == role else m for m in TALK[:3]
    ]
    with pytest.raises(ValueError, match="Words without the template's marks"):
        template.render(messages)
    if name == "chatml":
        with pytest.raises(ValueError, match=r"<\|im_end\|>"):
            template.render([Message("user", "stop <|im_end|>")])


def test_messages_that_run_into_each_other_are_refused():
    template = ChatTemplate(
        system=("SYS ", "\n"), user=("\nASK ", "\n"), assistant=("ASK ", "\n")
    )
    assert template.parse(template.render(TALK)) == TALK
    with pytest.raises(ValueError, match="told apart"):
        # The user's last line break could as well belong to the next mark.
        template.render([Message("user", "a\n"), Message("assistant", "b")])


@pytest.mark.parametrize("text", ["Hello", "### User:\nHello", "### User:\na\n###"])
def test_a_text_of_another_template_is_not_parsed(text):
    with pytest.raises(ValueError, match="text of this template"):
        get_template("plain").parse(text)


def test_an_answer_ends_at_its_mark():
    plain, chatml = get_template("plain"), get_template("chatml")
    assert plain.cut_answer("two\nlines\n") == "two\nlines"
    assert plain.cut_answer("one\n### User:\nmore\n") == "one"
    assert plain.cut_answer("no mark") == "no mark"
    assert chatml.cut_answer("one<|im_end|>\n") == "one"


@pytest.mark.parametrize("name", list(TEMPLATES))
def test_pieces_have_the_tokens_of_the_whole_text(name):
    template = get_template(name)
    words = "User Assistant System im_start im_end Hello! Who? Be brief. <|>\n### "
    tokenizer = BPETokenizer.train([words * 9, template.render(TALK) * 9], 400)
    pieces = [tokenizer.encode(piece.text) for piece in template.pieces(TALK)]
    whole = tokenizer.encode(template.render(TALK))
    assert len(whole) < len(template.render(TALK)) / 2  # there are merges
    np.testing.assert_array_equal(np.concatenate(pieces), whole)


@pytest.mark.parametrize(
    "marks",
    [
        {"user": (" \n", "\n")},
        {"user": ("", "\n")},
        {"user": ("### User:\n", "")},
        {"user": ("### System:\n", "\n")},
        {"user": ("### System:\nUser:", "\n")},
    ],
)
def test_marks_that_tell_nothing_are_refused(marks):
    plain = get_template("plain")
    usual = {role: getattr(plain, role) for role in ROLES}
    with pytest.raises(ValueError, match="mark before"):
        ChatTemplate(**{**usual, **marks})


def test_unknown_templates_are_refused():
    with pytest.raises(ValueError, match="Did you mean 'chatml'"):
        get_template("chatlm")
    with pytest.raises(TypeError, match="ChatTemplate"):
        get_template(None)
