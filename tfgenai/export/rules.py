"""The export rules: what a SavedModel may hold so that a stock server can serve it."""

import dataclasses
import re
from collections.abc import Iterable, Iterator

from tfgenai.core.storage import PathLike
from tfgenai.export.graph import (
    Field,
    Node,
    ServedGraph,
    folder_bytes,
)
from tfgenai.export.ops import denied_reason

DEFAULT_SIGNATURE = "serving_default"
ERROR_OUTPUT = "error"
SEED_INPUT = "seed"

# Stored bytes over the bytes that the signatures read.
MAX_WEIGHT_RATIO = 1.05
# What warm-up records, card and vocabularies may take besides, and each signature's
# graph: that of a transformer with a loop, its tokenizer included, takes half of it.
MAX_OVERHEAD_BYTES = 2 * 2**20
MAX_SIGNATURE_BYTES = 3 * 2**18

WIRE_DTYPES = frozenset(
    ["bool", "float32", "float64", "int8", "int32", "int64", "string", "uint8"]
)

_SNAKE_CASE = re.compile(r"[a-z][a-z0-9]*(_[a-z0-9]+)*")
# What TensorFlow and Keras call things that nobody named.
_UNNAMED = re.compile(r"(output|input|inputs|args|arg|kwargs|identity)(_\d+)?")


@dataclasses.dataclass(frozen=True)
class Violation:
    """One place where an export breaks a rule.

    Args:
        rule: short name of the rule, for example `"stateful_op"`.
        where: signature, field or node.
        reason: what is wrong there and what would be right.
    """

    rule: str
    where: str
    reason: str

    def __str__(self) -> str:
        return f"{self.rule}: {self.where}: {self.reason}"


def check(export: PathLike | ServedGraph) -> list[Violation]:
    """Holds one version folder against every rule that its files can show.

    Args:
        export: `<path>/<version>/`, the folder that is about to become it, or its
            graph where that is read already.

    Returns:
        What is wrong, in order of the signatures; empty when all is well.

    Raises:
        ExportError: if a file of the SavedModel is missing or torn.
    """
    graph = export if isinstance(export, ServedGraph) else ServedGraph(export)
    violations = [*_check_signatures(graph), *_check_size(graph)]
    for name in graph.signatures:
        violations += _check_nodes(name, graph.nodes(name))
    return list(dict.fromkeys(violations))


def _check_signatures(graph: ServedGraph) -> Iterator[Violation]:
    signatures = graph.signatures
    if DEFAULT_SIGNATURE not in signatures or len(signatures) < 2:
        yield Violation(
            "signatures",
            DEFAULT_SIGNATURE,
            "the main verb under its own name and as 'serving_default' was expected; "
            f"there are {sorted(signatures)}",
        )
    elif all(
        not _same_fields(graph, DEFAULT_SIGNATURE, name)
        for name in signatures
        if name != DEFAULT_SIGNATURE
    ):
        yield Violation(
            "signatures",
            DEFAULT_SIGNATURE,
            "it must be one of the named signatures under a second name",
        )
    for name, signature in signatures.items():
        yield from _check_name(name, "signature", name)
        for side, fields in (("in", signature.inputs), ("out", signature.outputs)):
            if not fields:
                yield Violation("signatures", name, f"it has nothing {side}put")
            for field in fields.values():
                where = f"{name}.{side}puts[{field.name!r}]"
                yield from _check_name(field.name, f"{side}put", where)
                yield from _check_field(field, side, where)
        yield from _check_required(name, signature.inputs, signature.outputs)


def _check_name(name: str, kind: str, where: str) -> Iterator[Violation]:
    if not _SNAKE_CASE.fullmatch(name):
        yield Violation("name", where, f"a lower snake case {kind} name was expected")
    elif kind != "signature" and _UNNAMED.fullmatch(name):
        yield Violation(
            "name", where, f"a name that says what the {kind} is was expected"
        )


def _check_field(field: Field, side: str, where: str) -> Iterator[Violation]:
    if field.dtype not in WIRE_DTYPES:
        yield Violation(
            "dtype",
            where,
            f"{field.dtype} does not survive every client; use one of "
            f"{sorted(WIRE_DTYPES)}",
        )
    if field.dtype == "composite":
        return
    if field.shape is None or not field.shape or field.shape[0] is not None:
        yield Violation(
            "batch_axis",
            where,
            "a first axis of unknown size, the batch, was expected; "
            f"the shape is {field.shape}",
        )
    elif side == "out" and None in field.shape[1:]:
        yield Violation(
            "fixed_width",
            where,
            "an output of fixed width (and a count) was expected, because a width "
            f"that depends on the data mixes rows; the shape is {field.shape}",
        )


def _check_required(
    name: str, inputs: dict[str, Field], outputs: dict[str, Field]
) -> Iterator[Violation]:
    error = outputs.get(ERROR_OUTPUT)
    if error is None or error.dtype != "string" or len(error.shape or ()) != 1:
        yield Violation(
            "error_output",
            name,
            "an output 'error', string (batch,), empty for good rows, was expected",
        )
    if name.startswith("generate"):
        seed = inputs.get(SEED_INPUT)
        if seed is None or seed.dtype != "int64" or len(seed.shape or ()) != 1:
            yield Violation(
                "seed_input", name, "an input 'seed', int64 (batch,), was expected"
            )


def _check_nodes(signature: str, nodes: Iterable[Node]) -> Iterator[Violation]:
    for node in nodes:
        where = f"{signature}: {node.op} {node.where}"
        # The nodes of a function that is called by its name are linted themselves.
        reason = None if node.is_call else denied_reason(node.op)
        if reason is not None:
            yield Violation("op", where, reason)
        if node.must_compile:
            yield Violation(
                "jit_compile",
                where,
                "a stock server refuses jit_compile=True; export the plain function",
            )
        if re.search(r"[GT]PU", node.device, re.IGNORECASE):
            yield Violation(
                "device",
                where,
                f"it is pinned to {node.device}, which a server may lack",
            )


def _check_size(graph: ServedGraph) -> Iterator[Violation]:
    needed = graph.needed_weight_bytes()
    stored = sum(value.nbytes for value in graph.weights.values())
    if stored > MAX_WEIGHT_RATIO * needed:
        yield Violation(
            "size",
            "variables",
            f"{stored} bytes of weights are stored, the signatures read {needed}; "
            "track only the variables that they use, each once",
        )
    total = folder_bytes(graph.folder)
    overhead = MAX_OVERHEAD_BYTES + MAX_SIGNATURE_BYTES * len(graph.signatures)
    if total > MAX_WEIGHT_RATIO * needed + overhead:
        yield Violation(
            "size",
            str(graph.folder.name),
            f"{total} bytes in all for {needed} of weights; weights must be variables, "
            "not constants of the graph",
        )


def _same_fields(graph: ServedGraph, one: str, other: str) -> bool:
    def described(name: str) -> list[list[tuple[str, str, object]]]:
        signature = graph.signatures[name]
        return [
            [(field.name, field.dtype, field.shape) for field in fields.values()]
            for fields in (signature.inputs, signature.outputs)
        ]

    return described(one) == described(other)
