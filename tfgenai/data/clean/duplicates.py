"""Exact duplicates: examples whose content is the same to the last bit."""

import collections

from tfgenai.data.clean.facts import Fact, Facts
from tfgenai.data.clean.rule import RULES, SetRule
from tfgenai.data.raw.example import Example


@RULES.register("exact_duplicate")
class ExactDuplicate(SetRule):
    """Content that an example before it, in the order of ids, has too.

    The first stays. Labels and file names do not count: the same picture under another
    label is a duplicate, and `label_conflict` tells of it.
    """

    name = "exact_duplicate"

    def measure(self, example: Example) -> dict[str, Fact]:
        """Needs nothing but the hash that every example has."""
        return {}

    def judge(self, facts: Facts) -> dict[int, str]:
        """Every copy but the first."""
        return {
            row: f"same content as {facts.ids[rows[0]]}"
            for rows in self.groups(facts)
            for row in rows[1:]
        }

    def groups(self, facts: Facts) -> list[list[int]]:
        """Rows of equal content."""
        rows = collections.defaultdict(list)
        for row, digest in enumerate(facts.sha256):
            rows[digest].append(row)
        return [group for group in rows.values() if len(group) > 1]
