"""The client picks queues by numbers of steps, and shows samples step by step."""

import asyncio

import pytest
import tensorflow as tf

from tfgenai.core.errors import RowError
from tfgenai.serving import AsyncClient, Client, Server, Settings


def save_steps(path):
    """A toy that adds 1 a step: it answers num_steps, or 3 where that is -1."""
    module = tf.Module()
    row = {"seed": tf.TensorSpec((None,), tf.int64)}
    knob = row | {"num_steps": tf.TensorSpec((None,), tf.int32)}
    state = tf.TensorSpec((None, 2), tf.float32)
    step = tf.TensorSpec((None,), tf.int32)

    def count(num_steps):
        return tf.where(num_steps == -1, 3, num_steps)

    def answer(num_steps, name):
        error = tf.where(num_steps > 50, "num_steps: 50 at most", "")
        return {
            "images": tf.cast(count(num_steps), tf.float32),
            "queue": tf.fill(tf.shape(num_steps), name),
            "error": error,
        }

    def made(name):
        function = tf.function(lambda seed, num_steps: answer(num_steps, name))
        return function.get_concrete_function(**knob)

    @tf.function
    def generate(seed):
        return answer(tf.fill(tf.shape(seed), -1), "generate")

    @tf.function
    def denoise_step(seed, num_steps, step, state):
        moving = tf.cast(step < count(num_steps), tf.float32)[:, tf.newaxis]
        state = tf.where(step[:, tf.newaxis] == 0, 0.0, state) + moving
        return {
            "state": state,
            "images": state[:, 0],
            "is_done": step + 1 >= count(num_steps),
            "error": answer(num_steps, "")["error"],
        }

    signatures = {
        name: made(name)
        for name in (
            "generate_advanced",
            "generate_up_to_10_steps",
            "generate_up_to_4_steps",
        )
    }
    signatures["generate"] = generate.get_concrete_function(**row)
    signatures["denoise_step"] = denoise_step.get_concrete_function(
        **knob, step=step, state=state
    )
    signatures["serving_default"] = signatures["generate"]
    tf.saved_model.save(module, str(path), signatures)


@pytest.fixture(scope="module")
def steps_server(tmp_path_factory):
    root = tmp_path_factory.mktemp("steps")
    save_steps(root / "steps" / "1")
    settings = Settings(settle_seconds=0.0)
    with Server(root, port=0, rest_api_port=0, settings=settings) as running:
        yield running


@pytest.fixture(params=["grpc", "rest"])
def steps_client(steps_server, request):
    server = steps_server
    address = server.address if request.param == "grpc" else server.rest_address
    with Client(address, model="steps", protocol=request.param) as made:
        yield made


@pytest.mark.parametrize(
    ("num_steps", "queue"),
    [
        (None, "generate"),
        ([4, 1], "generate_up_to_4_steps"),
        ([4, 5], "generate_up_to_10_steps"),
        (10, "generate_up_to_10_steps"),
        ([1, 11], "generate_advanced"),
        ([1, -1], "generate_advanced"),  # the default may be any number
    ],
)
def test_requests_go_to_the_smallest_bucket_that_fits(steps_client, num_steps, queue):
    out = steps_client.generate(seed=[1, 2], num_steps=num_steps)
    assert out["queue"].tolist() == [queue] * 2


def test_a_signature_that_is_named_is_taken(steps_client):
    name = "generate_advanced"
    out = steps_client.generate(signature=name, seed=[1, 2], num_steps=4)
    assert out["queue"].tolist() == [name] * 2
    assert steps_client.generate(signature=name, seed=1)["images"].tolist() == [3.0]
    with pytest.raises(ValueError, match="Received: seed=None"):
        steps_client.generate(signature=name, num_steps=4)
    with pytest.raises(ValueError, match="Did you mean 'num_steps'"):
        steps_client.generate(signature=name, seed=1, num_step=4)


def test_steps_one_by_one(steps_client):
    shown = steps_client.generate_progressively(seed=[5, 6], num_steps=[1, 4])
    images = [out["images"].tolist() for out in shown]
    assert images == [[1.0, 1.0], [1.0, 2.0], [1.0, 3.0], [1.0, 4.0]]
    # The model's own number of steps where none is given.
    *_, last = steps_client.generate_progressively(seed=[5])
    assert {k: v.tolist() for k, v in last.items()} == {"images": [3.0]}


def test_steps_are_awaited_one_by_one(steps_server):
    async def main(address, protocol):
        made = AsyncClient(address, model="steps", protocol=protocol)
        async with made as client:
            shown = client.generate_progressively(seed=[5, 6], num_steps=[1, 3])
            return [out["images"].tolist() async for out in shown]

    server = steps_server
    for address, protocol in (
        (server.address, "grpc"),
        (server.rest_address, "rest"),
    ):
        images = asyncio.run(main(address, protocol))
        assert images == [[1.0, 1.0], [1.0, 2.0], [1.0, 3.0]]


def test_mistakes_in_a_progress_are_found_at_once(steps_client, client):
    with pytest.raises(ValueError, match="step=1"):
        steps_client.generate_progressively(seed=[1], step=1)
    with pytest.raises(ValueError, match="Received: seed=None"):
        steps_client.generate_progressively(num_steps=3)
    with pytest.raises(ValueError, match="'denoise_step'"):
        client.generate_progressively(seed=[1], labels=[1])
    with pytest.raises(RowError, match="row 1"):
        next(steps_client.generate_progressively(seed=[1, 2], num_steps=[3, 51]))
