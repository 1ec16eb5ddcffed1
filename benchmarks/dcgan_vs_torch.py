"""Training a DCGAN (28×28, batch 64) through plain `fit`, against PyTorch.

Sides: `fit` as it comes, and with XLA, which a CPU's convolutions do not get by
themselves; PyTorch eager with its DataLoader; PyTorch with torch.compile,
all with the same layers, losses and optimizers.
"""

import os
from collections.abc import Callable

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import numpy as np
import torch
from side_by_side import compare_training
from torch import nn
from torch.nn import functional

import tfgenai as tg

BATCH_SIZE, LATENT = 64, 100


def images(n: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (n, 28, 28, 1), dtype=np.uint8)


def ours(data: np.ndarray, **compile_options) -> Callable[[], int]:
    model = tg.GAN((28, 28, 1), LATENT, network="dcgan")
    model.compile(**compile_options)
    dataset = tg.data.load(
        tg.data.ArraySource(data), batch_size=BATCH_SIZE, shuffle=True
    )

    def work() -> int:
        model.fit(dataset, epochs=1, verbose=0)
        return dataset.steps_per_epoch * BATCH_SIZE

    return work


def generator() -> nn.Module:
    """`tfgenai.gan.dcgan_generator((28, 28, 1))`, layer by layer."""
    return nn.Sequential(
        nn.Linear(LATENT, 7 * 7 * 64, bias=False),
        nn.Unflatten(1, (64, 7, 7)),
        nn.BatchNorm2d(64),
        nn.ReLU(),
        nn.ConvTranspose2d(64, 32, 4, stride=2, padding=1, bias=False),
        nn.BatchNorm2d(32),
        nn.ReLU(),
        nn.ConvTranspose2d(32, 1, 4, stride=2, padding=1),
        nn.Tanh(),
    )


def discriminator() -> nn.Module:
    """`tfgenai.gan.dcgan_discriminator((28, 28, 1))`, layer by layer."""
    return nn.Sequential(
        nn.Conv2d(1, 32, 4, stride=2, padding=1),
        nn.LeakyReLU(0.2),
        nn.Conv2d(32, 64, 4, stride=2, padding=1),
        nn.LeakyReLU(0.2),
        nn.Flatten(),
        nn.Linear(7 * 7 * 64, 1),
    )


def theirs(data: np.ndarray, *, compiled: bool) -> Callable[[], int]:
    g, d = generator(), discriminator()
    g_step, d_step = (torch.compile(g), torch.compile(d)) if compiled else (g, d)
    g_optimizer = torch.optim.Adam(g.parameters(), lr=2e-4, betas=(0.5, 0.999))
    d_optimizer = torch.optim.Adam(d.parameters(), lr=2e-4, betas=(0.5, 0.999))
    x = torch.from_numpy(data.transpose(0, 3, 1, 2).astype(np.float32) / 127.5 - 1)
    loader = torch.utils.data.DataLoader(
        torch.utils.data.TensorDataset(x),
        batch_size=BATCH_SIZE,
        shuffle=True,
        drop_last=True,
    )

    def work() -> int:
        count, logs = 0, [0.0, 0.0]
        for (real,) in loader:
            fake = g_step(torch.randn(len(real), LATENT))
            d_optimizer.zero_grad()
            d_loss = (
                functional.softplus(-d_step(real)).mean()
                + functional.softplus(d_step(fake.detach())).mean()
            )
            d_loss.backward()
            d_optimizer.step()
            g_optimizer.zero_grad()
            g_loss = functional.softplus(-d_step(fake)).mean()
            g_loss.backward()
            g_optimizer.step()
            logs[0] += d_loss.item()  # fit logs its losses, too
            logs[1] += g_loss.item()
            count += len(real)
        return count

    return work


def make_sides(quick: bool) -> dict[str, Callable[[], int]]:
    data = images(1_920 if quick else 9_600)
    return {
        "fit": ours(data),
        "fit_with_xla": ours(data, jit_compile=True),
        "torch_eager": theirs(data, compiled=False),
        "torch_compile": theirs(data, compiled=True),
    }


if __name__ == "__main__":
    compare_training("dcgan_vs_torch", make_sides=make_sides, rounds=(2, 5))
