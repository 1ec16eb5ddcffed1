"""Images from memory to batches, against tf.data as everybody writes it.

Both give shuffled batches of 128 images of MNIST's size, float32 in [-1, 1], with
labels. The plain side is from_tensor_slices, shuffle, batch, map and prefetch.
"""

import numpy as np
import tensorflow as tf
from side_by_side import arguments, interleave, rate_of, report

import tfgenai as tg

_NUM_IMAGES = 60_000
_BATCH = 128


def main() -> None:
    options = arguments()
    generator = np.random.default_rng(0)
    images = generator.integers(0, 256, (_NUM_IMAGES, 28, 28, 1)).astype(np.uint8)
    labels = generator.integers(0, 10, _NUM_IMAGES).astype(np.int32)
    source = tg.data.ArraySource(images, labels)
    ours = tg.data.load(source, batch_size=_BATCH, shuffle=True)
    augmented = tg.data.load(source, batch_size=_BATCH, shuffle=True, augment=["shift"])
    plain = (
        tf.data.Dataset.from_tensor_slices((images, labels))
        .shuffle(_NUM_IMAGES)
        .batch(_BATCH, drop_remainder=True)
        .map(lambda x, y: (tf.cast(x, tf.float32) / 127.5 - 1.0, y))
        .prefetch(2)
    )

    def epoch(dataset):
        def work() -> int:
            return sum(int(x.shape[0]) for x, _ in dataset)

        return rate_of(work)

    rates = interleave(
        {"load": epoch(ours), "plain": epoch(plain), "load_shift": epoch(augmented)},
        rounds=2 if options.quick else 7,
    )
    report(
        "data_pipeline",
        rates,
        headline=("load", "plain"),
        unit="images/s",
        pairs={
            "load/plain": ("load", "plain"),
            "load with shift/plain": ("load_shift", "plain"),
        },
        write=options.write,
    )


if __name__ == "__main__":
    main()
