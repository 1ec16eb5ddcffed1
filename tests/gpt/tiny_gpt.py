"""Tiny language models whose weights hide nothing, and a plain loop that writes."""

import functools

import numpy as np
import tensorflow as tf

import tfgenai as tg
from tfgenai.core import random
from tfgenai.data.tokenizers import ByteTokenizer

VOCABULARY = 12
END = 11
BLOCK = 8  # the longest sequence of most models here
MODERN = {
    "norm": "rms",
    "activation": "swiglu",
    "position_embedding": "rotary",
    "use_bias": False,
    "use_qk_norm": True,
    "num_key_value_heads": 2,
    "tie_weights": False,
}
WINDOW = {"sliding_window": 3}


def tiny(**options):
    """A model of 12 tokens, or of bytes, with large random weights."""
    sizes = {
        "max_sequence_length": BLOCK,
        "num_layers": 2,
        "num_heads": 4,
        "hidden_dim": 16,
    }
    if "tokenizer" not in options:
        sizes |= {"vocabulary_size": VOCABULARY, "end_token": END}
    model = tg.GPT(**{**sizes, **options})
    randomize(model)
    return model


@functools.cache
def shared(**options):
    """A model of `tiny` for tests that leave it as it is: they share its graphs."""
    return tiny(**options)


def tiny_bytes(**options):
    return tiny(
        tokenizer=ByteTokenizer(),
        **{"max_sequence_length": 16, **options},
    )


def randomize(model, scale=0.3):
    for i, weight in enumerate(model.decoder.trainable_variables):
        noise = random.numpy_generator(i).normal(size=weight.shape)
        weight.assign(weight + scale * noise)


def draw(*shape, seed=0, below=END):
    """Tokens, none of them the end token."""
    return random.numpy_generator(seed).integers(0, below, shape).astype(np.int32)


def batches(n=12, length=7, batch_size=4, seed=0, drop_remainder=True):
    """Sequences with something to learn: each token is the last one plus one."""
    first = random.numpy_generator(seed).integers(0, END, (n, 1))
    x = ((first + np.arange(length)) % END).astype(np.int32)
    dataset = tf.data.Dataset.from_tensor_slices(x)
    return dataset.batch(batch_size, drop_remainder=drop_remainder)


def seen_part(text, limit):
    """What a model of `limit` tokens sees of a text: half goes when it overflows."""
    start = 0
    while len(text) - start > limit:
        start += max(limit // 2, 1)
    return text[start:]


def last_logits(model, text):
    """Logits of the next token by whole passes, float64."""
    visible = seen_part(list(text), model.max_sequence_length)
    # A graph: reference texts take thousands of passes.
    if "whole_pass" not in model.__dict__:
        spec = tf.TensorSpec((1, None), tf.int32)
        model.__dict__["whole_pass"] = tf.function(model, input_signature=[spec])
    logits = model.__dict__["whole_pass"](tf.constant([visible], tf.int32))
    return logits.numpy()[0, -1].astype(np.float64)


def log_softmax(logits):
    shifted = logits - logits.max(-1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(-1, keepdims=True))


def write_greedily(model, prompt, num_tokens, change=lambda text, logits: logits):
    """New tokens of a loop of whole passes, ended by the end token."""
    text = list(prompt)
    for _ in range(num_tokens):
        token = int(change(text, last_logits(model, text)).argmax())
        if token == model.end_token:
            break
        text.append(token)
    return text[len(prompt) :]
