"""The report of a prepared set: one HTML page that needs nothing beside it."""

import itertools
import os
from collections import Counter
from pathlib import Path
from typing import Any

import pyarrow.compute as pc

import tfgenai
from tfgenai.core import storage
from tfgenai.core.pages import template_environment
from tfgenai.data.preparation.contents import Content, decode_content
from tfgenai.data.preparation.files import read_table
from tfgenai.data.preparation.histograms import histograms
from tfgenai.data.preparation.measures import MEASURES
from tfgenai.data.preparation.prepared import Prepared
from tfgenai.data.preparation.showing import show, show_change
from tfgenai.data.raw.example import Kind

_SAMPLES = 12
_UNSEEN = 8  # examples of a rule that have no content to show
_CLASSES = 40
_SETTINGS = ("rule", "action", "before", "after", "dropped", "repaired", "kept")


def write_report(
    prepared: Prepared, path: "str | os.PathLike[str] | None" = None
) -> Path:
    """Writes what was done to the data, for people: counts, samples, reasons, hashes.

    The page loads nothing and runs nothing; what comes from the data is escaped. The
    same set gives the same bytes.

    Args:
        prepared: the set.
        path: the page; None for `report.html` in its folder.

    Returns:
        The path.

    Raises:
        StorageError: if it cannot be written.
    """
    target = Path(path) if path is not None else prepared.path / "report.html"
    card, ledger_file = prepared.card, prepared.path / "ledger.parquet"
    # By columns: hashes and findings of a million examples are most of the file.
    ledger = read_table(ledger_file, ["split", *MEASURES[prepared.kind]])
    about: dict[str, Any] = card.preparation or {}
    shown = _previews(prepared)
    rules = [
        {
            **rule,
            "settings": _settings(rule),
            "previews": shown.get(rule["rule"], []),
        }
        for rule in about["rules"]
    ]
    environment = template_environment(Path(__file__).parent)
    environment.filters["number"] = lambda value: f"{value:,}"
    page = environment.get_template("report.html").render(
        card=card,
        about=about,
        kind=prepared.kind,
        rules=rules,
        samples={name: _samples(prepared, name) for name in prepared.split_names()},
        histograms=histograms(ledger, prepared.kind),
        classes=_classes(prepared),
        copies=_copies(prepared),
        imbalance=_imbalance(prepared),
        recipe=(prepared.path / "recipe.yaml").read_text(encoding="utf-8"),
        version=tfgenai.__version__,
    )
    return storage.write_text(target, page)


def _previews(prepared: Prepared) -> dict[str, list[dict[str, Any]]]:
    """For each rule some of what it found, with the reasons."""
    rows = prepared.previews().to_pylist()
    wanted = {(row["id"], row["rule"]) for row in rows}
    reasons: dict[tuple[str, str], str] = {}
    found: dict[str, list[dict[str, Any]]] = {}
    shown = Counter(row["rule"] for row in rows)
    ledger = read_table(prepared.path / "ledger.parquet", ["id", "findings"])
    for batch in ledger.to_batches(4096):
        for row in batch.to_pylist():
            for finding in row["findings"]:
                key = row["id"], finding["rule"]
                words = f"{finding['action']}: {finding['reason']}"
                if key in wanted:
                    reasons[key] = words
                elif not shown[key[1]] and len(found.get(key[1], ())) < _UNSEEN:
                    unseen = {"id": key[0], "reason": words, "before": None}
                    found.setdefault(key[1], []).append({**unseen, "after": None})
    for row in rows:
        before = _decode(row["before"], prepared.kind)
        views: tuple[dict[str, str] | None, ...] = (show(before), None)
        if row["after"] is not None:
            after = _decode(row["after"], prepared.kind)
            is_same = isinstance(before, str) and before == after
            views = (show(after), None) if is_same else show_change(before, after)
        one = {"id": row["id"], "before": views[0], "after": views[1]}
        one["reason"] = reasons.get((row["id"], row["rule"]), "")
        found.setdefault(row["rule"], []).append(one)
    return found


def _decode(data: bytes, kind: Kind) -> Content:
    if kind == "text":
        return data.decode("utf-8", "replace")
    return decode_content(data, kind)


def _samples(prepared: Prepared, split: str) -> list[dict[str, Any]]:
    some = itertools.islice(prepared.read(split), _SAMPLES)
    return [
        {"id": one.id, "label": one.label, **show(one.content)}
        for one in some
        if one.content is not None
    ]


def _settings(rule: dict[str, Any]) -> str:
    rest = {
        key: value for key, value in rule.items() if key not in (*_SETTINGS, "excepted")
    }
    return ", ".join(f"{key}={value}" for key, value in rest.items())


def _classes(prepared: Prepared) -> list[dict[str, Any]]:
    """Counts of the largest classes in each split."""
    card = prepared.card
    names = card.class_names or []
    counts = [
        (
            name,
            [
                split.label_histogram[place] if split.label_histogram else 0
                for split in card.splits.values()
            ],
        )
        for place, name in enumerate(names)
    ]
    counts.sort(key=lambda pair: -sum(pair[1]))
    return [{"name": name, "counts": row} for name, row in counts[:_CLASSES]]


def _copies(prepared: Prepared) -> dict[str, int]:
    """How many raw contents were there more than once, by their hashes."""
    measure = MEASURES[prepared.kind][0]
    table = read_table(prepared.path / "ledger.parquet", ["raw_sha256", measure])
    hashes = table.filter(pc.is_valid(table[measure]))["raw_sha256"]
    counts = [n for n in pc.value_counts(hashes).field("counts").to_pylist() if n > 1]
    return {
        "groups": len(counts),
        "examples": sum(counts),
        "largest": max(counts, default=0),
    }


def _imbalance(prepared: Prepared) -> float | None:
    """The largest class by the smallest, over all splits; None without classes."""
    histograms = [s.label_histogram for s in prepared.card.splits.values()]
    totals = [sum(row) for row in zip(*(h for h in histograms if h), strict=True)]
    return max(totals) / min(totals) if totals and min(totals) else None
