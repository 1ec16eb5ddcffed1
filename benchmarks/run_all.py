"""Runs every comparison one after the other and writes benchmarks/results/*.json."""

import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent


def main() -> None:
    scripts = sorted(HERE.glob("*_vs_*.py"))
    for script in scripts:
        print(f"== {script.stem}", flush=True)
        subprocess.run(
            [sys.executable, str(script), "--write", *sys.argv[1:]], check=True
        )


if __name__ == "__main__":
    main()
