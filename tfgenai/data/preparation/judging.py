"""Second pass: what examples have in common, which splits they go to, what leaks.

Works on the facts of the first pass alone, a few hundred bytes of each example. The
examples are taken in the order of their ids, so that nothing depends on the order in
which files lie on disk.
"""

import dataclasses
from collections.abc import Sequence

import numpy as np
import pyarrow as pa

from tfgenai.core.errors import DataError
from tfgenai.data.clean.all_rules import rule_class
from tfgenai.data.clean.duplicates import ExactDuplicate
from tfgenai.data.clean.ngrams import SharedNgrams
from tfgenai.data.clean.rule import SetRule
from tfgenai.data.preparation.columns import FactColumns, read_survey
from tfgenai.data.preparation.exceptions import Exceptions
from tfgenai.data.preparation.leaks import Leak, find_leaks
from tfgenai.data.preparation.recipe import LeakSection, SplitSection
from tfgenai.data.preparation.splitting import assign_splits, split_order
from tfgenai.data.preparation.survey import Survey
from tfgenai.data.raw.example import Kind

_NEAR = {
    "images": "near_duplicate_image",
    "text": "near_duplicate_text",
    "sound": "near_duplicate_sound",
}
_LISTED = 5


@dataclasses.dataclass
class Judgement:
    """What becomes of every example.

    Args:
        survey: all examples, a table in the order of ids.
        chunks: `(n,)`, the chunk of each.
        findings: by row, what the comparing rules found, beside the survey's own.
        splits: the split of each row; None of what is dropped.
        split_order: names of the splits.
        leaks: what was found across splits, rows of the survey.
    """

    survey: pa.Table
    chunks: np.ndarray
    findings: dict[int, list[dict[str, str]]]
    splits: list[str | None]
    split_order: list[str]
    leaks: list[Leak]


def rules_of_leaks(
    leaks: LeakSection, rules: Sequence[SetRule], kind: Kind
) -> list[SetRule]:
    """The rules that compare splits: those of the recipe where it has them.

    Args:
        leaks: what is looked for.
        rules: the comparing rules of the recipe.
        kind: of the data.
    """
    names = []
    if leaks.exact:
        names.append(ExactDuplicate.name)
    if leaks.near:
        names.append(_NEAR[kind])
    if leaks.ngrams and kind == "text":
        names.append(SharedNgrams.name)
    known = {rule.name: rule for rule in rules}
    made = []
    for name in names:
        rule = known.get(name) or rule_class(name)(action="keep")
        if isinstance(rule, SetRule):
            made.append(rule)
    return made


def judge(
    survey: Survey,
    numbers: Sequence[int],
    rules: Sequence[SetRule],
    leak_rules: Sequence[SetRule],
    *,
    split: SplitSection,
    leaks: LeakSection,
) -> Judgement:
    """Decides about every example.

    Args:
        survey: the first pass.
        numbers: its chunks.
        rules: the comparing rules of the recipe, in order.
        leak_rules: what `rules_of_leaks` returned.
        split: how splits are made.
        leaks: what may not be shared.

    Raises:
        DataError: if nothing is left, a rule with the action "fail" found something, a
            split cannot be made, or splits leak and `leaks.action` is "fail".
    """
    table, chunks = read_survey(survey, numbers)
    facts = FactColumns(survey, numbers, table)
    _refuse_failures(table["findings"].to_pylist(), table["id"].to_pylist())
    is_in = np.array(table["is_in"].to_pylist(), bool)
    findings = _compare(facts, is_in, rules, survey.exceptions)
    rows = np.flatnonzero(is_in)
    if not len(rows):
        raise DataError(
            f"Examples that pass the rules were expected. Received: "
            f"{survey.source.name!r}, of which all {len(is_in)} are dropped. Look at "
            "the rules with `action: keep`, which drops nothing."
        )
    alive = facts.of(rows)
    measured = [(rule, facts.of(rows, rule)) for rule in leak_rules]
    names = assign_splits(alive, table.take(rows), measured, split)
    order = split_order(names, split)
    found: list[Leak] = []
    if len(order) > 1:
        found = find_leaks(names, order, measured)
    splits: list[str | None] = [None] * len(is_in)
    for row, name in zip(rows.tolist(), names, strict=True):
        splits[row] = name
    found = [
        Leak(int(rows[leak.row]), int(rows[leak.other]), leak.kind)
        for leak in found
        if not survey.exceptions.covers(alive.ids[leak.row], "leak")
    ]
    ids = table["id"].to_pylist()
    if found and leaks.action == "fail":
        raise DataError(_words_of_leaks(found, ids, splits))
    for leak in found:
        reason = f"{leak.kind} leak: {splits[leak.other]} has {ids[leak.other]}"
        findings.setdefault(leak.row, []).append(
            {"rule": "leak", "action": leaks.action, "reason": reason}
        )
    if leaks.action == "drop":
        for leak in found:
            splits[leak.row] = None
    return Judgement(table, chunks, findings, splits, order, found)


def _refuse_failures(findings: list[list[dict[str, str]]], ids: list[str]) -> None:
    failures = [
        f"{name}: {finding['rule']}, {finding['reason']}"
        for name, found in zip(ids, findings, strict=True)
        for finding in found
        if finding["action"] == "fail"
    ]
    if failures:
        more = len(failures) - _LISTED
        raise DataError(
            "Examples that break no rule with `action: fail` were expected. Received: "
            f"{len(failures)} that do: {'; '.join(failures[:_LISTED])}"
            f"{f' and {more} more' if more > 0 else ''}. Correct them, or give the "
            "rule another action."
        )


def _compare(
    facts: FactColumns,
    is_in: np.ndarray,
    rules: Sequence[SetRule],
    exceptions: Exceptions,
) -> dict[int, list[dict[str, str]]]:
    """Runs the comparing rules in their order; clears `is_in` of what they drop."""
    findings: dict[int, list[dict[str, str]]] = {}
    for rule in rules:
        rows = np.flatnonzero(is_in)
        if not len(rows):
            break
        own = facts.of(rows, rule)
        for place, words in sorted(rule.judge(own).items()):
            row, action, reason = int(rows[place]), str(rule.action), words
            if exceptions.covers(own.ids[place], rule.name):
                action, reason = "excepted", f"{words}; a person took this back"
            findings.setdefault(row, []).append(
                {"rule": rule.name, "action": action, "reason": reason}
            )
            if action == "drop":
                is_in[row] = False
            elif action == "fail":
                _refuse_failures([findings[row]], [own.ids[place]])
    return findings


def _words_of_leaks(
    leaks: Sequence[Leak], ids: Sequence[str], splits: Sequence[str | None]
) -> str:
    listed = "; ".join(
        f"{splits[leak.row]} has {ids[leak.row]} and {splits[leak.other]} "
        f"{ids[leak.other]} ({leak.kind})"
        for leak in leaks[:_LISTED]
    )
    more = len(leaks) - _LISTED
    return (
        f"Splits that share nothing were expected. Received: {len(leaks)} leaks: "
        f"{listed}{f' and {more} more' if more > 0 else ''}. Drop them with "
        "`leaks.action: drop`, or accept them with `leaks.action: keep`."
    )
