"""Writes the README's results from benchmarks/results/*.json, between two markers."""

import json
import sys
from pathlib import Path

HERE = Path(__file__).parent
README = HERE.parent / "README.md"
BEGIN = "<!-- results: written by benchmarks/tables.py, checked by a test -->"
END = "<!-- end of results -->"


def render(results: Path = HERE / "results") -> str:
    """The tables, in Markdown, from the result files alone."""
    trained, compared = [], []
    for path in sorted(results.glob("*.json")):
        result = json.loads(path.read_text())
        if "benchmark" in result:
            compared.append(_compared_row(result))
        else:
            trained += _trained_rows(result)
    parts = []
    if trained:
        header = (
            "command",
            "figure",
            "value",
            "floor",
            "n",
            "seed",
            "training + measuring",
        )
        parts.append(_table(header, trained))
    if compared:
        parts.append(_table(("benchmark", "ratios of medians", "unit"), compared))
    return "\n\n".join(parts)


def updated(readme: str) -> str:
    """The README with its results as they are in the result files."""
    head, rest = readme.split(BEGIN)
    _, tail = rest.split(END)
    return f"{head}{BEGIN}\n\n{render()}\n\n{END}{tail}"


def _trained_rows(result: dict) -> list[tuple[str, ...]]:
    """Rows of a run's report.json, as `tfgenai train` writes it."""
    training, measuring = (result["seconds"][k] / 60 for k in ("fit", "measuring"))
    rows = []
    for name, figure in result["metrics"].items():
        if isinstance(figure["value"], dict):
            continue
        value = f"{figure['value']:.4g}"
        if figure.get("interval"):
            low, high = figure["interval"]
            value += f" [{low:.4g}, {high:.4g}]"
        floor = figure.get("floor")
        rows.append(
            (
                f"`{result['command']}`",
                name.replace("_", " "),
                f"{value} {figure.get('unit') or ''}".strip(),
                "" if floor is None else f"{floor:.4g}",
                f"{figure['n']:,}",
                str(result["seed"]),
                f"{training:.1f} + {measuring:.1f} min",
            )
        )
    return rows


def _compared_row(result: dict) -> tuple[str, str, str]:
    ratios = ", ".join(f"{k} **{v:.2f}**" for k, v in result["ratios"].items())
    return (f"`{result['benchmark']}`", ratios, result["unit"])


def _table(header: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    lines = [header, tuple("---" for _ in header), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


if __name__ == "__main__":
    text = README.read_text()
    if "--check" in sys.argv:
        sys.exit(text != updated(text))
    README.write_text(updated(text))
