"""Ledger: the fate of every raw example and its reasons, one row each, in Parquet."""

from collections import Counter
from collections.abc import Sequence
from typing import Any

import pyarrow as pa

from tfgenai.data.clean.rule import Rule
from tfgenai.data.preparation.judging import Judgement
from tfgenai.data.preparation.survey import FINDING, split_rules


def make_ledger(judgement: Judgement) -> pa.Table:
    """The ledger of a judgement, in the order of ids.

    Columns: `id`, `fate` ("kept", "repaired", "dropped"), `split` (null if dropped),
    `findings` (rule, action and reason of each), `label`, `group`, `time`, `synthetic`,
    `raw_sha256` of the content as it came, `sha256` as it left, and its measures.
    """
    survey = judgement.survey
    findings = survey["findings"].to_pylist()
    for row, more in judgement.findings.items():
        findings[row] = [*findings[row], *more]
    fates = [
        fate(found, split)
        for found, split in zip(findings, judgement.splits, strict=True)
    ]
    rest = survey.drop_columns(["id", "is_in", "given_split", "findings"])
    columns = {
        "id": survey["id"],
        "fate": pa.array(fates, pa.string()),
        "split": pa.array(judgement.splits, pa.string()),
        "findings": pa.array(findings, pa.list_(FINDING)),
    }
    return pa.table(columns | {name: rest[name] for name in rest.column_names})


def fate(findings: Sequence[dict[str, str]], split: str | None) -> str:
    """What became of an example, in one word.

    Args:
        findings: what rules found.
        split: where it went, or None.

    Example:
        >>> fate([{"rule": "encoding", "action": "repair", "reason": ""}], "train")
        'repaired'
    """
    if split is None:
        return "dropped"
    repaired = any(finding["action"] == "repair" for finding in findings)
    return "repaired" if repaired else "kept"


def count_rules(ledger: pa.Table, rules: Sequence[Rule]) -> list[dict[str, Any]]:
    """What each rule did, in the order in which they ran.

    Args:
        ledger: the ledger.
        rules: those that look at one example, then those that compare.

    Returns:
        For each its `rule`, `action`, arguments, the number of examples `before` and
        `after` it, and how many it `dropped`, `repaired`, `kept` and left because they
        are `excepted`.
    """
    done: Counter[tuple[str, str]] = Counter(
        (finding["rule"], finding["action"])
        for findings in ledger["findings"].to_pylist()
        for finding in findings
    )
    single, comparing = split_rules(rules)
    names = [(rule.name, rule.describe()) for rule in (*single, *comparing)]
    # What has no content goes behind the rules that look at one example.
    for extra, place in (("no_content", len(single)), ("leak", len(names) + 1)):
        if any(rule == extra for rule, _ in done):
            names.insert(place, (extra, {"rule": extra, "action": "drop"}))
    count, counted = len(ledger), []
    for name, described in names:
        dropped = done[name, "drop"]
        counted.append(
            {
                **described,
                "before": count,
                "dropped": dropped,
                "repaired": done[name, "repair"],
                "kept": done[name, "keep"],
                "excepted": done[name, "excepted"],
                "after": count - dropped,
            }
        )
        count -= dropped
    return counted
