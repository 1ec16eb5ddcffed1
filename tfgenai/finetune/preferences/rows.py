"""What a step compares: two answers to a request, or an answer and a stranger's."""

from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

from tfgenai.core.errors import DataError
from tfgenai.finetune.preferences.records import Preference


class Row(NamedTuple):
    """Two requests with answers: the better and the other, or for KTO a stranger's."""

    first: tuple[str, str]
    second: tuple[str, str]
    is_liked: bool
    weight: float
    place: str


def compared_rows(preferences: Sequence[Preference], method: str) -> list[Row]:
    """The rows of a method: pairs, or for `"kto"` each answer by itself.

    Args:
        preferences: what was judged, with prompts.
        method: `"dpo"`, `"ipo"` or `"kto"`.

    Raises:
        DataError: if there are none, or one has no prompt or is no pair; it is named.
    """
    if not preferences:
        raise DataError("Preferences were expected. Received: none.")
    places = [
        each.place or f"preference {number}"
        for number, each in enumerate(preferences, 1)
    ]
    for each, place in zip(preferences, places, strict=True):
        if each.prompt is None:
            raise DataError(
                f"A prompt was expected. Received: {place} with condition="
                f"{each.condition!r}. For images see tfgenai.finetune.images."
                "DiffusionDPO."
            )
        if not (each.is_pair or method == "kto"):
            raise DataError(
                f"Two answers were expected. Received: {place} with chosen="
                f"{each.chosen!r}, rejected={each.rejected!r}. Single answers need "
                "method='kto'."
            )
    if method == "kto":
        return _single_rows(preferences, places)
    return [
        Row(
            (str(each.prompt), str(each.chosen)),
            (str(each.prompt), str(each.rejected)),
            True,
            each.weight,
            place,
        )
        for each, place in zip(preferences, places, strict=True)
    ]


def _single_rows(preferences: Sequence[Preference], places: Sequence[str]) -> list[Row]:
    single = [
        (str(each.prompt), answer, is_liked, each.weight, place)
        for each, place in zip(preferences, places, strict=True)
        for answer, is_liked in ((each.chosen, True), (each.rejected, False))
        if answer is not None
    ]
    strangers = _strangers([prompt for prompt, *_ in single])
    return [
        Row((prompt, answer), (prompt, single[stranger][1]), is_liked, weight, place)
        for (prompt, answer, is_liked, weight, place), stranger in zip(
            single, strangers, strict=True
        )
    ]


def _strangers(requests: Sequence[str]) -> list[int]:
    """For each answer one to another request, as far as there are enough others.

    Ethayarajh et al. 2024, section 4.1, estimate the divergence from the reference by
    answers to other requests.
    """
    order = sorted(range(len(requests)), key=lambda i: requests[i])
    # Answers to one request are neighbours in this order: so far on is another's.
    most = max(Counter(requests).values())
    strangers = [0] * len(requests)
    for place, i in enumerate(order):
        strangers[i] = order[(place + most) % len(order)]
    return strangers
