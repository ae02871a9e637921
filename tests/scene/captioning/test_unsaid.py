"""What a caption doesn't say: colours that its object has not."""

from itertools import pairwise

import numpy as np
import pytest
import torch

from models.core.checkpoints import FOLDER
from models.scene.captioning.batches import captions
from models.scene.captioning.evaluation import as_said, dominant, side_as_said
from models.scene.captioning.faithfulness import colour_said
from models.scene.captioning.scan2cap import Scan2Cap
from models.scene.captioning.spoken_words import SILENT, SpokenWords
from models.scene.captioning.unsaid import Unsaid, unsaid
from models.scene.captioning.xtrans2cap.open_xtrans2cap import OpenXTrans2Cap
from models.scene.synthetic_language.colour_names import NEAR, names_of_colours
from tests.scene.test_open_xtrans2cap import room

WORDS = SpokenWords(("<pad>", "<unk>", "<s>", "</s>", "<n>", "red", "blue", "grey", "dark", ".", "chair"), 12)
RED, BLUE, GREY, DARK, STOP, CHAIR = range(5, 11)


def test_a_colour_is_silent_in_the_first_sentence_alone_and_of_its_own_object():
    never = Unsaid((0,), torch.tensor([[n == BLUE for n in range(11)], [n == RED for n in range(11)]]), STOP)
    said = torch.tensor([[2, CHAIR], [2, STOP], [2, CHAIR], [2, STOP]])  # two captions of each of two objects
    silent = never.silence(torch.zeros(4, 11), said).isinf()
    again = [[0, BLUE, CHAIR], [0, STOP], [0, RED, CHAIR], [0, STOP]]  # nor is the last word
    assert [row.nonzero().flatten().tolist() for row in silent] == again


@pytest.mark.parametrize(
    ("kind", "checkpoint"), [(OpenXTrans2Cap, "xtrans2cap"), (Scan2Cap, "scan2cap")], ids=["beam", "greedy"]
)
def test_no_word_is_said_twice_in_a_row(kind, checkpoint):
    """By a network that likes nothing better."""
    network = kind.from_pretrained(FOLDER / checkpoint).float().eval()
    likes = torch.zeros(len(network.spoken.words))
    likes[network.spoken.places["brown"]] = 50
    for layer in network.modules():
        if isinstance(layer, torch.nn.Linear) and layer.out_features == len(likes):
            layer.register_forward_hook(lambda _, __, logits: logits + likes)
    objects = room()
    for words in captions(network, [(objects, place) for place in range(len(objects))]):
        assert "brown" in words
        assert all(one != other for one, other in pairwise(words))


def test_names_that_people_would_not_use_are_unsaid():
    objects = room()
    never = unsaid(WORDS, [(objects, place) for place in range(len(objects))])
    names = names_of_colours(objects.colours, objects.boxes)
    for row, own in zip(never.first, names, strict=True):
        silent = {WORDS.words[at] for at in row.nonzero().flatten().tolist()}
        assert silent == {word for word in ("red", "blue") if word not in own[:NEAR]} | (
            {"grey"} if "gray" not in own[:NEAR] else set()
        )
    assert never.stop == STOP and never.always == SILENT


def test_of_a_scan_without_colours_none_is_said():
    never = unsaid(WORDS, [(room(), 0)], coloured=False)
    assert {RED, BLUE, GREY, DARK} <= set(never.always) and CHAIR not in never.always


@pytest.mark.parametrize(
    ("kind", "checkpoint"), [(OpenXTrans2Cap, "xtrans2cap"), (Scan2Cap, "scan2cap")], ids=["beam", "greedy"]
)
def test_what_ships_names_a_colour_that_its_object_has(kind, checkpoint):
    """A red thing is red whatever the network would like to say of a chair."""
    network = kind.from_pretrained(FOLDER / checkpoint).float().eval()
    objects = room()
    own = names_of_colours(objects.colours, objects.boxes)
    said = captions(network, [(objects, place) for place in range(len(objects))])
    named = [colour_said(words) for words in said]
    assert any(named)
    assert all(name is None or name in names[:NEAR] for name, names in zip(named, own, strict=True))


def test_the_dominant_colour_is_that_of_the_heaviest_part(tmp_path):
    objects = room()
    parts = np.zeros((int(objects.ids.max()) + 1, 3, 4), np.uint8)
    parts[objects.ids[0]] = [[90, 1, 2, 3], [120, 200, 0, 51], [45, 9, 9, 9]]
    (tmp_path / "boxes").mkdir()
    np.savez(tmp_path / "boxes/instance_colour_gmm_1513scenes.npz", here=parts)
    found = dominant(tmp_path, {"here": objects})["here"].colours
    assert found[0] == pytest.approx([200 / 255, 0, 0.2])
    assert np.array_equal(found[1:], objects.colours[1:])


KNOWN = ("chair", "table")


@pytest.mark.parametrize(
    ("text", "colour", "side"),
    [
        ("this is a brown chair . it is to the left of the table .", True, True),
        ("this is a gray chair . it is to the right of the table .", False, False),
        ("this is a chair . it is to the left of the chair .", None, None),  # of another neighbour
    ],
)
def test_claims_are_held_against_what_others_said(text, colour, side):
    others = ["a brown chair to the left of the table .", "the chair by the wall ."]
    rows = [one.split() for one in others]
    assert as_said(text.split(), rows) is colour
    assert side_as_said(text.split(), rows, KNOWN) is side
