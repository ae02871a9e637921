"""What words and boxes prove, beside what a network of grounding believes; any method can be asked so.

The claims of a sentence are read (claims.py) and held against the boxes of the
things of that name (box_checks.py). What comes out is added to the network's
scores as log-odds: it moves an answer where the network is unsure, and is moved
by it where the boxes are.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.core.notes import Note, note
from models.scene.grounding.box_checks import (
    Look,
    Peers,
    check,
    distance,
    look_of,
    middle_of,
    order,
    peers_of,
    rows_of,
    towards,
)
from models.scene.grounding.claims import Claim, Outlook, ReadClaims, read_claims
from models.scene.grounding.things import head, mentions, singulars
from models.scene.objects.object_set import Objects
from models.scene.synthetic_language.vocabulary import plural
from models.scene.types import Standpoint

# How much a check counts beside a network whose certainty is calibrated; chosen on sentences of people about
# train scenes. Checks of the closest and of the largest were tried and left out: networks know these better.
WEIGHTS = {"row": 1.2, "side": 0.4, "corner": 0.5, "between": 0.8, "without": 1.2, "near": 0.8, "far": 0.8}
TOLD_SIDE = 1.0  # the weight of a side where the sentence says where its person looks
SURE = 0.5  # a check that gives its best so much is told as a reason
# Words that tell no thing from another of its name.
_EMPTY = """
a an the this that these those it is are there here i me my we us you your please can could would will want
need looking look for find show select choose pick where s what which one of some any all correct object
thing in to room scan scene and give tell see do have
"""
EMPTY = frozenset(_EMPTY.split())


@dataclass(frozen=True)
class Reasoning:
    """What is known of a sentence in a scan before, or beside, a network's answer.

    odds: (N,) log-odds that each object gains. fits: places of the objects that the sentence fits alike, ()
    where it tells one. claims: those that boxes decide, each with the share that each of the peers has.
    notes: that several fit, or that none can; where left and right are seen from. impossible: none can.
    look: where the sentence says that its person looks. standpoint: that person, or the one assumed.
    """

    odds: NDArray[np.float64]
    fits: tuple[int, ...]
    peers: Peers
    claims: tuple[tuple[Claim, NDArray[np.float64]], ...] = ()
    notes: tuple[Note, ...] = ()
    impossible: bool = False
    look: Look | None = None
    standpoint: Standpoint | None = None

    def proofs(self, objects: Objects, place: int) -> tuple[Note, ...]:
        """What the boxes prove of an answer: of each claim that they decide for it, a sentence."""
        own = self.peers.twin.get(place, place)
        at = np.flatnonzero(self.peers.places == own)
        if not len(at):
            return ()
        said = [
            _proof(claim, objects, self.peers.places, int(at[0]), self.look)
            for claim, shares in self.claims
            if shares.argmax() == at[0] and shares.max() >= SURE
        ]
        return tuple(one for one in said if one is not None)


def reason(sentence: str, objects: Objects, likeliest: str) -> Reasoning:
    """Hold a sentence in English against the boxes.

    likeliest: the label that a network takes to be asked for; it counts where a pronoun stands in its place.
    """
    read = read_claims(sentence, objects.labels)
    peers = peers_of(read.noun or likeliest, objects)
    if read.noun and not len(peers.places):
        peers = peers_of(likeliest, objects)
    odds = np.zeros(len(objects))
    if len(peers.places) < 2:
        return Reasoning(odds, (), peers)
    if _tells_nothing(sentence, objects.labels):
        fits = _of_that_name(read.noun, objects, peers)
        return Reasoning(odds, fits, peers, notes=(several_fit(objects, fits),) if fits else ())
    look = look_of(read.outlook, objects, peers)
    decided = [(claim, check(claim, objects, peers, look)) for claim in read.claims]
    known = tuple((claim, shares) for claim, shares in decided if shares is not None)
    for claim, shares in known:
        weight = WEIGHTS[claim.kind] if claim.kind != "side" or look is None else TOLD_SIDE
        odds[peers.places] += weight * np.log(shares * len(shares))
    for place, thing in peers.twin.items():
        odds[place] = odds[thing]
    few = _too_few(read, objects, peers)
    if few:
        return Reasoning(odds, (), peers, known, few, impossible=True)
    seen = _standpoint(known, objects, peers, look)
    notes = (_seen_from(read.outlook if look is not None else None, objects, peers),) if seen else ()
    return Reasoning(odds, (), peers, known, notes, look=look, standpoint=seen)


def combined(
    scores: NDArray[np.floating],
    confidence: NDArray[np.floating],
    odds: NDArray[np.float64],
    temperature: float,
) -> NDArray[np.float64]:
    """(M,) logits of being meant: a network's scores, cooled, and what the boxes add, `Reasoning.odds`.

    confidence: of each object as a detection, 0 to 1; its odds of being real at all count with the scores.
    """
    return (np.asarray(scores, np.float64) + np.log(confidence + 1e-3)) / temperature + odds


def several_fit(objects: Objects, fits: Sequence[int]) -> Note:
    """The sentence that several things fit."""
    label = objects.labels[fits[0]]
    name = label if all(objects.labels[place] == label for place in fits) else label.split()[-1]
    return note("several_fit", count=len(fits), things=plural(name))


def _tells_nothing(sentence: str, labels: Sequence[str]) -> bool:
    """Whether a sentence names a thing and says nothing else of it."""
    text = re.sub(r"\s+", " ", sentence.lower())
    asked = head(text, mentions(text, labels))
    if asked is None:
        return False
    rest = text[: asked.start] + " " + text[asked.end :]
    return not set(re.findall(r"[^\W_]+", rest)) - EMPTY


def _of_that_name(noun: str, objects: Objects, peers: Peers) -> tuple[int, ...]:
    """Places of the peers that bear a name as their own, an office chair that of a chair; else all peers.

    An armchair may be meant by a chair, but not where there are chairs. () for a single one.
    """
    forms = singulars(noun)
    own = [
        place
        for place in peers.places.tolist()
        if forms & (singulars(objects.labels[place]) | singulars(objects.labels[place].split()[-1]))
    ]
    fits = own or peers.places.tolist()
    return tuple(fits) if len(fits) > 1 else ()


def _too_few(read: ReadClaims, objects: Objects, peers: Peers) -> tuple[Note, ...]:
    """A rank that no row here is long enough for."""
    count = len(peers.places)
    noun = read.noun or objects.labels[int(peers.places[0])]
    return tuple(
        _ranked("too_few", claim, noun, count)
        for claim in read.claims
        if claim.kind in ("row", "near", "far") and claim.rank >= count
    )


def _standpoint(
    known: Sequence[tuple[Claim, NDArray[np.float64]]], objects: Objects, peers: Peers, look: Look | None
) -> Standpoint | None:
    """From where left and right were judged; None where nothing of the kind was."""
    ahead = look if look is not None else towards(objects, peers.places)
    if ahead is None or not any(claim.side in ("left", "right") for claim, _ in known):
        return None
    x, y = middle_of(objects)
    return Standpoint(
        (round(float(x), 3), round(float(y), 3)), (round(float(ahead[0]), 3), round(float(ahead[1]), 3))
    )


def _seen_from(outlook: Outlook | None, objects: Objects, peers: Peers) -> Note:
    """Of a standpoint: where the person looks. outlook: None where that is assumed."""
    if outlook is None:
        return note("seen_facing_them", things=plural(objects.labels[int(peers.places[0])]))
    return note(f"seen_{outlook.kind}", thing=outlook.anchor)


def _proof(
    claim: Claim, objects: Objects, places: NDArray[np.int64], at: int, look: Look | None
) -> Note | None:
    """Of one claim, for the peer at that index; None where the boxes don't bear it out to the letter."""
    noun = objects.labels[int(places[at])]
    things = plural(noun)
    if claim.negated:
        return note("proof_not_corner", things=things, count=len(places))
    if claim.kind == "corner":
        return note("proof_corner", things=things, count=len(places))
    if claim.kind == "between":
        one, *two = claim.anchors
        if two:
            return note("proof_between", one=one, two=two[0])
        return note("proof_between_two", anchors=plural(one))
    if claim.kind == "without":
        return note("proof_without", anchor=claim.anchors[0])
    if claim.kind in ("near", "far"):
        along = distance(claim, objects, places)
        if along is None or _rank(along, np.arange(len(places)), at) != claim.rank:
            return None
        return note(f"proof_{claim.kind}", rank=claim.rank + 1, things=things, anchor=claim.anchors[0])
    own_row = next(row for row in rows_of(objects, places) if at in row)
    for row in (np.arange(len(places)), own_row):
        along = order(claim.side, objects, places[row], look)
        if along is not None and len(row) > 1 and _rank(along, row, at) == claim.rank:
            return _ranked(f"proof_{claim.side}", claim, noun, len(row))
    return None


def _ranked(key: str, claim: Claim, noun: str, count: int) -> Note:
    return note(key, rank=claim.rank + 1, things=plural(noun), count=count)


def _rank(along: NDArray[np.float32], row: NDArray[np.int64], at: int) -> int:
    return int((along < along[row == at][0]).sum())
