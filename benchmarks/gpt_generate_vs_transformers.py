"""Writing 128 tokens with a GPT of 6 layers, 6 heads, 384, against transformers.

Sides: `generate` in process under XLA and without; the exported SavedModel in a
TensorFlow Session, as TensorFlow Serving runs it; `GPT2LMHeadModel.generate` with its
cache, PyTorch eager. Drawn at temperature 1 from prompts of 32 tokens, batches of 1 and
of 8. Besides: how the time of a token grows with the context.
"""

import os
import tempfile
import time
from collections.abc import Callable

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import numpy as np
import tensorflow as tf
import torch
from side_by_side import arguments, interleave, rate_of, report
from transformers import GPT2Config, GPT2LMHeadModel

import tfgenai as tg
from tfgenai.core import allocator
from tfgenai.core.random import row_seeds

VOCABULARY, LENGTH, PROMPT, NEW = 257, 256, 32, 128


def prompts(batch: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 255, (batch, PROMPT)).astype(np.int32)


def ours(model: tg.GPT, batch: int, *, jit_compile: bool, new: int = NEW) -> Callable:
    def work() -> int:
        model.generate_tokens(
            prompts(batch), seed=0, max_new_tokens=new, jit_compile=jit_compile
        )
        return batch * new

    return work


def exported(model: tg.GPT, batch: int, folder: str) -> Callable[[], int]:
    path = model.export_serving(
        f"{folder}/gpt{batch}",
        max_prompt_tokens=PROMPT,
        max_new_tokens=NEW,
        signatures=["generate_tokens"],
        warmup_batch_sizes=(1,),
    )
    graph = tf.Graph()
    session = tf.compat.v1.Session(graph=graph)
    with graph.as_default():
        loaded = tf.compat.v1.saved_model.loader.load(session, ["serve"], str(path))
    signature = loaded.signature_def["generate_tokens"]
    card = tg.export.read_card(path)
    values = {
        field["name"]: np.full(
            (batch, *field["shape"][1:]),
            np.nan if field["dtype"].startswith("float") else -1,
            field["dtype"],
        )
        for field in card["signatures"]["generate_tokens"]["inputs"]
    }
    values |= {"tokens": prompts(batch), "num_tokens": np.full(batch, PROMPT, np.int32)}
    values["seed"] = row_seeds(0, batch)
    feeds = {signature.inputs[name].name: value for name, value in values.items()}
    fetch = signature.outputs["new_tokens"].name

    def work() -> int:
        session.run(fetch, feeds)
        return batch * NEW

    return work


def theirs(batch: int) -> Callable[[], int]:
    model = GPT2LMHeadModel(
        GPT2Config(
            vocab_size=VOCABULARY,
            n_positions=LENGTH,
            n_embd=384,
            n_layer=6,
            n_head=6,
            bos_token_id=None,
            eos_token_id=None,
        )
    ).eval()
    tokens = torch.from_numpy(prompts(batch).astype(np.int64))

    def work() -> int:
        with torch.inference_mode():
            model.generate(
                tokens,
                attention_mask=torch.ones_like(tokens),
                max_new_tokens=NEW,
                min_new_tokens=NEW,
                do_sample=True,
                top_k=0,
                use_cache=True,
                pad_token_id=0,
            )
        return batch * NEW

    return work


def seconds_per_token(model: tg.GPT) -> dict[str, float]:
    """Milliseconds of a token by the number of tokens written, batch 1."""
    found = {}
    for new in (32, 64, 128, 192):
        work = ours(model, 1, jit_compile=True, new=new)
        work()
        start = time.perf_counter()
        for _ in range(3):
            work()
        found[str(new)] = (time.perf_counter() - start) / 3 / new * 1e3
    return found


def main() -> None:
    options = arguments()
    allocator.keep_temporary_memory()
    model = tg.GPT(
        VOCABULARY,
        max_sequence_length=LENGTH,
        num_layers=6,
        num_heads=6,
        hidden_dim=384,
    )
    growth = None if options.quick else seconds_per_token(model)
    rates: dict[str, list[float]] = {}
    with tempfile.TemporaryDirectory() as folder:
        for batch in (1, 8):
            work = {
                "in_process": ours(model, batch, jit_compile=True),
                "in_process_without_xla": ours(model, batch, jit_compile=False),
                "exported_in_session": exported(model, batch, folder),
                "transformers": theirs(batch),
            }
            rates |= interleave(
                {f"batch_{batch}_{side}": rate_of(run) for side, run in work.items()},
                rounds=2 if options.quick else 5,
            )
    report(
        "gpt_generate_vs_transformers",
        rates,
        headline=("batch_1_in_process", "batch_1_transformers"),
        unit="tokens/s",
        pairs={
            f"{side}/transformers": (side, f"{side[:7]}_transformers")
            for side in rates
            if not side.endswith("transformers")
        },
        extra={"milliseconds_per_token_by_new_tokens": growth},
        write=options.write,
    )


if __name__ == "__main__":
    main()
