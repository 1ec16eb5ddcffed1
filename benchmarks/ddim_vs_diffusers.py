"""Sampling with 50 steps of DDIM (32×32×1, batch 16), against diffusers' pipeline.

Sides: `generate` in process as it comes, and under XLA; the exported SavedModel in
a TensorFlow Session, as TensorFlow Serving runs it; diffusers' `DDIMPipeline` with
PyTorch eager and with a compiled network. All with the widths of unet_vs_diffusers.py,
no guidance; ours with a number of steps for each row, the whole loop in one graph.
Besides: the growth of peak memory from 10 to 200 steps.
"""

import os
import resource
import tempfile
from collections.abc import Callable

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import numpy as np
import tensorflow as tf
import torch
from diffusers import DDIMPipeline, DDIMScheduler
from side_by_side import arguments, interleave, rate_of, report
from unet_vs_diffusers import BATCH_SIZE, make_model, make_unet

import tfgenai as tg
from tfgenai.core import allocator
from tfgenai.core.random import row_seeds

NUM_STEPS = 50


def ours(model: tg.DiffusionModel, *, jit_compile: bool) -> Callable[[], int]:
    def work() -> int:
        model.generate(
            BATCH_SIZE,
            seed=0,
            num_steps=np.full(BATCH_SIZE, NUM_STEPS),
            jit_compile=jit_compile,
        )
        return BATCH_SIZE

    return work


def exported(model: tg.DiffusionModel, folder: str) -> Callable[[], int]:
    path = model.export_serving(f"{folder}/unet", warmup_batch_sizes=(1,))
    graph = tf.Graph()
    session = tf.compat.v1.Session(graph=graph)
    with graph.as_default():
        loaded = tf.compat.v1.saved_model.loader.load(session, ["serve"], str(path))
    signature = loaded.signature_def["generate"]
    seed = signature.inputs["seed"].name
    images = signature.outputs["images"].name

    def work() -> int:
        session.run(images, {seed: row_seeds(0, BATCH_SIZE)})
        return BATCH_SIZE

    return work


def theirs(*, compiled: bool) -> Callable[[], int]:
    unet = make_unet()
    pipeline = DDIMPipeline(unet=unet, scheduler=DDIMScheduler(1000))
    pipeline.set_progress_bar_config(disable=True)
    if compiled:
        unet.forward = torch.compile(unet.forward)

    def work() -> int:
        pipeline(batch_size=BATCH_SIZE, num_inference_steps=NUM_STEPS, output_type="np")
        return BATCH_SIZE

    return work


def peak_growth(model: tg.DiffusionModel) -> float:
    """MiB that 200 steps need above what 10 steps needed."""

    def peak(num_steps: int) -> int:
        model.generate(BATCH_SIZE, seed=0, num_steps=num_steps)
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

    peak(10)
    before = peak(10)
    return (peak(200) - before) / 1024


def main() -> None:
    options = arguments()
    allocator.keep_temporary_memory()
    model = make_model()
    growth = peak_growth(model)
    with tempfile.TemporaryDirectory() as folder:
        work = {
            "in_process": ours(model, jit_compile=False),
            "in_process_with_xla": ours(model, jit_compile=True),
            "exported_in_session": exported(model, folder),
            "diffusers_eager": theirs(compiled=False),
        }
        if not options.quick:
            work["diffusers_compile"] = theirs(compiled=True)
        rates = interleave(
            {side: rate_of(run) for side, run in work.items()},
            rounds=2 if options.quick else 5,
        )
    report(
        "ddim_vs_diffusers",
        rates,
        headline=("in_process", "diffusers_eager"),
        unit="images/s",
        pairs={
            f"{side}/{peer}": (side, peer)
            for side in ("in_process", "exported_in_session", "in_process_with_xla")
            for peer in rates
            if peer.startswith("diffusers")
        },
        extra={"peak_growth_mib_from_10_to_200_steps": growth},
        write=options.write,
    )


if __name__ == "__main__":
    main()
