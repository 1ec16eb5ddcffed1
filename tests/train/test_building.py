"""From a recipe to a model: arguments, optimizers, schedules, and what is refused."""

import keras
import pytest

from tfgenai.core.errors import ConfigError
from tfgenai.gan import R1
from tfgenai.train import Recipe, WarmupCosine
from tfgenai.train.building import (
    check_recipe,
    fill_in,
    make_augmentations,
    make_model,
    monitor_of,
    sample_arguments,
)
from tfgenai.train.learning_rates import learning_rate_schedule

VAE = {"family": "VAE", "latent_dim": 4, "hidden_units": [8]}
GAN = {"family": "GAN", "latent_dim": 4, "network": "mlp"}


def recipe(model=VAE, **sections):
    return Recipe.from_dict(
        {"name": "tiny", "data": {"name": "digits"}, "model": model, **sections}
    )


def made(model=VAE, *, num_classes=10, steps_per_epoch=5, **sections):
    checked = recipe(model, **sections)
    check_recipe(checked)
    filled = fill_in(checked, image_shape=(8, 8, 1), num_classes=num_classes)
    return make_model(filled, steps_per_epoch=steps_per_epoch)


def test_the_model_is_what_the_recipe_says():
    model = made(
        {**VAE, "num_classes": "auto", "likelihood": "gaussian", "ema_decay": 0.9},
        seed=5,
        fit={"precision": "mixed_bfloat16", "jit_compile": False},
    )
    config = model.get_config()
    assert (config["latent_dim"], config["num_classes"]) == (4, 10)
    assert (config["seed"], config["ema_decay"]) == (5, 0.9)
    assert model.image_shape == (8, 8, 1)
    assert model.dtype_policy.name == "mixed_bfloat16"
    assert model.jit_compile is False


def test_objects_are_given_by_name_and_settings():
    model = made({**GAN, "penalty": {"name": "r1", "weight": 3.0}})
    assert isinstance(model.penalty, R1)
    assert model.penalty.weight == 3.0


DIFFUSION = {
    "family": "DiffusionModel",
    "network": "mlp",
    "network_options": {"hidden_dim": 8, "num_blocks": 1},
    "num_classes": "auto",
    "condition_dropout": 0.1,
    "noise_schedule": {"name": "karras", "num_timesteps": 20},
    "loss_weighting": {"name": "min_snr", "gamma": 4.0},
    "sampler": {"name": "ddim", "num_steps": 7, "eta": 0.5},
}


def test_parts_of_a_diffusion_model_are_given_by_name_and_settings():
    model = made(DIFFUSION)
    assert (model.sampler.num_steps, model.sampler.eta) == (7, 0.5)
    assert model.schedule.num_timesteps == 20
    assert model.weighting.gamma == 4.0


def test_the_decay_of_an_average_is_given_by_name_and_settings():
    decay = {"name": "power", "relative_std": 0.2}
    assert made({**DIFFUSION, "ema_decay": decay}).ema.decay.relative_std == 0.2


def test_what_samples_are_evaluated_with():
    asked = recipe(
        DIFFUSION,
        evaluate={
            "samples": {
                "conditions": {"guidance_scale": 2.5, "num_steps": 8},
                "sampler": {"name": "ddim", "num_steps": 9},
            }
        },
    )
    arguments = sample_arguments(asked)
    assert arguments.pop("sampler").num_steps == 9
    assert arguments == {"guidance_scale": 2.5, "num_steps": 8}
    assert isinstance(arguments["num_steps"], int)
    assert sample_arguments(recipe()) == {}
    made(DIFFUSION, evaluate=asked.evaluate.model_dump())


@pytest.mark.parametrize(
    ("model", "samples", "words"),
    [
        (DIFFUSION, {"conditions": {"guidance": 2.0}}, "conditions='guidance'"),
        (DIFFUSION, {"conditions": {"num_steps": 21}}, "num_steps=21"),
        (DIFFUSION, {"conditions": {"num_steps": 2.5}}, r"num_steps=2\.5"),
        (DIFFUSION, {"sampler": "ddmi"}, r"'ddim'.*samples\.sampler='ddmi'"),
        (DIFFUSION, {"sampler": {"name": "ddim", "etta": 1}}, r"sampler\.etta.*'eta'"),
        (DIFFUSION, {"sampler": {"name": "ddim", "num_steps": 30}}, "20 steps"),
        (VAE, {"sampler": "ddim"}, "samples in steps"),
    ],
)
def test_what_cannot_be_evaluated_is_refused_before_the_training(model, samples, words):
    with pytest.raises(ConfigError, match=words):
        made(model, evaluate={"samples": samples})


def test_optimizers_take_their_arguments_and_schedules():
    model = made(
        {**GAN, "num_discriminator_steps": 2},
        steps_per_epoch=5,
        optimizers={
            "optimizer": {
                "name": "adamw",
                "learning_rate": 1e-3,
                "weight_decay": 0.1,
                "schedule": {"warmup_fraction": 0.5, "final_fraction": 0.1},
            },
            "discriminator_optimizer": {"name": "Adam", "schedule": {}},
        },
        fit={"epochs": 4},
    )
    assert isinstance(model.optimizer, keras.optimizers.AdamW)
    assert model.optimizer.weight_decay == 0.1
    expected = WarmupCosine(1e-3, 20, warmup_steps=10, final_fraction=0.1)
    schedule = learning_rate_schedule(model.optimizer)
    assert schedule.get_config() == expected.get_config()
    # Adam's own rate; and two steps of the discriminator a training step.
    other = learning_rate_schedule(model.discriminator_optimizer)
    assert other.get_config() == WarmupCosine(1e-3, 40).get_config()


def test_optimizers_that_are_not_named_are_the_familys_own():
    model = made(GAN)
    assert float(model.optimizer.learning_rate) == pytest.approx(2e-4)
    assert model.discriminator_optimizer.beta_1 == 0.5


def test_augmentations_by_name_and_settings():
    data = {"name": "digits", "augment": ["crop", {"name": "shift", "max_shift": 0.2}]}
    crop, shift = make_augmentations(recipe(data=data))
    assert type(crop).__name__ == "Crop"
    assert shift.max_shift == 0.2


@pytest.mark.parametrize(
    ("model", "sections", "expected"),
    [
        (VAE, {}, None),
        (VAE, {"data": {"name": "d", "validation_split": "test"}}, ("val_loss", "min")),
        (GAN, {"data": {"name": "d", "validation_split": "test"}}, None),
        (GAN, {"sample_metrics": {}}, ("val_kid", "min")),
        (
            GAN,
            {"sample_metrics": {"metrics": ["label_accuracy"]}},
            ("val_label_accuracy", "max"),
        ),
        (VAE, {"monitor": {"log": "val_kl", "mode": "max"}}, ("val_kl", "max")),
    ],
)
def test_what_chooses_the_best_model(model, sections, expected):
    monitor = monitor_of(recipe(model, **sections))
    assert (None if monitor is None else (monitor.log, monitor.mode)) == expected


@pytest.mark.parametrize(
    ("model", "sections", "words"),
    [
        ({"family": "VAEE"}, {}, r"model\.family='VAEE'.*'VAE'"),
        ({**VAE, "latent_dims": 3}, {}, r"model\.latent_dims.*'latent_dim'"),
        ({**VAE, "dtype": "float16"}, {}, r"model\.dtype"),
        ({**VAE, "latent_dim": -1}, {}, r"model of 'tiny'.*latent_dim"),
        ({"family": "VAE"}, {}, r"model of 'tiny'.*latent_dim"),
        ({**VAE, "latent_dim": {"name": "x"}}, {}, r"model\.latent_dim="),
        ({**GAN, "penalty": {"name": "r2"}}, {}, r"'r1'.*model\.penalty='r2'"),
        ({**GAN, "penalty": {"name": "r1", "wait": 1}}, {}, r"penalty\.wait.*'weight'"),
        ({**GAN, "penalty": {"name": "r1", "weight": -1}}, {}, r"penalty: .*weight=-1"),
        ({**VAE, "num_classes": 3}, {}, r"3 classes.*10 classes in 'digits'"),
        ({**VAE, "image_shape": [9, 9, 1]}, {}, r"\(9, 9, 1\).*\(8, 8, 1\)"),
        (
            VAE,
            {"optimizers": {"optimiser": {}}},
            r"optimizers='optimiser'.*'optimizer'",
        ),
        (VAE, {"optimizers": {"optimizer": {"name": "adan"}}}, r"name='adan'.*'adam'"),
        (
            VAE,
            {"optimizers": {"optimizer": {"beta1": 0.5}}},
            r"optimizers\.optimizer\.beta1.*'beta_1'",
        ),
        (
            VAE,
            {"optimizers": {"optimizer": {"clipnorm": 1, "clipvalue": 1}}},
            r"optimizers\.optimizer: .*clip",
        ),
        (VAE, {"sample_metrics": {"metrics": ["kidd"]}}, r"metrics='kidd'.*'kid'"),
        (GAN, {"evaluate": {"nll": {}}}, r"evaluate\.nll.*'GAN'"),
        (
            VAE,
            {"evaluate": {"nll": {"binarize": "static"}}},
            "data.binarize=None, evaluate.nll.binarize='static'",
        ),
        (VAE, {"data": {"name": "d", "augment": ["shif"]}}, r"'shif'.*'shift'"),
        (
            VAE,
            {"data": {"name": "d", "augment": [{"name": "shift", "by": 1}]}},
            r"data\.augment\.shift\.by",
        ),
    ],
)
def test_what_cannot_be_is_refused_by_place(model, sections, words):
    with pytest.raises(ConfigError, match=words):
        made(model, **sections)
