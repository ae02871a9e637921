"""Captions, measured: ScanRefer's held-back descriptions, true boxes ("oracle"), Scan2Cap's protocol.

Labels are the annotation's raw ones, which say more than the 18 classes of the
published oracle setting; the row that says "detected labels" has none of them.
"""

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from models.core.checkpoints import FOLDER
from models.core.results import markdown, write
from models.scene.captioning.base import SpeakingNetwork
from models.scene.captioning.batches import asked_about, captions
from models.scene.captioning.faithfulness import SORTS, colour_said, judge, nearest_named, side_said
from models.scene.captioning.metrics import caption_scores, caption_words, framed, truth_rates
from models.scene.captioning.scan2cap import Scan2Cap
from models.scene.captioning.xtrans2cap.open_xtrans2cap import OpenXTrans2Cap
from models.scene.grounding.evaluation import Asked, load
from models.scene.grounding.scene_objects import point_encoder
from models.scene.objects.object_set import Objects

SHIPPED = "xtrans2cap"
ROWS = {  # by checkpoint
    "scan2cap": "Scan2Cap",
    "xtrans2cap_alone": "TransCap (student alone)",
    "xtrans2cap_taught": "student + teacher",
    SHIPPED: "X-Trans2Cap: student + teacher + self-critical",
}
NAMES = {"template": "template", **ROWS, "detected": f"{ROWS[SHIPPED]}, detected labels"}
# CIDEr, BLEU-4, METEOR, ROUGE-L of the talk's table, true boxes without extra 2D input
TALK = {
    "scanrefer": {
        "Scan2Cap": (65.79, 38.54, 28.81, 61.93),
        "TransCap": (75.75, 42.06, 28.82, 62.62),
        "X-Trans2Cap": (87.09, 44.12, 30.67, 64.37),
        "X-Trans2Cap (C)": (89.46, 44.46, 30.71, 64.55),
    },
    "nr3d": {
        "Scan2Cap": (63.36, 32.07, 28.92, 64.56),
        "TransCap": (70.60, 35.99, 29.04, 66.00),
        "X-Trans2Cap": (80.02, 37.90, 30.48, 67.64),
        "X-Trans2Cap (C)": (81.44, 39.08, 30.79, 68.15),
    },
}
COLUMNS = ("CIDEr", "BLEU-4", "METEOR", "ROUGE-L")
JUDGED = 100  # objects of `evaluate truth`
COMMAND = "python -m models.scene evaluate captioning --data DIR"

ABOUT = (
    "{title}, annotated boxes and raw labels, Scan2Cap's protocol; beam 5, and Scan2Cap the likeliest word "
    "each time, as published. The networks' own words: no listener chooses among them here."
)
DIFFERS = (
    "What differs from the talk: parts of the official sets; raw labels and not 18 classes; frozen features "
    "of an object's points, where there are some, and one mean colour; 5,597 human descriptions with a known "
    "object were there to learn from, and not 36,665 and more."
)
ABOUT_TRUTH = (
    "True claims, per cent (of how many), on all these objects. A colour is true when it is one of the two "
    "of nine that people of the train scenes would likeliest call the object's, in the light of its room, by "
    "the heaviest part of the mixture of its points' colours; the captioners know the mean colour alone, and "
    "name in their first sentence one of the two that are likeliest by that. A neighbour is true when it is "
    "among the six nearest boxes or within a metre, a side when it holds for a person in the middle of the "
    "room who looks at the neighbour: by this rule a captioner's left and right are exchanged where they are "
    "false. As people say: of the objects whose colour, or side of the same neighbour, another person named, "
    "the share for which one of them named the same."
)

COLOUR_AS_SAID, SIDE_AS_SAID = "colour, as people say", "side, as people say"
MIXTURES = "boxes/instance_colour_gmm_1513scenes.npz"
SCENES = "`val_a` (94 of the 141 val scenes)"

People = dict[tuple[str, int], list[list[str]]]
Told = dict[tuple[str, int], list[str]]
Speaker = Callable[[Sequence[tuple[Objects, int]]], list[list[str]]]


def template(objects: Objects, place: int) -> list[str]:
    """The words of: this is a LABEL. it is next to the NEAREST."""
    near = nearest_named(objects, place)
    said = f"this is a {objects.labels[place]}."
    if near is not None:
        said += f" it is next to the {objects.labels[near]}."
    return caption_words(said)


def evaluate(data: Path, language: Path | None = None) -> dict[str, Any]:
    """Prints and writes the tables of all rows, scores and true claims, and returns them.

    language: of ScanRefer's form; Nr3D isn't asked then, and nothing is written.
    """
    points = point_encoder()
    asked = load(data, "scanrefer", language=language, labels="annotated", points=points)
    people = descriptions(asked)
    detected = _detected(data, language)
    spoken = {name: told(asked.truth, people, say) for name, say in speakers("scanrefer").items()}
    spoken["detected"] = told(detected, people, _network_says(SHIPPED, "scanrefer"))
    table = _scored(spoken, people, {} if language else TALK["scanrefer"])
    spoken["people"] = {key: rows[0] for key, rows in people.items()}
    truth = dominant(data, asked.truth)
    true = [
        {"model": name, **_shares(_rates(truth, spoken[row], people))}
        for row, name in {**NAMES, "people": "people (the first description)"}.items()
        if row in spoken and row != "detected"
    ]
    found = {"captioning": table, "true claims, per cent": true}
    parts = ["## Captioning", markdown(table), ABOUT.format(title=f"ScanRefer, {SCENES}")]
    if language is None:
        nr3d = load(data, "nr3d", labels="annotated", points=points)
        people = descriptions(nr3d)
        spoken = {name: told(nr3d.truth, people, say) for name, say in speakers("nr3d").items()}
        found["captioning, Nr3D"] = _scored(spoken, people, TALK["nr3d"])
        parts += [markdown(found["captioning, Nr3D"]), ABOUT.format(title="Nr3D, `test_a`"), DIFFERS]
    text = "\n\n".join((*parts, markdown(true), ABOUT_TRUTH, f"`{COMMAND}`"))
    print(text)
    if language is None:
        write("captioning", text)
    return found


def descriptions(asked: Asked) -> People:
    """{(scene, object): the words of each description}."""
    people: People = {}
    for row in asked.rows:
        official = asked.task == "scanrefer"  # whose tokens are apart already
        words = row["text"].split() if official else caption_words(row["text"])
        people.setdefault((row["scene_id"], row["object_id"]), []).append(words)
    return people


def told(scenes: Mapping[str, Objects], people: People, say: Speaker) -> Told:
    """{(scene, object): words} of what a speaker says of each object that people described."""
    keys = list(people)
    return dict(zip(keys, say(asked_about(scenes, keys)), strict=True))


def scores_of(said: Told, people: People, meteor: bool = True) -> dict[str, Any]:
    """Scan2Cap's protocol; an object of which nothing is said counts as an empty caption."""
    references = {_key(key): [framed(words) for words in rows] for key, rows in people.items()}
    return caption_scores({_key(key): framed(words) for key, words in said.items()}, references, meteor)


def installed() -> list[str]:
    """The checkpoints of ROWS that are here."""
    return [name for name in ROWS if (FOLDER / name).is_dir()]


def network(checkpoint: str) -> SpeakingNetwork:
    """A captioning network that ships."""
    kind = Scan2Cap if checkpoint == "scan2cap" else OpenXTrans2Cap
    found: SpeakingNetwork = kind.from_pretrained(FOLDER / checkpoint).float().eval()
    return found


def speakers(style: str, coloured: bool = True) -> dict[str, Speaker]:
    """The template and every network that is here, by checkpoint. coloured: whether objects have colours."""
    by_template: Speaker = lambda targets: [template(objects, place) for objects, place in targets]  # noqa: E731
    return {"template": by_template} | {name: _network_says(name, style, coloured) for name in installed()}


def _network_says(checkpoint: str, style: str, coloured: bool = True) -> Speaker:
    return partial(captions, network(checkpoint), style=style, coloured=coloured)


def _scored(
    spoken: Mapping[str, Told], people: People, talk: Mapping[str, tuple[float, ...]]
) -> list[dict[str, Any]]:
    """A row a speaker, and the talk's."""
    table = [{"model": NAMES[row], **scores_of(said, people)} for row, said in spoken.items()]
    return table + [
        {"model": f"{name}, the talk", **dict(zip(COLUMNS, said, strict=True))} for name, said in talk.items()
    ]


def evaluate_truth(data: Path) -> dict[str, Any]:
    """A row with the rates of the shipped checkpoint on 100 objects of the val scenes."""
    points = point_encoder()
    asked = load(data, "scanrefer", labels="annotated", points=points)
    keys = sorted({(row["scene_id"], row["object_id"]) for row in asked.rows})
    chosen = random.Random(0).sample(keys, JUDGED)
    said = captions(network(SHIPPED), asked_about(asked.truth, chosen))
    truth = dominant(data, asked.truth)
    rates = _rates(truth, dict(zip(chosen, said, strict=True)), descriptions(asked))
    return {"truth": [{"model": SHIPPED, **rates}]}


def _detected(data: Path, language: Path | None) -> Mapping[str, Objects]:
    """The true boxes, named by Mask3D's detections alone."""
    return load(data, "nr3d", language=language or data / "language/scanrefer_val_a.json.gz").offered


def _key(key: tuple[str, int]) -> str:
    return f"{key[0]}|{key[1]}"


def dominant(data: Path, scenes: Mapping[str, Objects]) -> Mapping[str, Objects]:
    """The scenes with the colour of the heaviest part of each object's mixture, where there is one."""
    found = {}
    with np.load(data / MIXTURES) as mixtures:
        for scene, objects in scenes.items():
            colours = objects.colours.copy()
            known = mixtures[scene]
            for place, id_ in enumerate(objects.ids):
                if id_ < len(known) and known[id_, :, 0].any():
                    colours[place] = known[id_, known[id_, :, 0].argmax(), 1:] / 255
            found[scene] = replace(objects, colours=colours)
    return found


def _rates(scenes: Mapping[str, Objects], said: Told, people: People) -> dict[str, Any]:
    """See `ABOUT_TRUTH`."""
    known = tuple(sorted({label for objects in scenes.values() for label in objects.labels if label}))
    verdicts = []
    for (scene, target), words in sorted(said.items()):
        objects, place = asked_about(scenes, [(scene, target)])[0]
        others = [row for row in people[scene, target] if row is not words]
        agreed = {COLOUR_AS_SAID: as_said(words, others), SIDE_AS_SAID: side_as_said(words, others, known)}
        verdicts.append({**judge(words, objects, place, known), **agreed})
    return {**truth_rates(verdicts), "objects": len(verdicts)}


def as_said(words: list[str], others: Sequence[list[str]]) -> bool | None:
    """Whether one of the other descriptions names its colour; None where it or all of them name none."""
    named, colours = colour_said(words), {colour_said(row) for row in others} - {None}
    return named in colours if named and colours else None


def side_as_said(words: list[str], others: Sequence[list[str]], known: tuple[str, ...]) -> bool | None:
    """The same of the side of a neighbour that they name too."""
    named = side_said(words, known)
    claims = [side_said(row, known) for row in others] if named else []
    sides = {claim[0] for claim in claims if claim and named and claim[1] == named[1]}
    return named[0] in sides if named and sides else None


def _shares(rates: Mapping[str, Any]) -> dict[str, str]:
    return {
        sort: f"{rates[sort]} ({rates[f'{sort}_claims']})" for sort in (*SORTS, COLOUR_AS_SAID, SIDE_AS_SAID)
    }
