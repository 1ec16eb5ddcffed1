import keras
import numpy as np
import pytest
import tensorflow as tf

import tfgenai as tg
from tfgenai.data.tokenizers import ByteTokenizer, CharTokenizer
from tfgenai.finetune.instructions import (
    ChatTemplate,
    Conversation,
    InstructionDataset,
    Message,
    chat,
)

NAMES = ["ann", "bob", "cat", "dan", "eva", "fin", "gus", "hal", "ida", "joe"]
THINGS = {"pet": ("fox", "owl", "ant"), "hat": ("red", "tan", "sky"), "cup": ("tea",)}
SHORT = ChatTemplate(system=("S: ", "\n"), user=("Q: ", "\n"), assistant=("A: ", "\n"))


def _pairs():
    """30 questions whose answers nobody could guess."""
    return [
        (
            f"{name}'s {thing}?",
            f"{kinds[(i * i + 1) % len(kinds)]} no {i * 7 % 10}",
        )
        for i, name in enumerate(NAMES)
        for thing, kinds in THINGS.items()
    ]


def _conversation(question, answer):
    return Conversation([Message("user", question), Message("assistant", answer)])


@pytest.mark.slow
def test_a_tiny_model_learns_thirty_answers_and_not_the_questions():
    pairs = _pairs()
    assert len(set(pairs)) == 30
    talks = [_conversation(*pair) for pair in pairs]
    tokenizer = CharTokenizer.train([SHORT.render(t.messages) for t in talks])
    model = tg.GPT(
        tokenizer=tokenizer,
        max_sequence_length=40,
        num_layers=2,
        num_heads=2,
        hidden_dim=48,
        seed=3,
    )

    def data(**options):
        return InstructionDataset(
            talks, tokenizer, sequence_length=40, template=SHORT, **options
        )

    def question_loss():
        """Of what is no target: the questions, by the same model."""
        tokens, is_target = (
            np.concatenate(each) for each in zip(*data(shuffle=False), strict=True)
        )
        others = (tf.constant(tokens), tf.constant(~is_target & (tokens >= 0)), None)
        losses = model.compute_losses(*others, seed=None, training=False)
        return float(losses["loss"])

    before = question_loss()
    rates = keras.optimizers.schedules.CosineDecay(1e-2, 600)
    model.compile(keras.optimizers.Adam(rates))
    model.fit(data(pack=True, batch_size=8), epochs=150, verbose=0)
    answers = [
        chat(model, [Message("user", question)], template=SHORT, temperature=0)
        for question, _ in pairs
    ]
    assert answers == [answer for _, answer in pairs]
    loss = model.evaluate(data(shuffle=False), return_dict=True, verbose=0)["loss"]
    assert loss < 0.01
    # Nothing pulls at the questions: they are no likelier than before.
    assert question_loss() > before


class _Recorder(tg.GPT):
    """Writes what it was told to, and keeps what it was asked."""

    def generate_tokens(self, prompts, **knobs):
        self.asked, self.knobs = prompts, knobs
        return [self.tokenizer.encode(self.says)]


def _recorder(says):
    model = _Recorder(
        tokenizer=ByteTokenizer(), num_layers=1, num_heads=2, hidden_dim=8
    )
    model.says = says
    return model


@pytest.mark.parametrize("template", ["plain", "chatml", SHORT])
def test_the_model_is_asked_with_the_tokens_of_training(template):
    model = _recorder("one\ntwo")
    asked = [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "Hello"},
        {"role": "assistant", "content": "Hi!"},
        {"role": "user", "content": "Who?"},
    ]
    reply = chat(model, asked, template=template, seed=3, stop_tokens=[7])
    assert reply == "one\ntwo"
    assert model.knobs == {"seed": 3, "stop_tokens": [7]}
    whole = Conversation([*asked, {"role": "assistant", "content": "?"}])
    data = InstructionDataset(
        [whole], ByteTokenizer(), sequence_length=200, template=template, batch_size=1
    )
    tokens, is_target = (each[0].numpy() for each in next(iter(data)))
    last = np.flatnonzero(is_target & (tokens == ord("?")))[-1]
    (prompt,) = model.asked
    np.testing.assert_array_equal(prompt, tokens[:last])


def test_the_mark_of_an_answers_end_is_cut_off():
    assert chat(_recorder("Me.\n"), [Message("user", "Who?")]) == "Me."
    written = "Me.<|im_end|>\n<|im_start|>user\nAnd?"
    asked = [Message("user", "Who?")]
    assert chat(_recorder(written), asked, template="chatml") == "Me."


@pytest.mark.parametrize(
    ("messages", "error", "words"),
    [
        ([], ValueError, "0 messages"),
        ("Hello", TypeError, "list of messages"),
        ([Message("system", "a")], ValueError, "role 'user'"),
        (
            [Message("user", "a"), Message("assistant", "b")],
            ValueError,
            "last of role='assistant'",
        ),
        ([Message("user", "### User:")], ValueError, "'### User:'"),
        ([Message("user", "long" * 99)], ValueError, "At most 256 tokens"),
    ],
)
def test_what_is_no_question_is_refused(messages, error, words):
    model = tg.GPT(tokenizer=ByteTokenizer(), num_layers=1, num_heads=2, hidden_dim=8)
    with pytest.raises(error, match=words):
        chat(model, messages)


def test_other_mistakes_are_told_by_generate():
    model = tg.GPT(tokenizer=ByteTokenizer(), num_layers=1, num_heads=2, hidden_dim=8)
    with pytest.raises(ValueError, match="temperature"):
        chat(model, [Message("user", "a")], temperature=-1)
    with pytest.raises(ValueError, match="tokenizer"):
        chat(tg.GPT(9, num_layers=1, num_heads=2, hidden_dim=8), [Message("user", "a")])
