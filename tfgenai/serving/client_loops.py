"""Loops over a served model: samples step by step, texts piece by piece."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

import numpy as np

from tfgenai.serving.client_calls import Talk
from tfgenai.serving.client_inputs import GENERATE, check_names, to_rows

if TYPE_CHECKING:
    from tfgenai.serving.client_types import ModelMetadata, SignatureInfo

_STEP = "denoise_step"
_CHUNK = "decode_chunk"
_TOKENIZE = "tokenize"
# What a loop passes on by itself.
_STEP_CARRIES = {"step", "state"}
_CHUNK_CARRIES = {"tokens", "num_tokens", "num_written"}

T_co = TypeVar("T_co", covariant=True)

Run = Callable[[str, dict[str, np.ndarray], bool], Talk[dict[str, np.ndarray]]]


class Loop(Protocol[T_co]):
    """A signature that is called again and again.

    Its state travels with each request, so that it does not matter which replica
    answers.
    """

    is_over: bool

    def talk(self) -> Talk[T_co]:
        """Asks for what comes next."""


class Loops:
    """The part of a client that begins loops."""

    _talk_metadata: "Callable[[], Talk[ModelMetadata]]"
    _run: Run

    def _talk_steps(self, inputs: dict[str, Any]) -> "Talk[_Steps]":
        metadata = yield from self._talk_metadata()
        step = metadata.signature(_STEP)
        basic = metadata.signature(GENERATE)
        check_names(inputs, step.inputs.keys() - _STEP_CARRIES, basic.inputs)
        return _Steps(self._run, to_rows(step, inputs))

    def _talk_stream(
        self, prompts: Any, seed: Any, inputs: dict[str, Any]
    ) -> "Talk[_Pieces]":
        metadata = yield from self._talk_metadata()
        chunk = metadata.signature(_CHUNK)
        texts = _as_texts(prompts)
        if len(texts) == 1:
            texts *= _num_rows(chunk, {"seed": seed, **inputs})
        check_names(inputs, chunk.inputs.keys() - _CHUNK_CARRIES, ())
        first = to_rows(metadata.signature(_TOKENIZE), {"prompts": texts})
        start = yield from self._run(_TOKENIZE, first, False)
        state = {
            "tokens": start["tokens"],
            "num_tokens": start["num_tokens"],
            "num_written": np.zeros_like(start["num_tokens"]),
        }
        rows = to_rows(chunk, {**inputs, **state, "seed": seed})
        return _Pieces(self._run, texts, rows)


class _Steps:
    """Samples after one step, after two and so on."""

    def __init__(self, run: Run, inputs: dict[str, np.ndarray]) -> None:
        self._run = run
        self._inputs = inputs
        self._number = np.zeros_like(inputs["step"])
        self._state = np.zeros_like(inputs["state"])
        self.is_over = False

    def talk(self) -> Talk[dict[str, np.ndarray]]:
        carried = {"step": self._number, "state": self._state}
        outputs = yield from self._run(_STEP, self._inputs | carried, False)
        self._number, self._state = self._number + 1, outputs.pop("state")
        self.is_over = bool(outputs.pop("is_done").all())
        return outputs


class _Pieces:
    """New text behind prompts, piece by piece."""

    def __init__(
        self, run: Run, shown: list[str], inputs: dict[str, np.ndarray]
    ) -> None:
        self._run = run
        self._shown = shown
        self._inputs = inputs
        self._is_done = np.zeros(len(shown), bool)
        self.is_over = not shown

    def talk(self) -> Talk[list[str]]:
        inputs, shown, is_done = self._inputs, self._shown, self._is_done
        answer = yield from self._run(_CHUNK, inputs, False)
        count = np.where(is_done, 0, answer["num_new_tokens"])
        ends = answer["is_done"] & ~is_done
        pieces = []
        for row, text in enumerate(answer["texts"].tolist()):
            length = int(inputs["num_tokens"][row])
            new = answer["new_tokens"][row, : count[row]]
            inputs["tokens"][row, length : length + count[row]] = new
            # The last character may be a part of one.
            whole = text if ends[row] else text.rstrip("\ufffd")
            fresh = not is_done[row] and len(whole) > len(shown[row])
            pieces.append(whole[len(shown[row]) :] if fresh else "")
            shown[row] += pieces[-1]
        inputs["num_tokens"] = inputs["num_tokens"] + count
        inputs["num_written"] = inputs["num_written"] + count
        self._is_done = is_done | answer["is_done"]
        self.is_over = bool(self._is_done.all())
        return pieces


def _num_rows(signature: "SignatureInfo", given: dict[str, Any]) -> int:
    """How many rows are given values of their own; 1 where all are for all rows."""
    sizes = [
        len(value)
        for name, value in given.items()
        if name in signature.inputs and np.ndim(value) == signature.inputs[name].rank
    ]
    return max(sizes, default=1)


def _as_texts(prompts: Any) -> list[Any]:
    given = [prompts] if isinstance(prompts, str | bytes) else list(prompts)
    # What is no text is refused later, by its name.
    return [p.decode("utf-8") if isinstance(p, bytes) else p for p in given]
