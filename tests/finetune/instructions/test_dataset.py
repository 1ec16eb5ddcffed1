import keras
import numpy as np
import pytest
import tensorflow as tf
from scipy.special import log_softmax

import tfgenai as tg
from tfgenai.core.errors import DataError
from tfgenai.data.tokenizers import ByteTokenizer, CharTokenizer
from tfgenai.finetune.instructions import (
    Conversation,
    InstructionDataset,
    read_conversations,
)
from tfgenai.finetune.instructions.chat_template import get_template


def _talk(*contents, place="a conversation"):
    roles = ("user", "assistant") * 3
    messages = [
        {"role": role, "content": content}
        for role, content in zip(roles, contents, strict=False)
    ]
    return Conversation(messages, place)


TALKS = [
    _talk("Hello", "Hi!"),
    _talk("2+2=", "Four, I think."),
    _talk("Who?", "Me.", "And who else?", "Nobody."),
    _talk("a", "b"),
    _talk("Say 7.", "7"),
]
LENGTH = 96


def _gpt(**options):
    sizes = {"num_layers": 2, "num_heads": 2, "hidden_dim": 16}
    return tg.GPT(
        **{
            "tokenizer": ByteTokenizer(),
            "max_sequence_length": LENGTH,
            **sizes,
            **options,
        }
    )


def _data(**options):
    return InstructionDataset(
        **{
            "conversations": TALKS,
            "tokenizer": ByteTokenizer(),
            "sequence_length": LENGTH,
            "batch_size": 2,
            **options,
        }
    )


def _answer_losses(model, conversation):
    """In NumPy: -log p of each token that the assistant wrote, and of the end."""
    template, end = get_template("plain"), 256
    text = template.render(conversation.messages).encode()
    tokens = np.array([end, *text, end], np.int32)
    logits = model(tokens[np.newaxis, :-1]).numpy()[0].astype(np.float64)
    losses = -log_softmax(logits, -1)[np.arange(len(tokens) - 1), tokens[1:]]
    answers = []
    for piece in template.pieces(conversation.messages):
        answers += [piece.is_answer] * len(piece.text.encode())
    return losses[np.array([*answers, True])]


def test_batches_are_rows_of_one_shape():
    data = _data(shuffle=False)
    batches = list(data)
    assert data.steps_per_epoch == len(batches) == len(data) == 3
    assert data.element_spec == (
        tf.TensorSpec((2, LENGTH + 1), tf.int32),
        tf.TensorSpec((2, LENGTH + 1), tf.bool),
    )
    tokens, is_target = (np.concatenate(each) for each in zip(*batches, strict=True))
    template = get_template("plain")
    for row, mask, talk in zip(tokens, is_target, TALKS, strict=False):
        assert ByteTokenizer().decode(row[row >= 0]) == template.render(talk.messages)
        assert not mask[row < 0].any()
    assert (tokens[5] == -1).all()
    assert not is_target[5].any()
    assert data.num_targets == is_target.sum()
    assert data.num_examples == 5
    assert [data.tokenizer, data.sequence_length] == [ByteTokenizer(), LENGTH]


@pytest.mark.parametrize("pack", [False, True])
def test_the_loss_is_that_of_the_answers_alone(pack):
    model = _gpt(ema_decay=None)
    data = _data(shuffle=False, pack=pack)
    assert data.num_examples == (3 if pack else 5)
    losses = np.concatenate([_answer_losses(model, talk) for talk in TALKS])
    model.compile(jit_compile=False)
    figures = model.evaluate(data, return_dict=True, verbose=0)
    # The NumPy loss sees each conversation by itself, so that packed ones must, too.
    np.testing.assert_allclose(figures["loss"], losses.mean(), rtol=1e-5)
    assert data.num_targets == len(losses)


def test_what_is_asked_has_no_gradient():
    model = _gpt()
    tokens, is_target = next(iter(_data(shuffle=False)))
    with tf.GradientTape() as tape:
        logits = model(tokens[:, :-1])
        tape.watch(logits)
        model.decoder.logits = lambda _: logits
        loss = model.compute_losses(tokens, is_target, None, seed=None, training=True)
        gradient = tape.gradient(loss["loss"], logits)
    moved = tf.reduce_any(gradient != 0.0, axis=-1)
    np.testing.assert_array_equal(moved, is_target[:, 1:])


def test_an_epochs_order_is_a_function_of_seed_and_number():
    def rows(dataset):
        return np.concatenate([tokens for tokens, _ in dataset])

    data = _data(seed=4)
    epochs = [rows(data.for_epochs(number, number + 1)) for number in range(3)]
    np.testing.assert_array_equal(rows(data), epochs[0])
    np.testing.assert_array_equal(rows(data), epochs[1])
    later = _data(seed=4).for_epochs(1, 3)
    np.testing.assert_array_equal(rows(later), [*epochs[1], *epochs[2]])
    assert {epoch.tobytes() for epoch in epochs} != {epochs[0].tobytes()}
    assert rows(_data(seed=5)).tobytes() != epochs[0].tobytes()
    for epoch in epochs:
        assert sorted(map(tuple, epoch)) == sorted(map(tuple, epochs[0]))
        assert (epoch[5] == -1).all()  # what fills up stands last


def test_a_resumed_run_is_the_unbroken_run(tmp_path):
    def train(epochs, *callbacks):
        model = _gpt(dropout=0.2, ema_decay=0.9, seed=1)
        model.compile(keras.optimizers.Adam(0.01), jit_compile=False)
        model.fit(_data(), epochs=epochs, callbacks=list(callbacks), verbose=0)
        return [weight.numpy() for weight in model.weights]

    whole = train(4)
    train(2, tg.train.Backup(tmp_path / "backup"))
    resumed = train(4, tg.train.Backup(tmp_path / "backup"))
    for one, other in zip(whole, resumed, strict=True):
        np.testing.assert_array_equal(one, other)


def test_a_conversation_that_does_not_fit_is_named(tmp_path):
    path = tmp_path / "chats.jsonl"
    path.write_text(
        '{"prompt": "a", "completion": "b"}\n\n'
        f'{{"prompt": "{"long " * 20}", "completion": "Yes."}}\n'
    )
    talks = read_conversations(path)
    with pytest.raises(DataError, match=r"at most 49 tokens .*chats.jsonl, line 3"):
        _data(conversations=talks, sequence_length=48)
    data = _data(conversations=talks, sequence_length=48, truncate=True, shuffle=False)
    tokens, is_target = next(iter(data))
    text = get_template("plain").render(talks[1].messages)
    assert tokens[1, 0] == tokens[1, -1] == 256
    assert data.tokenizer.decode(tokens[1]) == text[-47:]
    assert data.tokenizer.decode(tokens[1][is_target[1]]) == "Yes.\n"
    with pytest.raises(DataError, match=r"from its last question on .*line 1"):
        _data(conversations=talks, sequence_length=2, truncate=True)


def test_what_cannot_be_told_in_tokens_is_refused_with_its_place():
    letters = CharTokenizer.train(get_template("plain").render(TALKS[0].messages))
    with pytest.raises(DataError, match=r"'x'.*This is row 7\."):
        _data(conversations=[_talk("x", "y", place="row 7")], tokenizer=letters)
    with pytest.raises(DataError, match=r"'### User:'.*This is row 8\."):
        _data(conversations=[_talk("### User:", "y", place="row 8")])
    with pytest.raises(DataError, match=r"surrogate.*This is row 9\."):
        _data(conversations=[_talk("\ud800", "y", place="row 9")])


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"conversations": []}, "conversations of 0"),
        ({"sequence_length": 1}, "sequence_length of 1"),
        ({"batch_size": 0}, "batch_size of 0"),
        ({"template": "alpaca"}, "template='alpaca'"),
        ({"seed": -1}, "seed=-1"),
    ],
)
def test_numbers_out_of_range_are_refused(options, words):
    with pytest.raises(ValueError, match=words):
        _data(**options)


def test_a_model_of_another_tokenizer_refuses_the_data():
    model = _gpt(tokenizer=CharTokenizer("abc"))
    model.compile()
    with pytest.raises(ValueError, match="own tokenizer"):
        model.fit(_data(), verbose=0)


def test_the_card_counts_what_is_there():
    card = _data().card
    split = card.splits["train"]
    texts = [get_template("plain").render(talk.messages) for talk in TALKS]
    assert split.num_examples == 5
    assert split.num_characters == sum(map(len, texts))
    assert split.num_tokens == sum(map(len, texts))
    assert "ByteTokenizer" in str(card)
