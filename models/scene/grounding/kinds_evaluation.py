"""Grounding by kinds of sentences, with and without the check of boxes, and how true its certainty is."""

import hashlib
import json
import random
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.core.checkpoints import card, folder_of
from models.core.results import markdown, write
from models.core.training import RUNS
from models.scene.data.geometry import box_iou
from models.scene.grounding.certainty import certainties, expected_error
from models.scene.grounding.comparison import chooser
from models.scene.grounding.evaluation import DETECTIONS, TITLES, TRUE_BOXES, Asked, load
from models.scene.grounding.reasoning import Reasoning, combined, reason
from models.scene.grounding.registry import GROUNDERS
from models.scene.grounding.scene_objects import point_encoder
from models.scene.grounding.sentence_kinds import KINDS, kinds_of
from models.scene.grounding.things import called
from models.scene.objects.object_set import from_instances
from models.scene.synthetic_language.hard_sentences import hard_sentences

GENERATED = "generated"
HARD = ("ordinal", "superlative", "negation", "between", "corner")
FIRST_SEED, EACH_ROOM = 5000, 5  # of each kind of room; training rooms and those that ship have other seeds
AIM = 10  # points that the check was meant to add on the kinds of HARD
RIGHT = 0.5  # IoU from which an answer is right
ABOUT = (
    "A sentence is of every kind that its words show (`models/scene/grounding/sentence_kinds.py`); some are "
    "of several. chance: a random pick among what is offered under the name of the target. network: alone. "
    "with boxes: as the lab answers (`models/scene/grounding/reasoning.py`): ranks, sides, corners, between "
    "and without are held against the boxes; the rest is left to the network. Weights were chosen on "
    "sentences about train scenes, and this set was asked once they stood."
)
# What was looked at before the weights stood says so.
SEEN = ABOUT.replace(
    "and this set was asked once they stood", "with a look at this set, which may flatter it"
)
MADE = (
    f"Accuracy in per cent. Sentences that boxes prove, generated about {EACH_ROOM} made rooms of each kind "
    "that nothing was trained on (`models/scene/synthetic_language/hard_sentences.py`); true boxes and "
    "labels are offered. Left and right are, in generator and check alike, those of a person in the middle "
    "of the room."
)
CERTAINTY = (
    "Network alone > with boxes, of every method. five kinds: ordinal, superlative, negation, between, "
    "corner. checked: sentences of which the boxes had something to say. ECE: expected calibration error of "
    "the certainty stated, in per cent, ten bins of equal width; before: a softmax of the network's scores > "
    "after: these over the checkpoint's temperature, with the boxes, times the detection's confidence. "
    "`python -m models.scene train temperature --data DIR` fitted it on what people said of 45 train scenes "
    "that training had held out."
)


@dataclass(frozen=True)
class Measured:
    """What one method says of every sentence. scores: (N,) of each; reasonings: what the boxes add."""

    asked: Asked
    scores: Sequence[NDArray[np.floating]]
    reasonings: Sequence[Reasoning]
    temperature: float

    def _logits(self, checked: bool) -> list[NDArray[np.float64]]:
        found = []
        for row, scores, known in zip(self.asked.rows, self.scores, self.reasonings, strict=True):
            sure = self.asked.offered[row["scene_id"]].confidence
            odds = known.odds if checked else np.zeros(len(scores))
            found.append(combined(scores, sure, odds, self.temperature if checked else 1.0))
        return found

    def right(self, checked: bool) -> NDArray[np.bool_]:
        """(rows,) whether the answer is right. checked: with what the boxes add."""
        picks = [int(logits.argmax()) for logits in self._logits(checked)]
        return np.array(
            [self._hits(row, [pick])[0] for row, pick in zip(self.asked.rows, picks, strict=True)]
        )

    def certain(self, checked: bool) -> NDArray[np.float64]:
        """(rows,) how sure the first answer is; unchecked, as it was before it was calibrated."""
        found = []
        for row, logits in zip(self.asked.rows, self._logits(checked), strict=True):
            share, best = certainties(logits), int(logits.argmax())
            sure = float(self.asked.offered[row["scene_id"]].confidence[best]) if checked else 1.0
            found.append(sure * float(share[best]))
        return np.array(found)

    @cached_property
    def chance(self) -> NDArray[np.float64]:
        """(rows,) how often a random pick among what is offered under the target's name is right."""
        found = []
        for row in self.asked.rows:
            truth, offered = self.asked.truth[row["scene_id"]], self.asked.offered[row["scene_id"]]
            label = truth.labels[int(np.flatnonzero(truth.ids == row["object_id"])[0])]
            labels = offered.labels if self.asked.task == "scanrefer" else truth.labels
            names = {label} if self.asked.task != "scanrefer" else set(called(label, sorted(set(labels))))
            named = [place for place, one in enumerate(labels) if one in names]
            found.append(float(np.mean(self._hits(row, named))) if named else 0.0)
        return np.array(found)

    def _hits(self, row: dict[str, Any], places: Sequence[int]) -> list[bool]:
        """Whether each of some offered objects is the one that a sentence means."""
        truth, offered = self.asked.truth[row["scene_id"]], self.asked.offered[row["scene_id"]]
        if self.asked.task != "scanrefer":
            return [int(offered.ids[place]) == row["object_id"] for place in places]
        target = truth.boxes[truth.ids == row["object_id"]]
        return (box_iou(target, offered.boxes[list(places)])[0] >= RIGHT).tolist()


def evaluate(data: Path, task: str, language: Path | None) -> dict[str, Any]:
    """Measure a task by kinds, and what the check of boxes adds to every shipped method.

    The last JSON is of InstanceRefer with boxes, as the lab answers. The data folder's own sets, and the
    generated one, go into docs/RESULTS.md.
    """
    encoder = point_encoder()
    asked = _generated() if task == GENERATED else load(data, task, language=language, points=encoder)
    every = {name: _measured(asked, name) for name in GROUNDERS.shipped}
    found = every[GROUNDERS.default]
    of = np.array([[kind in kinds_of(row["text"]) for kind in KINDS] for row in asked.rows])
    kinds = _by_kind(found, of)
    table, methods = markdown(kinds), markdown([_of_method(name, one, of) for name, one in every.items()])
    print(table, methods, sep="\n\n")
    if language is None:
        protocol = MADE if task == GENERATED else DETECTIONS if task == "scanrefer" else TRUE_BOXES
        title = "generated sentences" if task == GENERATED else TITLES[task]
        command = f"`python -m models.scene evaluate kinds --data DIR --task {task}`"
        head = f"## Grounding by kinds of sentences: {title}"
        about = SEEN if task == GENERATED else ABOUT
        parts = (head, protocol, about, table, CERTAINTY, methods, _gain(found, of), command)
        write(f"kinds-{task}", "\n\n".join(parts))
    return {
        "kinds": [
            {"kind": row["kind"], "accuracy": row["with boxes"], "chance": row["chance"], "n": row["n"]}
            for row in kinds
        ]
    }


def _generated() -> Asked:
    """The generated sentences, their rooms' true objects offered."""
    from models.scene.synthetic_rooms import KINDS as ROOMS
    from models.scene.synthetic_rooms import room_objects

    rows, rooms = [], {}
    for kind in ROOMS:
        for seed in range(FIRST_SEED, FIRST_SEED + EACH_ROOM):
            made, name = room_objects(kind, seed, 16), f"{kind}_{seed}"
            objects = [one.instance for one in made]
            rooms[name] = from_instances(objects)
            rows += [
                {"scene_id": name, "object_id": said.target, "text": said.sentence}
                for said in hard_sentences(objects, random.Random(seed))
            ]
    return Asked(GENERATED, rows, rooms, rooms)


def _measured(asked: Asked, name: str) -> Measured:
    """A method's scores, kept in runs/ by question and by the weights' hash, and what the boxes add."""
    entry = GROUNDERS[name]
    said = "\n".join(f"{row['scene_id']} {row['text']}" for row in asked.rows)
    key = hashlib.sha256(f"{asked.task} {said} {card(entry.checkpoint).sha256}".encode()).hexdigest()[:16]
    kept = RUNS / "grounding_scores" / f"{name}_{key}.npz"
    if not kept.exists():
        kept.parent.mkdir(parents=True, exist_ok=True)
        texts = [row["text"] for row in asked.rows]
        # The networks' own scores: a detection's confidence is added by `combined`.
        scores = [
            np.asarray(one) - np.log(objects.confidence + 1e-3)
            for one, (objects, _) in zip(
                chooser(name, texts)(asked.questions()), asked.questions(), strict=True
            )
        ]
        np.savez(kept, scores=np.concatenate(scores), ends=np.cumsum([len(one) for one in scores]))
    with np.load(kept) as arrays:
        kept_scores = np.split(arrays["scores"], arrays["ends"][:-1])
    reasonings = []
    for (objects, text), own in zip(asked.questions(), kept_scores, strict=True):
        likeliest = objects.labels[int((own + np.log(objects.confidence + 1e-3)).argmax())]
        reasonings.append(reason(text, objects, likeliest))
    return Measured(asked, kept_scores, reasonings, _temperature(entry.checkpoint))


def _temperature(checkpoint: str) -> float:
    """The temperature that a checkpoint's config.json states."""
    return float(json.loads((folder_of(checkpoint) / "config.json").read_text())["temperature"])


def _by_kind(found: Measured, of: NDArray[np.bool_]) -> list[dict[str, Any]]:
    """A row a kind."""
    alone, checked, chance = found.right(False), found.right(True), found.chance
    parts = {kind: of[:, place] for place, kind in enumerate(KINDS)}
    rows = []
    for kind, mask in parts.items():
        some = {"chance": chance, "network": alone, "with boxes": checked}
        rows.append(
            {"kind": kind, **{name: _percent(one[mask]) for name, one in some.items()}, "n": int(mask.sum())}
        )
    return rows


def _of_method(name: str, found: Measured, of: NDArray[np.bool_]) -> dict[str, Any]:
    """What the check adds to a method: on the kinds of HARD, on the others, where it spoke; its certainty."""
    alone, checked = found.right(False), found.right(True)
    hard, spoke = _is_hard(of), _spoke(found)
    row: dict[str, Any] = {"method": GROUNDERS[name].title}
    every = np.ones_like(hard)
    for title, mask in (("all", every), ("five kinds", hard), ("others", ~hard), ("checked", spoke)):
        row[title] = f"{_percent(alone[mask])} > {_percent(checked[mask])}"
        row[f"n {title}"] = int(mask.sum())
    before, after = (expected_error(found.certain(on), found.right(on)) for on in (False, True))
    return {**row, "ECE": f"{before} > {after}"}


def _gain(found: Measured, of: NDArray[np.bool_]) -> str:
    """Whether the check reached what it was made for."""
    more = found.right(True).astype(float) - found.right(False)
    five, rest, spoke = (
        100 * float(more[mask].mean()) for mask in (_is_hard(of), ~_is_hard(of), _spoke(found))
    )
    aim = "which was the aim" if five >= AIM else f"where {AIM} were the aim"
    return (
        f"The boxes give InstanceRefer {five:+.1f} points on the five kinds, {aim}, {rest:+.1f} on the "
        f"others, and {spoke:+.1f} where they had something to say. Checks of the closest, the farthest, the "
        "largest and the tallest were tried on sentences about train scenes and took more than they gave: "
        "these are left to the network."
    )


def _is_hard(of: NDArray[np.bool_]) -> NDArray[np.bool_]:
    return np.asarray(of[:, [KINDS.index(kind) for kind in HARD]].any(1))


def _spoke(found: Measured) -> NDArray[np.bool_]:
    """(rows,) whether the boxes had something to say."""
    return np.array([bool(known.claims) for known in found.reasonings])


def _percent(values: NDArray[np.generic]) -> float:
    return round(100 * float(values.mean()), 1) if len(values) else 0.0
