"""ChatTemplate: how the messages of a conversation become one text, by marks alone."""

import dataclasses
import re
from collections.abc import Sequence
from typing import NamedTuple

from tfgenai.core.registry import Registry
from tfgenai.finetune.instructions.conversations import ROLES, Message, to_messages

Marks = tuple[str, str]


class Piece(NamedTuple):
    """A part of a conversation's text.

    Args:
        text: the part.
        is_answer: whether an assistant wrote it: its words and the mark of their end.
    """

    text: str
    is_answer: bool


@dataclasses.dataclass(frozen=True, kw_only=True)
class ChatTemplate:
    r"""What stands before and behind the words of each role; there is nothing else.

    A text can be read in one way only: what it was made of comes back from `parse`.
    Words that hold a mark are refused, so that nobody can speak in another's name. With
    byte pair encoding, marks are best to begin and end where a word does, as those of
    the presets: a text has the same tokens, whether it is cut there or not.

    Args:
        system: mark before and mark behind what a system says.
        user: the same of a user.
        assistant: the same of an assistant; the mark behind tells the end of an answer.

    Raises:
        ValueError: if a mark is blank before or empty behind, or begins with that of
            another role.

    Example:
        >>> template = get_template("chatml")
        >>> template.render([Message("user", "Hello")])
        '<|im_start|>user\nHello<|im_end|>\n<|im_start|>assistant\n'
    """

    system: Marks
    user: Marks
    assistant: Marks

    def __post_init__(self) -> None:
        for role in ROLES:
            before, behind = getattr(self, role)
            others = [getattr(self, other)[0] for other in ROLES if other != role]
            if not before.strip() or not behind or before.startswith(tuple(others)):
                raise ValueError(
                    "A mark before, with which no other begins, and one behind the "
                    f"words were expected. Received: {role}={(before, behind)!r}."
                )

    @property
    def generation_prompt(self) -> str:
        """What stands before an answer that is to be written."""
        return self.assistant[0]

    def render(self, messages: Sequence[Message]) -> str:
        """The text of messages; `generation_prompt` ends it where an answer is due.

        Args:
            messages: those of a conversation, or the beginning of one.

        Raises:
            ValueError: if a message holds a mark, or they are none; see `to_messages`.
        """
        return "".join(piece.text for piece in self.pieces(messages))

    def pieces(self, messages: Sequence[Message]) -> list[Piece]:
        """The text of messages in parts, what is asked and what is answered in turn.

        Raises:
            ValueError: see `render`.
        """
        messages = to_messages(messages)
        pieces, asked = [], ""
        for role, content in messages:
            before, behind = getattr(self, role)
            if role == "assistant":
                pieces += [Piece(asked + before, False), Piece(content + behind, True)]
                asked = ""
            else:
                asked += before + content + behind
        if asked:
            pieces.append(Piece(asked + self.generation_prompt, False))
        self._require_one_reading(messages, "".join(piece.text for piece in pieces))
        return pieces

    def parse(self, text: str) -> tuple[Message, ...]:
        """The messages that `render` made a text of.

        Raises:
            ValueError: if it made it of none.
        """
        messages, place = [], 0
        while place < len(text):
            begun = [r for r in ROLES if text.startswith(getattr(self, r)[0], place)]
            start = place + len(getattr(self, begun[0])[0]) if begun else place
            if begun == ["assistant"] and start == len(text):
                break  # the answer is due
            end = self._end(begun[0]).search(text, start) if begun else None
            if end is None:
                raise ValueError(
                    "A text of this template was expected. Received: "
                    f"{text[place : place + 60]!r} at character {place}."
                )
            messages.append(Message(begun[0], text[start : end.start()]))
            place = end.end()
        return tuple(messages)

    def cut_answer(self, text: str) -> str:
        """What a model wrote, up to where its answer ends."""
        end = self._end("assistant").search(text)
        return text[: end.start()] if end else text

    def _end(self, role: str) -> re.Pattern[str]:
        """Where words end: at a mark behind which there is nothing or a message."""
        begins = "|".join(re.escape(getattr(self, other)[0]) for other in ROLES)
        return re.compile(re.escape(getattr(self, role)[1]) + rf"(?=\Z|{begins})")

    def _require_one_reading(self, messages: Sequence[Message], text: str) -> None:
        marks = {m.strip() for role in ROLES for m in getattr(self, role)} - {""}
        for number, message in enumerate(messages, 1):
            for mark in sorted(marks):
                if mark in message.content:
                    raise ValueError(
                        "Words without the template's marks were expected. Received: "
                        f"message {number} with {mark!r}. Remove it, or use another "
                        "template."
                    )
        if self.parse(text) != messages:
            raise ValueError(
                "Messages that can be told apart were expected. Received: "
                f"{text[:60]!r}. Use a template with longer marks."
            )


TEMPLATES: Registry[ChatTemplate] = Registry("template")
TEMPLATES.register("plain")(
    ChatTemplate(
        system=("### System:\n", "\n"),
        user=("### User:\n", "\n"),
        assistant=("### Assistant:\n", "\n"),
    )
)
TEMPLATES.register("chatml")(
    ChatTemplate(
        system=("<|im_start|>system\n", "<|im_end|>\n"),
        user=("<|im_start|>user\n", "<|im_end|>\n"),
        assistant=("<|im_start|>assistant\n", "<|im_end|>\n"),
    )
)


def get_template(template: str | ChatTemplate) -> ChatTemplate:
    """The template of a name, `"plain"` or `"chatml"`, or the one that was given.

    Raises:
        ValueError: if there is none of that name.
        TypeError: if it is neither.
    """
    if isinstance(template, str):
        return TEMPLATES.get(template)
    if not isinstance(template, ChatTemplate):
        raise TypeError(
            f"A ChatTemplate or its name was expected. Received: {template=}. Give "
            "'plain' or 'chatml'."
        )
    return template
