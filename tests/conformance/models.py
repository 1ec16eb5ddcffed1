"""The one list of models: being on it, and passing the laws, is being supported."""

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np
import tensorflow as tf

import tfgenai as tg
from tfgenai.core import random
from tfgenai.core.model import GenerativeModel

IMAGE_SHAPE = (8, 8, 1)
NUM_CLASSES = 10


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
        binarize="threshold",
        seed=3,
        drop_remainder=True,
    )


TEXT = b"To be, or not to be, that is the question: whether it is nobler to suffer. "


def token_batches(n: int = 24, batch_size: int = 8, drop_remainder: bool = True):
    """Pieces of a text, of different length: no two batches have as many targets."""
    dataset = tf.data.Dataset.from_tensor_slices(_tokens(n))
    return dataset.batch(batch_size, drop_remainder=drop_remainder)


class ShuffledTokens:
    """The protocol of `tfgenai.data` datasets: an order that depends on the epoch."""

    def __init__(self, batch_size: int = 8):
        self.batch_size = batch_size
        self.steps_per_epoch = 24 // batch_size

    def for_epochs(self, initial_epoch: int, epochs: int) -> tf.data.Dataset:
        orders = [
            random.numpy_generator(3, epoch).permutation(24)
            for epoch in range(initial_epoch, epochs)
        ]
        dataset = tf.data.Dataset.from_tensor_slices(
            _tokens(24)[np.concatenate(orders)]
        )
        return dataset.batch(self.batch_size, drop_remainder=True)


def _tokens(n: int) -> np.ndarray:
    text = np.frombuffer(TEXT, np.uint8).astype(np.int32)
    rows = np.stack([np.roll(text, -5 * i)[:9] for i in range(n)])
    rows[:, 0] = tg.data.tokenizers.ByteTokenizer.end_token
    for i, row in enumerate(rows):
        row[9 - i % 4 :] = -1
    return rows


@dataclasses.dataclass(frozen=True)
class Descriptor:
    """A model to hold to the laws.

    Args:
        name: name of the test case.
        make: takes the base class's arguments and returns a new model.
        conditional: whether it takes labels.
        has_batch_norm: whether statistics differ by how a batch is split.
        prompts: beginnings of its samples, where they are texts.
        noise: the function of `core.random` that its training draws with, or None.
        batches: makes a dataset of so many rows.
        shuffled: makes a dataset as users have it.
        generate_options: further arguments of `generate`, those of the export.
        export_options: further arguments of `export_serving`.
    """

    name: str
    make: Callable[..., GenerativeModel]
    conditional: bool = False
    has_batch_norm: bool = False
    prompts: tuple[str, ...] = ()
    noise: str | None = "normal"
    batches: Callable[..., Any] = batches
    shuffled: Callable[..., Any] = shuffled
    generate_options: dict[str, Any] = dataclasses.field(default_factory=dict)
    export_options: dict[str, Any] = dataclasses.field(default_factory=dict)

    def conditions(self, n: int) -> dict[str, Any]:
        """What a request of `n` rows must say."""
        if self.prompts:
            return {"prompts": [self.prompts[i % len(self.prompts)] for i in range(n)]}
        if not self.conditional:
            return {}
        return {"labels": np.arange(n, dtype=np.int32) % NUM_CLASSES}

    def generate(
        self, model: GenerativeModel, n: int, *, rows: slice = slice(None), **given: Any
    ) -> Any:
        """Samples of some of `n` rows, as `model.generate` gives them."""
        conditions = {name: v[rows] for name, v in self.conditions(n).items()}
        first = conditions.pop("prompts", len(range(n)[rows]))
        return model.generate(first, **conditions, **self.generate_options, **given)


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


def pixel_cnn(**kwargs):
    return tg.PixelCNN(
        IMAGE_SHAPE,
        num_filters=4,
        num_blocks=2,
        first_kernel_size=5,
        dilations=(1, 2),
        attention_blocks=(1,),
        num_heads=2,
        row_context_dim=8,
        num_row_blocks=2,
        num_classes=NUM_CLASSES,
        dropout=0.1,
        **kwargs,
    )


def image_gpt(**kwargs):
    return tg.ImageGPT(
        IMAGE_SHAPE,
        num_classes=NUM_CLASSES,
        num_layers=1,
        num_heads=2,
        hidden_dim=16,
        dropout=0.1,
        **kwargs,
    )


def vq_vae(**kwargs):
    return tg.VQVAE(
        IMAGE_SHAPE,
        num_embeddings=8,
        embedding_dim=4,
        filters=(8,),
        num_residual_blocks=1,
        **kwargs,
    )


def latent_image_gpt(**kwargs):
    return tg.LatentImageGPT(
        vq_vae(ema_decay=0.9, dtype=kwargs.get("dtype")),
        num_classes=NUM_CLASSES,
        num_layers=1,
        num_heads=2,
        hidden_dim=16,
        dropout=0.1,
        **kwargs,
    )


def gpt(**kwargs):
    return tg.GPT(
        tokenizer=tg.data.tokenizers.ByteTokenizer(),
        max_sequence_length=16,
        num_layers=1,
        num_heads=2,
        hidden_dim=16,
        position_embedding="rotary",
        num_key_value_heads=1,
        dropout=0.1,
        **kwargs,
    )


MODELS = [
    Descriptor("vae", vae),
    Descriptor("conditional_conv_vae", conditional_conv_vae, conditional=True),
    Descriptor("mlp_gan", mlp_gan),
    Descriptor("dcgan", dcgan, conditional=True, has_batch_norm=True),
    Descriptor(
        "unet_diffusion",
        unet_diffusion,
        conditional=True,
        # Its graph is the largest, and TensorFlow rewrites it for each endpoint. The
        # further endpoints are those of `latent_diffusion`, guided likewise.
        export_options={
            "signatures": ("generate", "generate_advanced", "denoise_step")
        },
    ),
    Descriptor("dit_flow_diffusion", dit_flow),
    Descriptor("edm_diffusion", edm_diffusion),
    Descriptor("latent_diffusion", latent_diffusion, conditional=True),
    Descriptor("pixel_cnn", pixel_cnn, conditional=True, noise="uniform"),
    Descriptor("image_gpt", image_gpt, conditional=True, noise="uniform"),
    Descriptor("vq_vae", vq_vae, noise=None),
    Descriptor("latent_image_gpt", latent_image_gpt, conditional=True, noise="uniform"),
    Descriptor(
        "gpt",
        gpt,
        prompts=("To be", "ñ", "that is "),
        noise="uniform",
        batches=token_batches,
        shuffled=ShuffledTokens,
        generate_options={"max_new_tokens": 10},
        export_options={
            "max_prompt_tokens": 8,
            "max_new_tokens": 10,
            "token_buckets": (5,),
            "chunk_tokens": 4,
        },
    ),
]


def assert_same_samples(a: Any, b: Any, atol: float = 0.0) -> None:
    assert len(a) == len(b) > 0
    if np.asarray(b).dtype.kind == "f":
        np.testing.assert_allclose(a, b, rtol=0, atol=atol)
    else:
        assert list(a) == list(b)


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
