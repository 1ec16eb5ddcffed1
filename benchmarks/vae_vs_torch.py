"""Training a VAE (MLP 784-400-20, batch 128) through plain `fit`, against PyTorch.

Sides: `fit` as it comes; `fit` with single steps, without XLA, as Keras has it by
default; PyTorch eager with its DataLoader; PyTorch with torch.compile.
"""

import os
from collections.abc import Callable

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import keras
import numpy as np
import torch
from side_by_side import compare_training
from torch import nn
from torch.nn import functional

import tfgenai as tg

BATCH_SIZE, HIDDEN, LATENT, PIXELS = 128, 400, 20, 784


def images(n: int) -> np.ndarray:
    """Binary images with about as many bright pixels as MNIST."""
    bright = np.random.default_rng(0).random((n, 28, 28, 1)) < 0.13
    return (bright * 255).astype(np.uint8)


def ours(data: np.ndarray, **compile_options) -> Callable[[], int]:
    model = tg.VAE((28, 28, 1), LATENT, hidden_units=(HIDDEN,))
    model.compile(keras.optimizers.Adam(1e-3), **compile_options)
    dataset = tg.data.load(
        tg.data.ArraySource(data), batch_size=BATCH_SIZE, shuffle=True
    )

    def work() -> int:
        model.fit(dataset, epochs=1, verbose=0)
        return dataset.steps_per_epoch * BATCH_SIZE

    return work


class TorchVAE(nn.Module):
    """The same network, as PyTorch's own example writes it."""

    def __init__(self) -> None:
        super().__init__()
        self.hidden = nn.Linear(PIXELS, HIDDEN)
        self.posterior = nn.Linear(HIDDEN, 2 * LATENT)
        self.decoder = nn.Sequential(
            nn.Linear(LATENT, HIDDEN), nn.ReLU(), nn.Linear(HIDDEN, PIXELS)
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        hidden = functional.relu(self.hidden(x))
        mean, log_variance = self.posterior(hidden).chunk(2, dim=1)
        z = mean + torch.exp(0.5 * log_variance) * torch.randn_like(mean)
        reconstruction = functional.binary_cross_entropy_with_logits(
            self.decoder(z), x, reduction="sum"
        )
        kl = 0.5 * torch.sum(log_variance.exp() + mean**2 - 1 - log_variance)
        return (reconstruction + kl) / len(x)


def theirs(data: np.ndarray, *, compiled: bool) -> Callable[[], int]:
    model = TorchVAE()
    step_model = torch.compile(model) if compiled else model
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    flat = torch.from_numpy(data.reshape(-1, PIXELS).astype(np.float32) / 255)
    loader = torch.utils.data.DataLoader(
        torch.utils.data.TensorDataset(flat),
        batch_size=BATCH_SIZE,
        shuffle=True,
        drop_last=True,
    )

    def work() -> int:
        total, count = 0.0, 0
        for (x,) in loader:
            optimizer.zero_grad()
            loss = step_model(x)
            loss.backward()
            optimizer.step()
            total += loss.item()  # fit logs its loss, too
            count += len(x)
        return count

    return work


def make_sides(quick: bool) -> dict[str, Callable[[], int]]:
    data = images(12_800 if quick else 60_000)
    return {
        "fit": ours(data),
        "fit_without_xla": ours(data, jit_compile=False, steps_per_execution=1),
        "torch_eager": theirs(data, compiled=False),
        "torch_compile": theirs(data, compiled=True),
    }


if __name__ == "__main__":
    compare_training("vae_vs_torch", make_sides=make_sides, rounds=(3, 7))
