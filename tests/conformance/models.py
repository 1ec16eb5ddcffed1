"""The one list of models: being on it, and passing the laws, is being supported."""

import dataclasses
from collections.abc import Callable

import numpy as np
import tensorflow as tf

import tfgenai as tg
from tfgenai.core import random
from tfgenai.core.model import GenerativeModel

IMAGE_SHAPE = (8, 8, 1)
NUM_CLASSES = 10


@dataclasses.dataclass(frozen=True)
class Descriptor:
    """A model to hold to the laws.

    Args:
        name: name of the test case.
        make: takes the base class's arguments and returns a new model.
        conditional: whether it takes labels.
        has_batch_norm: whether statistics differ by how a batch is split.
    """

    name: str
    make: Callable[..., GenerativeModel]
    conditional: bool = False
    has_batch_norm: bool = False

    def conditions(self, n: int) -> dict[str, np.ndarray]:
        if not self.conditional:
            return {}
        return {"labels": np.arange(n, dtype=np.int32) % NUM_CLASSES}


def vae(**kwargs):
    return tg.VAE(IMAGE_SHAPE, 4, hidden_units=(16,), **kwargs)


def conditional_conv_vae(**kwargs):
    return tg.VAE(
        IMAGE_SHAPE,
        4,
        network="conv",
        filters=(4, 8),
        hidden_units=(16,),
        likelihood="discretized_logistic",
        num_classes=NUM_CLASSES,
        kl_warmup_steps=5,
        **kwargs,
    )


def mlp_gan(**kwargs):
    return tg.GAN(
        IMAGE_SHAPE,
        4,
        network="mlp",
        dropout=0.3,
        adversarial_loss="hinge",
        penalty=tg.gan.R1(weight=1.0),
        num_discriminator_steps=2,
        **kwargs,
    )


def dcgan(**kwargs):
    return tg.GAN(IMAGE_SHAPE, 4, num_classes=NUM_CLASSES, **kwargs)


def unet_diffusion(**kwargs):
    return tg.DiffusionModel(
        IMAGE_SHAPE,
        network_options={
            "channels": (8, 16),
            "num_blocks": 1,
            "attention_resolutions": (4,),
        },
        num_classes=NUM_CLASSES,
        condition_dropout=0.1,
        num_timesteps=20,
        sampler=tg.diffusion.DDIM(num_steps=4),
        **kwargs,
    )


def dit_flow(**kwargs):
    return tg.DiffusionModel(
        IMAGE_SHAPE,
        network="dit",
        network_options={
            "hidden_dim": 16,
            "num_layers": 1,
            "num_heads": 2,
            "dropout": 0.1,
        },
        noise_schedule="rectified_flow",
        sampler=tg.diffusion.DDIM(num_steps=3),
        **kwargs,
    )


def edm_diffusion(**kwargs):
    return tg.DiffusionModel(
        IMAGE_SHAPE,
        network="mlp",
        network_options={"hidden_dim": 16, "num_blocks": 1},
        noise_schedule="karras",
        self_conditioning=True,
        sampler=tg.diffusion.SAMPLERS.get("dpmpp_2m")(num_steps=3),
        **kwargs,
    )


def latent_diffusion(**kwargs):
    return tg.LatentDiffusion(
        tg.VAE(
            IMAGE_SHAPE,
            4,
            hidden_units=(16,),
            ema_decay=0.9,
            dtype=kwargs.get("dtype"),
        ),
        network_options={"hidden_dim": 16, "num_blocks": 1},
        num_classes=NUM_CLASSES,
        condition_dropout=0.2,
        **kwargs,
    )


MODELS = [
    Descriptor("vae", vae),
    Descriptor("conditional_conv_vae", conditional_conv_vae, conditional=True),
    Descriptor("mlp_gan", mlp_gan),
    Descriptor("dcgan", dcgan, conditional=True, has_batch_norm=True),
    Descriptor("unet_diffusion", unet_diffusion, conditional=True),
    Descriptor("dit_flow_diffusion", dit_flow),
    Descriptor("edm_diffusion", edm_diffusion),
    Descriptor("latent_diffusion", latent_diffusion, conditional=True),
]


def batches(n: int = 24, batch_size: int = 8, drop_remainder: bool = True):
    """Real digits, thresholded to {-1, 1} so that every likelihood is one."""
    digits = tg.data.load_arrays("digits", split="train")
    x = np.where(digits.images[:n] > 127, 1.0, -1.0).astype(np.float32)
    dataset = tf.data.Dataset.from_tensor_slices((x, digits.labels[:n]))
    return dataset.batch(batch_size, drop_remainder=drop_remainder)


def shuffled(batch_size: int = 64):
    """The pipeline as users have it, with shuffling and augmentation on."""
    return tg.data.load(
        "digits",
        split="train[:20%]",
        batch_size=batch_size,
        shuffle=True,
        augment=("shift",),
        seed=3,
        drop_remainder=True,
    )


def state(model: GenerativeModel) -> dict[str, np.ndarray]:
    """Every number that training may change, by name."""
    values = {v.path: v.numpy() for v in model.weights}
    for name in model.optimizer_names:
        for i, variable in enumerate(getattr(model, name).variables):
            values[f"{name}/{i}"] = variable.numpy()
    return values


def assert_same_state(a: dict, b: dict, **tolerance: float) -> None:
    assert len(a) == len(b) > 0
    for (name, left), right in zip(a.items(), b.values(), strict=True):
        if tolerance:
            np.testing.assert_allclose(left, right, err_msg=name, **tolerance)
        else:
            np.testing.assert_array_equal(left, right, err_msg=name)


def constant_noise(seed, shape, dtype="float32"):
    """Noise that is the same for every row: no replica can tell which rows it has."""
    row = random.numpy_generator(0).normal(size=4096).astype(np.float32)
    shape = tf.convert_to_tensor(shape, tf.int32)
    width = tf.reduce_prod(shape[1:])
    rows = tf.broadcast_to(tf.constant(row)[:width], tf.stack([shape[0], width]))
    return tf.cast(tf.reshape(rows, shape), dtype)
