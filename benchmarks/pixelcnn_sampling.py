"""Sampling from a PixelCNN (28×28×1, batch 64) with caches, against full passes.

Sides: `generate` as it comes; the exported SavedModel in a TensorFlow Session, as
TensorFlow Serving runs it; and the naive loop, which passes the whole image through
the network for every pixel, in one graph as well. That caches and full passes draw the
same images is checked at a smaller size. Of the 784 passes of the naive loop only some
are timed, and its rate follows from them: every pass costs the same.
"""

import os
import tempfile
import time
from collections.abc import Callable

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import numpy as np
import tensorflow as tf
from side_by_side import arguments, interleave, rate_of, report

import tfgenai as tg
from tfgenai.autoregressive import draw_by_full_passes
from tfgenai.core import allocator
from tfgenai.core.random import row_seeds

SHAPE = (28, 28, 1)
BATCH_SIZE = 64
CHECKED_SHAPE, CHECKED = (8, 8, 1), 16
NUM_PASSES = 16


def make_model(shape: tuple[int, int, int]) -> tg.PixelCNN:
    """As in the recipe pixelcnn_mnist."""
    return tg.PixelCNN(
        shape, num_filters=32, num_blocks=6, row_context_dim=192, num_row_blocks=5
    )


def cached(model: tg.PixelCNN, batch_size: int) -> Callable[[], int]:
    def work() -> int:
        model.generate(batch_size, seed=0)
        return batch_size

    return work


def exported(model: tg.PixelCNN, folder: str, batch_size: int) -> Callable[[], int]:
    path = model.export_serving(f"{folder}/pixel_cnn", warmup_batch_sizes=(1,))
    graph = tf.Graph()
    session = tf.compat.v1.Session(graph=graph)
    with graph.as_default():
        loaded = tf.compat.v1.saved_model.loader.load(session, ["serve"], str(path))
    signature = loaded.signature_def["generate"]
    seed = signature.inputs["seed"].name
    images = signature.outputs["images"].name

    def work() -> int:
        session.run(images, {seed: row_seeds(0, batch_size)})
        return batch_size

    return work


def full_passes(model: tg.PixelCNN, batch_size: int) -> Callable[[], float]:
    """The rate of the naive loop, from so many of its passes."""
    num_pixels = int(np.prod(SHAPE[:2]))

    @tf.function(autograph=False)
    def passes(x: tf.Tensor) -> tf.Tensor:
        def step(i: tf.Tensor, x: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
            logits = model.network(x)[:, :1, :1]
            return i + 1, tf.where(logits > 0, x, -x)

        loop = (tf.constant(0), x)
        return tf.while_loop(lambda i, _: i < NUM_PASSES, step, loop)[1]

    x = tf.ones((batch_size, *SHAPE))

    def run() -> float:
        start = time.perf_counter()
        passes(x).numpy()
        seconds = (time.perf_counter() - start) * num_pixels / NUM_PASSES
        return batch_size / seconds

    return run


def check_equal() -> None:
    """Both ways draw the same images, at a size where the naive one is quick."""
    model = make_model(CHECKED_SHAPE)
    plain = tf.function(draw_by_full_passes, autograph=False)(
        model.network,
        model.likelihood,
        tf.constant(row_seeds(0, CHECKED)),
        tf.ones(CHECKED),
    )
    np.testing.assert_array_equal(model.generate(CHECKED, seed=0), plain)


def main() -> None:
    options = arguments()
    allocator.keep_temporary_memory()
    check_equal()
    model = make_model(SHAPE)
    with tempfile.TemporaryDirectory() as folder:
        sides = {
            "generate": rate_of(cached(model, BATCH_SIZE)),
            "exported_in_session": rate_of(exported(model, folder, BATCH_SIZE)),
            "full_passes": full_passes(model, BATCH_SIZE),
        }
        rates = interleave(sides, rounds=2 if options.quick else 5)
    report(
        "pixelcnn_sampling",
        rates,
        headline=("generate", "full_passes"),
        unit="images/s",
        extra={
            "batch_size": BATCH_SIZE,
            "passes_timed_of_784": NUM_PASSES,
            "seconds_per_batch": BATCH_SIZE / max(rates["generate"]),
        },
        write=options.write,
    )


if __name__ == "__main__":
    main()
