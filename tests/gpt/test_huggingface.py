"""GPT-2 and Llama folders: logits of an independent pass and of transformers."""

import json

import numpy as np
import pytest
import tensorflow as tf
from hugging_face import (
    GPT2,
    LLAMA,
    gpt2_logits,
    gpt2_tensors,
    llama_logits,
    llama_tensors,
    write_folder,
    write_shards,
)
from safetensors.numpy import save_file

import tfgenai as tg
from tfgenai.core import random
from tfgenai.core.errors import CheckpointError, ConfigError, DataError
from tfgenai.data.tokenizers import BPETokenizer

KINDS = {
    "gpt2": (GPT2, gpt2_tensors, gpt2_logits),
    "llama": (LLAMA, llama_tensors, llama_logits),
}


def rows(limit=12, n=3, length=9):
    return random.numpy_generator(1).integers(0, limit, (n, length)).astype(np.int32)


def logits_of(model, tokens):
    return model(tf.constant(tokens)).numpy()


def assert_equals_oracle(model, kind, config, tensors):
    tokens = rows()
    expected = np.stack([KINDS[kind][2](config, tensors, row) for row in tokens])
    assert expected.std() > 0.1
    np.testing.assert_allclose(logits_of(model, tokens), expected, atol=1e-4)


# ---- logits ------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "changes"),
    [
        ("gpt2", {}),
        ("gpt2", {"tie_word_embeddings": False, "n_inner": 10}),
        ("llama", {}),
        ("llama", {"tie_word_embeddings": True}),
        ("llama", {"attention_bias": True, "mlp_bias": True}),
        ("llama", {"num_key_value_heads": 4}),
        ("llama", {"num_key_value_heads": 1}),
    ],
)
def test_logits_are_those_of_an_independent_pass(tmp_path, kind, changes):
    config = KINDS[kind][0] | changes
    tensors = KINDS[kind][1](config)
    model = tg.GPT.from_huggingface(write_folder(tmp_path, config, tensors))
    assert_equals_oracle(model, kind, config, tensors)
    tied = config.get("tie_word_embeddings", kind == "gpt2")
    assert model.decoder.tie_weights == tied
    # Every variable was filled, each with something else.
    sums = [float(tf.reduce_sum(v)) for v in model.decoder.trainable_variables]
    assert len(set(sums)) == len(sums)


@pytest.mark.parametrize("kind", KINDS)
def test_shards_are_read(tmp_path, kind):
    config, make, _ = KINDS[kind]
    tensors = make(config)
    model = tg.GPT.from_huggingface(write_shards(tmp_path, config, tensors))
    assert_equals_oracle(model, kind, config, tensors)


@pytest.mark.parametrize("kind", KINDS)
def test_the_prefix_may_be_left_out(tmp_path, kind):
    config, make, _ = KINDS[kind]
    tensors = make(config)
    bare = {name.split(".", 1)[1]: v for name, v in tensors.items() if "lm" not in name}
    bare |= {name: v for name, v in tensors.items() if "lm_head" in name}
    model = tg.GPT.from_huggingface(write_folder(tmp_path, config, bare))
    assert_equals_oracle(model, kind, config, tensors)


def test_what_is_no_weight_is_left_aside(tmp_path):
    tensors = gpt2_tensors()
    more = {
        "transformer.h.0.attn.bias": np.ones((1, 1, 10, 10), np.uint8),
        "transformer.h.1.attn.masked_bias": np.float32(-1e4).reshape(1),
        "lm_head.weight": tensors["transformer.wte.weight"],  # tied, and the same
    }
    model = tg.GPT.from_huggingface(write_folder(tmp_path, GPT2, tensors | more))
    assert_equals_oracle(model, "gpt2", GPT2, tensors)


@pytest.mark.parametrize("rope", ["rope_parameters", "rope_scaling"])
def test_the_base_of_rotary_positions_is_where_new_files_have_it(tmp_path, rope):
    config = {k: v for k, v in LLAMA.items() if k != "rope_theta"}
    config[rope] = {"rope_theta": 50.0, "rope_type": "default"}
    tensors = llama_tensors()
    model = tg.GPT.from_huggingface(write_folder(tmp_path, config, tensors))
    assert_equals_oracle(model, "llama", LLAMA, tensors)


def test_half_precision_becomes_float32(tmp_path):
    tensors = {k: v.astype(np.float16) for k, v in gpt2_tensors().items()}
    model = tg.GPT.from_huggingface(write_folder(tmp_path, GPT2, tensors))
    assert {v.dtype for v in model.decoder.trainable_variables} == {"float32"}
    assert_equals_oracle(model, "gpt2", GPT2, tensors)


@pytest.mark.parametrize("kind", KINDS)
def test_logits_are_those_of_transformers(tmp_path, kind):
    torch = pytest.importorskip("torch")
    transformers = pytest.importorskip("transformers")
    names = {"gpt2": "GPT2LMHeadModel", "llama": "LlamaForCausalLM"}
    config = transformers.AutoConfig.for_model(**KINDS[kind][0])
    generator = torch.Generator().manual_seed(0)
    theirs = getattr(transformers, names[kind])(config).eval()
    with torch.no_grad():
        for weight in theirs.parameters():
            weight += 0.3 * torch.randn(weight.shape, generator=generator)
    tokens = rows()

    def compare(folder, reference):
        with torch.no_grad():
            expected = reference(torch.tensor(tokens, dtype=torch.long)).logits.numpy()
        ours = tg.GPT.from_huggingface(folder)
        assert expected.std() > 0.1
        np.testing.assert_allclose(logits_of(ours, tokens), expected, atol=1e-4)

    theirs.save_pretrained(tmp_path / "whole")
    compare(tmp_path / "whole", theirs)
    theirs.save_pretrained(tmp_path / "shards", max_shard_size="4KB")
    assert len(list((tmp_path / "shards").glob("*.safetensors"))) > 1
    compare(tmp_path / "shards", theirs)
    theirs.to(torch.bfloat16).save_pretrained(tmp_path / "half")
    # Read anew: the conversion rounded the wavelengths of rotary positions, too.
    reread = getattr(transformers, names[kind]).from_pretrained(
        tmp_path / "half", dtype=torch.float32
    )
    compare(tmp_path / "half", reread.eval())


# ---- arguments ---------------------------------------------------------------


def test_overrides_go_to_the_constructor_and_averages_begin_with_the_weights(tmp_path):
    tensors = gpt2_tensors()
    folder = write_folder(tmp_path, GPT2, tensors)
    model = tg.GPT.from_huggingface(
        folder, dropout=0.2, ema_decay=0.9, max_sequence_length=9, seed=4, name="mine"
    )
    config = model.get_config()
    assert (config["dropout"], config["seed"], config["name"]) == (0.2, 4, "mine")
    assert model.decoder.position_table.shape == (9, 12)
    assert_equals_oracle(model, "gpt2", GPT2, tensors)
    with model.ema.applied():
        assert_equals_oracle(model, "gpt2", GPT2, tensors)


def test_a_model_that_was_read_is_saved_and_writes(tmp_path):
    model = tg.GPT.from_huggingface(write_folder(tmp_path, LLAMA, llama_tensors()))
    model.save(tmp_path / "model.keras")
    loaded = tg.load_model(tmp_path / "model.keras")
    tokens = rows()
    np.testing.assert_array_equal(logits_of(loaded, tokens), logits_of(model, tokens))
    (written,) = model.generate_tokens([[1, 2, 3]], max_new_tokens=4, temperature=0.0)
    text = [1, 2, 3]
    for token in written:
        assert token == llama_logits(LLAMA, llama_tensors(), text)[-1].argmax()
        text.append(int(token))


def test_one_token_that_begins_and_ends_documents_is_the_end_token(tmp_path):
    model = tg.GPT.from_huggingface(write_folder(tmp_path / "a", GPT2, gpt2_tensors()))
    assert model.end_token == 12
    folder = write_folder(tmp_path / "b", LLAMA, llama_tensors())
    assert tg.GPT.from_huggingface(folder).end_token is None
    assert tg.GPT.from_huggingface(folder, end_token=2).end_token == 2


# ---- tokenizers --------------------------------------------------------------


@pytest.fixture(scope="module")
def tokenizer():
    return BPETokenizer.train("low lower lowest " * 9, vocabulary_size=262)


@pytest.fixture
def with_text(tmp_path, tokenizer):
    config = GPT2 | {"vocab_size": tokenizer.vocabulary_size, "n_layer": 1}
    folder = write_folder(tmp_path, config, gpt2_tensors(config))
    tokenizer.save_assets(folder)
    return folder


def test_the_tokenizer_comes_along(with_text, tokenizer):
    model = tg.GPT.from_huggingface(with_text, tokenizer="require")
    assert model.tokenizer.get_config() == tokenizer.get_config()
    assert model.end_token == tokenizer.end_token
    assert model.generate("low", max_new_tokens=2, seed=1)[0].startswith("low")
    assert tg.GPT.from_huggingface(with_text).tokenizer is not None
    assert tg.GPT.from_huggingface(with_text, tokenizer=None).tokenizer is None
    assert tg.GPT.from_huggingface(with_text, tokenizer=tokenizer).tokenizer


def test_the_pair_of_files_of_gpt2_is_read(with_text, tokenizer):
    (with_text / "tokenizer.json").unlink()
    ids = {token: i for i, token in enumerate(tokenizer.vocabulary)}
    (with_text / "vocab.json").write_text(json.dumps(ids))
    merges = "\n".join(["#version: 0.2", *tokenizer.merges])
    (with_text / "merges.txt").write_text(merges, encoding="utf-8")
    model = tg.GPT.from_huggingface(with_text)
    assert model.tokenizer.get_config() == tokenizer.get_config()


def break_kind(folder):
    path = folder / "tokenizer.json"
    values = json.loads(path.read_text())
    path.write_text(json.dumps(values | {"normalizer": {"type": "NFC"}}))
    return "normalizer"


def break_size(folder):
    tokenizer = BPETokenizer.train("low lower lowest " * 9, vocabulary_size=260)
    tokenizer.save_assets(folder)
    return "262 tokens"


def break_format(folder):
    (folder / "tokenizer.json").rename(folder / "tokenizer.model")
    return "vocab.json and merges.txt"


@pytest.mark.parametrize("break_it", [break_kind, break_size, break_format])
def test_a_tokenizer_that_is_not_read_is_named(with_text, break_it):
    words = break_it(with_text)
    with pytest.raises(DataError, match=words):
        tg.GPT.from_huggingface(with_text, tokenizer="require")
    with pytest.warns(UserWarning, match=words):
        model = tg.GPT.from_huggingface(with_text)
    assert model.tokenizer is None
    assert tg.GPT.from_huggingface(with_text, tokenizer=None).tokenizer is None


def test_a_folder_without_a_tokenizer_is_read_in_silence(tmp_path):
    folder = write_folder(tmp_path, GPT2, gpt2_tensors())
    assert tg.GPT.from_huggingface(folder).tokenizer is None
    with pytest.raises(DataError, match=r"tokenizer\.json"):
        tg.GPT.from_huggingface(folder, tokenizer="require")
    with pytest.raises(ConfigError, match="tokenizer='bpe'"):
        tg.GPT.from_huggingface(folder, tokenizer="bpe")


# ---- bad input ---------------------------------------------------------------


@pytest.mark.parametrize(
    "overrides",
    [{"num_layers": 3}, {"norm": "rms"}, {"nonsense": 1}, {"max_sequence_length": 11}],
)
def test_overrides_that_do_not_go_with_the_weights_are_refused(tmp_path, overrides):
    folder = write_folder(tmp_path, GPT2, gpt2_tensors())
    with pytest.raises(ConfigError, match=next(iter(overrides))):
        tg.GPT.from_huggingface(folder, **overrides)


def test_a_name_of_a_model_is_no_folder():
    with pytest.raises(CheckpointError, match=r"folder='gpt2'.*Nothing is downloaded"):
        tg.GPT.from_huggingface("gpt2")


def remove(tensors):
    del tensors["transformer.h.1.mlp.c_fc.bias"]
    return r"without h\.1\.mlp\.c_fc\.bias"


def add(tensors):
    tensors["transformer.h.2.ln_1.weight"] = np.zeros(12, np.float32)
    return r"with h\.2\.ln_1\.weight"


def reshape(tensors):
    tensors["transformer.h.0.mlp.c_fc.weight"] = np.zeros((48, 12), np.float32)
    return r"'h\.0\.mlp\.c_fc\.weight' of shape \(12, 48\).*\(48, 12\)"


def shorten(tensors):
    tensors["transformer.wpe.weight"] = np.zeros((9, 12), np.float32)
    return r"'wpe\.weight' of shape \(10, 12\)"


def untie(tensors):
    tensors["lm_head.weight"] = np.zeros((13, 12), np.float32)
    return "tie_word_embeddings=true"


def repeat(tensors):
    tensors["ln_f.bias"] = np.zeros(12, np.float32)
    return "Each tensor once"


def quantise(tensors):
    tensors["transformer.h.0.ln_1.bias"] = np.zeros(12, np.int8)
    return r"'transformer\.h\.0\.ln_1\.bias' of type I8"


@pytest.mark.parametrize(
    "break_it", [remove, add, reshape, shorten, untie, repeat, quantise]
)
def test_tensors_that_do_not_fit_are_named(tmp_path, break_it):
    tensors = gpt2_tensors()
    words = break_it(tensors)
    folder = write_folder(tmp_path, GPT2, tensors)
    with pytest.raises(CheckpointError, match=words):
        tg.GPT.from_huggingface(folder)


def test_an_untied_model_needs_its_output(tmp_path):
    tensors = llama_tensors()
    del tensors["lm_head.weight"]
    with pytest.raises(CheckpointError, match=r"without lm_head\.weight"):
        tg.GPT.from_huggingface(write_folder(tmp_path, LLAMA, tensors))


def test_tensors_of_another_model_are_named_in_part(tmp_path):
    tensors = {"roberta.a": np.zeros(1, np.float32)}
    save_file(tensors, write_folder(tmp_path, GPT2, None) / "model.safetensors")
    with pytest.raises(CheckpointError, match="and 24 more"):
        tg.GPT.from_huggingface(tmp_path)
