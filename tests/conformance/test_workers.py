"""Law: two worker processes on loopback train one model, uneven last batch included."""

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

FOLDER = Path(__file__).parent


def free_ports(n):
    sockets = [socket.socket() for _ in range(n)]
    for s in sockets:
        s.bind(("127.0.0.1", 0))
    ports = [s.getsockname()[1] for s in sockets]
    for s in sockets:
        s.close()
    return ports


@pytest.mark.slow
def test_two_workers_agree_with_each_other_and_with_one_process(tmp_path):
    cluster = {"worker": [f"127.0.0.1:{port}" for port in free_ports(2)]}
    workers = []
    for index in range(2):
        config = {"cluster": cluster, "task": {"type": "worker", "index": index}}
        workers.append(
            subprocess.Popen(
                [sys.executable, __file__, str(tmp_path / f"{index}.npz")],
                env={
                    **os.environ,
                    "TF_CONFIG": json.dumps(config),
                    "PYTHONPATH": str(FOLDER),
                },
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
            )
        )
    try:
        outputs = [w.communicate(timeout=240)[0] for w in workers]
    finally:
        for w in workers:
            w.kill()
    assert [w.returncode for w in workers] == [0, 0], outputs
    first, second = (np.load(tmp_path / f"{i}.npz") for i in range(2))
    single = train_single()
    assert len(first.files) == len(single) > 0
    for name, expected in single.items():
        np.testing.assert_array_equal(first[name], second[name], err_msg=name)
        np.testing.assert_allclose(
            first[name], expected, rtol=1e-4, atol=1e-5, err_msg=name
        )


def train_single():
    """The same training in this process, without a strategy."""
    from models import MODELS

    return train(MODELS[0])


def train(descriptor):
    """Trains on 13 rows in batches of 8: the last batch leaves 3 rows and 2."""
    import keras
    from models import batches, constant_noise, state

    from tfgenai.core import random

    original, random.normal = random.normal, constant_noise
    try:
        model = descriptor.make(ema_decay=0.9)
        model.compile(keras.optimizers.SGD(0.01))
        history = model.fit(
            batches(n=13, batch_size=8, drop_remainder=False), epochs=2, verbose=0
        )
    finally:
        random.normal = original
    result = {f"{i}": value for i, value in enumerate(state(model).values())}
    result["logged_loss"] = np.array(history.history["loss"])
    return result


if __name__ == "__main__":
    import tfgenai as tg

    with tg.train.strategy("multi_worker").scope():
        from models import MODELS

        np.savez(sys.argv[1], **train(MODELS[0]))
