"""What training sees: disturbed scenes that keep what must be kept, and sentences beside them."""

import numpy as np
import pytest

from models.scene.data.datasets import Sentence
from models.scene.data.scan import Instance
from models.scene.grounding.batches import ANCHORS, Labels, _mentioned, collate, disturbed, training_batch
from models.scene.objects import object_set as objects_module
from models.scene.objects.object_set import Objects, from_instances, relabelled

LABELS = ("chair", "chair", "office chair", "window", "door", "desk")


@pytest.fixture(autouse=True)
def _vectors(monkeypatch):
    """Labels as one-hot vectors: MiniLM is not what is tested."""

    def vector(label: str) -> np.ndarray:
        found = np.zeros(384, np.float32)
        if label:
            found[sorted({*LABELS}).index(label)] = 1
        return found

    monkeypatch.setattr(objects_module, "_label_vector", vector)


def scene() -> Objects:
    return from_instances(
        [
            Instance(
                10 + k,
                label,
                np.array([k, 0, 0, k + 0.5, 0.5, 1], np.float32),
                np.full(3, 40.0 * k, np.float32),
            )
            for k, label in enumerate(LABELS)
        ]
    )


class Words(dict):
    def __missing__(self, text: str) -> np.ndarray:
        return np.ones((len(text.split()), 384), np.float16)


def test_what_must_stay_stays():
    labels, rng = Labels.of({"a": scene()}), np.random.default_rng(0)
    seen = set()
    for _ in range(50):
        changed, places = disturbed(scene(), rng, labels, [0, 3])
        assert {0, 3} <= set(places.tolist())
        assert (changed.boxes[:, :3] < changed.boxes[:, 3:]).all()
        assert len(changed) == len(changed.labels) == len(changed.boxes) == len(places)
        assert changed.ids.tolist() == [10 + place for place in places]
        seen |= {len(places)}
    assert min(seen) < 6 == max(seen), "some objects are missed, sometimes none"


def test_quarter_turns_keep_the_boxes_in_the_room():
    labels, rng = Labels.of({"a": scene()}), np.random.default_rng(1)
    for _ in range(20):
        changed, _ = disturbed(scene(), rng, labels, range(6))
        assert (changed.boxes[:, :2] >= changed.room[:2] - 0.3).all()
        assert (changed.boxes[:, 3:5] <= changed.room[3:5] + 0.3).all()


def test_a_generated_sentence_knows_its_anchors_and_people_are_read():
    said = Sentence("a", "the chair next to the door", 10, "", "horizontal", (14,))
    assert _mentioned(scene(), said) == [[4]]
    person = Sentence("a", "the chair between the windows and the door, not the office chair", 10)
    assert sorted(_mentioned(scene(), person)) == [[2], [3], [4]]
    assert _mentioned(scene(), Sentence("a", "the office chair", 12)) == []


def test_a_batch_holds_the_target_and_its_peers():
    sentences = [
        Sentence("a", "the chair next to the door", 11, "", "horizontal", (14,)),
        Sentence("a", "some chair", None, "chair", "class"),
    ]
    scenes = {"a": scene()}
    batch, taught = training_batch(sentences, scenes, Words(), Labels.of(scenes), np.random.default_rng(2))
    assert taught.target[1] == -1
    assert taught.labels[0, taught.target[0]] == Labels.of(scenes).places["chair"]
    assert taught.peers.sum(1).tolist() == [2, 2]
    assert taught.anchors.shape[1] == ANCHORS
    assert taught.anchors[0].sum() == 1
    assert not (taught.unlike & taught.peers).any()
    assert not taught.peers[~batch.exists].any()


def test_a_missed_object_is_no_object_of_the_batch():
    scenes = {"a": scene()}
    labels, rng = Labels.of(scenes), np.random.default_rng(0)
    for _ in range(20):
        asked = [Sentence("a", "the chair", 10)] * 3
        batch, taught = training_batch(asked, scenes, Words(), labels, rng)
        assert ((taught.labels >= 0) == batch.exists).all()


def test_padding_is_marked():
    small = scene()
    batch = collate([small, small], ["one two", "one two three"], Words())
    assert batch.exists.sum(1).tolist() == [6, 6]
    assert batch.word_mask.sum(1).tolist() == [2, 3]
    assert (batch.boxes[~batch.exists] == 0).all()


def test_detected_names_replace_annotated_ones():
    truth = scene()
    detected = from_instances(
        [Instance(0, "desk", np.array([0, 0, 0, 0.5, 0.5, 0.9], np.float32), np.zeros(3, np.float32), 0.9)]
    )
    renamed = relabelled(truth, detected)
    assert renamed.labels == ("desk", "", "", "", "", "")
    assert np.allclose(renamed.names[0], detected.names[0])
    assert not renamed.names[1:].any()
