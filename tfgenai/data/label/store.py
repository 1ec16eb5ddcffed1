"""LabelStore: who gave which label to what, in a file that outlives a crash."""

import collections
import csv
import hashlib
import io
import json
import os
import sqlite3
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

from tfgenai.core import storage
from tfgenai.core.errors import DataError, StorageError
from tfgenai.data.label.agreement import Agreement, agreement

_VERSION = 1
_SCHEMA = """
CREATE TABLE about (key TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE items (
    position INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, suggestion TEXT
);
CREATE TABLE labels (
    item INTEGER NOT NULL REFERENCES items, labeller TEXT NOT NULL, label TEXT,
    time REAL NOT NULL, seconds REAL NOT NULL, PRIMARY KEY (item, labeller)
);
CREATE TABLE history (
    number INTEGER PRIMARY KEY, item INTEGER NOT NULL, labeller TEXT NOT NULL,
    label TEXT, time REAL NOT NULL, action TEXT NOT NULL
);
"""


class LabelStore:
    """Items to label and the labels they got, in SQLite.

    Every label is on the disk before `set` returns. Opening a store that exists goes on
    with it; it must be of the same items and classes.

    Args:
        path: the file.
        items: ids, in the order in which they are shown.
        classes: names of the classes.
        suggestions: a class for each item or None, from a classifier, say.

    Raises:
        DataError: if the file is a store of other items or classes, or no store.
        StorageError: if it cannot be written.

    Example:
        >>> import tempfile
        >>> folder = tempfile.TemporaryDirectory()
        >>> store = LabelStore(f"{folder.name}/labels.sqlite", ["a", "b"], ["x", "y"])
        >>> store.set("a", "me", "x", time=0.0)
        >>> store.next("me"), store.count("me")
        ('b', 1)
        >>> store.close(); folder.cleanup()
    """

    def __init__(
        self,
        path: "str | os.PathLike[str]",
        items: Sequence[str],
        classes: Sequence[str],
        *,
        suggestions: Sequence[str | None] | None = None,
    ) -> None:
        self.path = Path(path)
        self.classes = list(classes)
        if not items or len(set(items)) < len(items):
            raise DataError(
                "Items with ids of their own were expected. Received: "
                f"{len(items)} ids, {len(set(items))} different."
            )
        if not classes or len(set(classes)) < len(classes):
            raise DataError(
                f"Different classes were expected. Received: classes={self.classes}."
            )
        self._items = {name: position for position, name in enumerate(items)}
        about = {
            "version": str(_VERSION),
            "classes": json.dumps(self.classes),
            "items": hashlib.sha256("\0".join(items).encode()).hexdigest(),
        }
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._database = sqlite3.connect(
                self.path, isolation_level=None, check_same_thread=False
            )
            self._database.execute("PRAGMA journal_mode=WAL")
            self._database.execute("PRAGMA synchronous=FULL")
            self._open(about, items, suggestions or [None] * len(items))
        except sqlite3.DatabaseError as error:
            words = f"A store of labels was expected. Received: {str(self.path)!r}"
            if isinstance(error, sqlite3.OperationalError):
                raise StorageError(
                    f"{words} ({error}). Choose another file."
                ) from error
            raise DataError(f"{words} ({error}). Choose another file.") from error

    def set(
        self,
        item: str,
        labeller: str,
        label: str | None,
        *,
        time: float,
        seconds: float = 0.0,
    ) -> None:
        """Gives an item a label, in place of the one that this labeller gave before.

        Args:
            item: its id.
            labeller: who.
            label: name of a class; None for "I cannot say".
            time: when, seconds since 1970.
            seconds: how long it was looked at.

        Raises:
            DataError: if there is no such item or class.
        """
        if label is not None and label not in self.classes:
            raise DataError(
                f"One of {self.classes} was expected. Received: label={label!r}."
            )
        position = self._position(item)
        with self._database:
            self._database.execute("BEGIN IMMEDIATE")
            self._database.execute(
                "INSERT INTO labels VALUES (?, ?, ?, ?, ?) ON CONFLICT (item, "
                "labeller) DO UPDATE SET label=excluded.label, time=excluded.time, "
                "seconds=excluded.seconds",
                (position, labeller, label, time, seconds),
            )
            self._remember(position, labeller, label, time, "set")

    def undo(self, labeller: str, *, time: float) -> str | None:
        """Takes a labeller's last label back; returns its item, or None."""
        with self._database:
            self._database.execute("BEGIN IMMEDIATE")
            row = self._database.execute(
                "SELECT labels.item, items.id, labels.label FROM labels JOIN items ON "
                "items.position = labels.item JOIN history ON history.item = "
                "labels.item AND history.labeller = labels.labeller WHERE "
                "labels.labeller = ? ORDER BY history.number DESC LIMIT 1",
                (labeller,),
            ).fetchone()
            if row is None:
                return None
            position, name, label = row
            self._database.execute(
                "DELETE FROM labels WHERE item = ? AND labeller = ?",
                (position, labeller),
            )
            self._remember(position, labeller, label, time, "undo")
        return str(name)

    def next(self, labeller: str, *, disagreements_first: bool = False) -> str | None:
        """The first item that a labeller has not labelled, or None.

        Args:
            labeller: who.
            disagreements_first: whether items that others disagree about come first.
        """
        order = "(SELECT COUNT(DISTINCT label) FROM labels WHERE item = position) > 1"
        first = f"{order} DESC, " if disagreements_first else ""
        row = self._database.execute(
            "SELECT id FROM items WHERE position NOT IN (SELECT item FROM labels WHERE "
            f"labeller = ?) ORDER BY {first}position LIMIT 1",
            (labeller,),
        ).fetchone()
        return None if row is None else str(row[0])

    def label(self, item: str, labeller: str) -> str | None:
        """The label that a labeller gave an item, or None."""
        row = self._database.execute(
            "SELECT label FROM labels WHERE item = ? AND labeller = ?",
            (self._position(item), labeller),
        ).fetchone()
        return None if row is None or row[0] is None else str(row[0])

    def suggestion(self, item: str) -> str | None:
        """The class that was suggested for an item, or None."""
        row = self._database.execute(
            "SELECT suggestion FROM items WHERE position = ?", (self._position(item),)
        ).fetchone()
        return None if row[0] is None else str(row[0])

    def count(self, labeller: str | None = None) -> int:
        """Items that a labeller, or anybody, has labelled or skipped."""
        if labeller is None:
            query, values = "SELECT COUNT(DISTINCT item) FROM labels", ()
        else:
            query = "SELECT COUNT(*) FROM labels WHERE labeller = ?"
            values = (labeller,)  # type: ignore[assignment]
        return int(self._database.execute(query, values).fetchone()[0])

    def __len__(self) -> int:
        return len(self._items)

    def votes(self) -> dict[str, dict[str, str | None]]:
        """For each labelled item the labels by labeller, in the order of items."""
        found: dict[str, dict[str, str | None]] = {}
        for name, labeller, label in self._database.execute(
            "SELECT items.id, labeller, label FROM labels JOIN items ON "
            "items.position = labels.item ORDER BY items.position, labeller"
        ):
            found.setdefault(name, {})[labeller] = label
        return found

    def agreement(self) -> Agreement:
        """How far labellers agree on what several of them labelled."""
        return agreement(
            [
                [label for label in labels.values() if label is not None]
                for labels in self.votes().values()
            ],
            self.classes,
        )

    def consensus(self, *, min_votes: int = 1) -> dict[str, str]:
        """The label that most gave, for items with enough votes and no tie."""
        chosen = {}
        for name, labels in self.votes().items():
            counts = collections.Counter(
                label for label in labels.values() if label is not None
            ).most_common(2)
            if not counts or counts[0][1] < min_votes:
                continue
            if len(counts) == 1 or counts[0][1] > counts[1][1]:
                chosen[name] = counts[0][0]
        return chosen

    def export(self, path: "str | os.PathLike[str]", *, min_votes: int = 1) -> int:
        """Writes a table that a recipe's `source.labels` takes; returns its rows.

        Args:
            path: a .jsonl file, of `id`, `label` and `votes`, or a .csv file, of the
                first two.
            min_votes: see `consensus`.

        Raises:
            StorageError: if the name ends otherwise, or it cannot be written.
        """
        ending = Path(path).suffix.lower()
        if ending not in (".csv", ".jsonl"):
            raise StorageError(
                "A file that ends in .csv or .jsonl was expected. Received: "
                f"path={os.fspath(path)!r}."
            )
        votes, chosen = self.votes(), self.consensus(min_votes=min_votes)
        buffer = io.StringIO(newline="")
        if ending == ".csv":
            writer = csv.writer(buffer, lineterminator="\n")
            writer.writerows([("id", "label"), *chosen.items()])
        else:
            for name, label in chosen.items():
                row = {"id": name, "label": label, "votes": votes[name]}
                buffer.write(json.dumps(row, ensure_ascii=False, sort_keys=True))
                buffer.write("\n")
        storage.write_text(path, buffer.getvalue())
        return len(chosen)

    def close(self) -> None:
        """Closes the file."""
        self._database.close()

    def __enter__(self) -> "LabelStore":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _open(
        self,
        about: dict[str, str],
        items: Sequence[str],
        suggestions: Sequence[str | None],
    ) -> None:
        database = self._database
        database.execute("BEGIN IMMEDIATE")
        try:
            tables = database.execute("SELECT COUNT(*) FROM sqlite_master").fetchone()
            if not tables[0]:
                for statement in _SCHEMA.split(";"):
                    database.execute(statement)
                database.executemany("INSERT INTO about VALUES (?, ?)", about.items())
                rows = [
                    (position, name, suggestion)
                    for position, (name, suggestion) in enumerate(
                        zip(items, suggestions, strict=True)
                    )
                ]
                database.executemany("INSERT INTO items VALUES (?, ?, ?)", rows)
            known: dict[str, Any] = dict(database.execute("SELECT * FROM about"))
            database.execute("COMMIT")
        except BaseException:
            database.execute("ROLLBACK")
            raise
        other = [key for key in about if known.get(key) != about[key]]
        if other:
            raise DataError(
                f"A store of these {' and '.join(other)} was expected. Received: "
                f"{str(self.path)!r}, which is of others. Choose another file."
            )

    def _position(self, item: str) -> int:
        if item not in self._items:
            raise DataError(f"An item's id was expected. Received: item={item!r}.")
        return self._items[item]

    def _remember(
        self, item: int, labeller: str, label: str | None, time: float, action: str
    ) -> None:
        self._database.execute(
            "INSERT INTO history (item, labeller, label, time, action) VALUES "
            "(?, ?, ?, ?, ?)",
            (item, labeller, label, time, action),
        )
