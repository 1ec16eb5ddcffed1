"""Training a U-Net to predict noise (32×32×1, batch 16), against diffusers.

Sides: plain `fit` of `DiffusionModel`; diffusers' `UNet2DModel` with PyTorch eager and
with torch.compile. All have the same widths, blocks per resolution, places and heads of
attention, the mean squared error on the noise, 1,000 linear noise levels and AdamW.
"""

import os
from collections.abc import Callable

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import keras
import numpy as np
import torch
from diffusers import DDPMScheduler, UNet2DModel
from side_by_side import compare_training
from torch.nn import functional

import tfgenai as tg

BATCH_SIZE, SIZE, LEVELS = 16, 32, 1000
CHANNELS, NUM_HEADS, LEARNING_RATE = (32, 64, 64), 4, 1e-4


def images(n: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (n, SIZE, SIZE, 1), dtype=np.uint8)


def make_model() -> tg.DiffusionModel:
    return tg.DiffusionModel(
        (SIZE, SIZE, 1),
        network="unet",
        network_options={
            "channels": CHANNELS,
            "num_blocks": 2,
            "attention_resolutions": (SIZE // 4,),
            "num_heads": NUM_HEADS,
        },
        noise_schedule="linear",
        num_timesteps=LEVELS,
        prediction_type="epsilon",
    )


def ours(data: np.ndarray, **compile_options) -> Callable[[], int]:
    model = make_model()
    model.compile(optimizer=keras.optimizers.AdamW(LEARNING_RATE), **compile_options)
    dataset = tg.data.load(
        tg.data.ArraySource(data), batch_size=BATCH_SIZE, shuffle=True
    )

    def work() -> int:
        model.fit(dataset, epochs=1, verbose=0)
        return dataset.steps_per_epoch * BATCH_SIZE

    return work


def make_unet() -> UNet2DModel:
    return UNet2DModel(
        sample_size=SIZE,
        in_channels=1,
        out_channels=1,
        layers_per_block=2,
        block_out_channels=CHANNELS,
        down_block_types=("DownBlock2D", "DownBlock2D", "AttnDownBlock2D"),
        up_block_types=("AttnUpBlock2D", "UpBlock2D", "UpBlock2D"),
        norm_num_groups=8,
        attention_head_dim=CHANNELS[-1] // NUM_HEADS,
    )


def theirs(data: np.ndarray, *, compiled: bool) -> Callable[[], int]:
    network = make_unet()
    step = torch.compile(network) if compiled else network
    optimizer = torch.optim.AdamW(network.parameters(), lr=LEARNING_RATE)
    scheduler = DDPMScheduler(LEVELS)
    x = torch.from_numpy(data.transpose(0, 3, 1, 2).astype(np.float32) / 127.5 - 1)
    loader = torch.utils.data.DataLoader(
        torch.utils.data.TensorDataset(x),
        batch_size=BATCH_SIZE,
        shuffle=True,
        drop_last=True,
    )

    def work() -> int:
        count, total = 0, 0.0
        for (clean,) in loader:
            noise = torch.randn_like(clean)
            time = torch.randint(0, LEVELS, (len(clean),))
            noisy = scheduler.add_noise(clean, noise, time)
            optimizer.zero_grad()
            loss = functional.mse_loss(step(noisy, time).sample, noise)
            loss.backward()
            optimizer.step()
            total += loss.item()  # fit logs its loss, too
            count += len(clean)
        return count

    return work


def make_sides(quick: bool) -> dict[str, Callable[[], int]]:
    data = images(320 if quick else 960)
    return {
        "fit": ours(data),
        "torch_eager": theirs(data, compiled=False),
        "torch_compile": theirs(data, compiled=True),
    }


if __name__ == "__main__":
    compare_training("unet_vs_diffusers", make_sides=make_sides, rounds=(2, 5))
