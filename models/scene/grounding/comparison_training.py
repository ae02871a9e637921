"""Training ScanRefer, TGNN and ReferIt3DNet on the very batches that the shipped InstanceRefer learns."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from models.core.text import phrase_vectors
from models.core.training import fit, save_half
from models.scene.grounding.batches import Targets
from models.scene.grounding.compared import RIVALS, SEED_STEPS, SEEDS, folder
from models.scene.grounding.instancerefer.open_instancerefer import OpenBatch
from models.scene.grounding.instancerefer.open_perception import NEVER
from models.scene.grounding.registry import GROUNDERS
from models.scene.grounding.scene_objects import point_encoder
from models.scene.grounding.sentence_vectors import WordIndices
from models.scene.grounding.training import BATCH, GENERATED, Corpus, dev_accuracy, fit_version

RATE = 2e-3
SAID, LABELS = 0.3, 0.3  # weights of the auxiliary class losses


def losses(network: nn.Module, given: tuple[OpenBatch, Targets], spent: float) -> dict[str, Tensor]:
    """Cross-entropy over the objects, of the sentence's class and, where the network asks, of the objects'.

    A sentence of which only the class is known teaches that the answer is one of its class.
    """
    batch, taught = given
    found = network(batch)
    known = taught.target >= 0
    picked = found.scores.log_softmax(1)
    right = cross_entropy(found.scores[known], taught.target[known])
    one_of = -(picked.masked_fill(~taught.peers, NEVER).logsumexp(1)[~known]).sum() / (~known).sum().clamp(
        min=1
    )
    wanted = taught.labels.gather(1, taught.peers.float().argmax(1)[:, None])[:, 0]
    said = cross_entropy(found.said, wanted)
    loss = right + 0.3 * one_of + SAID * said
    parts = {"right": right, "one_of": one_of, "said": said}
    if found.labels is not None:
        parts["label"] = cross_entropy(found.labels[batch.exists], taught.labels[batch.exists])
        loss = loss + LABELS * parts["label"]
    hit = (found.scores.argmax(1) == taught.target).float()
    people = known.clone()
    people[: int(BATCH * GENERATED)] = False
    return {"loss": loss, **parts, "hit": hit[known].mean(), "hit_human": hit[people].mean()}


def fit_rival(
    corpus: Corpus, name: str, state: str, steps: int = 0, minutes: float = 0.0, seed: int = 0
) -> tuple[nn.Module, dict[str, float]]:
    """Train one method for a number of steps or of minutes; its state lies in runs/STATE."""
    torch.manual_seed(seed)
    words = corpus.words
    vocabulary = words.known if isinstance(words, WordIndices) else []
    network = GROUNDERS[name].kind(classes=list(corpus.labels.names), vocabulary=vocabulary)
    if vocabulary:
        start_words(network.words.embedding, vocabulary)
    return fit(
        state,
        network,
        corpus.batches,
        losses,
        rate=RATE,
        minutes=minutes,
        steps=steps,
        seed=seed,
        check=lambda net: f"dev {dev_accuracy(net, corpus):.3f}",  # type: ignore[arg-type]
    )


def start_words(embedding: nn.Embedding, vocabulary: Sequence[str]) -> None:
    """Each learned word begins as MiniLM's vector of it alone, at a variance of one (GloVe in the papers)."""
    parts = [phrase_vectors(vocabulary[at : at + 128]) for at in range(0, len(vocabulary), 128)]
    with torch.no_grad():
        embedding.weight[2:] = torch.cat(parts) * embedding.embedding_dim**0.5


def train_comparison(data: Path) -> None:
    """Train every method with each seed, for the same number of steps; resumable.

    All see the same sentences, scenes and disturbances in the same order.
    """
    corpus = Corpus(data, point_encoder(), read=WordIndices)
    assert isinstance(corpus.words, WordIndices)
    first = partial(start_words, vocabulary=corpus.words.known)
    for seed in range(SEEDS):
        for name in (*RIVALS, "instancerefer"):
            out = folder(name, seed)
            if (out / "final").exists():
                continue
            if name == "instancerefer":
                config = {"vocabulary": len(corpus.words)}
                average, done = fit_version(
                    corpus, out.name, config, steps=SEED_STEPS, seed=seed, first_words=first
                )
            else:
                average, done = fit_rival(corpus, name, out.name, steps=SEED_STEPS, seed=seed)  # type: ignore[assignment]
            average.save_pretrained(out / "final")
            corpus.words.save(out / "final" / "words.json")
            print(name, seed, done, flush=True)


def train(data: Path, name: str, out: Path, minutes: float) -> None:
    """Train what ships of a method and write its checkpoint folder."""
    corpus = Corpus(data, point_encoder(), read=WordIndices)
    average, done = fit_rival(corpus, name, name, minutes=minutes)
    save_half(average, out)
    print(name, done, flush=True)
