"""Parts by name or as objects, the usual ones, and what does not fit together."""

import json

import pytest

from tfgenai.diffusion import (
    DDIM,
    EDM,
    Cosine,
    Epsilon,
    Flow,
    Karras,
    Linear,
    LogitNormal,
    LogNormal,
    MinSNR,
    RectifiedFlow,
    Uniform,
    Velocity,
)
from tfgenai.diffusion.parts import Parts, make_sampler, resolve_parts


def given(**options):
    defaults = {
        "noise_schedule": "cosine",
        "num_timesteps": None,
        "zero_terminal_snr": False,
        "prediction_type": None,
        "loss_weighting": None,
        "sampler": None,
    }
    return Parts(**{**defaults, **options})


@pytest.mark.parametrize(
    ("options", "prediction", "weighting"),
    [
        ({}, Velocity, Uniform),
        ({"noise_schedule": "karras"}, EDM, LogNormal),
        ({"noise_schedule": "karras", "num_timesteps": 20}, EDM, Uniform),
        ({"noise_schedule": "rectified_flow"}, Flow, LogitNormal),
        (
            {"noise_schedule": "rectified_flow", "prediction_type": "velocity"},
            Velocity,
            Uniform,
        ),
        ({"prediction_type": "epsilon"}, Epsilon, Uniform),
    ],
)
def test_the_usual_parts(options, prediction, weighting):
    _, made, weights, _ = resolve_parts(given(**options))
    assert type(made) is prediction
    assert type(weights) is weighting


def test_names_make_objects_and_objects_are_kept():
    schedule, prediction, weighting, sampler = resolve_parts(
        given(
            noise_schedule="linear",
            num_timesteps=200,
            zero_terminal_snr=True,
            prediction_type="x0",
            loss_weighting="min_snr",
            sampler="ddim",
        )
    )
    assert schedule.get_config() == {"num_timesteps": 200, "zero_terminal_snr": True}
    assert isinstance(weighting, MinSNR)
    assert prediction.name == "x0"
    parts = (Karras(rho=3.0), EDM(0.2), LogNormal(mean=0.0), DDIM(7))
    kept = resolve_parts(
        given(
            noise_schedule=parts[0],
            prediction_type=parts[1],
            loss_weighting=parts[2],
            sampler=parts[3],
        )
    )
    assert all(a is b for a, b in zip(parts, kept, strict=True))
    assert isinstance(sampler, DDIM)


def test_the_config_is_what_was_given():
    config = given(sampler=DDIM(7), prediction_type="x0").get_config()
    assert config["noise_schedule"] == "cosine"
    assert config["loss_weighting"] is None
    assert config["sampler"]["config"]["num_steps"] == 7
    json.dumps(config)


@pytest.mark.parametrize(
    ("options", "word"),
    [
        ({"noise_schedule": "cosin"}, "Did you mean 'cosine'"),
        ({"prediction_type": "eps"}, "prediction_type='eps'"),
        ({"loss_weighting": "minsnr"}, "Did you mean 'min_snr'"),
        ({"sampler": "dimm"}, "Did you mean 'ddim'"),
        ({"noise_schedule": Linear(), "num_timesteps": 10}, "num_timesteps=10"),
        ({"noise_schedule": Linear(), "zero_terminal_snr": True}, "zero_terminal_snr"),
        # D4: noise cannot be told from pure noise.
        ({"zero_terminal_snr": True, "prediction_type": "epsilon"}, "'velocity'"),
        ({"prediction_type": "flow"}, "rectified_flow"),
        ({"loss_weighting": "edm"}, "loss_weighting='edm'"),
        ({"loss_weighting": "logit_normal"}, "loss_weighting='logit_normal'"),
        ({"num_timesteps": 10, "sampler": DDIM(11)}, "num_steps=11"),
    ],
)
def test_what_does_not_fit_is_refused(options, word):
    with pytest.raises(ValueError, match=word):
        resolve_parts(given(**options))


def test_a_sampler_by_name_takes_no_more_steps_than_there_are():
    schedule = Cosine(num_timesteps=10)
    assert make_sampler("ddim", schedule, Velocity()).num_steps == 10
    assert make_sampler("ddim", Cosine(), Velocity()).num_steps == 50


def test_something_else_is_no_sampler():
    with pytest.raises(TypeError, match="sampler=3"):
        make_sampler(3, RectifiedFlow(), Flow())
