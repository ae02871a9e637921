"""The kinds of sentences, and generated sentences of each that boxes prove."""

import random
import re

import numpy as np
import pytest

from models.scene.data.scan import Instance
from models.scene.grounding.sentence_kinds import KINDS, kinds_of
from models.scene.synthetic_language.hard_sentences import HARD, hard_sentences


@pytest.mark.parametrize(
    ("sentence", "kinds"),
    [
        ("The second chair from the window", ("ordinal",)),
        ("the leftmost monitor", ("superlative", "left_right")),
        ("the closest lamp on the west wall", ("superlative",)),
        ("The lamp that isn't next to the bed", ("negation",)),
        ("the chair right next to the table", ("other",)),
        ("the chair to the right near the sofa", ("left_right",)),
        ("the box behind the couch", ("front_behind",)),
        ("pillow in between the others", ("between",)),
        ("Facing the desk, the bin in the corner", ("corner", "facing")),
        ("the chest with the headrest", ("other",)),
        ("the 3rd picture, not the one in front of you", ("ordinal", "negation", "front_behind")),
    ],
)
def test_kinds_are_read_off_the_words(sentence, kinds):
    assert kinds_of(sentence) == kinds


def thing(identity: int, label: str, x: float, y: float, height: float = 0.5, z: float = 0.0) -> Instance:
    box = np.array([x, y, z, x + 0.4, y + 0.4, z + height], np.float32)
    return Instance(identity, label, box, np.array([120, 118, 116], np.float32))


@pytest.fixture
def parlour() -> list[Instance]:
    """8 x 8 m around the origin; the middle faces chairs along the north wall and lamps in two corners."""
    chairs = [thing(n, "chair", x, 3, 0.5 + 0.2 * n) for n, x in enumerate((-2.5, -1.2, 0.1, 1.3))]
    lamps = [thing(10, "lamp", -3.9, -3.9), thing(11, "lamp", 3.5, -3.9), thing(12, "lamp", -0.5, -2.0)]
    others = [
        thing(27, "clock", -1.2, 2.2, 0.3, 0.5),
        thing(20, "table", -1.2, 2.2),
        thing(21, "door", -3.9, 3.4),
        thing(22, "plant", 3.5, 3.2),
    ]
    others += [thing(23, "bed", 3.5, -1.5), thing(24, "desk", 3.5, 1.6)]
    others += [thing(25, "box", 3.5, -3.9), thing(26, "box", 1.5, -0.5)]
    stools = [thing(40, "stool", -1.3, 1.7), thing(41, "stool", -0.7, 1.7), thing(42, "stool", 3.5, 0)]
    walls = [thing(30, "wall", -4, -4), thing(31, "wall", 3.6, 3.6)]
    return [*chairs, *lamps, *others, *stools, *walls]


def said(objects, kind):
    found = {}
    for seed in range(6):
        for one in hard_sentences(objects, random.Random(seed), each=50):
            if one.kind == kind:
                found[one.sentence] = one
    return list(found.values())


def test_every_kind_has_a_generator_and_is_read_as_such(parlour):
    assert set(HARD) == set(KINDS)
    for kind in HARD:
        sentences = said(parlour, kind)
        assert sentences, kind
        assert all(kind in kinds_of(one.sentence) for one in sentences)


def test_ordinals_count_along_the_row(parlour):
    chairs = [one for one in said(parlour, "ordinal") if one.target < 4 and "from the" in one.sentence]
    places = {"first": 0, "second": 1, "third": 2, "fourth": 3}
    assert chairs
    for one in chairs:
        rank = places[re.search("|".join(places), one.sentence)[0]]
        assert one.target == (rank if "left" in one.sentence else 3 - rank), one


def test_what_is_denied_is_true_of_all_others(parlour):
    corners = [one for one in said(parlour, "negation") if "corner" in one.sentence]
    assert {one.target for one in corners} == {12, 26}, "the other lamps and the other box stand in corners"
    away = [one for one in said(parlour, "negation") if one.anchors == (20,) and one.target >= 40]
    assert {one.target for one in away} == {42}, "the other stools are at the table"


def test_depths_are_seen_from_the_middle(parlour):
    behind = [one for one in said(parlour, "front_behind") if one.anchors == (20,) and one.target < 4]
    assert behind and all("behind" in one.sentence and one.target == 1 for one in behind)


def test_a_name_that_others_bear_too_is_not_used(parlour):
    crowd = [*parlour, thing(50, "office chair", 0, 0), thing(51, "office chair", 2, 0)]
    assert not [one for kind in HARD for one in said(crowd, kind) if one.target in (0, 1, 2, 3, 50, 51)]
