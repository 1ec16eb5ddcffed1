"""Memory of preparing a folder that is larger than memory shall be: 5 GB within 1 GB.

Makes pictures on disk (noise, 600 x 580 pixels, a copy every hundred), prepares them
with the command line in a process of its own, and reports the largest sum of what it
and its workers held. Not a comparison: the limit is the peer.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import psutil
from side_by_side import RESULTS, describe_machine

LIMIT_MIB = 1024
_PICTURE = (580, 600, 3)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="100 MB instead of 5 GB")
    parser.add_argument("--write", action="store_true")
    parser.add_argument("--shards", type=int, default=2)
    parser.add_argument("--folder", type=Path, help="where there is room for 20 GB")
    options = parser.parse_args()
    num_bytes = 100e6 if options.quick else 5e9
    count = round(num_bytes / np.prod(_PICTURE))
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        raw = Path(folder, "raw")
        for number in range(count):
            write_picture(raw / f"class{number % 4}" / f"{number:06d}.ppm", number)
        recipe = Path(folder, "recipe.yaml")
        recipe.write_text(
            "name: noise\nsource: {path: ./raw}\n"
            "clean: [unreadable, constant, exact_duplicate, near_duplicate_image]\n"
        )
        start = time.perf_counter()
        peak, result = run_and_watch(
            [
                *(sys.executable, "-m", "tfgenai", "data", "prepare", str(recipe)),
                *("--output", str(Path(folder, "prepared"))),
                *("--shards", str(options.shards), "--json"),
            ]
        )
        seconds = time.perf_counter() - start
        shutil.rmtree(Path(folder, "prepared"))
    found = {
        "benchmark": "prepare_memory",
        "ratio": LIMIT_MIB / peak,
        "ratios": {"limit/peak": LIMIT_MIB / peak},
        "unit": "MiB (limit over peak)",
        "peak_mib": peak,
        "num_examples": count,
        "num_dropped": result["preparation"]["num_dropped"],
        "bytes": count * int(np.prod(_PICTURE)),
        "seconds": seconds,
        "shards": options.shards,
        **describe_machine(),
    }
    print(json.dumps(found))
    if options.write:
        text = json.dumps(found, indent=1, sort_keys=True) + "\n"
        (RESULTS / "prepare_memory.json").write_text(text)


def write_picture(path: Path, number: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    seed = number - 1 if number % 100 == 99 else number
    height, width, channels = _PICTURE
    header = f"P6 {width} {height} 255\n".encode()
    generator = np.random.default_rng(seed)
    path.write_bytes(header + generator.bytes(height * width * channels))


def run_and_watch(command: list[str]) -> tuple[float, dict]:
    """The largest memory of a command and its children, in MiB, and what it printed."""
    with tempfile.TemporaryFile("w+") as output:
        process = subprocess.Popen(command, stdout=output, env=dict(os.environ))
        watched, peak = psutil.Process(process.pid), 0.0
        while process.poll() is None:
            held = 0
            for one in [watched, *watched.children(recursive=True)]:
                try:
                    held += one.memory_info().rss
                except psutil.NoSuchProcess:
                    continue
            peak = max(peak, held / 2**20)
            time.sleep(0.05)
        if process.returncode:
            raise SystemExit(f"failed: {command}")
        output.seek(0)
        return peak, json.loads(output.read().splitlines()[-1])


if __name__ == "__main__":
    main()
