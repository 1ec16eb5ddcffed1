"""The package's public names."""

import tfgenai as tg


def test_every_public_name_is_there():
    for name in tg.finetune.__all__:
        assert getattr(tg.finetune, name) is not None
    assert "apply_lora" in dir(tg.finetune)
    assert not hasattr(tg.finetune, "apply_magic")
