"""`undo`: a set prepared again without some of what rules did."""

import os
from collections.abc import Sequence
from pathlib import Path

from tfgenai.core.errors import DataError
from tfgenai.data.preparation.prepared import Prepared
from tfgenai.data.preparation.recipe import ExceptionSection, PrepareRecipe
from tfgenai.data.preparation.run import prepare


def undo(
    prepared: "Prepared | str | os.PathLike[str]",
    output: "str | os.PathLike[str] | None" = None,
    *,
    ids: Sequence[str] = (),
    rules: Sequence[str] = (),
    num_shards: int = 1,
    replace: bool = False,
) -> Prepared:
    """Takes findings back: raw data are never changed, so all of them can be.

    Args:
        prepared: a prepared set; it stays as it is.
        output: folder to make; None for the set's own, with `replace`.
        ids: examples that no rule shall touch, or only not those of `rules`.
        rules: rules that shall not count, for all examples if there are no `ids`.
        num_shards: see `prepare`.
        replace: whether an output that exists gives way.

    Raises:
        DataError: if the ledger knows no such example, or no such finding.
    """
    if not isinstance(prepared, Prepared):
        prepared = Prepared(prepared)
    ledger = prepared.ledger().select(["id", "findings"]).to_pylist()
    found = {row["id"]: [one["rule"] for one in row["findings"]] for row in ledger}
    unknown = [name for name in ids if name not in found]
    fired = {rule for names in found.values() for rule in names}
    missing = [rule for rule in rules if rule not in fired]
    if unknown or missing:
        raise DataError(
            "Examples and rules of the ledger were expected. Received: "
            f"ids={unknown}, rules={missing}, of which it has no finding. See "
            f"{str(prepared.path / 'ledger.parquet')!r}."
        )
    if ids:
        wanted: list[tuple[str | None, str | None]] = [
            (name, rule) for name in ids for rule in (rules or (None,))
        ]
    else:
        wanted = [(None, rule) for rule in rules]
    recipe = PrepareRecipe.load(prepared.path / "recipe.yaml")
    more = [ExceptionSection(id=name, rule=rule) for name, rule in wanted]
    known = list(recipe.exceptions)
    recipe = recipe.model_copy(
        update={"exceptions": (*known, *(one for one in more if one not in known))}
    )
    target = Path(output) if output is not None else prepared.path
    return prepare(recipe, target, num_shards=num_shards, replace=replace)
