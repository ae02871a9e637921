"""The whole page, served from this process on small scans of the tests' own, for tests that use it."""

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from app import page, precompute, scene_desk, scene_tab
from models.scene import pipeline
from models.scene.answer import Anchor, Answer, Candidate
from models.scene.scan import Scan
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


@contextmanager
def served(folder: Path, ground: Ground = name_matcher) -> Iterator[str]:
    """Address of the page; `folder` holds its scans, `ground` answers instead of the network."""
    for name in SCANS:
        scannet(folder / name, name)
    (folder / "examples.json").write_text(json.dumps({SCANS[0]: [EXAMPLE]}))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pipeline, "SCANS", folder)
        patch.setattr(precompute, "EXAMPLES", folder / "examples.json")
        patch.setattr(precompute, "ANSWERS", folder / "answers.json")
        patch.setattr(pipeline, "ground", ground)
        _forget()
        running = page.start("127.0.0.1", None)
        try:
            yield running.local_url
        finally:
            running.close(verbose=False)
            _forget()


def _forget() -> None:
    scene_desk.shipped.cache_clear()
    scene_desk.warm_up.cache_clear()
    scene_tab._shipped_payload.cache_clear()
    precompute._sentences.cache_clear()


def until(true: Callable[[], bool], seconds: float = 10.0) -> bool:
    """Whether something comes true before the time is over."""
    end = time.monotonic() + seconds
    while not true() and time.monotonic() < end:
        time.sleep(0.05)
    return true()
