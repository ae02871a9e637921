"""Answers of the shipped example sentences, so that a click on one is answered at once.

`python -m app.scene.example_cache` computes them with the installed checkpoint. They are kept with
the hashes of that checkpoint and of each scan, and are not used when either has changed.
"""

import hashlib
import json
import sys
from dataclasses import asdict
from functools import cache
from typing import Any

from app import i18n
from models.core.checkpoints import card
from models.core.errors import UserError
from models.core.notes import Note
from models.scene import pipeline
from models.scene.types import Anchor, Answer, Candidate, Standpoint

EXAMPLES = pipeline.SCANS / "examples.json"
ANSWERS = pipeline.SCANS / "answers.json"
CHECKPOINT = "instancerefer"
ENCODER = "shapes"  # what the checkpoint sees points through


def names() -> list[str]:
    """The shipped scans as the page lists them: those with example sentences first, in their order."""
    found = pipeline.examples()
    order = list(_sentences())
    return sorted(found, key=lambda name: (order.index(name) if name in order else len(order), name))


def sentences(scan: str, language: str = i18n.DEFAULT) -> tuple[str, ...]:
    """Example sentences of a shipped scan, English where there are none in the language; () for neither."""
    return tuple(_sentences(language).get(scan, ()) or _sentences().get(scan, ()))


@cache
def _sentences(language: str = i18n.DEFAULT) -> dict[str, list[str]]:
    file = EXAMPLES if language == i18n.DEFAULT else EXAMPLES.with_name(f"examples.{language}.json")
    return json.loads(file.read_text(encoding="utf-8")) if file.is_file() else {}


def stored(scan: str, sentence: str) -> Answer | None:
    """The stored answer, or None when there is none or it is not of today's checkpoint and scan."""
    book = _book()
    entry = book.get("scans", {}).get(scan, {})
    kept = entry.get("answers", {}).get(sentence)
    if kept is None or book["checkpoint"] != _checkpoint() or entry["scan"] != scan_hash(scan):
        return None
    return _answer(kept)


@cache
def _book() -> dict[str, Any]:
    return json.loads(ANSWERS.read_text(encoding="utf-8")) if ANSWERS.is_file() else {}


def _checkpoint() -> str | None:
    """Hashes of the weights that answer, None where they are not complete."""
    try:
        return f"{card(CHECKPOINT).sha256}+{card(ENCODER).sha256}"
    except UserError:
        return None


@cache
def scan_hash(name: str) -> str:
    """Short hash of all files of a shipped scan."""
    digest = hashlib.sha256()
    for path in sorted((pipeline.SCANS / name).iterdir()):
        digest.update(path.name.encode() + path.read_bytes())
    return digest.hexdigest()[:12]


def _answer(kept: dict[str, Any]) -> Answer:
    return Answer(
        **{
            **kept,
            "candidates": tuple(Candidate(**{**one, "box": tuple(one["box"])}) for one in kept["candidates"]),
            "anchors": tuple(Anchor(**one) for one in kept["anchors"]),
            "words": tuple((word, weight) for word, weight in kept["words"]),
            "cell": tuple(kept["cell"]),
            "notes": tuple(Note(**one) for one in kept["notes"]),
            "proofs": tuple(Note(**one) for one in kept["proofs"]),
            "fits": tuple(kept["fits"]),
            "cells": tuple(tuple(row) for row in kept["cells"]),
            "standpoint": _standpoint(kept["standpoint"]),
        }
    )


def _standpoint(kept: dict[str, Any] | None) -> Standpoint | None:
    return None if kept is None else Standpoint(tuple(kept["at"]), tuple(kept["ahead"]))


def main() -> None:
    """Answer every example sentence and write the answers beside the scans."""
    scans = {}
    for name in pipeline.examples():
        scan = pipeline.open_example(name)
        asked = dict.fromkeys(text for language in i18n.LANGUAGES for text in sentences(name, language))
        answers = {text: asdict(pipeline.ground(scan, text, CHECKPOINT)) for text in asked}
        scans[name] = {"scan": scan_hash(name), "answers": answers}
        for text, answer in answers.items():
            best = answer["candidates"][0] if answer["candidates"] else None
            print(f"{name}: {text} -> {best['label'] + ' ' + str(best['object_id']) if best else 'nothing'}")
    book = {"checkpoint": _checkpoint(), "scans": scans}
    ANSWERS.write_text(json.dumps(_rounded(book), separators=(",", ":")) + "\n", encoding="utf-8")


def _rounded(value: Any) -> Any:
    if isinstance(value, float):
        return round(value, 4)
    if isinstance(value, dict):
        return {key: _rounded(one) for key, one in value.items()}
    return [_rounded(one) for one in value] if isinstance(value, list | tuple) else value


if __name__ == "__main__":
    try:
        main()
    except UserError as error:
        sys.exit(i18n.explain("en", error))
