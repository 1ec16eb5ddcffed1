"""config.json of GPT-2 and Llama, as arguments of `GPT`, or refused."""

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

from tfgenai.core.errors import ConfigError

Values = Mapping[str, Any]


@dataclasses.dataclass(frozen=True)
class Format:
    """How one kind of model writes its config.

    Args:
        defaults: values of keys that a config may leave out, as `transformers` has
            them.
        supported: for keys that change what is computed, the values that `GPT` can do.
        to_arguments: takes a complete config and gives the arguments of `GPT`.
    """

    defaults: Values
    supported: Mapping[str, tuple[Any, ...]]
    to_arguments: Callable[[Values], dict[str, Any]]


def to_arguments(config: Any) -> dict[str, Any]:
    """Arguments of a `GPT` that computes what the model of a config computes.

    Args:
        config: the content of config.json.

    Returns:
        Arguments by name, without a tokenizer.

    Raises:
        ConfigError: if it is another kind of model, or asks for what `GPT` has not;
            the key is named.

    Example:
        >>> config = {"model_type": "gpt2", "n_layer": 3}
        >>> to_arguments(config)["num_layers"], to_arguments(config)["hidden_dim"]
        (3, 768)
    """
    kind = config.get("model_type") if isinstance(config, dict) else None
    if kind not in FORMATS:
        raise ConfigError(
            f"A model_type of {' or '.join(map(repr, FORMATS))} was expected. "
            f"Received: config.json with model_type={kind!r}. Other models compute "
            "something else, even where their weights have the same names."
        )
    kind_of = FORMATS[kind]
    values = {**kind_of.defaults, **config}
    for key, supported in {**_ALWAYS, **kind_of.supported}.items():
        if values.get(key, supported[0]) not in supported:
            raise ConfigError(
                f"{key}={' or '.join(map(repr, supported))} was expected. Received: "
                f"config.json with {key}={values[key]!r}, which GPT does not compute. "
                "Choose a model without it."
            )
    return kind_of.to_arguments(values)


def _gpt2(values: Values) -> dict[str, Any]:
    hidden = _whole(values, "n_embd")
    inner = values["n_inner"]
    positions = "n_positions" if "n_positions" in values else "n_ctx"
    return {
        "vocabulary_size": _whole(values, "vocab_size"),
        "max_sequence_length": _whole({"n_ctx": 1024, **values}, positions),
        "num_layers": _whole(values, "n_layer"),
        "num_heads": _whole(values, "n_head"),
        "hidden_dim": hidden,
        "intermediate_dim": 4 * hidden if inner is None else _whole(values, "n_inner"),
        "norm": "layer",
        "norm_epsilon": _positive(values, "layer_norm_epsilon"),
        "activation": "gelu",
        "position_embedding": "learned",
        "use_bias": True,
        "tie_weights": bool(values["tie_word_embeddings"]),
        "end_token": _end_token(values),
    }


def _llama(values: Values) -> dict[str, Any]:
    if bool(values["attention_bias"]) != bool(values["mlp_bias"]):
        raise ConfigError(
            "attention_bias and mlp_bias both true or both false were expected, "
            "because GPT has one switch for both. Received: config.json with "
            f"attention_bias={values['attention_bias']!r}, "
            f"mlp_bias={values['mlp_bias']!r}. Choose a model without offsets."
        )
    optional = {
        name: None if values[key] is None else _whole(values, key)
        for name, key in (
            ("num_key_value_heads", "num_key_value_heads"),
            ("head_dim", "head_dim"),
        )
    }
    return {
        "vocabulary_size": _whole(values, "vocab_size"),
        "max_sequence_length": _whole(values, "max_position_embeddings"),
        "num_layers": _whole(values, "num_hidden_layers"),
        "num_heads": _whole(values, "num_attention_heads"),
        "hidden_dim": _whole(values, "hidden_size"),
        "intermediate_dim": _whole(values, "intermediate_size"),
        **optional,
        "norm": "rms",
        "norm_epsilon": _positive(values, "rms_norm_eps"),
        "activation": "swiglu",
        "position_embedding": "rotary",
        "rotary_base": _rotary_base(values),
        "use_bias": bool(values["attention_bias"]),
        "tie_weights": bool(values["tie_word_embeddings"]),
        "end_token": _end_token(values),
    }


def _rotary_base(values: Values) -> float:
    """What the wavelengths are powers of, if nothing else is done to them."""
    base = {"rope_theta": values["rope_theta"]}
    for key in ("rope_scaling", "rope_parameters"):
        rope = values.get(key)
        if rope is None:
            continue
        if not _is_plain(rope):
            raise ConfigError(
                f"{key} of the type 'default' for whole heads, or None, was expected. "
                f"Received: config.json with {key}={rope!r}, which changes the "
                "wavelengths of rotary positions. Choose a model without it."
            )
        base |= {name: rope[name] for name in base if name in rope}
    return _positive(base, "rope_theta")


def _is_plain(rope: Any) -> bool:
    """Whether a setting of rotary positions leaves the wavelengths as they are."""
    if not isinstance(rope, dict):
        return False
    if rope.get("partial_rotary_factor") not in (None, 1.0):
        return False
    # Older files call it type.
    kinds = [rope[name] for name in ("rope_type", "type") if name in rope]
    if kinds:
        return all(kind == "default" for kind in kinds)
    return {*rope} <= {"rope_theta", "partial_rotary_factor"}


def _end_token(values: Values) -> int | None:
    """The token that begins and ends documents, where it is one and the same."""
    begin, end = values["bos_token_id"], values["eos_token_id"]
    inside = isinstance(end, int) and 0 <= end < _whole(values, "vocab_size")
    return end if inside and begin == end else None


def _whole(values: Values, key: str) -> int:
    value = values[key]
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise ConfigError(
            f"A positive whole number was expected. Received: config.json with "
            f"{key}={value!r}. Download it again."
        )
    return value


def _positive(values: Values, key: str) -> float:
    value = values[key]
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if not is_number or not 0 < value < float("inf"):
        raise ConfigError(
            f"A positive number was expected. Received: config.json with "
            f"{key}={value!r}. Download it again."
        )
    return float(value)


_ALWAYS: dict[str, tuple[Any, ...]] = {
    "quantization_config": (None,),
    "sliding_window": (None,),
    "partial_rotary_factor": (None, 1.0),
    "add_cross_attention": (False,),
    "is_encoder_decoder": (False,),
}

FORMATS: dict[str, Format] = {
    "gpt2": Format(
        defaults={
            "vocab_size": 50257,
            "n_embd": 768,
            "n_layer": 12,
            "n_head": 12,
            "n_inner": None,
            "layer_norm_epsilon": 1e-5,
            "tie_word_embeddings": True,
            "bos_token_id": 50256,
            "eos_token_id": 50256,
        },
        supported={
            # Two names of the tanh form of GELU; "gelu" is the exact one.
            "activation_function": ("gelu_new", "gelu_pytorch_tanh"),
            "scale_attn_weights": (True,),
            "scale_attn_by_inverse_layer_idx": (False,),
        },
        to_arguments=_gpt2,
    ),
    "llama": Format(
        defaults={
            "vocab_size": 32000,
            "hidden_size": 4096,
            "intermediate_size": 11008,
            "num_hidden_layers": 32,
            "num_attention_heads": 32,
            "num_key_value_heads": None,
            "head_dim": None,
            "max_position_embeddings": 2048,
            "rms_norm_eps": 1e-6,
            "rope_theta": 10_000.0,
            "attention_bias": False,
            "mlp_bias": False,
            "tie_word_embeddings": False,
            "bos_token_id": 1,
            "eos_token_id": 2,
        },
        supported={"hidden_act": ("silu", "swish")},
        to_arguments=_llama,
    ),
}
