"""Named sizes: those of GPT-2 have the number of parameters that was published."""

import pytest
from tiny_gpt import tiny

from tfgenai.gpt import GPT, SIZES
from tfgenai.gpt.sizes import size_arguments


def num_parameters(vocabulary_size, max_sequence_length, num_layers, hidden_dim):
    """Of a GPT-2, counted by hand; heads do not matter."""
    d = hidden_dim
    attention = 4 * d * d + 4 * d
    feed_forward = 8 * d * d + 5 * d
    block = attention + feed_forward + 2 * 2 * d
    embeddings = (vocabulary_size + max_sequence_length) * d
    return embeddings + num_layers * block + 2 * d


@pytest.mark.parametrize(("num_layers", "hidden_dim"), [(1, 16), (3, 24)])
def test_the_count_by_hand_is_that_of_models(num_layers, hidden_dim):
    model = tiny(num_layers=num_layers, hidden_dim=hidden_dim)
    counted = sum(w.numpy().size for w in model.trainable_variables)
    assert counted == num_parameters(12, 8, num_layers, hidden_dim)
    # the rest are counters of the base class, and no second embedding
    assert model.count_params() - counted == sum(
        w.numpy().size for w in model.non_trainable_variables
    )


# As transformers counts the published weights of GPT-2.
@pytest.mark.parametrize(
    ("size", "expected"),
    [
        ("gpt2", 124_439_808),
        ("gpt2_medium", 354_823_168),
        ("gpt2_large", 774_030_080),
        ("gpt2_xl", 1_557_611_200),
    ],
)
def test_sizes_of_gpt2_have_the_published_number_of_parameters(size, expected):
    arguments = size_arguments(size)
    assert arguments["hidden_dim"] == 64 * arguments["num_heads"]
    del arguments["num_heads"]
    assert num_parameters(50_257, **arguments) == expected


def test_arguments_take_precedence_and_sizes_do_not_change():
    model = GPT.from_size("gpt_nano", vocabulary_size=20, num_layers=1, num_heads=2)
    assert model.get_config()["num_layers"] == 1
    assert model.decoder.hidden_dim == 48
    assert SIZES["gpt_nano"]["num_layers"] == 3
    size_arguments("gpt_nano")["num_layers"] = 7
    assert SIZES["gpt_nano"]["num_layers"] == 3


def test_an_unknown_size_is_refused_with_what_there_is():
    with pytest.raises(ValueError, match="Did you mean 'gpt_mini'"):
        GPT.from_size("gptmini", vocabulary_size=20)
