"""What boxes say of a claim: how likely each of the things of one name is the one that is meant.

People look at a row from inside the room: left and right are those of a person
in its middle who faces what the sentence says, or else the things in question.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.scene.data.geometry import box_centres, box_gaps, box_iou, corner_gaps
from models.scene.grounding.certainty import certainties
from models.scene.grounding.claims import Claim, Outlook
from models.scene.grounding.things import called
from models.scene.objects.object_set import Objects

Shares = NDArray[np.float64]
Look = NDArray[np.floating]  # (2,) a direction in plan, of length 1

# All fitted on sentences of people about train scenes; lengths in metres.
MISREAD = 0.1  # share of claims that were read or meant otherwise
STEP, RANK_ODDS = 0.12, 1.7  # within a step two things are not ordered; odds (log) lost with each rank off
ROW = 1.5  # things nearer than this to another one stand in a row with it
WHOLE = 0.5  # share of rows that are of all things of the name, and not of those in one place
CORNER_ODDS, BETWEEN_ODDS = 1.5, 2.5  # odds (log) lost with a metre
AT = 0.3  # a thing is at another one within about this gap
MOST_ANCHORS = 12
LOOK = 0.6  # what is nearer to the middle of the room than this is on no side of it
AROUND = 0.2  # things whose middle is nearer to that of the room stand around who is there
SAME = 0.3  # detections that overlap so much (IoU) are of one thing


@dataclass(frozen=True)
class Peers:
    """The things of one name in a scan.

    places: (M,) among the objects, one for each thing. twin: {place of another detection: its thing's}.
    """

    places: NDArray[np.int64]
    twin: dict[int, int]


def peers_of(noun: str, objects: Objects) -> Peers:
    """The objects that may be called so; of detections of one thing the surest stands for all."""
    labels = set(called(noun, sorted(set(objects.labels))))
    named = [place for place, label in enumerate(objects.labels) if label in labels]
    named.sort(key=lambda place: -float(objects.confidence[place]))
    kept: list[int] = []
    twin: dict[int, int] = {}
    for place in named:
        overlap = box_iou(objects.boxes[place : place + 1], objects.boxes[kept])[0] if kept else np.zeros(0)
        if len(overlap) and overlap.max() > SAME:
            twin[place] = kept[int(overlap.argmax())]
        else:
            kept.append(place)
    return Peers(np.array(sorted(kept), np.int64), twin)


def middle_of(objects: Objects) -> NDArray[np.float32]:
    """(2,) of the room, in plan."""
    return np.asarray((objects.room[:2] + objects.room[3:5]) / 2)


def look_of(outlook: Outlook | None, objects: Objects, peers: Peers) -> Look | None:
    """Where a person in the middle of the room looks, as a sentence says; None where it doesn't tell."""
    anchors = [] if outlook is None else peers_of(outlook.anchor, objects).places.tolist()
    if outlook is None or not anchors or set(anchors) & set(peers.places.tolist()):
        return None
    way = box_centres(objects.boxes)[anchors, :2].mean(0) - middle_of(objects)
    length = float(np.linalg.norm(way))
    if length < LOOK:
        return None
    return np.asarray(way / length if outlook.kind == "facing" else -way / length)


def towards(objects: Objects, places: NDArray[np.int64]) -> Look | None:
    """The look from the middle of the room at some things; None where they stand around it."""
    way = box_centres(objects.boxes)[places, :2].mean(0) - middle_of(objects)
    length = float(np.linalg.norm(way))
    return np.asarray(way / length) if length >= AROUND else None


def check(claim: Claim, objects: Objects, peers: Peers, look: Look | None = None) -> Shares | None:
    """(M,) how likely each of the peers is meant, summing to 1; None where the boxes can't tell.

    look: where the sentence says that its person looks, see `look_of`.
    """
    if claim.kind in ("row", "side"):
        found = _row(claim, objects, peers.places, look)
    else:
        ways = {
            **{"corner": _corner, "between": _between, "without": _without},
            **{"near": _by_distance, "far": _by_distance},
        }
        found = ways[claim.kind](claim, objects, peers.places)
    if found is None:
        return None
    if claim.negated:
        found = 1 - (1 - MISREAD) * found / found.max()
    return (1 - MISREAD) * found / found.sum() + MISREAD / len(found)


def rows_of(objects: Objects, places: NDArray[np.int64]) -> list[NDArray[np.int64]]:
    """The peers as rows: those in one go of steps of at most ROW; indices into places."""
    centres = box_centres(objects.boxes)[places]
    near = np.linalg.norm(centres[:, None] - centres[None], axis=-1) < ROW
    row = np.full(len(places), -1)
    for first in range(len(places)):
        ahead = [first] if row[first] < 0 else []
        while ahead:
            one = ahead.pop()
            row[one] = first
            ahead += np.flatnonzero(near[one] & (row < 0)).tolist()
    return [np.flatnonzero(row == first) for first in np.unique(row)]


def order(
    side: str, objects: Objects, places: NDArray[np.int64], look: Look | None
) -> NDArray[np.float32] | None:
    """(M,) metres that rise from a side on; None where nobody can say where that side is."""
    centres = box_centres(objects.boxes)[places]
    if side in ("top", "bottom"):
        return centres[:, 2] if side == "bottom" else -centres[:, 2]
    ahead = towards(objects, places) if look is None else look
    if ahead is None:
        return None
    offset = centres[:, :2] - middle_of(objects)
    right = np.asarray(offset[:, 0] * ahead[1] - offset[:, 1] * ahead[0])
    return right if side == "left" else -right


def _row(claim: Claim, objects: Objects, places: NDArray[np.int64], look: Look | None) -> Shares | None:
    count = len(places)
    if claim.rank >= count:
        return None
    whole = _ranked(claim, objects, places, look)
    parts = np.zeros(count)
    for row in rows_of(objects, places):
        if len(row) > max(claim.rank, 1):
            parts[row] = len(row) * _ranked(claim, objects, places[row], look)
    if not parts.any():
        return whole
    return WHOLE * whole + (1 - WHOLE) * parts / parts.sum()


def _ranked(claim: Claim, objects: Objects, places: NDArray[np.int64], look: Look | None) -> Shares:
    along = order(claim.side, objects, places, look)
    if along is None:
        return np.full(len(places), 1 / len(places))
    return _rank_shares(claim, along)


def _rank_shares(claim: Claim, along: NDArray[np.floating]) -> Shares:
    """along: (M,) metres that rise from the first to the last."""
    apart = np.clip((along[:, None] - along[None]) / STEP, -30, 30)
    rank = (1 / (1 + np.exp(-apart))).sum(1) - 0.5
    return certainties(-RANK_ODDS * np.abs(rank - claim.rank))


def distance(claim: Claim, objects: Objects, places: NDArray[np.int64]) -> NDArray[np.float32] | None:
    """(M,) metres that rise from the first to the last of a rank by distance; None without its anchor."""
    gaps = _gaps(claim, objects, places)
    return gaps if gaps is None or claim.kind == "near" else -gaps


def _gaps(claim: Claim, objects: Objects, places: NDArray[np.int64]) -> NDArray[np.float32] | None:
    """(M,) metres to the nearest of a claim's first anchors; None where there are none but the peers."""
    anchors = np.setdiff1d(peers_of(claim.anchors[0], objects).places, places)
    if not len(anchors):
        return None
    return np.asarray(box_gaps(objects.boxes[places], objects.boxes[anchors]).min(1))


def _by_distance(claim: Claim, objects: Objects, places: NDArray[np.int64]) -> Shares | None:
    along = distance(claim, objects, places)
    return None if along is None or claim.rank >= len(places) else _rank_shares(claim, along)


def _corner(claim: Claim, objects: Objects, places: NDArray[np.int64]) -> Shares:
    return certainties(-CORNER_ODDS * corner_gaps(objects.boxes[places], objects.room))


def _between(claim: Claim, objects: Objects, places: NDArray[np.int64]) -> Shares | None:
    one, *other = (peers_of(noun, objects).places for noun in claim.anchors)
    two = other[0] if other else one
    pairs = {(min(a, b), max(a, b)) for a in one.tolist() for b in two.tolist() if a != b}
    if not pairs or len(pairs) > MOST_ANCHORS * (MOST_ANCHORS - 1) // 2:
        return None
    centres = box_centres(objects.boxes)[:, :2]
    best = np.full(len(places), np.inf)
    for a, b in pairs:
        way = centres[b] - centres[a]
        length = float(np.linalg.norm(way))
        if length < 0.3:
            continue
        offset = centres[places] - centres[a]
        along = offset @ way / length**2
        aside = np.abs(offset[:, 0] * way[1] - offset[:, 1] * way[0]) / length
        beyond = 2 * length * np.maximum(0, np.maximum(-along, along - 1))
        # Of two pairs, the one that is closer together is meant rather.
        off = aside + beyond + 0.3 * length
        best = np.where((places == a) | (places == b), best, np.minimum(best, off))
    if not np.isfinite(best).any():
        return None
    return certainties(-BETWEEN_ODDS * np.minimum(best, 9))


def _without(claim: Claim, objects: Objects, places: NDArray[np.int64]) -> Shares | None:
    gaps = _gaps(claim, objects, places)
    return None if gaps is None else 1 - (1 - MISREAD) * np.exp(-gaps / AT)
