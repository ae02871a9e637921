"""Captions are judged as the protocol says: words, frames, and scores with known values."""

import math
import shutil

import pytest

from models.scene.captioning.metrics import CiderReward, caption_scores, caption_words, framed, truth_rates

pytest.importorskip("pycocoevalcap")

REFERENCES = {
    "a": [framed(["this", "is", "a", "brown", "chair", ".", "it", "is", "next", "to", "the", "table", "."])],
    "b": [
        framed(["the", "white", "sink", "is", "in", "the", "corner", "."]),
        framed(["this", "is", "a", "sink", "under", "a", "mirror", "."]),
    ],
    "c": [framed(["there", "is", "a", "tall", "lamp", "behind", "the", "couch", "."])],
}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("This is a CHAIR.", ["this", "is", "a", "chair", "."]),
        ("it's the t.v. it isn't red", ["it", "'s", "the", "t", ".", "v", ".", "it", "is", "n't", "red"]),
        ("a u-shaped desk/table, 2nd", ["a", "u-shaped", "desk", "/", "table", ",", "2nd"]),
        ("compost_bin", ["compost", "bin"]),
        ("", []),
    ],
)
def test_words(text, words):
    assert caption_words(text) == words


def test_a_frame_holds_thirty_words():
    assert framed(["red"]) == "sos red eos"
    assert framed(["word"] * 40).split() == ["sos", *["word"] * 30, "eos"]


def test_saying_the_reference_is_perfect():
    said = {key: rows[0] for key, rows in REFERENCES.items()}
    scores = caption_scores(said, REFERENCES, meteor=False)
    assert scores["BLEU-4"] == pytest.approx(100, abs=0.1)
    assert scores["ROUGE-L"] == pytest.approx(100, abs=0.1)
    assert scores["n"] == 3
    # "a" and "c" have one reference, which is worth 10 x 100; of "b" half is another sentence.
    assert 2 / 3 * 1000 < scores["CIDEr"] < 1000


def test_bleu_by_hand():
    """3 of 4 unigrams, 2 of 3 bigrams, 1 of 2 trigrams, 0 of 1 four-grams: BLEU-4 is next to nothing."""
    scores = caption_scores({"a": "sos red chair eos"}, {"a": ["sos red chair it eos"]}, meteor=False)
    assert scores["BLEU-4"] < 1
    exact = caption_scores({"a": "sos red chair eos"}, {"a": ["sos red chair eos"]}, meteor=False)
    assert exact["BLEU-4"] == pytest.approx(100, abs=0.1)


def test_rouge_by_hand():
    """The longest common subsequence is 4 of 4 words said and of 5 in the reference; beta is 1.2."""
    scores = caption_scores({"a": "sos red chair eos"}, {"a": ["sos red chair it eos"]}, meteor=False)
    recall, beta = 4 / 5, 1.2**2
    assert scores["ROUGE-L"] == pytest.approx(100 * (1 + beta) * recall / (recall + beta), abs=0.01)


def test_silence_scores_nearly_nothing():
    scores = caption_scores({}, REFERENCES, meteor=False)
    assert scores["CIDEr"] < 10
    assert 0 < scores["ROUGE-L"] < 40  # "sos" and "eos" still match: the protocol's own quirk


@pytest.mark.skipif(shutil.which("java") is None, reason="METEOR is a java program")
def test_meteor_knows_synonyms_of_form():
    perfect = caption_scores({key: rows[0] for key, rows in REFERENCES.items()}, REFERENCES)
    assert perfect["METEOR"] == pytest.approx(100, abs=1)
    assert caption_scores({}, REFERENCES)["METEOR"] < 30


def test_the_reward_is_the_metric_with_the_corpus_frequencies():
    reward = CiderReward(list(REFERENCES.values()))
    said = {"a": "sos a brown chair eos", "b": REFERENCES["b"][1], "c": "sos eos"}
    whole = caption_scores(said, REFERENCES, meteor=False)["CIDEr"]
    each = reward([said[key] for key in "abc"], [REFERENCES[key] for key in "abc"])
    assert 100 * sum(each) / 3 == pytest.approx(whole, abs=0.01)
    alone = reward([said["a"]], [REFERENCES["a"]])
    assert math.isclose(alone[0], each[0])
    assert each[1] > each[0] > each[2]


def test_truth_rates_count_claims_only():
    rates = truth_rates(
        [
            {"colour": True, "class": True, "neighbour": None},
            {"colour": False, "class": True, "neighbour": None},
            {"colour": None, "class": False, "neighbour": None},
        ]
    )
    assert rates["colour"] == 50.0
    assert rates["class"] == 66.7
    assert rates["neighbour"] is None
    assert (rates["colour_claims"], rates["class_claims"], rates["neighbour_claims"]) == (2, 3, 0)
