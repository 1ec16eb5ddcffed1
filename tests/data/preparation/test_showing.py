"""What a page shows of contents: short, small, and with the change in it."""

import numpy as np

from tfgenai.data.preparation.showing import show, show_change
from tfgenai.data.raw import Sound


def test_long_texts_are_cut_and_large_pictures_made_small():
    assert show("x" * 1000)["text"] == "x" * 400 + "…"
    large = np.zeros((1000, 2000, 3), np.uint8)
    assert len(show(large)["image"]) < 2000


def test_a_change_far_inside_a_text_is_shown_and_marked():
    before, after = "plain " * 200 + "\x07END", "plain " * 200 + "END"
    one, two = show_change(before, after)
    assert (one["changed"], two["changed"]) == ("␇", "")
    assert one["rest"] == two["rest"] == "END"
    assert one["text"] == "…" + ("plain " * 200)[-80:]


def test_a_text_with_a_repeated_character_less_is_marked_once():
    one, two = show_change("aaa", "aa")
    assert one == {"text": "aa", "changed": "a", "rest": ""}
    assert two == {"text": "aa", "changed": "", "rest": ""}


def test_long_sounds_are_cut_and_stay_small():
    loud = Sound(np.full((480000, 2), 0.5, np.float32), 48000)
    shown = show(loud)
    assert len(shown["sound"]) < 3.0 * 16000 * 2 * 4 / 3 + 200
    assert shown["wave"].count("M") == 100
    assert "M1.0 10.0V30.0" in shown["wave"]
