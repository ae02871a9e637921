"""The registry of methods: names that are known, each once, and what an unknown one is told."""

import pytest

from models.core.errors import UserError
from models.scene.grounding.registry import GROUNDERS
from models.scene.grounding.sentence_vectors import WordIndices
from models.scene.grounding.vocabulary import LONGEST, UNKNOWN, Vocabulary


def test_the_methods_of_the_talk_are_there():
    assert set(GROUNDERS.shipped) >= {"instancerefer", "scanrefer", "tgnn", "referit3dnet"}
    assert GROUNDERS.default == "instancerefer"


def test_what_is_installed_can_be_asked():
    assert GROUNDERS.default in GROUNDERS.installed()
    assert set(GROUNDERS.installed()) <= set(GROUNDERS.shipped)


def test_names_come_in_the_registrys_order_each_once():
    assert GROUNDERS.chosen("tgnn, instancerefer,tgnn") == ("instancerefer", "tgnn")


@pytest.mark.parametrize("names", ["", "tgnn,", "../tgnn", "TGNN", "votenet"])
def test_a_name_that_is_none_is_told(names):
    with pytest.raises(UserError) as told:
        GROUNDERS.chosen(names)
    assert told.value.key == "model_unknown"
    assert "referit3dnet" in told.value.facts["choices"]


def test_a_sentence_is_read_as_in_training():
    vocabulary = ["chair", "red", "the", ","]
    words = WordIndices([" ".join(vocabulary)] * 3)
    read = Vocabulary(words.known).read("The red chair, please")
    assert [place for place, *_ in read] == words["The red chair, please"].tolist()
    assert read[-1] == (UNKNOWN, 15, 21)


def test_a_sentence_without_a_word_is_one_unknown_word_and_a_long_one_is_cut():
    assert Vocabulary(["chair"]).read("  ") == [(UNKNOWN, 0, 0)]
    assert len(Vocabulary(["chair"]).read("chair " * 100)) == LONGEST
