"""LoRA on a GPT of 6 layers, 6 heads, 384, context 256: against full training and peft.

Training sides, batch 16, AdamW: `fit` of all weights; `fit` of an adapter of rank 8 on
queries and values; `fit` of one on both layers of the MLPs, and peft's on the same of
`GPT2LMHeadModel`. (There the three projections of attention are one with one rank, so
that adapters on them are not the same.) Generating sides, 128 tokens for 8 prompts of
32, in a TensorFlow Session as TensorFlow Serving runs it: the base; an adapter merged;
and 8 adapters of which each row chooses its own.

Besides, whether losses of 20 steps from the same weights and the same A agree with
peft's, and how much memory the optimizers take.
"""

import os
import tempfile
from collections.abc import Callable

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import keras
import numpy as np
import tensorflow as tf
import torch
from peft import LoraConfig, get_peft_model
from side_by_side import arguments, interleave, rate_of, report
from transformers import GPT2Config, GPT2LMHeadModel

import tfgenai as tg
from tfgenai.core.random import row_seeds
from tfgenai.finetune.adapter_export import export_with_adapters
from tfgenai.finetune.lora import (
    adapted_layers,
    apply_lora,
    merge_lora,
    unmerge_lora,
    use_adapter,
)

VOCABULARY, LENGTH, BATCH, RANK = 257, 256, 16, 8
PROMPT, NEW, ROWS = 32, 128, 8
MLP = ("expand", "contract")


def gpt() -> tg.GPT:
    return tg.GPT(
        VOCABULARY,
        max_sequence_length=LENGTH,
        num_layers=6,
        num_heads=6,
        hidden_dim=384,
    )


def tokens(rows: int, length: int) -> np.ndarray:
    drawn = np.random.default_rng(0).integers(0, VOCABULARY, (rows, length))
    return drawn.astype(np.int32)


def fit(model: tg.GPT, steps: int) -> Callable[[], int]:
    model.compile(keras.optimizers.AdamW(1e-3))
    dataset = tf.data.Dataset.from_tensors(tokens(BATCH, LENGTH + 1)).repeat(steps)

    def work() -> int:
        model.fit(dataset, epochs=1, verbose=0)
        return steps * BATCH * LENGTH

    return work


def peft_model(base: GPT2LMHeadModel, rank: int, alpha: int) -> torch.nn.Module:
    lora = LoraConfig(
        r=rank,
        lora_alpha=alpha,
        target_modules=["c_fc", "mlp.c_proj"],
        fan_in_fan_out=True,
    )
    return get_peft_model(base, lora)


def fit_peft(steps: int) -> Callable[[], int]:
    model = peft_model(gpt2(VOCABULARY, LENGTH, 6, 384), RANK, RANK)
    trained = [p for p in model.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(trained, 1e-3)
    x = torch.from_numpy(tokens(BATCH, LENGTH + 1).astype(np.int64))

    def work() -> int:
        for _ in range(steps):
            optimizer.zero_grad()
            logits = model(x[:, :-1]).logits
            loss = torch.nn.functional.cross_entropy(
                logits.reshape(-1, VOCABULARY), x[:, 1:].reshape(-1)
            )
            loss.backward()
            optimizer.step()
        return steps * BATCH * LENGTH

    return work


def gpt2(vocabulary: int, length: int, layers: int, dim: int) -> GPT2LMHeadModel:
    config = GPT2Config(
        vocab_size=vocabulary,
        n_positions=length,
        n_embd=dim,
        n_layer=layers,
        n_head=6,
        resid_pdrop=0.0,
        embd_pdrop=0.0,
        attn_pdrop=0.0,
        bos_token_id=None,
        eos_token_id=None,
    )
    return GPT2LMHeadModel(config)


def optimizer_bytes(model: tg.GPT) -> int:
    return sum(v.numpy().nbytes for v in model.optimizer.variables)


def largest_difference_of_losses(num_steps: int = 20) -> float:
    """Of losses under Adam, from the same random GPT-2 and the same A."""
    base = gpt2(101, 24, 2, 48)
    with tempfile.TemporaryDirectory() as folder:
        base.save_pretrained(folder)
        ours = tg.GPT.from_huggingface(folder)
    theirs = peft_model(base, rank=4, alpha=8)
    apply_lora(ours, rank=4, alpha=8, targets=MLP, verbose=False)
    named = dict(theirs.named_parameters())
    # In both, the blocks in order, and in each the first layer before the second.
    factors = [value for name, value in named.items() if "lora_A" in name]
    for (_, found), value in zip(adapted_layers(ours), factors, strict=True):
        found.parts("default")["a"].assign(value.detach().numpy().T)
    x = np.random.default_rng(1).integers(0, 101, (num_steps, 4, 25))
    ours.compile(keras.optimizers.Adam(1e-3, epsilon=1e-8), jit_compile=False)
    trained = [p for p in theirs.parameters() if p.requires_grad]
    optimizer = torch.optim.Adam(trained, 1e-3)
    worst = 0.0
    for batch in x:
        mine = ours.train_on_batch(batch.astype(np.int32))
        mine = mine[0] if isinstance(mine, (list, tuple)) else mine
        ours.reset_metrics()
        batch = torch.from_numpy(batch)
        optimizer.zero_grad()
        loss = torch.nn.functional.cross_entropy(
            theirs(batch[:, :-1]).logits.reshape(-1, 101), batch[:, 1:].reshape(-1)
        )
        loss.backward()
        optimizer.step()
        worst = max(worst, abs(float(mine) - loss.item()))
    return worst


def generating(path: str, adapters: np.ndarray | None = None) -> Callable[[], int]:
    graph = tf.Graph()
    session = tf.compat.v1.Session(graph=graph)
    with graph.as_default():
        loaded = tf.compat.v1.saved_model.loader.load(session, ["serve"], str(path))
    signature = loaded.signature_def["generate_tokens"]
    card = tg.export.read_card(path)
    values = {
        field["name"]: np.full(
            (ROWS, *field["shape"][1:]),
            np.nan if field["dtype"].startswith("float") else -1,
            field["dtype"],
        )
        for field in card["signatures"]["generate_tokens"]["inputs"]
    }
    values |= {
        "tokens": tokens(ROWS, PROMPT),
        "num_tokens": np.full(ROWS, PROMPT, np.int32),
        "seed": row_seeds(0, ROWS),
    }
    if adapters is not None:
        values["adapter"] = adapters
    feeds = {signature.inputs[name].name: value for name, value in values.items()}
    fetch = signature.outputs["new_tokens"].name

    def work() -> int:
        session.run(fetch, feeds)
        return ROWS * NEW

    return work


def export_sides(folder: str) -> dict[str, Callable[[], int]]:
    model = gpt()
    options = {"max_prompt_tokens": PROMPT, "max_new_tokens": NEW}
    kwargs = {"signatures": ["generate_tokens"], "warmup_batch_sizes": (1,)}
    paths = {"export_base": model.export_serving(f"{folder}/base", **options, **kwargs)}
    names = [f"adapter_{i}" for i in range(8)]
    for seed, name in enumerate(names):
        apply_lora(
            model,
            rank=RANK,
            targets=("query", "value"),
            name=name,
            seed=seed,
            verbose=False,
        )
    for _, found in adapted_layers(model):
        for name in names:
            found.parts(name)["b"].assign_add(
                np.full(found.parts(name)["b"].shape, 0.01)
            )
    use_adapter(model, names[0])
    merge_lora(model)
    paths["export_merged"] = model.export_serving(
        f"{folder}/merged", **options, **kwargs
    )
    unmerge_lora(model)
    paths["export_rows_of_8"] = export_with_adapters(
        model, f"{folder}/rows", serving_options=options, **kwargs
    )
    asked = np.arange(1, 9, dtype=np.int32)
    return {
        side: generating(path, asked if side == "export_rows_of_8" else None)
        for side, path in paths.items()
    }


def main() -> None:
    options = arguments()
    difference = largest_difference_of_losses()
    steps = 4 if options.quick else 8
    full, attention, mlp = gpt(), gpt(), gpt()
    apply_lora(attention, rank=RANK, targets=("query", "value"), verbose=False)
    apply_lora(mlp, rank=RANK, targets=MLP, verbose=False)
    sides = {
        "full": fit(full, steps),
        "lora": fit(attention, steps),
        "lora_mlp": fit(mlp, steps),
        "peft_mlp": fit_peft(steps),
    }
    with tempfile.TemporaryDirectory() as folder:
        sides |= export_sides(folder)
        rates = interleave(
            {side: rate_of(work) for side, work in sides.items()},
            rounds=3 if options.quick else 7,
        )
    report(
        "lora_vs_peft",
        rates,
        headline=("lora_mlp", "peft_mlp"),
        unit="tokens/s",
        pairs={
            "lora/full": ("lora", "full"),
            "lora_mlp/full": ("lora_mlp", "full"),
            "lora_mlp/peft_mlp": ("lora_mlp", "peft_mlp"),
            "export_merged/base": ("export_merged", "export_base"),
            "export_rows_of_8/base": ("export_rows_of_8", "export_base"),
            "export_rows_of_8/merged": ("export_rows_of_8", "export_merged"),
        },
        extra={
            "largest_difference_of_20_losses_to_peft": difference,
            "optimizer_bytes": {
                "full": optimizer_bytes(full),
                "lora": optimizer_bytes(attention),
                "lora_mlp": optimizer_bytes(mlp),
            },
        },
        write=options.write,
    )


if __name__ == "__main__":
    main()
