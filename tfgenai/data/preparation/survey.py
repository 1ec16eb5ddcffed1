"""First pass: each example through the rules that look at one, its facts to a file.

Every chunk of the source makes three files of its own, numbered as the chunk is: the
`survey` of all its examples, the `facts` of those that are still in, and their
`contents`. A chunk whose files are there is not read again: so a run that was killed
goes on, and it does not matter how many processes share the chunks.
"""

import dataclasses
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa

from tfgenai.core.errors import DataError
from tfgenai.data.clean.rule import ExampleRule, Rule, SetRule
from tfgenai.data.preparation.contents import encode, settle
from tfgenai.data.preparation.exceptions import Exceptions
from tfgenai.data.preparation.files import to_column, write_table
from tfgenai.data.preparation.measures import MEASURES, measure
from tfgenai.data.raw.example import Example, Kind
from tfgenai.data.raw.source import Chunk, RawSource

PREVIEWS = 4  # dropped or repaired examples of each rule that a chunk keeps to show

FINDING = pa.struct(
    [("rule", pa.string()), ("action", pa.string()), ("reason", pa.string())]
)

PREVIEW_SCHEMA = pa.schema(
    [
        ("id", pa.string()),
        ("rule", pa.string()),
        ("before", pa.large_binary()),
        ("after", pa.large_binary()),
    ]
)


@dataclasses.dataclass(frozen=True)
class Survey:
    """What every process needs to work through chunks; small, and can be pickled.

    Args:
        source: the raw data.
        rules: the rules that look at one example, in order.
        measures: rules whose facts are wanted.
        exceptions: findings that do not count.
        folder: where the files go.
    """

    source: RawSource
    rules: Sequence[ExampleRule]
    measures: Sequence[SetRule]
    exceptions: Exceptions
    folder: Path

    def path(self, what: str, number: int) -> Path:
        """The file of a chunk: of its "survey", "facts", "contents" or "previews"."""
        return self.folder / f"{what}-{number:06d}.parquet"

    def is_done(self, number: int) -> bool:
        """Whether a chunk needs no more work; its survey is written last."""
        return self.path("survey", number).exists()

    def work(self, chunk: Chunk) -> int:
        """Works through one chunk, unless that is done; returns its number.

        Raises:
            DataError: if two examples have one id, or the source fails.
        """
        if self.is_done(chunk.number):
            return chunk.number
        rows, facts, contents = [], [], []
        previews = _Previews(self.rules, self.exceptions)
        for example in self.source.read(chunk):
            row, left = self._judge(example, previews)
            rows.append(row)
            if left is not None:
                facts.append(self._facts(left))
                contents.append(encode(left))
        self._check_ids(rows)
        kept = [row["id"] for row in rows if row["is_in"]]
        columns = {"id": pa.array(kept, pa.string())}
        for name in facts[0] if facts else ():
            columns[name] = to_column([fact[name] for fact in facts])
        write_table(self.path("facts", chunk.number), pa.table(columns))
        table = {
            "id": pa.array(kept, pa.string()),
            "content": pa.array(contents, pa.large_binary()),
        }
        write_table(self.path("contents", chunk.number), pa.table(table))
        write_table(self.path("previews", chunk.number), previews.table())
        schema = survey_schema(self.source.kind)
        write_table(
            self.path("survey", chunk.number), pa.Table.from_pylist(rows, schema=schema)
        )
        return chunk.number

    def _judge(
        self, example: Example, previews: "_Previews"
    ) -> tuple[dict[str, Any], Example | None]:
        """The example's row, and what is left of it, or None."""
        before, raw = example, example.sha256()
        findings: list[dict[str, str]] = []
        is_in = True
        for rule in self.rules:
            if example.content is None and not rule.looks_at_unreadable:
                continue
            reason = rule.check(example)
            if reason is None:
                continue
            action: str = rule.action
            if self.exceptions.covers(example.id, rule.name):
                action, reason = "excepted", f"{reason}; a person took this back"
            elif action == "repair":
                example = rule.repair(example)
                left = rule.check(example)
                if left is not None:
                    action, reason = "drop", f"{reason}; after its repair: {left}"
            findings.append({"rule": rule.name, "action": action, "reason": reason})
            if action in ("drop", "fail"):
                is_in = False
                break
        if is_in and example.content is None:
            is_in = False
            problem = example.problem
            reason = f"{problem.code}: {problem.detail}" if problem else "no content"
            findings.append({"rule": "no_content", "action": "drop", "reason": reason})
        if is_in:
            example = settle(example)
        row = {
            "id": example.id,
            "is_in": is_in,
            "label": example.label,
            "group": example.group,
            "time": example.time,
            "given_split": example.split,
            "synthetic": example.synthetic,
            "raw_sha256": raw,
            "sha256": example.sha256() if example is not before else raw,
            "findings": findings,
            **measure(example, self.source.kind),
        }
        previews.add(before, example, findings)
        return row, example if is_in else None

    def _facts(self, example: Example) -> dict[str, Any]:
        return {
            f"{rule.name}.{key}": value
            for rule in self.measures
            for key, value in rule.measure(example).items()
        }

    def _check_ids(self, rows: list[dict[str, Any]]) -> None:
        twice = [
            name for name, n in Counter(row["id"] for row in rows).items() if n > 1
        ]
        if twice:
            raise DataError(
                f"An id for each example was expected. Received: {self.source.name!r} "
                f"with {len(twice)} ids twice, the first is {twice[0]!r}."
            )


def survey_schema(kind: Kind) -> pa.Schema:
    """The columns of a survey of data of a kind."""
    numbers = {
        name: pa.float64() if name in ("peak", "square_mean") else pa.int64()
        for name in MEASURES[kind]
    }
    return pa.schema(
        [
            ("id", pa.string()),
            ("is_in", pa.bool_()),
            ("label", pa.string()),
            ("group", pa.string()),
            ("time", pa.string()),
            ("given_split", pa.string()),
            ("synthetic", pa.bool_()),
            ("raw_sha256", pa.binary(32)),
            ("sha256", pa.binary(32)),
            ("findings", pa.list_(FINDING)),
            *numbers.items(),
        ]
    )


def split_rules(rules: Sequence[Rule]) -> tuple[list[ExampleRule], list[SetRule]]:
    """The rules that look at one example, and those that compare, each in order."""
    return (
        [rule for rule in rules if isinstance(rule, ExampleRule)],
        [rule for rule in rules if isinstance(rule, SetRule)],
    )


class _Previews:
    """The first few examples of each rule, as they were and as they became."""

    def __init__(self, rules: Sequence[ExampleRule], exceptions: Exceptions) -> None:
        self._exceptions = exceptions
        self._private = [rule for rule in rules if rule.is_private]
        self._rows: list[dict[str, Any]] = []
        self._count: Counter[str] = Counter()

    def add(
        self, before: Example, after: Example, findings: list[dict[str, str]]
    ) -> None:
        for finding in findings:
            rule = finding["rule"]
            if self._count[rule] >= PREVIEWS or before.content is None:
                continue
            self._count[rule] += 1
            is_changed = finding["action"] == "repair" and after.content is not None
            self._rows.append(
                {
                    "id": before.id,
                    "rule": rule,
                    "before": self._shown(before),
                    "after": self._shown(after) if is_changed else None,
                }
            )

    def _shown(self, example: Example) -> bytes:
        """The content, without what must not be shown."""
        for rule in self._private:
            is_excepted = self._exceptions.covers(example.id, rule.name)
            if not is_excepted and rule.check(example) is not None:
                example = rule.repair(example)
        return encode(settle(example))

    def table(self) -> pa.Table:
        return pa.Table.from_pylist(self._rows, schema=PREVIEW_SCHEMA)
