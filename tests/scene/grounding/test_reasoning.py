"""What sentences claim and boxes prove; several that fit, none that can."""

import numpy as np
import pytest

from models.scene.grounding.box_checks import check, peers_of
from models.scene.grounding.claims import Claim, Outlook, read_claims
from models.scene.grounding.reasoning import combined, reason
from models.scene.objects.object_set import Objects

THINGS = (
    *(("chair", x, 4.0) for x in (-2.0, -1.0, 0.0, 1.0, 2.0)),  # in a row along the north wall
    ("table", -4.5, 4.5),  # in a corner
    ("table", 0.0, -2.0),
    ("lamp", -0.2, -2.2),  # at the second table
    ("door", 1.0, 2.5),
    ("door", 3.0, 4.5),
)


def room(things=THINGS, confidence: float = 1.0) -> Objects:
    """Boxes of 0.4 m in a room of 10 x 10 m; who looks north in its middle has +x at the right."""
    boxes = np.array([[x - 0.2, y - 0.2, 0, x + 0.2, y + 0.2, 1] for _, x, y in things], np.float32)
    count = len(things)
    return Objects(
        np.arange(count) + 10,
        tuple(label for label, *_ in things),
        np.zeros((count, 384), np.float32),
        boxes,
        np.zeros((count, 3), np.float32),
        np.full(count, confidence, np.float32),
        np.zeros((count, 128), np.float32),
        np.array([-5, -5, 0, 5, 5, 3], np.float32),
    )


LABELS = room().labels


@pytest.mark.parametrize(
    ("sentence", "claims"),
    [
        ("the second chair from the left", [Claim("row", "left", 1)]),
        ("This is a black chair. It is third from the right.", [Claim("row", "right", 2)]),
        ("facing the doors, the 4th one on your left", [Claim("row", "left", 3)]),
        ("the rightmost chair", [Claim("row", "right")]),
        ("the chair on the far left", [Claim("row", "left")]),
        ("the second rightmost chair", [Claim("row", "right", 1)]),
        ("from left to right, the third chair", [Claim("row", "left", 2)]),
        ("the chair that is second closest to the door", [Claim("near", rank=1, anchors=("door",))]),
        ("the third chair from the brown door", [Claim("near", rank=2, anchors=("door",))]),
        ("It is the chair third farthest from the lamp.", [Claim("far", rank=2, anchors=("lamp",))]),
        ("the first chair from the door", []),
        ("the chair on the left", [Claim("side", "left")]),
        ("the table in the corner of the room", [Claim("corner")]),
        ("the table that is not in the corner", [Claim("corner", negated=True)]),
        ("the chair between the two doors", [Claim("between", anchors=("door",))]),
        ("the chair between the door and the table", [Claim("between", anchors=("door", "table"))]),
        ("the table without a lamp", [Claim("without", anchors=("lamp",))]),
        ("the table that is not next to the lamp", [Claim("without", anchors=("lamp",))]),
    ],
)
def test_claims_are_read(sentence, claims):
    assert list(read_claims(sentence, LABELS).claims) == claims


@pytest.mark.parametrize(
    "sentence",
    [
        "the chair",
        "the chair next to the second door from the left",  # of the door
        "the lamp on the table in the corner",  # the table's corner, or the lamp's
        "the chair to the left of the door",  # of something
        "the chair at the corner of the table",
        "the chair right next to the door",
        "the chest of drawers by the door",
    ],
)
def test_the_reader_abstains_where_it_is_unsure(sentence):
    assert read_claims(sentence, LABELS).claims == ()


@pytest.mark.parametrize(
    ("sentence", "meant"),
    [
        ("the second chair from the left", 1),
        ("the second chair from the right", 3),
        ("the leftmost chair", 0),
        ("the fifth chair from the left", 4),
        ("the table in the corner", 5),
        ("the table that is not in the corner", 6),
        ("the table without a lamp", 5),
        ("the chair between the two doors", 4),
    ],
)
def test_boxes_decide_where_the_network_knows_nothing(sentence, meant):
    known = reason(sentence, room(), "chair")
    scores = np.zeros(len(THINGS))
    peers = known.peers.places
    best = peers[combined(scores, np.ones(len(THINGS)), known.odds, 1.0)[peers].argmax()]
    assert int(best) == meant


def test_a_sure_network_is_not_overruled_and_others_are_left_alone():
    known = reason("the second chair from the left", room(), "chair")
    scores = np.zeros(len(THINGS))
    scores[3] = 12.0
    assert int(combined(scores, np.ones(len(THINGS)), known.odds, 1.5).argmax()) == 3
    assert not known.odds[5:].any(), "only chairs are judged"
    assert not reason("the chair next to the door", room(), "chair").odds.any()


def test_a_reason_is_told_of_the_answer_that_it_proves():
    objects = room()
    known = reason("the second chair from the left", objects, "chair")
    (proof,) = known.proofs(objects, 1)
    assert proof.key == "proof_left"
    assert proof.facts == {"rank": 2, "things": "chairs", "count": 5}
    assert known.proofs(objects, 2) == ()
    assert [one.key for one in reason("the table in the corner", objects, "table").proofs(objects, 5)] == [
        "proof_corner"
    ]


@pytest.mark.parametrize(
    ("sentence", "place", "key"),
    [
        ("the chair that is second closest to the lamp", 1, "proof_near"),
        ("the second chair from the lamp", 1, "proof_near"),
        ("the chair second farthest from the lamp", 3, "proof_far"),
    ],
)
def test_ranks_by_distance_are_measured(sentence, place, key):
    objects = room((*THINGS[:5], ("lamp", -3.0, 4.0)))
    known = reason(sentence, objects, "chair")
    assert int(known.odds[:5].argmax()) == place
    (proof,) = known.proofs(objects, place)
    assert proof.key == key and proof.facts == {"rank": 2, "things": "chairs", "anchor": "lamp"}
    assert known.proofs(objects, 2) == ()


def test_a_rank_by_distance_that_no_thing_has_is_told():
    known = reason("the seventh chair from the lamp", room(), "chair")
    assert known.impossible and [one.key for one in known.notes] == ["too_few"]


@pytest.mark.parametrize(
    ("sentence", "outlook"),
    [
        ("facing the doors, the chair on the left", Outlook("facing", "door")),
        ("If you are facing the table, it is the chair on the right.", Outlook("facing", "table")),
        ("the lamp on the left when looking at the white table", Outlook("facing", "table")),
        ("with your back to the door, the chair on your right", Outlook("back", "door")),
        ("as you enter the room, the chair on the left", Outlook("entering", "door")),
        ("the chair is facing the table. it is on the left.", None),
        ("the chair on the left by the door", None),
    ],
)
def test_how_a_person_stands_is_read(sentence, outlook):
    assert read_claims(sentence, LABELS).outlook == outlook


@pytest.mark.parametrize(
    ("sentence", "meant", "ahead", "told"),
    [
        ("the leftmost chair", 0, (0, 1), "seen_facing_them"),
        ("facing the lamp, the leftmost chair", 4, (-0.09, -1), "seen_facing"),
        ("with your back to the lamp, the leftmost chair", 0, (0.09, 1), "seen_back"),
        ("facing the lamp, the chair on the right", 0, (-0.09, -1), "seen_facing"),
    ],
)
def test_left_and_right_are_those_of_the_person_who_speaks(sentence, meant, ahead, told):
    known = reason(sentence, room(), "chair")
    assert int(known.odds[:5].argmax()) == meant
    assert known.standpoint is not None and known.standpoint.at == (0, 0)
    assert known.standpoint.ahead == pytest.approx(ahead, abs=0.02)
    assert [one.key for one in known.notes] == [told]


def test_what_stands_in_the_middle_tells_nobody_where_to_look():
    things = (*THINGS, ("plant", 0.2, -0.2))
    known = reason("facing the plant, the leftmost chair", room(things), "chair")
    assert known.look is None and [one.key for one in known.notes] == ["seen_facing_them"]


def test_without_left_or_right_nobody_stands_anywhere():
    for sentence in ("the table in the corner", "the chair", "facing the lamp, the chair next to the door"):
        assert reason(sentence, room(), "chair").standpoint is None
    assert reason("facing the lamp, the 9th chair from the left", room(), "chair").standpoint is None


def test_a_pronoun_stands_for_what_the_network_takes_it_to_be():
    assert reason("it is the second one from the left", room(), "chair").odds[:5].argmax() == 1


def test_boxes_that_nobody_named_are_no_peers():
    things = (("", 0.0, 1.0), ("", 1.0, 1.0), ("chair", 2.0, 1.0))
    assert not reason("it is the second one from the left", room(things), "").odds.any()


def test_detections_of_one_thing_count_once():
    things = (THINGS[0], ("chair", -1.97, 4.0), *THINGS[1:5])
    objects = room(things)
    peers = peers_of("chair", objects)
    assert len(peers.places) == 5 and peers.twin == {1: 0}
    known = reason("the second chair from the left", objects, "chair")
    assert known.odds.argmax() == 2
    assert known.odds[0] == known.odds[1]


def test_who_stands_amid_them_has_no_left():
    around = tuple(("chair", x, y) for x, y in ((3, 0), (-3, 0), (0, 3), (0, -3)))
    shares = check(Claim("row", "left", 1), room(around), peers_of("chair", room(around)))
    assert shares is not None and np.ptp(shares) < 1e-9


@pytest.mark.parametrize("sentence", ["the chair", "find a chair, please", "Where is the chair?", "chairs"])
def test_several_fit_a_bare_name(sentence):
    known = reason(sentence, room(), "chair")
    assert known.fits == (0, 1, 2, 3, 4)
    assert known.notes[0].facts == {"count": 5, "things": "chairs"}


@pytest.mark.parametrize(
    "sentence", ["the brown chair", "the chair near the door", "the chair on the left", "the lamp", "it"]
)
def test_what_says_more_or_is_alone_fits_one(sentence):
    assert reason(sentence, room(), "chair").fits == ()


def test_an_armchair_is_no_rival_of_chairs_and_an_office_chair_is():
    kinds = (("chair", 0, 1), ("office chair", 1, 1), ("armchair", 2, 1))
    assert reason("the chair", room(kinds), "chair").fits == (0, 1)
    assert reason("the chair", room((("armchair", 0, 1), ("armchair", 2, 1))), "armchair").fits == (0, 1)


def test_none_fits_where_the_row_is_too_short():
    known = reason("the sixth chair from the left", room(), "chair")
    assert known.impossible and known.notes[0].key == "too_few" and known.notes[0].facts["count"] == 5
    assert not reason("the fifth chair from the left", room(), "chair").impossible
