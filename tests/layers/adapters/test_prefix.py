"""A prefix's oracle: a softmax over keys and values joined to those of the tokens."""

import numpy as np
import pytest

from tfgenai.core import random
from tfgenai.core.errors import ConfigError
from tfgenai.layers import CausalAttention
from tfgenai.layers.adapters import (
    AdapterOptions,
    PrefixOptions,
    adapter_rows,
    attach,
    part_shapes,
)
from tfgenai.layers.causal_mask import causal_visibility

HEADS, SIZE, TOKENS = 4, 6, 5


def _case(groups=HEADS, rotary=None):
    rng = random.numpy_generator(3)
    layer = CausalAttention(
        HEADS, num_key_value_heads=groups, rotary_base=rotary, init_stddev=0.3
    )
    x = rng.standard_normal((2, TOKENS, HEADS * SIZE)).astype(np.float32)
    seen = causal_visibility(np.zeros((2, TOKENS), np.int32))
    layer(x, seen)
    return layer, x, seen, rng


def _add(layer, rng, name, length, gate=None):
    found = attach(layer)
    found.add(layer, PrefixOptions(name, num_prefix_tokens=length), seed=1)
    parts = found.parts(name)
    for part, variable in parts.items():
        variable.assign(rng.standard_normal(variable.shape))
        if part == "gate" and gate is not None:
            variable.assign(np.full(HEADS, gate))
    found.active = {name: 1.0}
    return [variable.numpy().astype(np.float64) for variable in parts.values()]


def _turned(x, base):
    """Rotary positions, one component pair at a time, as complex numbers."""
    half = x.shape[-1] // 2
    pairs = x[..., :half] + 1j * x[..., half:]
    rates = base ** (-np.arange(half) * 2 / x.shape[-1])
    pairs = pairs * np.exp(1j * np.arange(x.shape[-2])[:, None] * rates)
    return np.concatenate([pairs.real, pairs.imag], -1)


def _expected(layer, x, keys, values, rotary):
    """Li & Liang's attention, head by head, in float64."""
    x = x.astype(np.float64)

    def linear(name, x):
        each = getattr(layer, name)
        return x @ each.kernel.numpy().astype(np.float64) + each.bias.numpy()

    q, k, v = (linear(name, x) for name in ("query", "key", "value"))
    heads = []
    for h in range(HEADS):
        group = h * keys.shape[0] // HEADS
        of_head, of_group = (slice(i * SIZE, (i + 1) * SIZE) for i in (h, group))
        qh, kh, vh = q[..., of_head], k[..., of_group], v[..., of_group]
        to_prefix = qh @ keys[group].T
        if rotary is not None:
            qh, kh = _turned(qh, rotary), _turned(kh, rotary)
        to_tokens = qh @ np.swapaxes(kh, 1, 2)
        to_tokens = np.where(np.tri(TOKENS, dtype=bool), to_tokens, -np.inf)
        logits = np.concatenate([to_prefix, to_tokens], -1) / SIZE**0.5
        weights = np.exp(logits - logits.max(-1, keepdims=True))
        weights /= weights.sum(-1, keepdims=True)
        every = np.concatenate([np.stack([values[group]] * 2), vh], axis=1)
        heads.append(weights @ every)
    return linear("projection", np.concatenate(heads, -1))


@pytest.mark.parametrize("rotary", [None, 100.0])
@pytest.mark.parametrize("groups", [4, 2, 1])
def test_open_gates_are_one_softmax_over_prefix_and_tokens(groups, rotary):
    layer, x, seen, rng = _case(groups, rotary)
    base = layer(x, seen).numpy()
    keys, values, _ = _add(layer, rng, "one", 3, gate=1.0)
    expected = _expected(layer, x, keys, values, rotary)
    np.testing.assert_allclose(layer(x, seen), expected, atol=1e-4)
    # A gate, or a weight, between leads from the base to there.
    layer.adapters.active = {"one": 0.25}
    between = 0.75 * base + 0.25 * expected
    np.testing.assert_allclose(layer(x, seen), between, atol=1e-4)
    layer.adapters.active = {"one": 1.0}
    layer.adapters.parts("one")["gate"].assign(np.full(HEADS, -0.5))
    between = 1.5 * base - 0.5 * expected
    np.testing.assert_allclose(layer(x, seen), between, atol=1e-4)


def test_each_row_has_the_prefix_that_it_asks_for():
    layer, x, seen, rng = _case(2, 100.0)
    base, alone = layer(x, seen).numpy(), {}
    for name, length in (("one", 2), ("two", 5)):
        _add(layer, rng, name, length)
        alone[name] = layer(x, seen).numpy()
    layer.adapters.stack(layer, ["two", "none", "one"])
    for rows, expected in (
        ([1, 3], [alone["two"][0], alone["one"][1]]),
        ([2, 0], base),
        ([1], alone["two"]),
    ):
        with adapter_rows(np.array(rows, np.int32)):
            np.testing.assert_allclose(layer(x, seen), expected, atol=1e-5)


def test_padding_that_sees_nothing_stays_finite():
    layer, x, _, rng = _case()
    _add(layer, rng, "one", 3)
    seen = causal_visibility(np.full((2, TOKENS), -1, np.int32))
    assert np.isfinite(layer(x, seen).numpy()).all()


def test_only_attention_takes_prefixes_and_nothing_else():
    layer, *_ = _case()
    assert part_shapes(layer, AdapterOptions("a")) is None
    assert part_shapes(layer.query, PrefixOptions("a")) is None
    with pytest.raises(ConfigError, match="'query'"):
        attach(layer.query).add(layer.query, PrefixOptions("a"), seed=0)
