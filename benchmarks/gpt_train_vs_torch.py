"""Training a GPT through plain `fit` on random windows of text, against PyTorch.

The small size is nanoGPT's for a CPU: 4 layers, 4 heads, 128, context 64, batch 12; the
large one 6 layers, 6 heads, 384, context 256, batch 16. Sides: `fit` as it comes; `fit`
with the other choice about XLA; PyTorch eager; PyTorch with torch.compile; at the large
size also `fit` and PyTorch eager in bfloat16 (`mixed_bfloat16`, `torch.autocast`). All
with AdamW and clipped gradients; PyTorch's batches are cut from one tensor, as nanoGPT
does it.
"""

import os
from collections.abc import Callable

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import keras
import numpy as np
import torch
from side_by_side import arguments, interleave, rate_of, report
from torch_gpt import TorchGPT, make_optimizer

import tfgenai as tg

SMALL = {"num_layers": 4, "num_heads": 4, "hidden_dim": 128, "length": 64, "batch": 12}
LARGE = {"num_layers": 6, "num_heads": 6, "hidden_dim": 384, "length": 256, "batch": 16}


def ours(
    size: dict, steps: int, dtype: str = "float32", **compile_options
) -> tuple[Callable[[], int], int]:
    dataset = tg.data.load(
        "pydoc_topics",
        tokenizer="char",
        sequence_length=size["length"],
        batch_size=size["batch"],
        steps_per_epoch=steps,
    )
    model = tg.GPT(
        tokenizer=dataset.tokenizer,
        max_sequence_length=size["length"],
        num_layers=size["num_layers"],
        num_heads=size["num_heads"],
        hidden_dim=size["hidden_dim"],
        dtype=dtype,
    )
    rate = keras.optimizers.AdamW(
        1e-3, weight_decay=0.1, beta_2=0.99, global_clipnorm=1.0
    )
    model.compile(rate, **compile_options)

    def work() -> int:
        model.fit(dataset, epochs=1, verbose=0)
        return steps * size["batch"] * size["length"]

    return work, model.vocabulary_size


def theirs(
    size: dict,
    steps: int,
    vocabulary: int,
    *,
    compiled: bool = False,
    bfloat16: bool = False,
) -> Callable[[], int]:
    model = TorchGPT(
        vocabulary,
        size["length"],
        size["num_layers"],
        size["num_heads"],
        size["hidden_dim"],
    )
    step_model = torch.compile(model) if compiled else model
    optimizer = make_optimizer(model, 1e-3)
    text = torch.from_numpy(np.random.default_rng(0).integers(0, vocabulary, 400_000))
    length, batch = size["length"], size["batch"]

    def work() -> int:
        for _ in range(steps):
            starts = torch.randint(len(text) - length - 1, (batch,))
            windows = torch.stack([text[i : i + length + 1] for i in starts])
            optimizer.zero_grad()
            with torch.autocast("cpu", torch.bfloat16, enabled=bfloat16):
                loss = step_model(windows[:, :-1], windows[:, 1:])
            loss.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
        return steps * batch * length

    return work


def main() -> None:
    options = arguments()
    rates: dict[str, list[float]] = {}
    sizes = [("small", SMALL, 64 if options.quick else 256)]
    if not options.quick:
        sizes.append(("large", LARGE, 8))
    for name, size, steps in sizes:
        fit, vocabulary = ours(size, steps)
        sides = {
            f"{name}_fit": fit,
            f"{name}_torch_eager": theirs(size, steps, vocabulary),
        }
        if not options.quick:
            sides[f"{name}_torch_compile"] = theirs(
                size, steps, vocabulary, compiled=True
            )
        if name == "small" and not options.quick:
            sides["small_fit_without_xla"], _ = ours(
                size, steps, jit_compile=False, steps_per_execution=1
            )
        if name == "large":
            sides["large_fit_with_xla"], _ = ours(size, steps, jit_compile=True)
            sides["large_fit_bfloat16"], _ = ours(size, steps, "mixed_bfloat16")
            sides["large_torch_bfloat16"] = theirs(
                size, steps, vocabulary, bfloat16=True
            )
        rates |= interleave(
            {side: rate_of(work) for side, work in sides.items()},
            rounds=3 if options.quick else 5,
        )
    pairs = {
        f"{size}_fit/{side.removeprefix(size + '_')}": (f"{size}_fit", side)
        for size, _, _ in sizes
        for side in rates
        if side.startswith(size) and side != f"{size}_fit"
    }
    bfloat16 = ("large_fit_bfloat16", "large_torch_bfloat16")
    if bfloat16[0] in rates:
        pairs["large_fit_bfloat16/torch_bfloat16"] = bfloat16
    report(
        "gpt_train_vs_torch",
        rates,
        headline=("small_fit", "small_torch_eager"),
        unit="tokens/s",
        pairs=pairs,
        write=options.write,
    )


if __name__ == "__main__":
    main()
