"""Configs of GPT-2 and Llama: what is translated, and what is refused by name."""

import pytest
from hugging_face import GPT2, LLAMA

from tfgenai.core.errors import ConfigError
from tfgenai.gpt.huggingface_config import to_arguments


@pytest.mark.slow
def test_what_a_config_leaves_out_is_what_transformers_takes_for_it():
    transformers = pytest.importorskip("transformers")
    for kind in ("gpt2", "llama"):
        whole = transformers.AutoConfig.for_model(kind).to_dict()
        ours = to_arguments({"model_type": kind})
        if kind == "llama":
            # None stands for as many heads, of the length that follows.
            ours |= {"num_key_value_heads": 32, "head_dim": 4096 // 32}
        assert ours == to_arguments(whole)


def test_gpt2_by_default_is_the_published_one():
    # Radford et al. 2019, table 2, first row; 1,024 tokens of context.
    arguments = to_arguments({"model_type": "gpt2"})
    sizes = ("num_layers", "hidden_dim", "max_sequence_length", "vocabulary_size")
    assert [arguments[name] for name in sizes] == [12, 768, 1024, 50257]
    assert arguments["end_token"] == 50256
    assert arguments["intermediate_dim"] == 3072


def test_the_old_name_of_the_positions_is_read():
    old = {k: v for k, v in GPT2.items() if k != "n_positions"} | {"n_ctx": 7}
    assert to_arguments(old)["max_sequence_length"] == 7


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("activation_function", "gelu"),
        ("activation_function", "relu"),
        ("scale_attn_weights", False),
        ("scale_attn_by_inverse_layer_idx", True),
        ("add_cross_attention", True),
        ("quantization_config", {"bits": 4}),
        ("n_layer", 0),
        ("n_embd", "12"),
        ("n_head", True),
        ("n_inner", -1),
        ("layer_norm_epsilon", 0),
        ("model_type", "gptj"),
    ],
)
def test_a_gpt2_that_computes_something_else_is_refused(key, value):
    with pytest.raises(ConfigError, match=f"{key}="):
        to_arguments(GPT2 | {key: value})


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("hidden_act", "gelu"),
        ("mlp_bias", True),
        ("attention_bias", True),
        ("sliding_window", 4),
        ("partial_rotary_factor", 0.5),
        ("rope_theta", -1.0),
        ("rope_scaling", {"type": "linear", "factor": 2.0}),
        ("rope_scaling", {"factor": 2.0}),
        ("rope_parameters", {"rope_theta": 1e4, "rope_type": "llama3", "factor": 8.0}),
        (
            "rope_parameters",
            {"rope_theta": 1e4, "rope_type": "default", "partial_rotary_factor": 0.5},
        ),
        ("quantization_config", {"quant_method": "fp8"}),
        ("num_key_value_heads", 0),
        ("max_position_embeddings", None),
        ("model_type", "mistral"),
    ],
)
def test_a_llama_that_computes_something_else_is_refused(key, value):
    with pytest.raises(ConfigError, match=f"{key}="):
        to_arguments(LLAMA | {key: value})


@pytest.mark.parametrize("config", [[], None, {}, {"n_layer": 2}])
def test_what_is_no_config_is_refused(config):
    with pytest.raises(ConfigError, match="model_type=None"):
        to_arguments(config)
