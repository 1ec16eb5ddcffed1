"""What a caller may say of each text that is written, besides prompt and seed."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from tfgenai.core.conditions import Condition

MAX_STOP_TOKENS = 8
MAX_LOGIT_BIAS = 16
_MAX_BIAS = 1e4


def knob_conditions(
    vocabulary_size: int,
    *,
    max_new_tokens: int,
    default_new_tokens: int,
    grammars: Sequence[str] = (),
) -> tuple[Condition, ...]:
    """The knobs of a text, one value a row each, with their ranges and defaults.

    Args:
        vocabulary_size: number of tokens.
        max_new_tokens: the most that a row may ask for.
        default_new_tokens: what a row gets that asks for nothing.
        grammars: names of the grammars that may be asked for, numbered from 1; without
            any there is no such knob.
    """
    last = vocabulary_size - 1
    knobs = [
        Condition(
            "max_new_tokens",
            "int32",
            minimum=1,
            maximum=max_new_tokens,
            default=default_new_tokens,
            description="tokens that are written at most",
        ),
        Condition(
            "temperature",
            "float32",
            minimum=0.0,
            maximum=100.0,
            default=1.0,
            description="what logits are divided by; 0 takes the likeliest token",
        ),
        Condition(
            "top_k",
            "int32",
            minimum=0,
            maximum=2**30,
            default=0,
            description="number of the likeliest tokens that are kept; 0 keeps all",
        ),
        Condition(
            "top_p",
            "float32",
            minimum=1e-6,
            maximum=1.0,
            default=1.0,
            description="probability that the likeliest tokens must reach to be kept, "
            "above 0; 1 keeps all",
        ),
        Condition(
            "min_p",
            "float32",
            minimum=0.0,
            maximum=1.0,
            default=0.0,
            description="least probability of a token over that of the likeliest",
        ),
        Condition(
            "repetition_penalty",
            "float32",
            minimum=0.1,
            maximum=10.0,
            default=1.0,
            description="how much less likely a token becomes that was there; 1 for "
            "none",
        ),
        Condition(
            "stop_tokens",
            "int32",
            shape=(MAX_STOP_TOKENS,),
            minimum=0,
            maximum=last,
            default=0,
            description="tokens that end the text; the first num_stop_tokens count",
        ),
        Condition(
            "num_stop_tokens",
            "int32",
            minimum=0,
            maximum=MAX_STOP_TOKENS,
            default=0,
            description="how many of stop_tokens count",
        ),
        Condition(
            "logit_bias_tokens",
            "int32",
            shape=(MAX_LOGIT_BIAS,),
            minimum=0,
            maximum=last,
            default=0,
            description="tokens whose logits are moved; the first num_logit_bias count",
        ),
        Condition(
            "logit_bias_values",
            "float32",
            shape=(MAX_LOGIT_BIAS,),
            minimum=-_MAX_BIAS,
            maximum=_MAX_BIAS,
            default=0.0,
            description="what is added to the logits of logit_bias_tokens",
        ),
        Condition(
            "num_logit_bias",
            "int32",
            minimum=0,
            maximum=MAX_LOGIT_BIAS,
            default=0,
            description="how many of logit_bias_tokens count",
        ),
    ]
    if grammars:
        knobs.append(
            Condition(
                "grammar",
                "int32",
                minimum=0,
                maximum=len(grammars),
                default=0,
                description="what the text must match: 0 nothing, "
                + ", ".join(f"{i} {name}" for i, name in enumerate(grammars, 1)),
            )
        )
    return tuple(knobs)


def stop_knobs(stop_tokens: Sequence[int]) -> dict[str, np.ndarray]:
    """The knobs of a list of stop tokens, which all rows share.

    Raises:
        ValueError: if there are too many.
    """
    tokens = _fixed_width("stop_tokens", list(stop_tokens), MAX_STOP_TOKENS)
    return {
        "stop_tokens": tokens,
        "num_stop_tokens": np.array(len(stop_tokens), np.int32),
    }


def bias_knobs(logit_bias: Mapping[int, float]) -> dict[str, np.ndarray]:
    """The knobs of a mapping from tokens to what is added to their logits.

    Raises:
        ValueError: if there are too many.
    """
    values = np.zeros(MAX_LOGIT_BIAS, np.float32)
    tokens = _fixed_width("logit_bias", list(logit_bias), MAX_LOGIT_BIAS)
    values[: len(logit_bias)] = list(logit_bias.values())
    return {
        "logit_bias_tokens": tokens,
        "logit_bias_values": values,
        "num_logit_bias": np.array(len(logit_bias), np.int32),
    }


def _fixed_width(name: str, tokens: list[Any], width: int) -> np.ndarray:
    if len(tokens) > width:
        raise ValueError(
            f"At most {width} tokens were expected. Received: {name} with "
            f"{len(tokens)}. Leave some out."
        )
    whole = all(isinstance(token, (int, np.integer)) for token in tokens)
    if not whole:
        raise TypeError(
            f"Token ids were expected. Received: {name}={tokens!r}. Encode text with "
            "the model's tokenizer."
        )
    row = np.zeros(width, np.int32)
    row[: len(tokens)] = tokens
    return row
