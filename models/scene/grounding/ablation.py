"""The talk's ablation on the same data and the same number of steps: modules, matching, words."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from models.core.training import RUNS, first_alone, main_process
from models.scene.grounding.sentence_vectors import WordIndices
from models.scene.grounding.training import Corpus, fit_version, point_encoder

STEPS = 900
VERSIONS: Mapping[str, Mapping[str, Any]] = {
    "AP, cosine": {"modules": ("attribute",), "matching": "cosine"},
    "AP + RP, cosine": {"modules": ("attribute", "relation"), "matching": "cosine"},
    "AP + RP + GLP, cosine": {"matching": "cosine"},
    "AP + RP + GLP, MCAN": {},
    "AP + RP + GLP, MCAN, learned words": {"vocabulary": True},
}


def folder(version: str) -> Path:
    """Where a version's trained network lies."""
    return RUNS / ("ablation_" + version.lower().replace(" + ", "_").replace(", ", "_").replace(" ", "_"))


def train(data: Path) -> None:
    """Train every version that is not there yet."""
    with first_alone():
        corpus = Corpus(data, point_encoder())
    vectors, indices = corpus.words, WordIndices(corpus.texts)
    for version, config in VERSIONS.items():
        out = folder(version) / "final"
        if out.exists():
            continue
        learned = "vocabulary" in config
        corpus.words = indices if learned else vectors
        full = {**config, "vocabulary": len(indices)} if learned else config
        network, done = fit_version(corpus, folder(version).name, full, steps=STEPS)
        if main_process():
            network.save_pretrained(out)
        if learned and main_process():
            indices.save(out / "words.json")
        print(version, done, flush=True)
