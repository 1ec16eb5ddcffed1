"""Trials: their order and their table."""

from tfgenai.tune.trial import Trial, best_first, table


def trial(number, score, **more):
    status = "failed" if score is None else "completed"
    return Trial(number, {"model.latent_dim": number + 2}, status, score, 3, **more)


TRIALS = [trial(0, 2.0), trial(1, None, error="Bad: no\nmore"), trial(2, 1.0)]


def test_the_best_come_first_and_failed_ones_do_not_come():
    assert [t.number for t in best_first(TRIALS, "min")] == [2, 0]
    assert [t.number for t in best_first(TRIALS, "max")] == [0, 2]


def test_the_earlier_of_equals_comes_first():
    equals = [trial(4, 1.0), trial(3, 1.0)]
    assert [t.number for t in best_first(equals, "max")] == [3, 4]


def test_a_table_holds_all_with_the_failed_last():
    assert table(TRIALS, "val_loss", "min") == [
        ["trial", "val_loss", "epochs", "model.latent_dim", "error"],
        [2, 1.0, 3, 4, ""],
        [0, 2.0, 3, 2, ""],
        [1, None, 3, 3, "Bad: no"],
    ]


def test_folders_sort_as_numbers():
    assert [trial(n, 1.0).folder for n in (9, 10)] == ["0009", "0010"]
