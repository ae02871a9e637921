"""Training the versions of the ablation, each for the same number of steps."""

from pathlib import Path

from models.core.training import first_alone, main_process
from models.scene.grounding.ablation import STEPS, VERSIONS, folder
from models.scene.grounding.scene_objects import point_encoder
from models.scene.grounding.sentence_vectors import WordIndices
from models.scene.grounding.training import Corpus, fit_version


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
