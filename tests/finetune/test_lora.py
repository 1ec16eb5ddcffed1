import keras
import numpy as np
import pytest

import tfgenai as tg
from tfgenai.core import random
from tfgenai.export.graph import ServedGraph
from tfgenai.finetune.freeze import count_trainable, unfreeze
from tfgenai.finetune.lora import (
    adapted_layers,
    adapter_names,
    apply_lora,
    merge_lora,
    remove_adapter,
    unmerge_lora,
    use_adapter,
)


def _gpt(**kwargs):
    return tg.GPT(
        11, max_sequence_length=8, num_layers=2, num_heads=2, hidden_dim=8, **kwargs
    )


def _tokens():
    return random.numpy_generator(0).integers(0, 11, (8, 9)).astype(np.int32)


def _with_adapters(*names, **options):
    """A GPT with trained adapters, and the logits of each."""
    model, logits = _gpt(), {}
    for seed, name in enumerate(names):
        apply_lora(model, name=name, seed=seed, verbose=False, **options)
        model.compile(keras.optimizers.Adam(0.03), jit_compile=False)
        model.fit(_tokens() if seed == 0 else _tokens()[::2], epochs=3, verbose=0)
        logits[name] = model(_tokens()[:, :8]).numpy()
    return model, logits


def test_it_says_how_much_trains(capsys):
    model = _gpt()
    count = apply_lora(model, rank=2, targets=("query", "block_1/feed_forward"))
    # 2 queries of 8 by 8, and 8 by 32 there and back.
    assert count.trainable == 2 * (16 + 16) + 2 * 2 * (8 + 32)
    assert capsys.readouterr().err == f"{count}\n"
    assert [layer.name for layer, _ in adapted_layers(model)] == [
        "query",
        "query",
        "expand",
        "contract",
    ]


def test_several_adapters_stand_on_one_base():
    model, logits = _with_adapters("one", "two", rank=2)
    assert adapter_names(model) == ["one", "two"]
    use_adapter(model, "one")
    # Training the second left the first alone.
    np.testing.assert_array_equal(model(_tokens()[:, :8]), logits["one"])
    use_adapter(model, {"two": 1.0})
    np.testing.assert_array_equal(model(_tokens()[:, :8]), logits["two"])


def test_weights_combine_what_adapters_add_to_the_kernels():
    model, _ = _with_adapters("one", "two", rank=2, use_dora=True)
    deltas = {}
    for name in ("one", "two"):
        use_adapter(model, name)
        merge_lora(model)
        deltas[name] = [
            found.kernel(layer).numpy() - found.kept.numpy()
            for layer, found in adapted_layers(model)
        ]
        unmerge_lora(model)
    use_adapter(model, {"one": 0.25, "two": -2.0})
    combined = model(_tokens()[:, :8]).numpy()
    use_adapter(model, None)
    for (layer, found), one, two in zip(
        adapted_layers(model), deltas["one"], deltas["two"], strict=True
    ):
        found.kernel(layer).assign_add(0.25 * one - 2.0 * two)
    np.testing.assert_allclose(model(_tokens()[:, :8]), combined, atol=1e-5)


def test_only_what_acts_trains():
    model, _ = _with_adapters("one", "two", rank=2)
    use_adapter(model, "one")
    before = {name: _weights(model, name) for name in ("one", "two")}
    with pytest.raises(ValueError, match="compile"):
        model.fit(_tokens(), verbose=0)
    model.compile(jit_compile=False)
    model.fit(_tokens(), verbose=0)
    for name, moves in (("one", True), ("two", False)):
        pairs = zip(_weights(model, name), before[name], strict=True)
        assert all((a == b).all() for a, b in pairs) is not moves


def _weights(model, name):
    every = [found.parts(name).values() for _, found in adapted_layers(model)]
    return [variable.numpy() for parts in every for variable in parts]


def test_parts_of_the_base_may_train_along():
    model = _gpt()
    apply_lora(model, rank=2, targets="value", verbose=False)
    count = unfreeze(model, "final_norm", verbose=False)
    assert count.trainable == 2 * 32 + 16


def test_a_model_that_was_compiled_answers_anew_after_each_change():
    model, _ = _with_adapters("one", rank=2)
    adapted = model.evaluate(_tokens(), verbose=0)
    merge_lora(model)
    np.testing.assert_allclose(model.evaluate(_tokens(), verbose=0), adapted, rtol=1e-5)
    unmerge_lora(model)
    use_adapter(model, None)
    model.compile(jit_compile=False)
    assert abs(model.evaluate(_tokens(), verbose=0)[0] - adapted[0]) > 1e-3


def test_removing_leaves_the_base(tmp_path):
    model, logits = _with_adapters("one", "two", rank=2)
    remove_adapter(model, "two")
    assert adapter_names(model) == ["one"]
    model.save(tmp_path / "model.keras")
    loaded = tg.load_model(tmp_path / "model.keras")
    use_adapter(loaded, "one")
    np.testing.assert_array_equal(loaded(_tokens()[:, :8]), logits["one"])
    remove_adapter(model, "one")
    assert count_trainable(model).total == count_trainable(_gpt()).total


@pytest.mark.slow
def test_a_merged_export_is_the_bases_graph(tmp_path):
    model = _gpt(tokenizer=None)

    def graph(name):
        model.export_serving(tmp_path / name, warmup_batch_sizes=(1,))
        found = ServedGraph(tmp_path / name / "1")
        ops = [node.op for each in found.signatures for node in found.nodes(each)]
        return sorted(ops), {key: v.shape for key, v in found.weights.items()}

    base = graph("base")
    apply_lora(model, rank=2, verbose=False)
    adapted = graph("adapted")
    assert len(adapted[1]) > len(base[1])
    merge_lora(model)
    assert graph("merged") == base


def test_mistakes_are_refused_before_anything_changes():
    model = _gpt()
    for wrong, words in (
        ({"targets": "quer"}, r"pattern='quer'.*'query'"),
        ({"targets": "final_norm"}, "pattern='final_norm'"),
        ({"targets": ()}, "Received: none"),
        ({"rank": 0}, "rank=0"),
        ({"name": "a b"}, "name='a b'"),
    ):
        with pytest.raises(ValueError, match=words):
            apply_lora(model, verbose=False, **wrong)
        assert count_trainable(model).trainable == count_trainable(model).total
    with pytest.raises(ValueError, match="none is merged"):
        unmerge_lora(model)
    with pytest.raises(ValueError, match="none acts"):
        merge_lora(model)
    apply_lora(model, rank=1, verbose=False)
    for call, words in (
        (lambda: apply_lora(model, verbose=False), "name='default'"),
        (lambda: use_adapter(model, "other"), r"\['default'\].*'other'"),
        (lambda: use_adapter(model, {"default": float("nan")}), "nan"),
        (lambda: remove_adapter(model, "other"), "'other'"),
    ):
        with pytest.raises(ValueError, match=words):
            call()
    merge_lora(model)
    for call in (
        lambda: merge_lora(model),
        lambda: use_adapter(model, None),
        lambda: apply_lora(model, name="two", verbose=False),
        lambda: remove_adapter(model, "default"),
    ):
        with pytest.raises(ValueError, match="unmerge_lora first"):
            call()


def test_a_model_without_weights_or_without_such_layers_is_refused():
    unbuilt = keras.Sequential([keras.layers.Dense(3)])
    norm = keras.Sequential([keras.Input((3,)), keras.layers.LayerNormalization()])
    for model in (unbuilt, norm):
        with pytest.raises(ValueError, match="has none"):
            apply_lora(model, verbose=False)


def test_any_keras_model_trains_by_adapters():
    model = keras.Sequential(
        [
            keras.Input((3,)),
            keras.layers.Dense(16, activation="relu"),
            keras.layers.BatchNormalization(),
            keras.layers.Dense(1),
        ]
    )
    x = random.numpy_generator(0).standard_normal((64, 3)).astype(np.float32)
    base = [v.numpy() for v in model.weights]
    apply_lora(model, rank=2, verbose=False)
    model.compile(keras.optimizers.Adam(0.05), "mse")
    losses = model.fit(x, x.sum(1), epochs=20, verbose=0).history["loss"]
    assert losses[-1] < 0.5 * losses[0]
    merge_lora(model)
    unmerge_lora(model)
    after = [v.numpy() for v in model.layers[0].weights[:2]]
    np.testing.assert_array_equal(after[0], base[0])
