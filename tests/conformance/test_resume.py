"""Law: train 4 = train 2 + kill + 2, with dropout, shuffling and augmentation on."""

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import keras
import pytest
from models import MODELS, assert_same_state, state

import tfgenai as tg


def make(descriptor, jit_compile="auto"):
    model = descriptor.make(ema_decay=0.9, seed=2)
    model.compile(jit_compile=jit_compile)
    return model


class KillAfter(keras.callbacks.Callback):
    """Ends the process as a power cut would, in the middle of an epoch."""

    works_on_chunks = True

    def __init__(self, epoch):
        super().__init__()
        self.epoch = epoch
        self.current = 0

    def on_epoch_begin(self, epoch, logs=None):
        self.current = epoch

    def on_train_batch_end(self, batch, logs=None):
        if self.current == self.epoch:
            os.kill(os.getpid(), signal.SIGKILL)


def train(descriptor, folder, callbacks=(), *, keep=2, jit_compile="auto"):
    model = make(descriptor, jit_compile)
    model.fit(
        descriptor.shuffled(),
        epochs=4,
        verbose=0,
        callbacks=[tg.train.Backup(folder, keep=keep), *callbacks],
    )
    return model


def test_a_resumed_run_is_the_unbroken_run(descriptor, tmp_path):
    # XLA takes its part in the run that is killed.
    whole = train(descriptor, tmp_path, keep=4, jit_compile=False)
    checkpoints = tg.train.Backup(tmp_path).checkpoints()
    assert len(checkpoints) == 4
    for checkpoint in checkpoints[2:]:
        shutil.rmtree(checkpoint)  # as if the last two epochs had never been
    resumed = train(descriptor, tmp_path, jit_compile=False)
    assert int(resumed.step.numpy()) == int(whole.step.numpy()) > 0
    assert_same_state(state(whole), state(resumed))


@pytest.mark.slow
def test_a_killed_process_resumes_bit_for_bit(tmp_path):
    descriptor = MODELS[2]  # the one with dropout
    whole = make(descriptor)
    whole.fit(descriptor.shuffled(), epochs=4, verbose=0)
    backup = tmp_path / "backup"
    done = subprocess.run(
        [sys.executable, __file__, str(backup)],
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parent)},
        check=False,
    )
    assert done.returncode == -signal.SIGKILL
    resumed = train(descriptor, backup)
    assert_same_state(state(whole), state(resumed))


if __name__ == "__main__":
    train(MODELS[2], sys.argv[1], [KillAfter(2)])
