"""Previews: a few examples of what each rule found, to look at in the report."""

from collections import Counter
from collections.abc import Sequence

import pyarrow as pa

from tfgenai.data.preparation.files import read_table
from tfgenai.data.preparation.judging import Judgement
from tfgenai.data.preparation.survey import PREVIEW_SCHEMA, Survey

PREVIEWS_IN_ALL = 8


def choose_previews(
    survey: Survey, judgement: Judgement, numbers: Sequence[int]
) -> pa.Table:
    """The first examples that each rule found something about, in the order of ids.

    Returns:
        A table of `id`, `rule`, `before` and `after`: bytes of the content as it came
        and, of what was repaired, as it left; see `decode_content`.
    """
    tables = [read_table(survey.path("previews", number)) for number in numbers]
    rows = sorted(
        (row for table in tables for row in table.to_pylist()),
        key=lambda row: (row["rule"], row["id"]),
    )
    count: Counter[str] = Counter()
    chosen = []
    for row in rows:
        count[row["rule"]] += 1
        if count[row["rule"]] <= PREVIEWS_IN_ALL:
            chosen.append(row)
    wanted: dict[int, dict[str, list[str]]] = {}
    ids = judgement.survey["id"].to_pylist()
    for row, findings in sorted(judgement.findings.items()):
        for finding in findings:
            count[finding["rule"]] += 1
            if count[finding["rule"]] <= PREVIEWS_IN_ALL:
                names = wanted.setdefault(int(judgement.chunks[row]), {})
                names.setdefault(ids[row], []).append(finding["rule"])
    for number, names in sorted(wanted.items()):
        for row in read_table(survey.path("contents", number)).to_pylist():
            for rule in names.get(row["id"], ()):
                chosen.append({"id": row["id"], "rule": rule, "before": row["content"]})
    chosen.sort(key=lambda row: (row["rule"], row["id"]))
    return pa.Table.from_pylist(chosen, schema=PREVIEW_SCHEMA)
