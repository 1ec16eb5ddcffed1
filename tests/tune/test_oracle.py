"""Searches: that they stay in their ranges, repeat, resume, and find a known best."""

import math

import pytest

from tfgenai.tune.oracle import Oracle
from tfgenai.tune.recipe import TuneRecipe

SPACE = {
    "model.latent_dim": {"kind": "int", "min": 2, "max": 16, "step": 2},
    "optimizers.optimizer.learning_rate": {
        "kind": "float",
        "min": 1e-4,
        "max": 1e-1,
        "sampling": "log",
    },
    "model.hidden_units": {"kind": "choice", "values": [[16], [32, 16], None]},
}
RATE = "optimizers.optimizer.learning_rate"


def recipe(search, *, seed=0, epochs=9, **tune):
    return TuneRecipe.from_dict(
        {
            "name": "tiny",
            "seed": seed,
            "data": {"name": "digits", "validation_split": "test"},
            "model": {"family": "VAE"},
            "fit": {"epochs": epochs},
            "tune": {"space": SPACE, "search": search, **tune},
        }
    )


def distance(values):
    """Of a rate to 0.01 and of a size to 8: a score with a known best."""
    off = math.log10(values[RATE]) + 2
    return off**2 + ((values["model.latent_dim"] - 8) / 8) ** 2


def score_of(suggestion):
    return distance(suggestion.values)


def played(made, *, scores=score_of, mode="min"):
    """Suggestions of a whole search."""
    oracle = Oracle(made, mode)
    found = []
    try:
        while (suggestion := oracle.suggest()) is not None:
            oracle.tell(suggestion, scores(suggestion))
            found.append(suggestion)
    finally:
        oracle.close()
    return found


def drawn(suggestions):
    return [(s.number, s.values, s.epochs, s.went_on_from) for s in suggestions]


@pytest.mark.parametrize("search", ["random", "bayesian", "hyperband"])
def test_values_lie_in_their_ranges(search):
    for suggestion in played(recipe(search, max_trials=11)):
        latent, rate, units = (suggestion.values[key] for key in SPACE)
        assert type(latent) is int
        assert latent in range(2, 17, 2)
        assert 1e-4 <= rate <= 1e-1
        assert units in ([16], [32, 16], None)


@pytest.mark.parametrize("search", ["random", "bayesian", "hyperband"])
def test_a_seed_repeats_and_another_does_not(search):
    first = drawn(played(recipe(search, max_trials=11)))
    assert first == drawn(played(recipe(search, max_trials=11)))
    assert first != drawn(played(recipe(search, max_trials=11, seed=1)))


@pytest.mark.parametrize("search", ["random", "bayesian"])
def test_more_trials_go_on_from_fewer(search):
    more = drawn(played(recipe(search, max_trials=12)))
    assert more[:10] == drawn(played(recipe(search, max_trials=10)))
    assert [number for number, *_ in more] == list(range(12))


def test_twenty_trials_where_nothing_is_said():
    assert len(played(recipe("random"))) == 20


def test_a_small_space_ends_when_all_was_tried():
    choice = {"model.latent_dim": {"kind": "choice", "values": [2, 4, 8]}}
    found = played(recipe("random", space=choice), scores=lambda _: 1.0)
    assert sorted(s.values["model.latent_dim"] for s in found) == [2, 4, 8]


def test_log_sampling_draws_alike_from_each_power_of_ten():
    rates = [s.values[RATE] for s in played(recipe("random", max_trials=300))]
    counts = [sum(10**-n <= rate < 10 ** (1 - n) for rate in rates) for n in (4, 3, 2)]
    # 100 expected of each, five standard deviations of a binomial variable around it
    assert all(59 < count < 141 for count in counts)


@pytest.mark.parametrize("mode", ["min", "max"])
def test_bayesian_search_learns_from_scores(mode):
    sign = 1.0 if mode == "min" else -1.0
    numbers = {key: SPACE[key] for key in ("model.latent_dim", RATE)}
    found = played(
        recipe("bayesian", max_trials=16, space=numbers),
        scores=lambda s: sign * distance(s.values),
        mode=mode,
    )
    late = [distance(s.values) for s in found[-5:]]
    early = [distance(s.values) for s in found[:6]]  # those drawn at random
    assert sum(late) / len(late) < sum(early) / len(early) / 2


def test_hyperband_goes_on_with_the_best_of_each_round():
    found = played(recipe("hyperband"))
    by_number = {s.number: s for s in found}
    assert {s.epochs for s in found} == {1, 3, 9}
    going_on = [s for s in found if s.went_on_from is not None]
    assert going_on
    for suggestion in going_on:
        before = by_number[suggestion.went_on_from]
        assert before.values == suggestion.values
        assert before.epochs * 3 == suggestion.epochs
    # Of the nine that the first bracket trains for one epoch, the best three go on.
    first = sorted(found[:9], key=lambda s: distance(s.values))[:3]
    chosen = {s.went_on_from for s in going_on if s.epochs == 3}
    assert {s.number for s in first} <= chosen


def test_a_failed_trial_is_passed_over():
    found = played(
        recipe("random", max_trials=8),
        scores=lambda s: None if s.number % 2 else distance(s.values),
    )
    assert len(found) == 8
