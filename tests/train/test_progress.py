"""The progress bar: on standard error, and at the end of its way when the run is."""

from tiny_training import STEPS, TinyData, compiled_model

from tfgenai.train import Progress


def test_all_steps_are_shown_on_standard_error(capsys):
    compiled_model(jit_compile=True).fit(
        TinyData(), epochs=2, verbose=0, callbacks=[Progress(2 * STEPS)]
    )
    output = capsys.readouterr()
    assert output.out == ""
    last = output.err.replace("\r", "\n").strip().splitlines()[-1]
    assert f"{2 * STEPS}/{2 * STEPS}" in last
    assert "epoch=2" in last
    assert "loss=" in last
