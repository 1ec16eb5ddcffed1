"""Loops over a served model: samples step by step, texts piece by piece."""

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from tfgenai.serving.client_inputs import GENERATE, check_names, to_rows

if TYPE_CHECKING:
    from tfgenai.serving.client_types import ModelMetadata, SignatureInfo

_STEP = "denoise_step"
_CHUNK = "decode_chunk"
_TOKENIZE = "tokenize"
# What a loop passes on by itself.
_STEP_CARRIES = {"step", "state"}
_CHUNK_CARRIES = {"tokens", "num_tokens", "num_written"}


class Loops:
    """The part of `Client` that calls a signature again and again.

    The state travels with each request, so that it does not matter which replica
    answers.
    """

    metadata: "Callable[..., ModelMetadata]"
    _run: Callable[..., dict[str, np.ndarray]]

    def generate_progressively(
        self, *, timeout: float | None = None, **inputs: Any
    ) -> Iterator[dict[str, np.ndarray]]:
        """Generates one sample a row, and shows them after each step.

        For models that sample in steps and serve `denoise_step`. Rows of fewer steps
        stand still at the end; the last of what is yielded is what `generate` answers.

        Args:
            timeout: seconds to wait at most for each step; None for the client's.
            **inputs: values by name, as `generate` takes them.

        Returns:
            An iterator of arrays by name, such as `{"images": ...}`.

        Raises:
            RowError: if the model refuses rows; it holds their numbers.
            ServingError: if the server refuses or fails.
            ValueError: if the model has no such signature, or an input is unknown,
                missing or does not fit.
            TypeError: if an input is of another kind.
        """
        metadata = self.metadata(timeout=timeout)
        step = metadata.signature(_STEP)
        basic = metadata.signature(GENERATE)
        check_names(inputs, step.inputs.keys() - _STEP_CARRIES, basic.inputs)
        arrays = to_rows(step, inputs)
        return self._steps(arrays, timeout)

    def stream(
        self,
        prompts: Any,
        *,
        seed: Any = 0,
        timeout: float | None = None,
        **inputs: Any,
    ) -> Iterator[list[str]]:
        """Writes texts behind prompts, and shows them piece by piece.

        For language models, which serve `decode_chunk`. Together the pieces are what
        `generate` writes with the same seeds and knobs.

        Args:
            prompts: one text or several.
            seed: one seed a row, or one for all.
            timeout: seconds to wait at most for each piece; None for the client's.
            **inputs: knobs by name, as `generate` takes them, such as `temperature`.

        Returns:
            An iterator over lists of new text, one piece a row; pieces are empty for
            rows that have ended, or that wait for the rest of a character.

        Raises:
            RowError: if the model refuses rows; it holds their numbers.
            ServingError: if the server refuses or fails.
            ValueError: if the model has no such signature, or an input is unknown,
                missing or does not fit.
            TypeError: if an input is of another kind.

        Example:
            ```python
            for (piece,) in client.stream("ROMEO:", seed=1, max_new_tokens=200):
                print(piece, end="", flush=True)
            ```
        """
        metadata = self.metadata(timeout=timeout)
        chunk = metadata.signature(_CHUNK)
        texts = _as_texts(prompts)
        if len(texts) == 1:
            texts *= _num_rows(chunk, {"seed": seed, **inputs})
        check_names(inputs, chunk.inputs.keys() - _CHUNK_CARRIES, ())
        first = to_rows(metadata.signature(_TOKENIZE), {"prompts": texts})
        start = self._run(_TOKENIZE, first, False, timeout)
        state = {
            "tokens": start["tokens"],
            "num_tokens": start["num_tokens"],
            "num_written": np.zeros_like(start["num_tokens"]),
        }
        return self._pieces(
            texts, to_rows(chunk, {**inputs, **state, "seed": seed}), timeout
        )

    def _pieces(
        self,
        shown: list[str],
        inputs: dict[str, np.ndarray],
        timeout: float | None,
    ) -> Iterator[list[str]]:
        is_done = np.zeros(len(shown), bool)
        while not is_done.all():
            answer = self._run(_CHUNK, inputs, False, timeout)
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
            is_done = is_done | answer["is_done"]
            yield pieces

    def _steps(
        self, inputs: dict[str, np.ndarray], timeout: float | None
    ) -> Iterator[dict[str, np.ndarray]]:
        number, state = np.zeros_like(inputs["step"]), np.zeros_like(inputs["state"])
        is_done = False
        while not is_done:
            carried = {"step": number, "state": state}
            outputs = self._run(_STEP, inputs | carried, False, timeout)
            number, state = number + 1, outputs.pop("state")
            is_done = bool(outputs.pop("is_done").all())
            yield outputs


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
