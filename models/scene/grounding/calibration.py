"""How sure a method of grounding may say it is: its temperature, fitted on sentences it never learnt from.

The certainty of an answer is a softmax of scores divided by the temperature (Guo
et al., ICML 2017), times how sure the detector was of the object. The
temperature minimises the loss on what people said of the train scenes that
training held out, disturbed as a detector would disturb them; it stands in the
checkpoint's config.json.
"""

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from models.core.checkpoints import FOLDER
from models.scene.data.datasets import Sentence, held_out, human
from models.scene.grounding.batches import Labels, disturbed
from models.scene.grounding.certainty import certainties
from models.scene.grounding.comparison import chooser
from models.scene.grounding.reasoning import reason
from models.scene.grounding.registry import GROUNDERS
from models.scene.grounding.scene_objects import point_encoder, scene_objects
from models.scene.objects.object_set import Objects

DRAWS = 3  # disturbed scenes of each sentence
TEMPERATURES = np.exp(np.linspace(np.log(0.5), np.log(5), 61))
MISREAD = 0.01  # probability that is shared by all objects, so that one sentence can't decide alone


def fitted(logits: Sequence[tuple[NDArray[np.float64], NDArray[np.float64], int]]) -> float:
    """The temperature of the least loss. logits: of each sentence (scores, odds of the boxes, target)."""
    loss = [
        np.mean(
            [
                -np.log((1 - MISREAD) * certainties(scores / heat + odds)[target] + MISREAD / len(scores))
                for scores, odds, target in logits
            ]
        )
        for heat in TEMPERATURES
    ]
    return round(float(TEMPERATURES[int(np.argmin(loss))]), 3)


def train(data: Path) -> None:
    """Fit the temperature of every shipped method and write it into its config.json."""
    everyone = human(data)
    watched = held_out(everyone)
    said = [sentence for sentence in everyone if sentence.scene in watched]
    shown = _disturbed(data, said)
    for name in GROUNDERS.shipped:
        answers = chooser(name, [sentence.text for sentence in said])([(o, text) for o, text, _ in shown])
        rows = []
        for (objects, text, target), scores in zip(shown, answers, strict=True):
            odds = reason(text, objects, objects.labels[int(scores.argmax())]).odds
            rows.append((np.asarray(scores, np.float64), odds, target))
        file = FOLDER / GROUNDERS[name].checkpoint / "config.json"
        config = {**json.loads(file.read_text()), "temperature": fitted(rows)}
        file.write_text(json.dumps(config, indent=2, sort_keys=True))
        print(name, config["temperature"], flush=True)


def _disturbed(data: Path, said: Sequence[Sentence]) -> list[tuple[Objects, str, int]]:
    """Scene, sentence and the target's place of each draw; the target is always there."""
    scenes = scene_objects(data, {sentence.scene for sentence in said}, point_encoder())
    labels, rng, shown = Labels.of(scenes), np.random.default_rng(0), []
    for sentence in said:
        objects = scenes[sentence.scene]
        target = int(np.flatnonzero(objects.ids == sentence.target)[0])
        for _ in range(DRAWS):
            changed, places = disturbed(objects, rng, labels, [target])
            shown.append((changed, sentence.text, int(np.flatnonzero(places == target)[0])))
    return shown
