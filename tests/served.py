"""The whole page, served from this process on small scans of the tests' own, for tests that use it."""

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest

from app import page
from app.scene import example_cache, layout, service
from models.core.errors import UserError
from models.core.progress import Progress
from models.scene import pipeline
from models.scene.captioning.registry import CAPTIONERS
from models.scene.data.scan import Scan, instances_of
from models.scene.grounding.base import Grounding, RankedObject
from models.scene.grounding.registry import GROUNDERS
from models.scene.segmentation.gravity_alignment import Level
from models.scene.synthetic_language.vocabulary import STRUCTURE
from models.scene.types import Anchor, Answer, Candidate, Caption, Segmented
from tests.scene.scan_makers import scannet

SCANS = ("room_bedroom_01", "room_office_02")  # each: floor 5, table 6, chair 7
EXAMPLE = "the chair at the table"

Ground = Callable[[Scan, str], Answer]


def name_matcher(scan: Scan, sentence: str) -> Answer:
    """A stand-in for the network, so that the page can be tested without weights: labels that are named."""
    named = [one for one in scan.instances if one.label in sentence.lower().split()]
    share = [2.0**-rank for rank in range(1, len(named) + 1)]
    candidates = tuple(
        Candidate(one.id, one.label, tuple(map(float, one.box)), score, score, 1 - score, score / 2)
        for one, score in zip(named, share, strict=True)
    )
    return Answer(
        sentence=sentence,
        target=candidates[0].label if candidates else "",
        candidates=candidates,
        words=tuple(
            (word, 0.9 if any(word == one.label for one in named) else 0.1) for word in sentence.split()
        ),
        anchors=tuple(Anchor(one.object_id, one.label, 0.5) for one in candidates[1:]),
        cell=(1, 2),
        cells=((0.1, 0.1, 0.1), (0.1, 0.1, 0.1), (0.1, 0.2, 0.1)),
        checkpoint="name-matcher",
        seconds=0.01,
        missing="" if candidates else "piano" if "piano" in sentence else "",
    )


def method_matcher(method: str, scan: Scan, sentence: str) -> Grounding:
    """A stand-in for the compared methods: TGNN means the last object that is named, the others the first."""
    answer = name_matcher(scan, sentence)
    ranked = tuple(
        RankedObject(one.object_id, one.label, one.box, one.score, {"match": one.score})
        for one in answer.candidates
    )
    return Grounding(
        method=method,
        sentence=sentence,
        ranked=ranked[::-1] if method == "tgnn" else ranked,
        target=answer.target,
        checkpoint="name-matcher",
        seconds=0.01,
        words=answer.words if method == "tgnn" else (),
        missing=answer.missing,
        reasons=answer if method == "instancerefer" else None,
    )


def label_sayer(scan: Scan, object_id: int, model: str = "") -> Caption:
    """A stand-in for the network that captions: the label, and that of another object."""
    found = next((one for one in scan.instances if one.id == object_id), None)
    if found is None:
        raise UserError("object_unknown", object=object_id)
    other = next((one for one in scan.instances if one.id != object_id), found)
    said = "It is next to" if model in ("", CAPTIONERS.default) else f"By {model} it is near"
    return Caption(
        object_id=object_id,
        label=found.label,
        text=f"This is a {found.label}. {said} the {other.label}.",
        others=(f"A {found.label} in the room.", f"There is a {found.label}."),
        likely=(0.61, 0.42, 0.3),
        anchors=(Anchor(other.id, other.label, 0.4),) if other is not found else (),
        checkpoint="label-sayer",
        seconds=0.01,
    )


def all_said(scan: Scan, model: str = "") -> Iterator[Caption]:
    """The stand-in's captions of every object that is no floor."""
    yield from (label_sayer(scan, one.id) for one in scan.instances if one.label not in STRUCTURE)


PAINT = {(120, 80, 40): ("table", 0.9), (20, 60, 200): ("chair", 0.7)}  # of scan_makers.room()


def paint_finder(scan: Scan, model: str = "") -> Iterator[Progress | Segmented]:
    """A stand-in for the network that finds objects: those that are painted as the tests' table and chair."""
    yield Progress(0.0, "find_load")
    yield Progress(0.5, "find_group")
    owner = np.full(len(scan.vertices), -1, np.int32)
    labels = {}
    for id, (paint, (label, _)) in enumerate(PAINT.items()):
        owner[(scan.colours == paint).all(1)] = id
        labels[id] = label
    found = instances_of(scan.aligned, scan.colours, owner, labels)
    if not found:
        raise UserError("segment_nothing", name=scan.name)
    sure = dict(PAINT.values())
    instances = tuple(replace(one, confidence=sure[one.label]) for one in found)
    masks = [np.flatnonzero(owner == one.id) for one in instances]
    level = Level(np.eye(4), 12.0, 2.4)
    classes = [one.label for one in instances]
    yield Segmented(replace(scan, vertex_instance=owner, instances=instances), level, masks, classes)


@contextmanager
def served(folder: Path, ground: Ground = name_matcher) -> Iterator[str]:
    """Address of the page; `folder` holds its scans, `ground` and the stand-ins above are its networks."""
    for name in SCANS:
        scannet(folder / name, name)
    (folder / "examples.json").write_text(json.dumps({SCANS[0]: [EXAMPLE]}))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pipeline, "SCANS", folder)
        patch.setattr(example_cache, "EXAMPLES", folder / "examples.json")
        patch.setattr(example_cache, "ANSWERS", folder / "answers.json")
        patch.setattr(pipeline, "ground", ground)
        patch.setattr(pipeline, "ground_by", method_matcher)
        patch.setattr(GROUNDERS, "installed", lambda: tuple(GROUNDERS))
        patch.setattr(CAPTIONERS, "installed", lambda: tuple(CAPTIONERS))
        patch.setattr(pipeline, "caption", label_sayer)
        patch.setattr(pipeline, "describe", all_said)
        patch.setattr(pipeline, "segmenting", paint_finder)
        _forget()
        running = page.start("127.0.0.1", None)
        try:
            yield running.local_url
        finally:
            running.close(verbose=False)
            _forget()


def _forget() -> None:
    service.shipped.cache_clear()
    service.warm_up.cache_clear()
    layout.shipped_payload.cache_clear()
    example_cache._sentences.cache_clear()


def until(true: Callable[[], bool], seconds: float = 10.0) -> bool:
    """Whether something comes true before the time is over."""
    end = time.monotonic() + seconds
    while not true() and time.monotonic() < end:
        time.sleep(0.05)
    return true()


def addresses_asked(patch: pytest.MonkeyPatch) -> list[str]:
    """What the page's own process asks of the network from now on: the list grows."""
    asked: list[str] = []
    original = httpx.AsyncClient.send

    async def send(self: httpx.AsyncClient, request: httpx.Request, **more: Any) -> httpx.Response:
        asked.append(str(request.url))
        return await original(self, request, **more)

    patch.setattr(httpx.AsyncClient, "send", send)
    return asked
