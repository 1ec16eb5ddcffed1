"""What a text must match: a regular expression or a JSON schema, as an automaton."""

import abc
import dataclasses
import json
from collections.abc import Mapping, Sequence
from typing import Any

import keras
import numpy as np

from tfgenai.core.errors import ConfigError
from tfgenai.gpt.automaton import Automaton

_MAX_ENTRIES = 2**27  # int32 of a table before tokens are put into classes


class Constraint(abc.ABC):
    """What new text must match as a whole; the prompt is not looked at.

    The automaton is built by the library `outlines_core`, which is asked about the
    bytes of each token, so that a character may lie across tokens. A text ends where it
    matches and the model's end token comes; one that is cut off by `max_new_tokens` is
    the beginning of a match.
    """

    @abc.abstractmethod
    def pattern(self) -> str:
        """The regular expression that stands for it."""

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return dataclasses.asdict(self)  # type: ignore[call-overload]

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> "Constraint":
        """Makes the constraint from `get_config()`."""
        return cls(**config)

    def automaton(self, model: Any) -> Automaton:
        """The automaton over a model's tokens; its first state is 0.

        Args:
            model: a `GPT` with a tokenizer.

        Raises:
            ConfigError: if the expression makes no sense or no text of the model's
                tokens matches.
            ImportError: if `outlines_core` is not installed.
        """
        return build_automaton(
            self.pattern(), model.require_tokenizer("constraint"), name=repr(self)
        )


@keras.saving.register_keras_serializable("tfgenai")
@dataclasses.dataclass(frozen=True)
class Regex(Constraint):
    """Text that matches a regular expression in Rust's syntax, without look-around.

    Args:
        expression: the expression.

    Example:
        >>> Regex("[0-9]{4}").pattern()
        '[0-9]{4}'
    """

    expression: str

    def pattern(self) -> str:
        """The expression itself."""
        return self.expression


@keras.saving.register_keras_serializable("tfgenai")
@dataclasses.dataclass(frozen=True)
class JSONSchema(Constraint):
    """Text that is JSON of a schema.

    Args:
        schema: the schema as JSON text; `JSONSchema.of` takes a mapping.
    """

    schema: str

    @classmethod
    def of(cls, schema: Mapping[str, Any]) -> "JSONSchema":
        """Makes one of a schema as Python values."""
        return cls(json.dumps(schema))

    def pattern(self) -> str:
        """The expression that `outlines_core` makes of the schema.

        Raises:
            ConfigError: if it cannot.
        """
        try:
            return str(_library().json_schema.build_regex_from_schema(self.schema))
        except (TypeError, ValueError) as error:
            raise ConfigError(
                "A JSON schema that a regular expression can stand for was expected. "
                f"Received: schema={self.schema!r} ({error})."
            ) from error


def build_automaton(pattern: str, tokenizer: Any, *, name: str) -> Automaton:
    """The automaton of a regular expression over a tokenizer's tokens.

    Args:
        pattern: the expression.
        tokenizer: gives the bytes of each token and the end token.
        name: what the caller calls the expression, for the error.

    Raises:
        ConfigError: if it makes no sense, or no text of these tokens matches.
    """
    library = _library()
    tokens: dict[bytes, list[int]] = {}
    for token, piece in enumerate(tokenizer.token_bytes()):
        if piece:
            tokens.setdefault(piece, []).append(token)
    try:
        index = library.Index(pattern, library.Vocabulary(tokenizer.end_token, tokens))
    except ValueError as error:
        raise ConfigError(
            "An expression that texts of the model's tokens match was expected. "
            f"Received: {name} ({error})."
        ) from error
    transitions = index.get_transitions()
    names = [index.get_initial_state(), *sorted(transitions)]
    number = {state: i for i, state in enumerate(dict.fromkeys(names))}
    size = tokenizer.vocabulary_size
    if len(number) * size > _MAX_ENTRIES:
        raise ConfigError(
            f"An expression of at most {_MAX_ENTRIES // size} states was expected. "
            f"Received: {name} with {len(number)}. Use smaller repetition counts."
        )
    table = np.full((len(number), size), -1, np.int32)
    for state, following in transitions.items():
        table[number[state], list(following)] = [
            number[next_state] for next_state in following.values()
        ]
    return to_classes(table)


def to_classes(table: np.ndarray) -> Automaton:
    """Puts tokens that no state tells apart into one class.

    Args:
        table: int32 `(states, vocabulary_size)`.
    """
    columns, classes = np.unique(table, axis=1, return_inverse=True)
    return Automaton(columns.astype(np.int32), classes.reshape(-1).astype(np.int32))


def join(automata: Sequence[Automaton]) -> tuple[Automaton, list[int]]:
    """Several automata in one table.

    Args:
        automata: one or more, of one vocabulary.

    Returns:
        The table of all, and the first state of each.
    """
    starts = np.cumsum([0, *(len(each.transitions) for each in automata)])
    # Tokens are told apart if one of the automata does.
    keys = np.stack([each.classes for each in automata])
    groups, classes = np.unique(keys, axis=1, return_inverse=True)
    parts = []
    for start, each, column in zip(starts, automata, groups, strict=False):
        part = each.transitions[:, column]
        parts.append(np.where(part < 0, -1, part + start))
    joined = Automaton(
        np.concatenate(parts).astype(np.int32), classes.reshape(-1).astype(np.int32)
    )
    return joined, [int(start) for start in starts[:-1]]


def _library() -> Any:
    try:
        import outlines_core
    except ImportError as error:
        raise ImportError(
            "The package outlines_core was expected for constraints. Received: it is "
            "not installed. Run: pip install 'tfgenai[constraints]'"
        ) from error
    return outlines_core
