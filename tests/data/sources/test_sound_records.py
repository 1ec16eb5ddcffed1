"""Records of sound: offsets, hashes and parts."""

import numpy as np

from tfgenai.data.raw.example import Example, Sound
from tfgenai.data.sources.sound_records import SoundRecords, converted

_SOUNDS = [
    Sound(np.full((n, 1), v, np.float32), 8000)
    for n, v in ((3, 0.1), (1, 0.2), (4, 0.3), (3, 0.1))
]


def records(**options):
    labels = np.array([0, 1, 1, 0], np.int32)
    return SoundRecords.of(_SOUNDS, labels, list("abcd"), total=11, **options)


def test_sounds_lie_one_after_another():
    made = records()
    assert made.lengths.tolist() == [3, 1, 4, 3]
    assert made.offsets.tolist() == [0, 3, 4, 8]
    np.testing.assert_array_equal(
        made.samples, np.concatenate([sound.samples for sound in _SOUNDS])
    )
    assert made.digests[2].tobytes() == Example("x", _SOUNDS[2]).sha256()
    assert np.asarray(made.tensor()).shape == (11, 1)


def test_fetched_ones_keep_no_samples():
    made = records(fetch=lambda i: _SOUNDS[i].samples)
    assert made.samples is None
    np.testing.assert_array_equal(made.digests, records().digests)
    part = made.take(np.array([2, 0]))
    np.testing.assert_array_equal(part.fetch(0), _SOUNDS[2].samples)
    assert part.lengths.tolist() == [4, 3]


def test_a_part_is_what_was_taken():
    part = records().take(np.array([1, 2]))
    assert part.ids == ["b", "c"]
    assert part.labels.tolist() == [1, 1]
    np.testing.assert_array_equal(
        part.samples, np.concatenate([_SOUNDS[1].samples, _SOUNDS[2].samples])
    )


def test_card_and_groups_see_copies():
    made = records()
    groups = made.groups()
    assert groups[0] == groups[3]
    assert len(set(groups)) == 3
    card = made.card(np.arange(4), 3)
    assert card.num_duplicates == 1
    assert card.label_histogram == [2, 2, 0]
    assert card.num_seconds == round(11 / 8000, 3)
    assert card.sha256 != made.card(np.arange(3), 3).sha256
    assert made.card(np.array([1]), 3).num_duplicates == 0


def test_converted_mixes_and_resamples():
    stereo = Sound(np.stack([np.ones(80), np.zeros(80)], 1).astype(np.float32), 8000)
    assert converted(stereo, 8000, 2) == stereo
    made = converted(stereo, 16000, 1)
    assert made.samples.shape == (160, 1)
    assert made.sample_rate == 16000
    np.testing.assert_allclose(made.samples[40:-40], 0.5, atol=0.01)
    np.testing.assert_array_equal(
        converted(stereo, None, 3).samples, np.full((80, 3), 0.5, np.float32)
    )
