"""Fitting the names of colours on what people said of the objects of train scenes."""

import json
from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np

from models.scene.captioning.faithfulness import colour_said
from models.scene.captioning.metrics import caption_words
from models.scene.data.datasets import annotated, held_out, human, instances, sentences
from models.scene.objects.object_set import Objects, from_instances
from models.scene.synthetic_language import colour_names


def train(data: Path) -> None:
    """Write colour_names.json from all scenes but those held out; print how often it says what people say.

    Per cent where the likeliest name, and one of the two likeliest, is the one that was said, on the held-out
    train scenes and on ScanRefer's val_a.
    """
    everything = human(data)
    watched = held_out(everything)
    known = [(one.scene, one.text, one.target) for one in everything if one.target is not None]
    learnt = _pairs(data, (row for row in known if row[0] not in watched))
    colours = np.stack([colour_names.balanced(rows.colours, rows.boxes)[at] for rows, at, _ in learnt])
    found = colour_names.fitted(colours, [name for *_, name in learnt])
    colour_names.PATH.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    asked = sentences(data / "language/scanrefer_val_a.json.gz")
    val = _pairs(data, ((row["scene_id"], row["text"], row["object_id"]) for row in asked))
    held = _pairs(data, (row for row in known if row[0] in watched))
    for title, pairs in (("held out", held), ("val_a", val)):
        ranks = [rows.colour_names[at].index(name) for rows, at, name in pairs]
        shares = [round(100 * float(np.mean(np.array(ranks) < count)), 1) for count in (1, colour_names.NEAR)]
        print(json.dumps({"colours": title, "first": shares[0], "first two": shares[1], "n": len(ranks)}))


def _pairs(data: Path, said: Iterable[tuple[str, str, int]]) -> list[tuple[Objects, int, str]]:
    """(objects of the scene, place, name of a colour) of what names one in its first sentence."""
    scenes: dict[str, Objects] = {}
    boxes: Mapping[str, list[dict]] = annotated(data)
    pairs = []
    for scene, text, target in said:
        name = colour_said(caption_words(text))
        if name is None:
            continue
        if scene not in scenes:
            scenes[scene] = from_instances(instances(boxes[scene]))
        place = np.flatnonzero(scenes[scene].ids == target)
        if len(place):
            pairs.append((scenes[scene], int(place[0]), name))
    return pairs
