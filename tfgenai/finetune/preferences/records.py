"""The file of preferences: which of two answers somebody liked better, and how much.

One JSON object a line. It is the format in which feedback and ratings are exported.
"""

import dataclasses
import datetime
import json
import math
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from tfgenai.core.errors import DataError
from tfgenai.core.storage import PathLike, write_text

_EXAMPLE = '{"prompt": "2+2=", "chosen": "4", "rejected": "5"}'


@dataclasses.dataclass(frozen=True, kw_only=True)
class Preference:
    """One judgement of two answers to the same request.

    Args:
        prompt: what was asked for in words, or None.
        condition: what was asked for otherwise, such as `{"labels": 3}`, or None. One
            of the two must be there.
        seed: seed that the answers were drawn with, or None.
        chosen: the better answer, or one that was liked: a text, or a file's path.
        rejected: the other, or one that was not liked; not the same. One of the two
            may be missing.
        weight: how much it counts; positive.
        rater: who judged, or None.
        time: when, as ISO 8601, or None.

    Raises:
        ValueError: if a value makes no sense; the field is named.

    Example:
        >>> pair = Preference(prompt="2+2=", chosen="4", rejected="5")
        >>> pair.weight
        1.0
    """

    prompt: str | None = None
    condition: Mapping[str, Any] | None = None
    seed: int | None = None
    chosen: str | None = None
    rejected: str | None = None
    weight: float = 1.0
    rater: str | None = None
    time: str | None = None

    @property
    def is_pair(self) -> bool:
        """Whether both answers are there."""
        return self.chosen is not None and self.rejected is not None

    def __post_init__(self) -> None:
        if (self.prompt is None) == (self.condition is None):
            raise ValueError(
                f"Either a prompt or a condition was expected. Received: prompt="
                f"{self.prompt!r}, condition={self.condition!r}."
            )
        if self.prompt is not None:
            _require(isinstance(self.prompt, str), "a text", prompt=self.prompt)
        else:
            is_object = isinstance(self.condition, Mapping)
            _require(is_object, "an object", condition=self.condition)
        for name in ("chosen", "rejected"):
            value = getattr(self, name)
            good = value is None or (isinstance(value, str) and value != "")
            _require(good, "a text that is not empty", **{name: value})
        if self.chosen is None and self.rejected is None:
            raise ValueError(
                "An answer was expected. Received: neither chosen nor rejected."
            )
        if self.chosen == self.rejected:
            raise ValueError(
                "Two different answers were expected. Received: chosen and rejected="
                f"{str(self.chosen)[:60]!r}. Leave it out: it says nothing."
            )
        is_number = isinstance(self.weight, (int, float)) and not isinstance(
            self.weight, bool
        )
        good = is_number and math.isfinite(self.weight) and self.weight > 0
        _require(good, "a positive number", weight=self.weight)
        if self.seed is not None:
            is_whole = isinstance(self.seed, int) and not isinstance(self.seed, bool)
            good = is_whole and 0 <= self.seed < 2**63
            _require(good, "a whole number in [0, 2**63)", seed=self.seed)
        if self.rater is not None:
            _require(isinstance(self.rater, str), "a text", rater=self.rater)
        if self.time is not None:
            _require(_is_time(self.time), "a time as ISO 8601", time=self.time)


def read_preferences(path: PathLike) -> list[Preference]:
    """Reads a file of preferences.

    Args:
        path: a `.jsonl` file in UTF-8; empty lines are passed over.

    Returns:
        The preferences, in the order of the file; not empty.

    Raises:
        DataError: if the file is missing or empty, or a line is none; it is named.
    """
    name = os.fspath(path)
    try:
        data = Path(path).read_bytes()
    except OSError as error:
        raise DataError(
            f"A file of preferences was expected. Received: path={name!r} ({error})."
        ) from error
    found = []
    for number, line in enumerate(data.split(b"\n"), 1):
        if line.strip():
            found.append(_parse(line, f"{name}, line {number}"))
    if not found:
        raise DataError(
            f"At least one preference was expected. Received: path={name!r}, which has "
            f"none. A line looks like {_EXAMPLE}."
        )
    return found


def write_preferences(path: PathLike, preferences: Iterable[Preference]) -> Path:
    """Writes a file that `read_preferences` reads; it appears whole or not at all.

    Args:
        path: file to write.
        preferences: what to write; what is None is left out.

    Returns:
        The file.
    """
    lines = [
        json.dumps(
            {k: v for k, v in dataclasses.asdict(each).items() if v is not None},
            ensure_ascii=False,
        )
        for each in preferences
    ]
    return write_text(path, "".join(f"{line}\n" for line in lines))


def _parse(line: bytes, place: str) -> Preference:
    try:
        values = json.loads(line.decode("utf-8"), parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        raise DataError(
            f"A JSON object was expected. Received: {place} ({error}). A line looks "
            f"like {_EXAMPLE}."
        ) from error
    known = [field.name for field in dataclasses.fields(Preference)]
    if not isinstance(values, dict):
        raise DataError(f"A JSON object was expected. Received: {place}.")
    unknown = [key for key in values if key not in known]
    if unknown:
        raise DataError(
            f"Some of {known} were expected. Received: {place} with {unknown}."
        )
    try:
        return Preference(**values)
    except (ValueError, TypeError) as error:
        raise DataError(f"{error} This is {place}.") from error


def _refuse_constant(text: str) -> Any:
    raise ValueError(f"{text} is no number of JSON")


def _is_time(value: Any) -> bool:
    try:
        datetime.datetime.fromisoformat(value)
    except (TypeError, ValueError):
        return False
    return True


def _require(good: bool, what: str, **value: Any) -> None:
    if not good:
        ((name, received),) = value.items()
        raise ValueError(
            f"{what[0].upper()}{what[1:]} was expected. Received: {name}={received!r}."
        )
