"""Which ops an export may hold: TensorFlow 2.20's own, less those that cannot serve."""

import functools
import re
from importlib import resources

# Stateful only by mark: they read, look up, or call what is linted itself.
_HARMLESS_STATE = frozenset(
    [
        "Case",
        "HashTableV2",
        "If",
        "LookupTableFindV2",
        "LookupTableSizeV2",
        "ReadVariableOp",
        "ResourceGather",
        "ResourceGatherNd",
        "StatefulPartitionedCall",
        "VarHandleOp",
        "VarIsInitializedOp",
        "VariableShape",
        "While",
    ]
)
_DENIED = {
    "it runs Python, which a server does not have": frozenset(
        ["EagerPyFunc", "PyFunc", "PyFuncStateless"]
    ),
    "a failed check fails every request merged into the batch; give the row a text "
    "in the output 'error'": frozenset(
        ["Abort", "Assert", "CheckNumerics", "CheckNumericsV2"]
    ),
    "its random algorithm depends on the device; draw through tfgenai.core.random": (
        frozenset(["StatelessRandomGetAlg", "StatelessRandomGetKeyCounterAlg"])
    ),
    "it merges or splits requests, which is the server's own work": frozenset(
        ["Batch", "BatchFunction", "Unbatch", "UnbatchGrad"]
    ),
    "it reads or writes files": frozenset(
        [
            "MatchingFiles",
            "MergeV2Checkpoints",
            "ReadFile",
            "Restore",
            "RestoreSlice",
            "RestoreV2",
            "Save",
            "SaveSlices",
            "SaveV2",
            "ShardedFilename",
            "ShardedFilespec",
            "WriteFile",
        ]
    ),
    "it copies tensors to a debugger": frozenset(
        [
            "Copy",
            "CopyHost",
            "DebugGradientIdentity",
            "DebugIdentity",
            "DebugNanCount",
            "DebugNumericSummary",
            "DebugNumericSummaryV2",
        ]
    ),
}
_RANDOM = re.compile(r"Random|Normal|Uniform|Multinomial|NonDeterministic|Rng|Sampler")
_WRITES = re.compile(
    r"^(Assign|Resource(Apply|Scatter|SparseApply|StridedSliceAssign))"
)
_ELSEWHERE = re.compile(r"Dataset|^TPU")


def denied_reason(op: str) -> str | None:
    """Why an op may not be in an export, or None if it may.

    Args:
        op: registered name of the op, for example `"RandomUniform"`.

    Example:
        >>> denied_reason("MatMul") is None
        True
        >>> denied_reason("RandomUniform")
        'it keeps random state; draw through tfgenai.core.random from the seeds'
    """
    for reason, ops in _DENIED.items():
        if op in ops:
            return reason
    if op not in stock_ops():
        return "it is not an op of stock TensorFlow 2.20"
    if _ELSEWHERE.search(op):
        return "it belongs to input pipelines or TPUs"
    mark = stock_ops()[op]
    if mark == "ref" or (mark and _WRITES.search(op)):
        return "it writes a variable, and replicas must answer alike"
    if mark == "stateful" and op not in _HARMLESS_STATE:
        if _RANDOM.search(op):
            return (
                "it keeps random state; draw through tfgenai.core.random from the seeds"
            )
        return "it keeps state between requests"
    return None


@functools.cache
def stock_ops() -> dict[str, str]:
    """TensorFlow 2.20's ops; the value is their mark: `""`, `"stateful"`, `"ref"`."""
    text = resources.files("tfgenai.export").joinpath("stock_ops.txt").read_text()
    lines = (line.split() for line in text.splitlines() if not line.startswith("#"))
    return {words[0]: words[1] if len(words) > 1 else "" for words in lines}
