"""How many servers a load needs, from a rate that was measured.

    python serving/capacity_plan.py benchmarks/results/serving_vs_echo.json --side NAME

writes the table of the section "Capacity plan" in serving/README.md. The file is a
result of `benchmarks/`: `medians` by side, in requests a second, and the `cores` that
they were taken on.
"""

import argparse
import json
import math
import sys
from pathlib import Path

SECONDS_PER_HOUR = 3600


def plan(
    rate_per_core: float,
    *,
    requests_per_hour: float = 1_000_000,
    peak_factor: float = 3.0,
    utilisation: float = 0.6,
    cores_per_server: int = 4,
    servers_lost: int = 1,
) -> dict[str, float]:
    """The arithmetic, line by line.

    Args:
        rate_per_core: measured requests a second of one core that is never idle.
        requests_per_hour: the load in the mean.
        peak_factor: requests a second in the busiest minute over those in the mean.
        utilisation: share of its time that a core may be busy, from 0 to 1.
        cores_per_server: processors that each server asks for.
        servers_lost: servers that may be missing while the peak is borne.

    Returns:
        Each figure by its name: rates in requests a second, `busy_*` as shares.

    Raises:
        ValueError: if a figure is out of range.

    Example:
        >>> plan(100.0)["servers"]
        5
    """
    if rate_per_core <= 0 or requests_per_hour <= 0 or cores_per_server < 1:
        raise ValueError(
            "Positive rates and cores were expected. Received: "
            f"rate_per_core={rate_per_core}, requests_per_hour={requests_per_hour}, "
            f"cores_per_server={cores_per_server}. Take the rate from a benchmark."
        )
    if not 0 < utilisation <= 1 or peak_factor < 1 or servers_lost < 0:
        raise ValueError(
            "A share of 1, a peak above the mean and no negative loss were expected. "
            f"Received: utilisation={utilisation}, peak_factor={peak_factor}, "
            f"servers_lost={servers_lost}. Correct them."
        )
    mean = requests_per_hour / SECONDS_PER_HOUR
    peak = mean * peak_factor
    full_server = rate_per_core * cores_per_server
    needed = math.ceil(peak / (full_server * utilisation))
    servers = needed + servers_lost
    return {
        "mean_rate": mean,
        "peak_rate": peak,
        "rate_per_server": full_server * utilisation,
        "servers_needed": needed,
        "servers": servers,
        "cores": servers * cores_per_server,
        "busy_mean": mean / (full_server * servers),
        "busy_peak": peak / (full_server * servers),
        "busy_peak_with_loss": peak / (full_server * needed),
    }


def table(rate_per_core: float, **given: float) -> str:
    """The plan as Markdown: figure, how it comes about, value."""
    arguments = plan.__kwdefaults__ | given
    figures = plan(rate_per_core, **arguments)
    values = {"rate_per_core": rate_per_core, **arguments, **figures}
    rows = [
        ("requests an hour, mean", "given", "{requests_per_hour:,.0f}"),
        ("requests/s, mean", "an hour / 3,600 s", "{mean_rate:,.0f}"),
        ("peak factor", "given", "{peak_factor:g}"),
        ("requests/s, peak", "mean × peak factor", "{peak_rate:,.0f}"),
        ("requests/s of a core", "measured", "{rate_per_core:,.1f}"),
        ("cores of a server", "deployment.yaml", "{cores_per_server}"),
        ("utilisation target", "autoscaler.yaml", "{utilisation:.0%}"),
        (
            "requests/s of a server",
            "core × cores × utilisation",
            "{rate_per_server:,.0f}",
        ),
        ("servers for the peak", "peak / server, rounded up", "{servers_needed}"),
        ("and for what is lost", "given", "{servers_lost}"),
        ("**servers**", "sum", "**{servers}**"),
        ("cores", "servers × cores", "{cores}"),
        ("busy, mean", "mean / (core × all cores)", "{busy_mean:.0%}"),
        ("busy, peak", "peak / (core × all cores)", "{busy_peak:.0%}"),
        (
            "busy, peak with the loss",
            "peak / (core × cores left)",
            "{busy_peak_with_loss:.0%}",
        ),
    ]
    lines = ["| figure | from | value |", "| --- | --- | --- |"]
    for figure, source, value in rows:
        lines.append(f"| {figure} | {source} | {value.format(**values)} |")
    return "\n".join(lines) + "\n"


def measured(file: Path, side: str) -> float:
    """Requests a second of one core, from a benchmark's result.

    Raises:
        ValueError: if the file has no such side.
    """
    result = json.loads(file.read_text("utf-8"))
    if side not in result["medians"]:
        raise ValueError(
            f"One of {sorted(result['medians'])} was expected. Received: "
            f"side={side!r}. Name the side whose rate counts."
        )
    return result["medians"][side] / result["cores"]


def main() -> None:
    """Reads the arguments and writes the table."""
    parser = argparse.ArgumentParser(description="How many servers a load needs.")
    parser.add_argument("file", type=Path, help="a result of benchmarks/")
    parser.add_argument("--side", required=True, help="whose median rate counts")
    for name, default in plan.__kwdefaults__.items():
        parser.add_argument(f"--{name}", type=type(default), default=default)
    arguments = vars(parser.parse_args())
    rate = measured(arguments.pop("file"), arguments.pop("side"))
    sys.stdout.write(table(rate, **arguments))


if __name__ == "__main__":
    main()
