"""Texts piece by piece over the wire are those that the model writes at once."""

import asyncio

import numpy as np
import pytest

import tfgenai as tg
from tfgenai.core import random
from tfgenai.core.errors import RowError
from tfgenai.data.tokenizers import ByteTokenizer
from tfgenai.serving import AsyncClient, Client, Server


@pytest.fixture(scope="module")
def model():
    tokenizer = ByteTokenizer()
    model = tg.GPT(
        tokenizer=tokenizer,
        max_sequence_length=16,
        num_layers=1,
        num_heads=2,
        hidden_dim=16,
    )
    for i, weight in enumerate(model.trainable_variables):
        noise = random.numpy_generator(i).normal(size=weight.shape)
        weight.assign(weight + 0.3 * noise)
    return model


@pytest.fixture(scope="module")
def server(model, tmp_path_factory):
    folder = tmp_path_factory.mktemp("served")
    model.export_serving(
        folder / "texts",
        max_prompt_tokens=12,
        max_new_tokens=24,
        token_buckets=(8,),
        chunk_tokens=5,
        warmup_batch_sizes=(),
    )
    with Server(folder, port=0, rest_api_port=0) as server:
        yield server


@pytest.fixture(params=["grpc", "rest"])
def texts_client(request, server):
    port = server.port if request.param == "grpc" else server.rest_port
    with Client(f"127.0.0.1:{port}", model="texts", protocol=request.param) as client:
        yield client


def test_generate_is_the_models_own(texts_client, model):
    prompts = ["Hé", "you"]
    answer = texts_client.generate(prompts=prompts, seed=[3, 4])
    expected = model.generate(prompts, seed=[3, 4], max_new_tokens=24)
    assert answer["texts"].tolist() == expected
    knobs = {"max_new_tokens": [8, 3], "temperature": 0.5, "top_k": 20}
    answer = texts_client.generate(prompts=prompts, seed=[3, 4], **knobs)
    assert answer["texts"].tolist() == model.generate(prompts, seed=[3, 4], **knobs)


def test_pieces_make_the_whole(texts_client, model):
    prompts, seeds = ["Hé", "you", "a"], [3, 4, 5]
    knobs = {"max_new_tokens": [24, 7, 1], "top_p": 0.9}
    pieces = list(texts_client.stream(prompts, seed=seeds, **knobs))
    whole = model.generate(prompts, seed=seeds, **knobs)
    joined = ["".join(parts) for parts in zip(*pieces, strict=True)]
    assert joined == [
        text[len(prompt) :] for text, prompt in zip(whole, prompts, strict=True)
    ]
    assert 1 < len(pieces) <= 5
    (first, *_) = texts_client.stream("Hé", seed=3)
    assert len(first) == 1


def test_pieces_are_awaited_alike(server, texts_client):
    prompts, knobs = ["Hé", "you", "a"], {"seed": [3, 4, 5], "max_new_tokens": 17}

    async def main():
        pieces, address = [], texts_client._connection.address
        protocol = texts_client._protocol
        async with AsyncClient(address, model="texts", protocol=protocol) as client:
            async for piece in client.stream(prompts, **knobs):
                pieces.append(piece)
            with pytest.raises(RowError, match="row 1"):
                await anext(client.stream(["a", ""]))
        return pieces

    assert asyncio.run(main()) == list(texts_client.stream(prompts, **knobs))


def test_a_short_request_has_a_queue_of_its_own(server):
    with Client(f"127.0.0.1:{server.port}", model="texts") as client:
        called = []
        run = client._run
        client._run = lambda name, *rest: called.append(name) or run(name, *rest)
        client.generate(prompts="a", seed=1)
        client.generate(prompts="a", seed=1, max_new_tokens=8)
        client.generate(prompts="a", seed=1, max_new_tokens=9)
        client.generate(prompts="nine chars", seed=1, max_new_tokens=8)
        client.generate(prompts="a", seed=1, temperature=0.5)
    assert called == [
        "generate",
        "generate_up_to_8_tokens",
        "generate_advanced",
        "generate_advanced",
        "generate_advanced",
    ]


def test_mistakes_are_raised(texts_client):
    with pytest.raises(RowError, match="row 1") as caught:
        texts_client.stream(["a", ""])
    assert "Received: 0" in caught.value.rows[1]
    with pytest.raises(ValueError, match="num_written=3"):
        texts_client.stream("a", num_written=3)
    with pytest.raises(RowError, match="temperature"):
        next(texts_client.stream("a", temperature=np.float32(-1.0)))
    answer = texts_client.generate(
        prompts=["a", "much too long for it"], seed=1, return_errors=True
    )
    assert answer["error"][0] == ""
    assert "Received: 20" in answer["error"][1]


def test_prompts_may_be_bytes_and_one_prompt_may_have_many_seeds(server):
    with Client(f"127.0.0.1:{server.port}", model="texts") as client:
        asked = {"max_new_tokens": 6}
        texts, encoded = (
            list(client.stream(prompts, seed=3, **asked))
            for prompts in (["Hé"], ["Hé".encode()])
        )
        assert texts == encoded
        of_many = list(client.stream("Hé", seed=[3, 4], **asked))
        assert [row[:1] for row in of_many] == texts
        with pytest.raises(TypeError, match="prompts="):
            client.stream([5])
