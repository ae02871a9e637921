"""Generated sentences: what they say must be true of the boxes."""

import random
import re

import numpy as np
import pytest

from models.scene.data.geometry import box_gaps
from models.scene.data.scan import Instance
from models.scene.synthetic_language.colour_names import names_of_colours
from models.scene.synthetic_language.sentences import make_sentences
from models.scene.synthetic_language.templates import FAMILIES


def thing(
    identity: int, label: str, x: float, y: float, z: float = 0.0, size: float = 0.5, colour=(120, 118, 116)
):
    box = np.array([x, y, z, x + size, y + size, z + size], np.float32)
    return Instance(identity, label, box, np.array(colour, np.float32))


@pytest.fixture
def office() -> list[Instance]:
    return [
        thing(1, "chair", 0.5, 0.5, colour=(35, 33, 32)),
        thing(2, "chair", 3.0, 0.5, colour=(140, 45, 45)),
        thing(3, "chair", 5.2, 4.8, size=0.9, colour=(205, 203, 198)),
        thing(4, "window", 0.0, 0.2, 1.0, 0.3),
        thing(5, "door", 5.6, 5.6),
        thing(6, "desk", 2.8, 1.2, size=0.8),
        thing(7, "monitor", 3.0, 1.4, 0.8, 0.3),
        thing(8, "monitor", 0.1, 4.0, 1.6, 0.3),
        thing(9, "wall", -0.1, -0.1, size=0.05),
        thing(10, "wall", 6.1, 6.1, size=0.05),
    ]


def test_every_kind_speaks_of_objects_of_the_scene(office):
    said = make_sentences(office, random.Random(0), {6: np.array([0.0, -1.0])}, each=20)
    assert {sentence.kind for sentence in said} <= set(FAMILIES)
    assert len({sentence.kind for sentence in said}) >= 7
    ids = {item.id for item in office}
    assert all(sentence.target in ids and set(sentence.anchors) <= ids for sentence in said)
    assert not any("wall" in sentence.sentence.split() and sentence.kind != "places" for sentence in said)


def test_the_closest_is_the_closest(office):
    boxes = {item.id: item.box[None] for item in office}
    labels = {item.id: item.label for item in office}
    checked = 0
    for sentence in make_sentences(office, random.Random(1), each=50):
        if sentence.kind == "horizontal":
            sign = -1 if re.search(r"far|fur|away", sentence.sentence) else 1
            anchor = boxes[sentence.anchors[0]]
            peers = [i for i, label in labels.items() if label == labels[sentence.target]]
            gaps = {i: sign * float(box_gaps(boxes[i], anchor)[0, 0]) for i in peers}
            assert min(gaps, key=gaps.get) == sentence.target, sentence
            checked += 1
    assert checked > 5


def test_on_top_of_is_on_top(office):
    said = [
        s for s in make_sentences(office, random.Random(2), each=50) if s.kind == "vertical" and s.target == 7
    ]
    assert said
    assert all(s.anchors == (6,) for s in said)


def test_sides_are_those_of_the_viewer(office):
    """From the middle of the room the window lies towards -x and -y: chair 2 is on its left."""
    for seed in range(20):
        for s in make_sentences(office, random.Random(seed), each=50):
            if s.kind == "facing" and s.anchors == (4,) and s.target in (1, 2, 3):
                assert ("left" in s.sentence) == (s.target == 2), s


COLOURED = {
    "black": (36, 34, 33),
    "blue": (50, 70, 135),
    "red": (130, 40, 38),
    "yellow": (165, 132, 55),
    "brown": (92, 60, 40),
    "green": (70, 105, 60),
    "white": (205, 203, 198),
}


@pytest.mark.parametrize("light", [1.0, 0.6], ids=["bright", "dim"])
def test_colours_have_the_name_that_people_use_in_any_light(light):
    """The wall is white; what is no colour of its own is gray or one of its two neighbours."""
    colours = np.array([*COLOURED.values(), (110, 109, 107)], np.float32) / 255 * light
    boxes = np.array([[0, 0, 0, 0.5, 0.5, 0.5]] * len(colours), np.float32)
    boxes[list(COLOURED).index("white"), 3:] = 4, 3, 0.1
    names = names_of_colours(colours, boxes)
    assert [one[0] for one in names[:-1]] == list(COLOURED)
    assert "gray" in names[-1][:2]


def test_nothing_stands_on_a_middle(office):
    said = [s.sentence for seed in range(30) for s in make_sentences(office, random.Random(seed), each=50)]
    assert any("in the middle" in one for one in said) and not any("on the middle" in one for one in said)


def test_a_scene_of_two_things_says_nothing(office):
    assert make_sentences(office[:2], random.Random(0)) == []


def test_the_same_seed_says_the_same(office):
    assert make_sentences(office, random.Random(5)) == make_sentences(office, random.Random(5))
