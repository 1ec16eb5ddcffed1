"""The file of preferences: which of two answers somebody liked better, and how much.

One JSON object a line. It is the format in which feedback and ratings are exported:

    {"prompt": "2+2=", "chosen": "4", "rejected": "5"}
    {"prompt": "2+2=", "completion": "4", "label": true}

The second is an answer that was judged alone, liked or not. `condition` may stand in
place of `prompt`; `seed`, `weight`, `rater` and `time` may be there, see `Preference`.
"""

import dataclasses
import datetime
import json
import os
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from tfgenai.core.errors import DataError
from tfgenai.core.storage import PathLike, write_text

_EXAMPLE = '{"prompt": "2+2=", "chosen": "4", "rejected": "5"}'
_EXAMPLE_SINGLE = '{"prompt": "2+2=", "completion": "4", "label": true}'
_PAIR = ("chosen", "rejected")
_SINGLE = ("completion", "label")
_ASIDE = ("prompt", "condition", "seed", "weight", "rater", "time")
_KEYS = (*_ASIDE, *_PAIR, *_SINGLE)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Preference:
    """One judgement of two answers to the same request.

    Args:
        prompt: what was asked for in words, or None.
        condition: what was asked for otherwise, such as `{"labels": 3}`, or None. One
            of the two must be there.
        seed: seed that the answers were drawn with, or None.
        chosen: the better answer, or one that was liked: a text; of an image its file's
            path, or a PNG in base64.
        rejected: the other, or one that was not liked; not the same. One of the two
            may be missing.
        weight: how much it counts; positive.
        rater: who judged, or None.
        time: when, as ISO 8601, or None.
        place: file and line that it was read from, for messages; not compared.

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
    place: str | None = dataclasses.field(default=None, compare=False, repr=False)

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
            _require(_is_text(self.prompt), "a text", prompt=self.prompt)
        else:
            is_object = isinstance(self.condition, Mapping)
            _require(is_object, "an object", condition=self.condition)
        for name in ("chosen", "rejected"):
            value = getattr(self, name)
            good = value is None or (_is_text(value) and value != "")
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
        good = is_number and 0 < self.weight <= sys.float_info.max
        _require(good, "a positive number", weight=self.weight)
        if self.seed is not None:
            is_whole = isinstance(self.seed, int) and not isinstance(self.seed, bool)
            good = is_whole and 0 <= self.seed < 2**63
            _require(good, "a whole number in [0, 2**63)", seed=self.seed)
        if self.rater is not None:
            _require(_is_text(self.rater), "a text", rater=self.rater)
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

    Raises:
        ValueError: if a condition holds a number that JSON has not.
    """
    lines = [
        json.dumps(_to_line(each), ensure_ascii=False, allow_nan=False)
        for each in preferences
    ]
    return write_text(path, "".join(f"{line}\n" for line in lines))


def _to_line(preference: Preference) -> dict[str, Any]:
    values = {
        key: value
        for key, value in dataclasses.asdict(preference).items()
        if value is not None and key != "place"
    }
    if not preference.is_pair:
        values["label"] = "chosen" in values
        values["completion"] = values.pop("chosen" if values["label"] else "rejected")
    return values


def _parse(line: bytes, place: str) -> Preference:
    try:
        values = json.loads(line.decode("utf-8"), parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        raise DataError(
            f"A JSON object was expected. Received: {place} ({error}). A line looks "
            f"like {_EXAMPLE}."
        ) from error
    if not isinstance(values, dict):
        raise DataError(f"A JSON object was expected. Received: {place}.")
    unknown = [key for key in values if key not in _KEYS]
    if unknown:
        raise DataError(
            f"Some of {list(_KEYS)} were expected. Received: {place} with {unknown}."
        )
    answers = {key for key in values if key in _PAIR or key in _SINGLE}
    if answers not in (set(_PAIR), set(_SINGLE)):
        raise DataError(
            f"Either {' and '.join(_PAIR)} or {' and '.join(_SINGLE)} were expected. "
            f"Received: {place} with {sorted(answers)}. An answer that was judged "
            f"alone looks like {_EXAMPLE_SINGLE}."
        )
    try:
        if "label" in values:
            values = _of_single(**values)
        elif None in (values["chosen"], values["rejected"]):
            raise ValueError("Two answers were expected. Received: null for one.")
        return Preference(**values, place=place)
    except (ValueError, TypeError) as error:
        raise DataError(f"{error} This is {place}.") from error


def _of_single(completion: Any, label: Any, **others: Any) -> dict[str, Any]:
    good = _is_text(completion) and completion != ""
    _require(good, "a text that is not empty", completion=completion)
    _require(isinstance(label, bool), "true or false", label=label)
    return {**others, "chosen" if label else "rejected": completion}


def _refuse_constant(text: str) -> Any:
    raise ValueError(f"{text} is no number of JSON")


def _is_text(value: Any) -> bool:
    """Half of a surrogate pair, which JSON can spell, is no text."""
    if not isinstance(value, str):
        return False
    try:
        value.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


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
