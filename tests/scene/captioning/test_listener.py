"""The listener that chooses what is said: what is proven is true of one object, and a sure caption stays."""

import numpy as np
import pytest

from models.scene.captioning.listener import Listener, proven, ranked, told_apart
from models.scene.data.scan import Instance
from models.scene.objects.object_set import from_instances
from models.scene.synthetic_language.templates import CLOSEST

WHITE = np.array((205, 203, 198), np.float32)


def thing(number: int, label: str, x: float, y: float, size: float = 0.5) -> Instance:
    box = np.array((x, y, 0, x + size, y + size, size), np.float32)
    return Instance(number, label, box, WHITE)


@pytest.fixture(scope="module")
def room():
    """Three chairs in a row, a door beside the first and a lamp beside the last."""
    return from_instances(
        [
            thing(1, "chair", 0, 0),
            thing(2, "chair", 2, 0),
            thing(3, "chair", 4, 0),
            thing(4, "door", 0, 0.8),
            thing(5, "lamp", 4, 0.8, 0.3),
            thing(6, "wall", 0, 3, 5),
        ]
    )


def test_what_is_proven_is_true_of_that_object_alone(room):
    found = proven(room)
    near = [f"{words} the door" for words in CLOSEST]
    assert set(near) & set(found[0]) and not set(near) & {*found[1], *found[2]}
    assert 3 not in found and 5 not in found, "a door and a wall have no rivals"
    assert not any("correct" in clause or clause.startswith("the chair") for clause in found[0])


def test_no_colour_is_proven_of_a_scan_without(room):
    red = Instance(7, "chair", thing(7, "chair", 2, 2).box, np.array((140, 45, 45), np.float32))
    told = from_instances([*(thing(n, "chair", 2.0 * n, 0) for n in range(3)), thing(9, "door", 0, 2), red])
    coloured, without = (" ".join(proven(told, coloured=known)[4]) for known in (True, False))
    assert "red" in coloured and "red" not in without


def test_ranks_are_told_where_they_are_clear(room):
    found = ranked(room)
    assert "the second closest to the door" in found[1] and "the third closest to the door" in found[2]
    assert not any("wall" in clause for clauses in found.values() for clause in clauses)
    level = from_instances(
        [*(thing(n, "chair", 2.0 * n, 0) for n in range(3)), thing(9, "lamp", 2.1, 1.5, 0.3)]
    )
    assert not any("lamp" in clause for clause in ranked(level).get(0, ())), "two chairs are as far from it"


class Told:
    """A listener that finds an object by the sentences it was given."""

    def __init__(self, *understood: str) -> None:
        self.understood = understood

    def __call__(self, objects, place, sentences):
        return np.array([2.0 if one in self.understood else -1.0 for one in sentences])


def test_a_caption_by_which_the_object_is_found_stays(room):
    texts = ["This is a chair. It is near the door.", "This is a chair."]
    assert told_apart(Told(*texts), room, 0, texts, ["closest to the door"]) == texts


def test_else_what_is_proven_is_said(room):
    texts = ["This is a chair.", "This is a seat."]
    made = "This is a chair. It is closest to the door."
    said = told_apart(Told(made), room, 0, texts, ["on the left", "closest to the door"])
    assert said == [made, "This is a chair."]
    assert told_apart(Told("This is a seat."), room, 0, texts, []) == ["This is a seat.", "This is a chair."]


def test_the_shipped_listener_hears(room):
    listener = Listener()
    near, far = listener(room, 0, ["the chair closest to the door", "the lamp"])
    assert near > far
    alone = listener(room, 0, ["the chair closest to the door"])
    assert alone[0] == pytest.approx(near, abs=1e-3), "sentences beside it make no difference"
