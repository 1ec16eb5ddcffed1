"""Folders as transformers writes them, and GPT-2 and Llama once more in NumPy."""

import json

import numpy as np
from safetensors.numpy import save_file

from tfgenai.core import random

GPT2 = {
    "model_type": "gpt2",
    "vocab_size": 13,
    "n_embd": 12,
    "n_layer": 2,
    "n_head": 3,
    "n_positions": 10,
    "layer_norm_epsilon": 1e-3,
    "bos_token_id": 12,
    "eos_token_id": 12,
}
LLAMA = {
    "model_type": "llama",
    "vocab_size": 13,
    "hidden_size": 12,
    "intermediate_size": 20,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 6,
    "max_position_embeddings": 10,
    "rms_norm_eps": 1e-3,
    "rope_theta": 50.0,
    "tie_word_embeddings": False,
}


def gpt2_tensors(config=GPT2):
    """Random tensors of a GPT-2, offsets and scales too, under their full names."""
    dim, inner = config["n_embd"], config.get("n_inner") or 4 * config["n_embd"]
    shapes = {
        "wte.weight": (config["vocab_size"], dim),
        "wpe.weight": (config["n_positions"], dim),
    }
    for i in range(config["n_layer"]):
        shapes |= {
            f"h.{i}.{name}.{part}": shape
            for name, in_dim, out_dim in (
                ("attn.c_attn", dim, 3 * dim),
                ("attn.c_proj", dim, dim),
                ("mlp.c_fc", dim, inner),
                ("mlp.c_proj", inner, dim),
            )
            for part, shape in (("weight", (in_dim, out_dim)), ("bias", (out_dim,)))
        }
    norms = [f"h.{i}.ln_{k}" for i in range(config["n_layer"]) for k in (1, 2)]
    for norm in (*norms, "ln_f"):
        shapes |= {f"{norm}.weight": (dim,), f"{norm}.bias": (dim,)}
    named = {f"transformer.{name}": shape for name, shape in shapes.items()}
    if not config.get("tie_word_embeddings", True):
        named["lm_head.weight"] = (config["vocab_size"], dim)
    return draw(named)


def llama_tensors(config=LLAMA):
    """Random tensors of a Llama under their full names."""
    dim, inner = config["hidden_size"], config["intermediate_size"]
    heads = config["num_attention_heads"] * config["head_dim"]
    shared = config["num_key_value_heads"] * config["head_dim"]
    shapes = {"model.embed_tokens.weight": (config["vocab_size"], dim)}
    for i in range(config["num_hidden_layers"]):
        at = f"model.layers.{i}"
        for name, out_dim, in_dim in (
            ("self_attn.q_proj", heads, dim),
            ("self_attn.k_proj", shared, dim),
            ("self_attn.v_proj", shared, dim),
            ("self_attn.o_proj", dim, heads),
            ("mlp.gate_proj", inner, dim),
            ("mlp.up_proj", inner, dim),
            ("mlp.down_proj", dim, inner),
        ):
            shapes[f"{at}.{name}.weight"] = (out_dim, in_dim)
            if config.get("attention_bias"):
                shapes[f"{at}.{name}.bias"] = (out_dim,)
        shapes[f"{at}.input_layernorm.weight"] = (dim,)
        shapes[f"{at}.post_attention_layernorm.weight"] = (dim,)
    shapes["model.norm.weight"] = (dim,)
    if not config["tie_word_embeddings"]:
        shapes["lm_head.weight"] = (config["vocab_size"], dim)
    return draw(shapes)


def draw(shapes):
    rng = random.numpy_generator(5)
    return {
        name: (0.5 * rng.normal(size=shape) + ("norm.w" in name)).astype(np.float32)
        for name, shape in shapes.items()
    }


def write_folder(folder, config, tensors, **files):
    """A folder with one file of tensors, or with several given as `shards`."""
    folder.mkdir(exist_ok=True)
    (folder / "config.json").write_text(json.dumps(config))
    for name, text in files.items():
        (folder / f"{name}.json").write_text(text)
    if tensors is not None:
        save_file(tensors, folder / "model.safetensors")
    return folder


def write_shards(folder, config, tensors, num_shards=3):
    write_folder(folder, config, None)
    names = sorted(tensors)
    places = {}
    for i in range(num_shards):
        file = f"model-{i + 1:05}-of-{num_shards:05}.safetensors"
        mine = names[i::num_shards]
        save_file({name: tensors[name] for name in mine}, folder / file)
        places |= dict.fromkeys(mine, file)
    index = {"metadata": {}, "weight_map": places}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    return folder


# ---- the models, as their papers and their code have them, in float64 --------


def gpt2_logits(config, tensors, tokens):
    """Logits `(tokens, vocabulary)` of one sequence."""
    w = {k.removeprefix("transformer."): v.astype(float) for k, v in tensors.items()}
    eps, num_heads = config["layer_norm_epsilon"], config["n_head"]

    def norm(x, name):
        centred = x - x.mean(-1, keepdims=True)
        deviation = np.sqrt((centred**2).mean(-1, keepdims=True) + eps)
        return centred / deviation * w[f"{name}.weight"] + w[f"{name}.bias"]

    def conv1d(x, name):
        return x @ w[f"{name}.weight"] + w[f"{name}.bias"]

    x = w["wte.weight"][tokens] + w["wpe.weight"][: len(tokens)]
    for i in range(config["n_layer"]):
        fused = conv1d(norm(x, f"h.{i}.ln_1"), f"h.{i}.attn.c_attn")
        query, key, value = (
            np.split(part, num_heads, axis=1) for part in np.split(fused, 3, axis=1)
        )
        heads = [attend(*each) for each in zip(query, key, value, strict=True)]
        x = x + conv1d(np.concatenate(heads, 1), f"h.{i}.attn.c_proj")
        y = conv1d(norm(x, f"h.{i}.ln_2"), f"h.{i}.mlp.c_fc")
        y = 0.5 * y * (1 + np.tanh(np.sqrt(2 / np.pi) * (y + 0.044715 * y**3)))
        x = x + conv1d(y, f"h.{i}.mlp.c_proj")
    return norm(x, "ln_f") @ w.get("lm_head.weight", w["wte.weight"]).T


def llama_logits(config, tensors, tokens):
    """Logits `(tokens, vocabulary)` of one sequence."""
    w = {k.removeprefix("model."): v.astype(float) for k, v in tensors.items()}
    size, eps = config["head_dim"], config["rms_norm_eps"]
    num_heads = config["num_attention_heads"]
    per_group = num_heads // config["num_key_value_heads"]
    rates = config["rope_theta"] ** (-np.arange(0, size, 2) / size)
    turns = np.exp(1j * np.arange(len(tokens))[:, None] * rates)

    def norm(x, name):
        root = np.sqrt((x**2).mean(-1, keepdims=True) + eps)
        return x / root * w[f"{name}.weight"]

    def linear(x, name):
        return x @ w[f"{name}.weight"].T + w.get(f"{name}.bias", 0.0)

    def turn(x):
        # The pair (i, i + size / 2) as one complex number.
        turned = (x[:, : size // 2] + 1j * x[:, size // 2 :]) * turns
        return np.concatenate([turned.real, turned.imag], axis=1)

    x = w["embed_tokens.weight"][tokens]
    for i in range(config["num_hidden_layers"]):
        at = f"layers.{i}"
        y = norm(x, f"{at}.input_layernorm")
        query, key, value = (
            np.split(part, part.shape[1] // size, axis=1)
            for part in (linear(y, f"{at}.self_attn.{n}_proj") for n in "qkv")
        )
        heads = [
            attend(turn(query[h]), turn(key[h // per_group]), value[h // per_group])
            for h in range(num_heads)
        ]
        x = x + linear(np.concatenate(heads, 1), f"{at}.self_attn.o_proj")
        y = norm(x, f"{at}.post_attention_layernorm")
        gate = linear(y, f"{at}.mlp.gate_proj")
        y = gate / (1 + np.exp(-gate)) * linear(y, f"{at}.mlp.up_proj")
        x = x + linear(y, f"{at}.mlp.down_proj")
    output = w.get("lm_head.weight", w["embed_tokens.weight"])
    return norm(x, "norm") @ output.T


def attend(query, key, value):
    scores = query @ key.T / np.sqrt(query.shape[1])
    scores[np.triu_indices(len(scores), 1)] = -np.inf
    weights = np.exp(scores - scores.max(1, keepdims=True))
    return weights / weights.sum(1, keepdims=True) @ value
