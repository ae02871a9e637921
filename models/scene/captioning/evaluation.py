"""Captions, measured: ScanRefer's held-back descriptions, true boxes ("oracle"), Scan2Cap's protocol.

Labels are the annotation's raw ones, which say more than the 18 classes of the
published oracle setting; the row that says "detected labels" has none of them.
"""

import random
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from models.core import results
from models.core.checkpoints import FOLDER
from models.scene.captioning.batches import asked_about, captions
from models.scene.captioning.faithfulness import SORTS, judge, nearest_named
from models.scene.captioning.metrics import caption_scores, caption_words, framed, truth_rates
from models.scene.captioning.xtrans2cap.open_xtrans2cap import OpenXTrans2Cap
from models.scene.grounding.evaluation import load
from models.scene.grounding.scene_objects import point_encoder
from models.scene.objects.object_set import Objects

SHIPPED = "xtrans2cap"
ROWS = {  # by checkpoint
    "xtrans2cap_alone": "student alone",
    "xtrans2cap_taught": "student + teacher",
    SHIPPED: "student + teacher + self-critical",
}
JUDGED = 100  # objects whose captions are held against the scan
COMMAND = "python -m models.scene evaluate captioning --data DIR"

ABOUT = (
    "ScanRefer, `val_a` (94 of the 141 val scenes), annotated boxes and raw labels, Scan2Cap's protocol, "
    f"beam 5; by `{COMMAND}`."
)
ABOUT_TRUTH = (
    f"True claims, per cent (of how many), on {JUDGED} of these objects. "
    "A colour is true when it is one of the two of nine colours nearest to "
    "the object's mean colour, a neighbour when it is among the six nearest boxes or within a metre, a "
    "side when it holds for a person in the middle of the room who looks at the neighbour. By these rules "
    "people are often wrong too: a mean colour is murky, and people name what they see."
)

Keys = list[tuple[str, int]]


def template(objects: Objects, place: int) -> list[str]:
    """The words of: this is a LABEL. it is next to the NEAREST."""
    near = nearest_named(objects, place)
    said = f"this is a {objects.labels[place]}."
    if near is not None:
        said += f" it is next to the {objects.labels[near]}."
    return caption_words(said)


def evaluate(data: Path, language: Path | None = None) -> dict[str, Any]:
    """Prints and writes the tables of all rows, scores and true claims, and returns them."""
    points = point_encoder()
    asked = load(data, "scanrefer", language=language, labels="annotated", points=points)
    people: dict[tuple[str, int], list[list[str]]] = {}
    for row in asked.rows:
        words = row["text"].split()  # the official tokens, already apart
        people.setdefault((row["scene_id"], row["object_id"]), []).append(words)
    keys = list(people)
    targets = asked_about(asked.truth, keys)
    spoken = {"template": [template(objects, place) for objects, place in targets]}
    spoken |= {name: captions(_network(name), targets) for name in ROWS}
    spoken["detected"] = captions(_network(SHIPPED), asked_about(_detected(data, language), keys))
    names = {"template": "template", **ROWS, "detected": f"{ROWS[SHIPPED]}, detected labels"}
    references = {_key(key): [framed(words) for words in rows] for key, rows in people.items()}
    scores = {
        row: caption_scores(
            {_key(key): framed(words) for key, words in zip(keys, said, strict=True)}, references
        )
        for row, said in spoken.items()
    }
    table = [{"model": names[row], **found} for row, found in scores.items()]
    spoken["people"] = [rows[0] for rows in people.values()]
    true = [
        {"model": name, **_shares(_rates(asked.truth, keys, spoken[row]))}
        for row, name in {**names, "people": "people (the first description)"}.items()
        if row != "detected"
    ]
    text = "\n\n".join((results.markdown(table), ABOUT, results.markdown(true), ABOUT_TRUTH))
    print(text)
    if language is None:
        results.write("captioning", "## Captioning\n\n" + text)
    return {"captioning": table, "true claims, per cent": true}


def evaluate_truth(data: Path) -> dict[str, Any]:
    """A row with the rates of the shipped checkpoint on 100 objects of the val scenes."""
    points = point_encoder()
    asked = load(data, "scanrefer", labels="annotated", points=points)
    keys = sorted({(row["scene_id"], row["object_id"]) for row in asked.rows})
    chosen = random.Random(0).sample(keys, JUDGED)
    said = captions(_network(SHIPPED), asked_about(asked.truth, chosen))
    return {"truth": [{"model": SHIPPED, **_rates(asked.truth, chosen, said)}]}


def _network(checkpoint: str) -> OpenXTrans2Cap:
    return OpenXTrans2Cap.from_pretrained(FOLDER / checkpoint).float().eval()


def _detected(data: Path, language: Path | None) -> Mapping[str, Objects]:
    """The true boxes, named by Mask3D's detections alone."""
    return load(data, "nr3d", language=language or data / "language/scanrefer_val_a.json.gz").offered


def _key(key: tuple[str, int]) -> str:
    return f"{key[0]}|{key[1]}"


def _rates(scenes: Mapping[str, Objects], keys: Keys, said: list[list[str]]) -> dict[str, Any]:
    rows = sorted(zip(keys, said, strict=True))
    picked = random.Random(0).sample(rows, min(JUDGED, len(rows)))
    known = tuple(sorted({label for objects in scenes.values() for label in objects.labels if label}))
    verdicts = []
    for (scene, target), words in picked:
        objects, place = asked_about(scenes, [(scene, target)])[0]
        verdicts.append(judge(words, objects, place, known))
    return {**truth_rates(verdicts), "objects": len(picked)}


def _shares(rates: Mapping[str, Any]) -> dict[str, str]:
    return {sort: f"{rates[sort]} ({rates[f'{sort}_claims']})" for sort in SORTS}
