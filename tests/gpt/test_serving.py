"""How GPT is exported: caps, buckets and chunks, with their defaults and limits."""

import pytest
import tensorflow as tf
from tiny_gpt import tiny, tiny_bytes

from tfgenai.core import random
from tfgenai.core.conditions import check_conditions
from tfgenai.core.errors import ExportError
from tfgenai.export import export_saved_model
from tfgenai.gpt.knobs import bias_knobs, stop_knobs


@pytest.mark.parametrize(
    ("length", "given", "expected"),
    [
        (256, {}, (256, 128, [32], 16)),
        (1024, {"max_new_tokens": 512}, (1024, 512, [32, 128], 16)),
        (64, {}, (64, 128, [32], 16)),
        (16, {}, (16, 128, [], 16)),
        # a cap below the usual chunk brings the chunk down with it
        (16, {"max_new_tokens": 8}, (16, 8, [], 8)),
        (64, {"token_buckets": (16, 8, 16)}, (64, 128, [8, 16], 16)),
        (64, {"token_buckets": (), "chunk_tokens": 3}, (64, 128, [], 3)),
        (64, {"max_prompt_tokens": 40, "max_new_tokens": 60}, (40, 60, [32], 16)),
    ],
)
def test_options_are_filled_in(length, given, expected):
    options = tiny_bytes(max_sequence_length=length).serving_options(**given)
    names = "max_prompt_tokens", "max_new_tokens", "token_buckets", "chunk_tokens"
    assert tuple(options[name] for name in names) == expected


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"max_prompt_tokens": 17}, r"\[1, 16\].*max_prompt_tokens=17"),
        ({"max_prompt_tokens": 0}, "max_prompt_tokens=0"),
        ({"max_new_tokens": 2**17}, "max_new_tokens=131072"),
        ({"max_new_tokens": True}, "max_new_tokens=True"),
        ({"token_buckets": [8, 32]}, r"\[1, 16\].*token_buckets=32"),
        ({"chunk_tokens": 129}, r"\[1, 128\].*chunk_tokens=129"),
        ({"chunk_tokens": 2.0}, "chunk_tokens=2.0"),
    ],
)
def test_numbers_out_of_range_are_refused_before_anything_is_written(
    options, words, tmp_path
):
    with pytest.raises(ValueError, match=words):
        tiny_bytes().export_serving(tmp_path / "m", **options)
    assert not list(tmp_path.iterdir())


def test_samples_are_texts_from_nothing():
    model = tiny_bytes()
    assert model.output_name == "texts"
    given = {**stop_knobs(()), **bias_knobs({}), "max_new_tokens": 7}
    knobs = check_conditions(model.conditions(), given, 2)
    knobs = {name: tf.constant(value) for name, value in knobs.items()}
    texts = model.sample(tf.constant(random.row_seeds(4, 2)), **knobs)
    expected = model.generate(2, seed=4, max_new_tokens=7)
    assert [text.decode() for text in texts.numpy()] == expected


def test_a_model_of_tokens_serves_tokens():
    names = list(tiny().serving_signatures(max_new_tokens=4))
    assert names == ["generate_tokens", "decode_chunk", "score_tokens"]


def test_an_option_of_another_family_is_named(tmp_path):
    words = r"'max_new_tokens'.*is a GPT.*sampler='ddim'"
    with pytest.raises(ExportError, match=words):
        export_saved_model(
            tiny_bytes(), tmp_path / "m", serving_options={"sampler": "ddim"}
        )
    assert not (tmp_path / "m").exists()
