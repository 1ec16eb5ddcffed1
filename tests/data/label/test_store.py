"""The store: nothing that was acknowledged is lost, nothing is counted twice."""

import json
import multiprocessing
import os
import signal
import sqlite3

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tfgenai.core.errors import DataError, StorageError
from tfgenai.data.label.store import LabelStore
from tfgenai.data.raw.labels import Known, read_table

ITEMS = [f"i{n}" for n in range(5)]
ACTIONS = st.lists(
    st.one_of(
        st.tuples(st.sampled_from(ITEMS), st.sampled_from("xy"), st.sampled_from("ab")),
        st.sampled_from("xy"),
    )
)


def opened(path):
    return LabelStore(path, ITEMS, ["a", "b"], suggestions=["a", None, "b", "a", "a"])


@given(ACTIONS)
def test_labels_are_what_a_dictionary_and_a_stack_say(tmp_path_factory, actions):
    path = tmp_path_factory.mktemp("s") / "labels.sqlite"
    wanted: dict = {}
    stack: dict = {"x": [], "y": []}
    with opened(path) as store:
        for number, action in enumerate(actions):
            if isinstance(action, tuple):
                item, labeller, label = action
                store.set(item, labeller, label, time=float(number))
                wanted.setdefault(item, {})[labeller] = label
                stack[labeller] = [i for i in stack[labeller] if i != item] + [item]
            else:
                last = stack[action].pop() if stack[action] else None
                assert store.undo(action, time=float(number)) == last
                if last is not None:
                    del wanted[last][action]
    with opened(path) as store:
        kept = {item: labels for item, labels in wanted.items() if labels}
        assert store.votes() == kept
        for labeller in "xy":
            left = [i for i in ITEMS if labeller not in wanted.get(i, {})]
            assert store.next(labeller) == (left[0] if left else None)
            assert store.count(labeller) == len(ITEMS) - len(left)
        assert store.count() == len(kept)


def _label_and_die(path):
    store = opened(path)
    for item in ITEMS[:3]:
        store.set(item, "me", "a", time=0.0)
    os.kill(os.getpid(), signal.SIGKILL)


def test_what_was_stored_outlives_a_kill(tmp_path):
    path = tmp_path / "labels.sqlite"
    process = multiprocessing.get_context("spawn").Process(
        target=_label_and_die, args=(path,)
    )
    process.start()
    process.join()
    with opened(path) as store:
        assert store.count("me") == 3
        assert store.next("me") == "i3"


def test_most_votes_decide_and_ties_do_not(tmp_path):
    with opened(tmp_path / "labels.sqlite") as store:
        for item, labels in {"i0": "aab", "i1": "ab", "i2": "b"}.items():
            for number, label in enumerate(labels):
                store.set(item, f"p{number}", label, time=0.0)
        store.set("i3", "p0", None, time=0.0)
        assert store.consensus() == {"i0": "a", "i2": "b"}
        assert store.consensus(min_votes=2) == {"i0": "a"}
        assert store.next("p2", disagreements_first=True) == "i1"
        assert store.agreement().num_items == 2
        assert store.export(tmp_path / "labels.jsonl") == 2
        assert store.export(tmp_path / "labels.csv") == 2
        with pytest.raises(StorageError, match=r"\.csv or \.jsonl"):
            store.export(tmp_path / "labels.txt")
    assert read_table(tmp_path / "labels.csv") == {"i0": Known("a"), "i2": Known("b")}
    assert read_table(tmp_path / "labels.jsonl") == {"i0": Known("a"), "i2": Known("b")}
    first = (tmp_path / "labels.jsonl").read_text().splitlines()[0]
    assert json.loads(first)["votes"] == {"p0": "a", "p1": "a", "p2": "b"}


def test_history_keeps_what_was_changed(tmp_path):
    path = tmp_path / "labels.sqlite"
    with opened(path) as store:
        store.set("i0", "me", "a", time=1.0)
        store.set("i0", "me", "b", time=2.0)
        store.undo("me", time=3.0)
        assert store.label("i0", "me") is None
        assert store.suggestion("i2") == "b"
    with sqlite3.connect(path) as database:
        rows = database.execute("SELECT label, time, action FROM history").fetchall()
    assert rows == [("a", 1.0, "set"), ("b", 2.0, "set"), ("b", 3.0, "undo")]


def test_a_store_of_something_else_is_refused(tmp_path):
    path = tmp_path / "labels.sqlite"
    opened(path).close()
    with pytest.raises(DataError, match="these items"):
        LabelStore(path, [*ITEMS, "more"], ["a", "b"])
    with pytest.raises(DataError, match="these classes"):
        LabelStore(path, ITEMS, ["a", "c"])
    (tmp_path / "words.sqlite").write_text("these are words, not a few of them" * 99)
    with pytest.raises(DataError, match="store of labels"):
        opened(tmp_path / "words.sqlite")
    with pytest.raises(StorageError, match="store of labels"):
        opened(tmp_path)
    for items, classes in (([], ["a"]), (["i", "i"], ["a"]), (["i"], [])):
        with pytest.raises(DataError, match="expected"):
            LabelStore(tmp_path / "new.sqlite", items, classes)


def test_unknown_items_and_classes_are_refused(tmp_path):
    with opened(tmp_path / "labels.sqlite") as store:
        with pytest.raises(DataError, match="label='z'"):
            store.set("i0", "me", "z", time=0.0)
        with pytest.raises(DataError, match="item='z'"):
            store.set("z", "me", "a", time=0.0)
        assert store.count() == 0
