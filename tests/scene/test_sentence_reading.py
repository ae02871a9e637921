"""What a sentence asks for that a scan has not, and what in it nobody knows, is told by its noun."""

from dataclasses import replace

import numpy as np
import pytest

from models.scene.data.mesh_io import GREY
from models.scene.data.scan import Instance, Scan
from models.scene.grounding.sentence_reading import read_sentence
from models.scene.types import Answer, Candidate

LABELS = ("bed", "office chair", "table", "door", "wardrobe", "couch", "window", "nightstand")


def scan_of(labels=LABELS, coloured=True):
    colours = np.full((4, 3), 90 if coloured else GREY, np.uint8)
    boxes = np.array([0, 0, 0, 1, 1, 1], np.float32)
    things = tuple(Instance(i, label, boxes, np.zeros(3, np.float32)) for i, label in enumerate(labels))
    cloud = np.zeros((4, 3), np.float32)
    return Scan("room", cloud, colours, np.zeros((0, 3), np.int32), np.full(4, -1, np.int32), things)


def told(sentence, scan=None):
    read = read_sentence(sentence, scan or scan_of())
    return read, {one.key: one.facts for one in read.notes}


@pytest.mark.parametrize(
    ("sentence", "noun"),
    [
        ("the bed beside the tv", "tv"),
        ("the chair next to the piano", "piano"),
        ("a lamp on the table", "lamp"),
        ("the office chair between the bed and the bookshelf", "bookshelf"),
    ],
)
def test_a_missing_thing_is_named(sentence, noun):
    read, notes = told(sentence)
    assert notes == {"thing_missing": {"noun": noun}} and read.missing == noun and read.text == sentence


@pytest.mark.parametrize(
    "sentence",
    ["it is next to the door", "the one next to the door", "the sofa", "the chairs by the window",
     "the closet door",
     "the tallest thing in the corner", "this is a brown table. it is to the left of the bed."],
)  # fmt: skip
def test_prepositions_and_pronouns_are_no_things(sentence):
    read, notes = told(sentence)
    assert not {"words_unknown"} & set(notes) and read.missing in ("", "closet")


@pytest.mark.parametrize(
    ("sentence", "text"),
    [
        ("the wardorbe", "the wardrobe"),
        ("the tabel near the widnow", "the table near the window"),
        ("the nihgtstand", "the nightstand"),
    ],
)
def test_typos_of_known_labels_are_understood_and_told(sentence, text):
    read, notes = told(sentence)
    assert read.text == text and "typo" in notes and read.missing == ""


def test_words_that_nobody_knows_are_told():
    read, notes = told("the xylozork near the bed")
    assert notes == {"words_unknown": {"words": "xylozork"}} and read.missing == "xylozork"
    read, notes = told("the zorky table")  # a kind of something that is there
    assert notes == {"words_unknown": {"words": "zorky"}} and read.missing == ""
    assert told("стул")[1] == {"words_unknown": {"words": "стул"}}


def test_of_several_things_the_first_is_looked_for_and_it_is_told():
    read, notes = told("the bed and the table and the door")
    assert read.text == "the bed" and notes == {"several_asked": {"first": "bed", "count": 3}}
    assert told("bed, table")[1] == {"several_asked": {"first": "bed", "count": 2}}
    assert told("the bed or the couch")[0].text == "the bed"
    assert "several_asked" not in told("the table, brown and near the door")[1]
    read, notes = told("the bed between the table and the door")
    assert read.text.endswith("and the door") and notes == {}


def test_colours_of_a_scan_without_colour_are_passed_over_and_told():
    read, notes = told("the brown table", scan_of(coloured=False))
    assert read.text == "the table" and notes == {"colour_unknown": {"words": "brown"}}
    assert told("the brown table")[1] == {}


def answer(shares, missing=""):
    found = tuple(Candidate(i, "table", (0,) * 6, share, 0, 0, 0) for i, share in enumerate(shares))
    return Answer("x", "table", found, (), (), (0, 0), ((0.0,),), "none", 0.0, missing)


def test_that_several_fit_is_told():
    read, _ = told("the table")
    assert [one.key for one in read.told(answer((0.4, 0.35, 0.25))).notes] == ["one_of_several"]
    assert read.told(answer((0.8, 0.2))).notes == ()


def test_the_verdict_names_the_missing_noun_and_never_a_preposition():
    assert told("the piano by the door")[0].told(answer((), "by")).missing == "piano"
    found = told("it is next to the door")[0].told(answer((), "next"))
    assert found.missing == "" and found.sentence == "it is next to the door"
    assert replace(found, missing="x").missing == "x"
