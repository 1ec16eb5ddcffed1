"""Tensors of GPT-2 and Llama by name, and the variables of a decoder they fill."""

import dataclasses
import re
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import keras
import numpy as np

from tfgenai.core.errors import CheckpointError
from tfgenai.gpt.tensor_files import TensorFiles
from tfgenai.layers import TransformerDecoder

_SHOWN = 4


@dataclasses.dataclass(frozen=True)
class Placement:
    """Where one tensor goes.

    Args:
        name: of the tensor, without the prefix that some files have.
        variables: what it fills, side by side along the last axis.
        is_transposed: whether the file has the axes in the other order.
        num_rows: rows in the file, where the variable may have fewer; None for as many.
    """

    name: str
    variables: Sequence[keras.Variable]
    is_transposed: bool = False
    num_rows: int | None = None

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape that the tensor must have."""
        shape = list(self.variables[0].shape)
        shape[-1] = sum(each.shape[-1] for each in self.variables)
        if self.num_rows is not None:
            shape[0] = self.num_rows
        return tuple(reversed(shape) if self.is_transposed else shape)

    def assign(self, values: np.ndarray) -> None:
        """Fills the variables.

        Args:
            values: float32 of the right shape.
        """
        values = values.T if self.is_transposed else values
        ends = np.cumsum([each.shape[-1] for each in self.variables])[:-1]
        parts = np.split(values, ends, axis=-1)
        for variable, part in zip(self.variables, parts, strict=True):
            variable.assign(part[: variable.shape[0]])


@dataclasses.dataclass(frozen=True)
class Layout:
    """How one kind of model names its tensors.

    Args:
        prefix: of all names but that of the output's, in files of whole models.
        embedding: name of the input embeddings.
        ignored: matches names of what is no weight: masks and wavelengths.
        placements: takes the decoder and the number of its positions in the file.
    """

    prefix: str
    embedding: str
    ignored: re.Pattern[str]
    placements: Callable[[TransformerDecoder, int], Iterator[Placement]]


_OUTPUT = "lm_head.weight"


def load_weights(
    decoder: TransformerDecoder, tensors: TensorFiles, kind: str, *, num_positions: int
) -> None:
    """Fills a decoder with the tensors of a file, one after another.

    Args:
        decoder: made from the config beside them.
        tensors: the opened files.
        kind: `"gpt2"` or `"llama"`.
        num_positions: positions that the config says the file has.

    Raises:
        CheckpointError: if tensors are missing, left over, of another shape or no
            floats; they are named.
    """
    layout = LAYOUTS[kind]
    found = _without_prefix(tensors, layout)
    wanted = {each.name: each for each in layout.placements(decoder, num_positions)}
    if not decoder.tie_weights:
        wanted[_OUTPUT] = Placement(_OUTPUT, [decoder.output_kernel])
    elif _OUTPUT in found:
        _check_tied(tensors, found.pop(_OUTPUT), found.get(layout.embedding))
    _check_names(wanted.keys() - found.keys(), "without {} of the model's config")
    _check_names(
        found.keys() - wanted.keys(), "with {}, which the model has no use for"
    )
    for name, placement in wanted.items():
        if tensors.shape(found[name]) != placement.shape:
            raise CheckpointError(
                f"Tensors as config.json describes them were expected: {name!r} of "
                f"shape {placement.shape}. Received: shape "
                f"{tensors.shape(found[name])}. Restore config.json and weights from "
                "one source."
            )
    for name, placement in wanted.items():
        placement.assign(tensors.read(found[name]))


def _without_prefix(tensors: TensorFiles, layout: Layout) -> dict[str, str]:
    """Names in the file by names without a prefix."""
    found: dict[str, str] = {}
    for name in tensors.names:
        short = name.removeprefix(layout.prefix)
        if layout.ignored.fullmatch(short):
            continue
        if short in found:
            raise CheckpointError(
                f"Each tensor once was expected. Received: {name!r} and "
                f"{found[short]!r}. Restore the file."
            )
        found[short] = name
    return found


def _check_tied(tensors: TensorFiles, output: str, embedding: str | None) -> None:
    """Some files repeat tied embeddings; what is repeated must be the same."""
    if embedding is None or not np.array_equal(
        tensors.read(output), tensors.read(embedding)
    ):
        raise CheckpointError(
            "Output embeddings equal to the input's were expected, because config.json "
            f"says tie_word_embeddings=true. Received: another {output!r}. Set it to "
            "false where the model was trained untied."
        )


def _check_names(names: Any, received: str) -> None:
    if not names:
        return
    shown = ", ".join(sorted(names)[:_SHOWN])
    if len(names) > _SHOWN:
        shown += f" and {len(names) - _SHOWN} more"
    raise CheckpointError(
        "Exactly the tensors that config.json asks for were expected. Received: files "
        f"{received.format(shown)}. Restore config.json and weights from one source."
    )


def _gpt2(decoder: TransformerDecoder, num_positions: int) -> Iterator[Placement]:
    yield Placement("wte.weight", [decoder.token_embedding])
    yield Placement("wpe.weight", [decoder.position_table], num_rows=num_positions)
    for i, block in enumerate(decoder.blocks):
        attention, feed_forward = block.attention, block.feed_forward
        fused = (attention.query, attention.key, attention.value)
        yield from _layer_norm(f"h.{i}.ln_1", block.attention_norm)
        # Kernels are (in, out) here, unlike everywhere else in PyTorch.
        for name, linears in {
            "attn.c_attn": fused,
            "attn.c_proj": (attention.projection,),
            "mlp.c_fc": (feed_forward.expand,),
            "mlp.c_proj": (feed_forward.contract,),
        }.items():
            yield Placement(f"h.{i}.{name}.weight", [each.kernel for each in linears])
            yield Placement(f"h.{i}.{name}.bias", [each.bias for each in linears])
        yield from _layer_norm(f"h.{i}.ln_2", block.feed_forward_norm)
    yield from _layer_norm("ln_f", decoder.final_norm)


def _layer_norm(name: str, norm: keras.layers.Layer) -> Iterator[Placement]:
    yield Placement(f"{name}.weight", [norm.gamma])
    yield Placement(f"{name}.bias", [norm.beta])


def _llama(decoder: TransformerDecoder, _: int) -> Iterator[Placement]:
    yield Placement("embed_tokens.weight", [decoder.token_embedding])
    for i, block in enumerate(decoder.blocks):
        attention, feed_forward, at = block.attention, block.feed_forward, f"layers.{i}"
        yield Placement(f"{at}.input_layernorm.weight", [block.attention_norm.scale])
        for name, linear in {
            "self_attn.q_proj": attention.query,
            "self_attn.k_proj": attention.key,
            "self_attn.v_proj": attention.value,
            "self_attn.o_proj": attention.projection,
            "mlp.gate_proj": feed_forward.gate,
            "mlp.up_proj": feed_forward.expand,
            "mlp.down_proj": feed_forward.contract,
        }.items():
            yield Placement(f"{at}.{name}.weight", [linear.kernel], is_transposed=True)
            if decoder.use_bias:
                yield Placement(f"{at}.{name}.bias", [linear.bias])
        yield Placement(
            f"{at}.post_attention_layernorm.weight", [block.feed_forward_norm.scale]
        )
    yield Placement("norm.weight", [decoder.final_norm.scale])


LAYOUTS = {
    "gpt2": Layout(
        "transformer.",
        "wte.weight",
        re.compile(r"h\.\d+\.attn\.(masked_)?bias"),
        _gpt2,
    ),
    "llama": Layout(
        "model.",
        "embed_tokens.weight",
        re.compile(r"(layers\.\d+\.self_attn\.)?rotary_emb\.inv_freq"),
        _llama,
    ),
}
