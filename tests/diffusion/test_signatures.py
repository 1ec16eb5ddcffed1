"""An export of a diffusion model: rows keep to themselves, steps add up to samples."""

import json

import numpy as np
import pytest
import tensorflow as tf

import tfgenai as tg
from tfgenai.core import random
from tfgenai.diffusion import DDIM, AutoGuidance

slow = pytest.mark.slow
SHAPE = (4, 4, 1)
NUM_STEPS = 5


def make(image_shape=SHAPE, **kwargs):
    """An untrained model whose answers depend on everything that it is given."""
    model = tg.DiffusionModel(
        image_shape,
        network="mlp",
        network_options={"hidden_dim": 16, "num_blocks": 1},
        **{
            "num_classes": 3,
            "condition_dropout": 0.1,
            "self_conditioning": True,
            "sampler": DDIM(NUM_STEPS, eta=0.5),
            "ema_decay": 0.9,
        }
        | kwargs,
    )
    generator = random.numpy_generator(1)
    for weight in [*model.network.weights, *model.embedding.weights]:
        weight.assign(generator.normal(0.0, 0.3, weight.shape))
    for weight, shadow in model.ema.pairs:
        shadow.assign(tf.cast(weight, shadow.dtype))
    return model


@pytest.fixture(scope="module")
def model():
    return make()


@pytest.fixture(scope="module")
def exported(model, tmp_path_factory):
    folder = tmp_path_factory.mktemp("served") / "digits"
    return model.export_serving(folder, step_buckets=(3, 8), warmup_batch_sizes=(1, 2))


@pytest.fixture(scope="module")
def ask(exported):
    """Calls a signature as a server does: a Session that knows nothing of us."""
    with tf.Graph().as_default():
        session = tf.compat.v1.Session()
        loaded = tf.compat.v1.saved_model.loader.load(session, ["serve"], str(exported))

    def call(name, **inputs):
        signature = loaded.signature_def[name]
        assert set(signature.inputs) == set(inputs)
        names = {k: v.name for k, v in signature.outputs.items()}
        feeds = {signature.inputs[k].name: v for k, v in inputs.items()}
        return session.run(names, feeds)

    yield call
    session.close()


def knobs(n, **given):
    """The knobs of `n` rows, -1 or NaN where nothing is said."""
    values = {"num_steps": np.full(n, -1, np.int32)}
    for name in ("scale", "rescale", "start", "end"):
        values[f"guidance_{name}"] = np.full(n, np.nan, np.float32)
    return values | {k: np.asarray(v, values[k].dtype) for k, v in given.items()}


def request(n, first_seed=0, **given):
    return {
        "seed": np.arange(first_seed, first_seed + n),
        "labels": (np.arange(n) % 3).astype(np.int32),
        **knobs(n, **given),
    }


def images(n, seed=5):
    return random.numpy_generator(seed).uniform(-1, 1, (n, *SHAPE)).astype(np.float32)


def test_the_signatures_that_there_are(model, exported):
    card = json.loads((exported / "model_card.json").read_text())
    buckets = ["generate_up_to_3_steps", "generate_up_to_8_steps"]
    others = ["denoise_step", "image_to_image", "inpaint"]
    first = ["generate", "generate_advanced", "generate_png"]
    assert list(card["signatures"]) == [*first, *buckets, *others]
    assert card["serving_default"] == "generate"
    assert [f["name"] for f in card["signatures"]["generate"]["inputs"]] == [
        "seed",
        "labels",
    ]
    steps = {
        name: next(f for f in s["inputs"] if f["name"] == "num_steps")
        for name, s in card["signatures"].items()
        if name not in ("generate", "generate_png")
    }
    assert {k: (f["maximum"], f["default"]) for k, f in steps.items()} == {
        "generate_advanced": (50, 5),
        "generate_up_to_3_steps": (3, 3),
        "generate_up_to_8_steps": (8, 5),
        "denoise_step": (50, 5),
        "image_to_image": (50, 5),
        "inpaint": (50, 5),
    }
    # x, the last estimate; DDIM has no memory of its own.
    (state,) = [
        f for f in card["signatures"]["denoise_step"]["inputs"] if f["name"] == "state"
    ]
    assert state["shape"] == [None, 2, *SHAPE]
    options = card["serving_options"]
    assert options["sampler"]["class_name"] == "DDIM"
    assert options["sampler"]["config"]["eta"] == 0.5
    assert (options["max_num_steps"], options["step_buckets"]) == (50, [3, 8])
    text = (exported / "model_card.md").read_text()
    assert "Served with sampler: `DDIM(num_steps=5, spacing='trailing', eta=0.5)`" in (
        text
    )


def test_only_what_sampling_reads_is_stored(model, exported):
    stored = json.loads((exported / "model_card.json").read_text())["weights"]
    needed = [*model.network.weights, *model.embedding.weights]
    assert stored["count"] == sum(int(np.prod(weight.shape)) for weight in needed)


def test_generate_is_that_of_the_model(model, ask):
    expected = model.generate(3, seed=4, labels=[0, 1, 2])
    assert np.abs(expected).max() > 0.1
    seeds, labels = random.row_seeds(4, 3), np.array([0, 1, 2], np.int32)
    served = ask("generate", seed=seeds, labels=labels)
    np.testing.assert_array_equal(served["images"], expected)
    given = {"num_steps": [1, 3, 8], "guidance_scale": [1.0, 2.0, 0.0]}
    expected = model.generate(3, seed=4, labels=labels, **given)
    inputs = {"seed": seeds, "labels": labels, **knobs(3, **given)}
    for name in ("generate_advanced", "generate_up_to_8_steps"):
        np.testing.assert_array_equal(ask(name, **inputs)["images"], expected)


def test_merged_requests_are_answered_as_each_alone(ask):
    # As a batcher does it: two clients' rows in one batch, filled up with the first.
    one = request(2, 10, num_steps=[2, 9], guidance_scale=[3.0, np.nan])
    two = request(3, 20, num_steps=[1, -1, 4])
    merged = {k: np.concatenate([one[k], two[k], *[one[k][:1]] * 3]) for k in one}
    together = ask("generate_advanced", **merged)["images"]
    alone = [ask("generate_advanced", **each)["images"] for each in (one, two)]
    np.testing.assert_allclose(together[:5], np.concatenate(alone), atol=1e-6)
    assert (together[:5].std(axis=0) > 1e-3).any()


@pytest.mark.parametrize(
    ("name", "spoil", "words"),
    [
        ("generate_advanced", {"labels": 3}, "labels: a value in [0, 2]"),
        ("generate_advanced", {"num_steps": 51}, "num_steps: a value in [1, 50]"),
        ("generate_up_to_3_steps", {"num_steps": 4}, "num_steps: a value in [1, 3]"),
        ("generate_advanced", {"guidance_scale": -1.0}, "guidance_scale: a value"),
        ("inpaint", {"images": np.nan}, "images: a value in [-1, 1]"),
        ("inpaint", {"mask": 1.5}, "mask: a value in [0, 1]"),
        ("image_to_image", {"images": 1.5}, "images: a value in [-1, 1]"),
        ("image_to_image", {"strength": -0.1}, "strength: a value in [0, 1]"),
        ("denoise_step", {"state": np.inf}, "state: a value in the finite"),
        ("denoise_step", {"step": -2}, "step: a value in [0, 50]"),
    ],
)
def test_a_bad_row_gets_its_own_error(ask, name, spoil, words):
    inputs = request(3)
    more = {
        "inpaint": {"images": images(3), "mask": np.ones((3, 4, 4, 1), np.float32)},
        "image_to_image": {"images": images(3), "strength": np.full(3, 0.5, "f4")},
        "denoise_step": {
            "state": np.ones((3, 2, *SHAPE), np.float32),
            "step": np.ones(3, np.int32),
        },
    }
    inputs |= more.get(name, {})
    good = ask(name, **inputs)
    assert not any(good["error"])
    bad = {k: v.copy() for k, v in inputs.items()}
    for key, value in spoil.items():
        bad[key][1] = value
    answer = ask(name, **bad)
    assert [bool(text) for text in answer["error"]] == [False, True, False]
    assert answer["error"][1].decode().startswith(words)
    np.testing.assert_array_equal(answer["images"][[0, 2]], good["images"][[0, 2]])
    np.testing.assert_array_equal(answer["images"][1], np.zeros(SHAPE))
    if name == "denoise_step":  # or a loop until all are done would never end
        assert answer["is_done"].tolist() == [False, True, False]


def loop(function, state_shape, n, **inputs):
    """Calls `denoise_step` until all rows are done; the answers of each step."""
    state, answers = np.zeros((n, *state_shape), np.float32), []
    for k in range(50):
        step = np.full(n, k, np.int32)
        answers.append(function(state=state, step=step, **inputs))
        state = np.asarray(answers[-1]["state"])
        if np.all(answers[-1]["is_done"]):
            return answers
    raise AssertionError("never done")


def test_steps_add_up_to_generate(model, ask):
    inputs = request(3, num_steps=[1, 4, -1], guidance_scale=[1.0, 2.0, 1.0])
    answers = loop(
        lambda **given: ask("denoise_step", **given), (2, *SHAPE), 3, **inputs
    )
    expected = ask("generate_advanced", **inputs)["images"]
    np.testing.assert_allclose(answers[-1]["images"], expected, atol=1e-5)
    assert [a["is_done"].tolist() for a in answers] == [
        [True, False, False],
        [True, False, False],
        [True, False, False],
        [True, True, False],
        [True, True, True],
    ]
    # A row that is done stands still, and the others have moved.
    np.testing.assert_array_equal(answers[0]["images"][0], answers[-1]["images"][0])
    assert np.abs(answers[0]["images"][2] - answers[-1]["images"][2]).max() > 1e-3


def test_what_the_state_says_at_step_0_does_not_matter(ask):
    inputs = request(2) | {"step": np.zeros(2, np.int32)}
    zeros, ones = np.zeros((2, 2, *SHAPE), "f4"), np.ones((2, 2, *SHAPE), "f4")
    one, other = (ask("denoise_step", state=s, **inputs) for s in (zeros, ones))
    np.testing.assert_array_equal(one["state"], other["state"])


QUICK = {("dpmpp_2m", "cosine"), ("heun", "karras")}


@pytest.mark.parametrize(
    ("sampler", "schedule"),
    [
        pytest.param(
            sampler, schedule, marks=[] if (sampler, schedule) in QUICK else slow
        )
        for sampler in tg.diffusion.SAMPLERS
        for schedule in ("cosine", "karras")
    ],
)
def test_steps_add_up_with_every_sampler(sampler, schedule):
    model = make(None, data_shape=(3,), noise_schedule=schedule, sampler=None)
    made = tg.diffusion.SAMPLERS.get(sampler)(num_steps=4)
    try:
        signatures = model.serving_signatures(sampler=made)
    except ValueError:
        pytest.skip("it does not fit this schedule")
    inputs = {k: tf.constant(v) for k, v in request(2, num_steps=[4, 2]).items()}
    expected = signatures["generate_advanced"].function(**inputs)["samples"]
    answers = loop(
        tf.function(signatures["denoise_step"].function),
        (2 + made.num_states, 3),
        2,
        **inputs,
    )
    np.testing.assert_allclose(answers[-1]["samples"], expected, atol=1e-5)


def test_inpainting_keeps_what_is_not_masked(ask):
    given, mask = images(3), np.zeros((3, 4, 4, 1), np.float32)
    mask[:, :2] = 1.0
    made = ask("inpaint", images=given, mask=mask, **request(3))["images"]
    np.testing.assert_array_equal(made[:, 2:], given[:, 2:])
    assert np.abs(made[:, :2] - given[:, :2]).max() > 0.1
    # What is masked is not looked at.
    other = np.where(mask == 1.0, 0.5, given).astype(np.float32)
    again = ask("inpaint", images=other, mask=mask, **request(3))["images"]
    np.testing.assert_array_equal(made, again)
    # All masked: a sample like any other.
    free = ask("inpaint", images=given, mask=np.ones_like(mask), **request(3))
    expected = ask("generate_advanced", **request(3))["images"]
    np.testing.assert_allclose(free["images"], expected, atol=1e-5)


def test_strength_is_the_share_of_the_steps(ask):
    given = images(3)
    strength = np.array([0.0, 0.4, 1.0], np.float32)
    made = ask("image_to_image", images=given, strength=strength, **request(3))
    np.testing.assert_array_equal(made["images"][0], given[0])
    distance = np.abs(made["images"] - given).mean(axis=(1, 2, 3))
    assert distance[1] > 0.0
    assert distance[2] > 0.0


@pytest.mark.slow
def test_another_sampler_is_served_and_verified_against(tmp_path):
    model = make()
    version = model.export_serving(
        tmp_path / "m", sampler=DDIM(2), max_num_steps=7, signatures=["generate"]
    )
    report = tg.export.verify(version, model)
    assert not [check for check in report.checks if not check.ok]
    card = tg.export.read_card(version)
    assert card["serving_options"]["max_num_steps"] == 7
    assert card["serving_options"]["step_buckets"] == []


def test_another_guidance_is_served(tmp_path):
    model, weaker = make(), make(seed=3)
    guidance = AutoGuidance(weaker, scale=1.5)
    signatures = model.serving_signatures(guidance=guidance)
    given = {"seed": tf.constant([1, 2], tf.int64), "labels": tf.constant([0, 1])}
    served = signatures["generate"].function(**given)["images"]
    expected = model.generate(2, seed=[1, 2], labels=[0, 1], guidance=guidance)
    np.testing.assert_allclose(served, expected, atol=1e-5)
    assert "autoguidance_scale" in signatures["generate_advanced"].inputs


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({"sampler": "ddmi"}, ValueError, "'ddim'"),
        ({"sampler": 3}, TypeError, "sampler=3"),
        ({"guidance": 2.0}, TypeError, "guidance=2.0"),
        (
            {"max_num_steps": 4},
            ValueError,
            r"from the sampler's own 5.*max_num_steps=4",
        ),
        ({"max_num_steps": 21}, ValueError, r"to 20 was.*max_num_steps=21"),
        ({"max_num_steps": True}, ValueError, "max_num_steps=True"),
        ({"step_buckets": (10, 20)}, ValueError, r"below the cap of 20.*\(10, 20\)"),
        ({"step_buckets": (0,)}, ValueError, "step_buckets"),
        ({"step_buckets": 10}, ValueError, "step_buckets=10"),
    ],
)
def test_what_does_not_fit_is_refused_before_anything_is_written(
    tmp_path, options, error, words
):
    model = make(num_timesteps=20)
    with pytest.raises(error, match=words):
        model.export_serving(tmp_path / "served", **options)
    assert not (tmp_path / "served").exists()


def test_defaults_of_the_cap_and_the_buckets():
    continuous = make(sampler=DDIM(80)).serving_options()
    assert (continuous["max_num_steps"], continuous["step_buckets"]) == (80, [10, 25])
    few = make(num_timesteps=20).serving_options()
    assert (few["max_num_steps"], few["step_buckets"]) == (20, [10])
    assert make().serving_options(step_buckets=(8, 3, 8))["step_buckets"] == [3, 8]


def test_other_families_have_no_options():
    vae = tg.VAE(SHAPE, 2, hidden_units=())
    with pytest.raises(TypeError, match=r"VAE has none.*sampler='ddim'"):
        vae.serving_signatures(sampler="ddim")


def test_the_number_of_steps_is_the_samplers():
    options = make(sampler=DDIM(80)).serving_options(num_steps=6, max_num_steps=7)
    assert options["sampler"].num_steps == 6
    assert isinstance(options["sampler"], DDIM)
    assert options["max_num_steps"] == 7
