"""Conversations: who said what, checked, and the files that they are read from."""

import dataclasses
import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from tfgenai.core.errors import DataError
from tfgenai.core.registry import unknown_name
from tfgenai.core.storage import PathLike

ROLES = ("system", "user", "assistant")

_EXAMPLE = '{"prompt": "2+2=", "completion": "4"}'


class Message(NamedTuple):
    """What one side said.

    Args:
        role: `"system"`, `"user"` or `"assistant"`.
        content: the words.
    """

    role: str
    content: str


@dataclasses.dataclass(frozen=True)
class Conversation:
    """Messages to learn from: questions, each with its answer.

    Args:
        messages: a system's message or none, then a user's and an assistant's in turn;
            `Message`s, or mappings with `role` and `content`.
        place: where it comes from, for the messages of errors.

    Raises:
        ValueError: if a message is empty, of another role, or not in its place.
        TypeError: if one is no message.

    Example:
        >>> asked = {"role": "user", "content": "2+2="}
        >>> Conversation([asked, Message("assistant", "4")]).messages[1].content
        '4'
    """

    messages: Sequence[Any]
    place: str = "a conversation"

    def __post_init__(self) -> None:
        messages = to_messages(self.messages)
        require_last(messages, "assistant")
        object.__setattr__(self, "messages", messages)


def read_conversations(path: PathLike) -> list[Conversation]:
    """Reads a file of conversations, one JSON object a line, each of one of the forms.

    - `{"messages": [{"role": "user", "content": ...}, ...]}`;
    - `{"prompt": ..., "completion": ...}`;
    - `{"instruction": ..., "input": ..., "output": ...}`, as in Taori et al. 2023,
      "Stanford Alpaca"; the user says the instruction, then after an empty line the
      input, which may be missing or empty.

    Args:
        path: a `.jsonl` file in UTF-8; empty lines are passed over.

    Returns:
        The conversations, in the order of the file; not empty.

    Raises:
        DataError: if the file is missing or empty, or a line is none; it is named.
    """
    name = os.fspath(path)
    try:
        data = Path(path).read_bytes()
    except OSError as error:
        raise DataError(
            f"A file of conversations was expected. Received: path={name!r} ({error})."
        ) from error
    found = [
        _parse(line, f"{name}, line {number}")
        for number, line in enumerate(data.split(b"\n"), 1)
        if line.strip()
    ]
    if not found:
        raise DataError(
            f"At least one conversation was expected. Received: path={name!r}, which "
            f"has none. A line looks like {_EXAMPLE}."
        )
    return found


def to_messages(messages: Any) -> tuple[Message, ...]:
    """Checks messages and the order of their roles.

    Args:
        messages: `Message`s, or mappings with `role` and `content`.

    Raises:
        ValueError: if one is empty, of another role, or not in its place.
        TypeError: if one is no message.
    """
    if not isinstance(messages, (list, tuple)):
        raise TypeError(f"A list of messages was expected. Received: {messages=}.")
    checked = tuple(
        _to_message(message, f"message {number}")
        for number, message in enumerate(messages, 1)
    )
    turns = checked[1:] if checked and checked[0].role == "system" else checked
    for number, message in enumerate(turns):
        role = ("user", "assistant")[number % 2]
        if message.role != role:
            place = len(checked) - len(turns) + number + 1
            raise ValueError(
                "A user and an assistant in turn were expected, behind a system's "
                f"message or none. Received: message {place} of "
                f"role={message.role!r} where {role!r} was expected."
            )
    return checked


def require_last(messages: Sequence[Message], role: str) -> None:
    """Refuses messages that do not end with one of the role.

    Raises:
        ValueError: if they do not.
    """
    if not messages or messages[-1].role != role:
        last = messages[-1].role if messages else None
        raise ValueError(
            f"Messages that end with one of role {role!r} were expected. Received: "
            f"{len(messages)} messages, the last of role={last!r}."
        )


def _to_message(value: Any, place: str) -> Message:
    if not isinstance(value, Message):
        if not isinstance(value, Mapping):
            raise TypeError(
                "A mapping with role and content was expected. Received: "
                f"{place}={value!r}."
            )
        _require_keys(value, ("role", "content"), place)
        value = Message(value["role"], value["content"])
    if value.role not in ROLES:
        words = unknown_name("role", value.role, list(ROLES))
        raise ValueError(f"{words} This is {place}.")
    if not isinstance(value.content, str) or not value.content.strip():
        raise ValueError(
            "A text that is not empty was expected. Received: content="
            f"{value.content!r} in {place} of role {value.role!r}."
        )
    return value


def _parse(line: bytes, place: str) -> Conversation:
    try:
        values = json.loads(line.decode("utf-8-sig"))
    except (ValueError, RecursionError) as error:
        raise DataError(
            f"A JSON object was expected. Received: {place} ({error}). A line looks "
            f"like {_EXAMPLE}."
        ) from error
    if not isinstance(values, dict):
        raise DataError(f"A JSON object was expected. Received: {place}.")
    try:
        return Conversation(_messages_of(values), place)
    except (ValueError, TypeError) as error:
        raise DataError(f"{error} This is {place}.") from error


def _messages_of(values: dict[str, Any]) -> Any:
    if "messages" in values:
        _require_keys(values, ("messages",), "an object")
        return values["messages"]
    if "instruction" in values:
        values = {"input": "", **values}
        _require_keys(values, ("instruction", "input", "output"), "an object")
        asked, answer = values["instruction"], values["output"]
        if not isinstance(asked, str) or not isinstance(values["input"], str):
            raise ValueError(
                "Texts were expected. Received: instruction="
                f"{asked!r}, input={values['input']!r}."
            )
        if values["input"]:
            asked = f"{asked}\n\n{values['input']}"
    else:
        _require_keys(values, ("prompt", "completion"), "an object")
        asked, answer = values["prompt"], values["completion"]
    return [Message("user", asked), Message("assistant", answer)]


def _require_keys(values: Mapping[str, Any], keys: Sequence[str], place: str) -> None:
    if set(values) != set(keys):
        raise ValueError(
            f"The keys {list(keys)} were expected. Received: {place} with "
            f"{list(values)}."
        )
