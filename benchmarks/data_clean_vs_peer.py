"""Cleaning against the obvious way by hand: near duplicates of text, and of images.

Text, the headline: passages of Shakespeare, 5 % of them planted again reworded; see
`_clean_text`. Images: MNIST with 3 % planted near duplicates, one process without
TensorFlow. The peer hashes each image with imagehash and compares all pairs of hashes
in NumPy. Also measured: all 60,000 images with exact and near duplicates, held to 60 s
and 1 GB.
"""

import json
import os
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import _clean_text
import imagehash
import numpy as np
from PIL import Image
from side_by_side import RESULTS, arguments, describe_machine, interleave, rate_of

from tfgenai.core.numpy_random import numpy_generator
from tfgenai.data.clean.duplicates import ExactDuplicate
from tfgenai.data.clean.facts import Facts
from tfgenai.data.clean.image_duplicates import NearDuplicateImage
from tfgenai.data.raw.example import Example

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "data" / "clean"))
from dirty_images import mnist, plant

_ALONE = "--alone"
_PLANTED = 0.03
_SEED = 11
_EXACT = 100  # exact copies planted beside the near ones
_MAX_BITS = 4  # of 64, as imagehash is often used


def main() -> None:
    if _ALONE in sys.argv:
        print(json.dumps(clean_alone(int(sys.argv[-1]))))
        return
    options = arguments()
    whole = run_alone(6000 if options.quick else 60_000)
    count = 2000 if options.quick else 10_000
    images, planted = dirty_mnist(count)
    found: dict[str, set[int]] = {}

    def side(name: str, find: Callable[[list], set[int]]) -> Callable[[], float]:
        def work() -> int:
            found[name] = find(images)
            return len(images)

        return rate_of(work)

    rates = interleave(
        {
            "tfgenai": side("tfgenai", find_with_rule),
            "imagehash_all_pairs": side("imagehash_all_pairs", find_by_hand),
        },
        rounds=2 if options.quick else 5,
    )
    medians = {name: statistics.median(values) for name, values in rates.items()}
    text = _clean_text.measure(options.quick)
    ratios = {
        "text: tfgenai/datasketch": text["ratio"],
        "text: tfgenai/datasketch in batches": text["ratio_batch"],
        "images: tfgenai/imagehash_all_pairs": medians["tfgenai"]
        / medians["imagehash_all_pairs"],
        "images: 60 s/measured": 60.0 / whole["seconds"],
        "images: 1 GiB/peak": 1024.0 / whole["peak_memory_mib"],
    }
    machine = describe_machine()
    versions = {"imagehash": imagehash.__version__}
    machine["versions"] = machine["versions"] | versions
    result = {
        "benchmark": "data_clean_vs_peer",
        "ratio": text["ratio"],
        "ratios": ratios,
        "unit": "documents/s, images/s",
        "medians": medians,
        "minima": {name: min(values) for name, values in rates.items()},
        "rounds": len(rates["tfgenai"]),
        "num_images": len(images),
        "quality": {name: quality(rows, planted) for name, rows in found.items()},
        "whole_set": whole,
        "text": text,
        "peak_memory_mib": peak_mib(),
        **machine,
    }
    if options.write:
        RESULTS.mkdir(exist_ok=True)
        path = RESULTS / "data_clean_vs_peer.json"
        path.write_text(json.dumps(result, indent=2) + "\n")
    print(json.dumps(result))


def dirty_mnist(count: int) -> tuple[list[np.ndarray], set[int]]:
    """Images of the training set with planted copies behind, and the rows of these."""
    folder = os.environ.get("TFGENAI_TEST_DATA")
    if not folder:
        raise SystemExit("TFGENAI_TEST_DATA must name the folder that holds mnist/")
    images = mnist(Path(folder))[:count]
    generator = numpy_generator(_SEED)
    copies, _ = plant(images, round(_PLANTED * count), generator)
    return [*images, *copies], set(range(count, count + len(copies)))


def find_with_rule(images: list[np.ndarray]) -> set[int]:
    return set(NearDuplicateImage().judge(facts_of(images)))


def facts_of(images: list[np.ndarray]) -> Facts:
    rule = NearDuplicateImage()
    examples = [Example(f"{row:06}", image) for row, image in enumerate(images)]
    measured = [rule.measure(example) for example in examples]
    return Facts(
        [example.id for example in examples],
        [None] * len(images),
        [None] * len(images),
        [example.sha256() for example in examples],
        {key: np.stack([one[key] for one in measured]) for key in measured[0]},
    )


def find_by_hand(images: list[np.ndarray]) -> set[int]:
    """Later one of each pair whose hashes differ in few bits."""
    bits = [imagehash.dhash(Image.fromarray(image[..., 0])).hash for image in images]
    hashes = np.packbits(np.reshape(bits, (len(images), 64)), axis=1).view(np.uint64)
    hashes = hashes.ravel()
    later: set[int] = set()
    for row in range(1, len(hashes)):
        if (np.bitwise_count(hashes[:row] ^ hashes[row]) <= _MAX_BITS).any():
            later.add(row)
    return later


def clean_alone(count: int) -> dict:
    """Exact and near duplicates of a whole set, timed, with the process's memory."""
    images, planted = dirty_mnist(count)
    images += images[:_EXACT]
    planted |= set(range(len(images) - _EXACT, len(images)))
    start = time.perf_counter()
    facts = facts_of(images)
    measured = time.perf_counter()
    exact = ExactDuplicate().judge(facts)
    found = set(NearDuplicateImage().judge(facts)) | set(exact)
    end = time.perf_counter()
    return {
        "num_images": len(images),
        "seconds": end - start,
        "measure_s": measured - start,
        "judge_s": end - measured,
        "peak_memory_mib": peak_mib(),
        "has_tensorflow": "tensorflow" in sys.modules,
        "num_exact": len(exact),
        **quality(found, planted),
    }


def run_alone(count: int) -> dict:
    """`clean_alone` in a process of its own."""
    command = [sys.executable, __file__, _ALONE, str(count)]
    output = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    return json.loads(output.stdout.splitlines()[-1])


def quality(found: set[int], planted: set[int]) -> dict:
    hits = len(found & planted)
    precision = hits / len(found) if found else 1.0
    return {"recall": hits / len(planted), "precision": precision}


def peak_mib() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


if __name__ == "__main__":
    main()
