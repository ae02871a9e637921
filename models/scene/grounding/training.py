"""Training the shipped InstanceRefer on what people and the generator said of the train scenes."""

import random
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits, cross_entropy, softplus

from models.core.training import first_alone, fit, save_half
from models.scene.data.datasets import (
    Cloud,
    Sentence,
    annotated,
    fronts,
    held_out,
    human,
    instances,
    split,
    without_target,
)
from models.scene.data.scan import Instance
from models.scene.grounding.batches import Labels, Targets, Words, answers, training_batch
from models.scene.grounding.instancerefer.open_instancerefer import NEVER, OpenInstanceRefer
from models.scene.grounding.scene_objects import point_encoder, scene_objects
from models.scene.grounding.sentence_vectors import WordVectors
from models.scene.objects.object_set import Objects, from_instances
from models.scene.objects.point_encoder import ShapeEncoder
from models.scene.synthetic_language.sentences import make_sentences
from models.scene.synthetic_rooms.training_rooms import rooms

BATCH = 48
GENERATED, CLASS_ONLY = 0.4, 0.25  # shares of a batch; the rest are sentences of people with a known target
ROUND = 8  # batches that are drawn at once and sorted by size, so that little is padding
EACH = 10  # sentences of each kind that are generated for a scene
# how often a kind is drawn; others weigh 1
KINDS = {"horizontal": 3.0, "facing": 1.2, "sides": 1.2, "allocentric": 0.8, "alone": 0.6, "scanrefer": 2.0}


def room_objects(made: Sequence[tuple[Instance, Cloud]], shapes: ShapeEncoder | None) -> Objects:
    """A synthetic room; it stands on z = 0."""
    features = shapes.encode([cloud.xyz for _, cloud in made], 0.0) if shapes is not None else None
    return from_instances([item for item, _ in made], features)


class Corpus:
    """Everything that is said of the train scenes, and the batches drawn from it.

    read: what is read of its sentences.
    """

    def __init__(
        self,
        data: Path,
        shapes: ShapeEncoder | None,
        seed: int = 0,
        read: Callable[[Sequence[str]], Words] = WordVectors,
    ) -> None:
        train_scenes, _ = split(data)
        self.scenes = scene_objects(data, train_scenes, shapes)
        synthetic = rooms()
        self.scenes |= {room: room_objects(made, shapes) for room, made in synthetic.items()}
        self.labels = Labels.of(self.scenes)
        everyone = human(data)
        watched = held_out(everyone)
        self.dev = [sentence for sentence in everyone if sentence.scene in watched]
        self.human = [sentence for sentence in everyone if sentence.scene not in watched]
        self.class_only = [
            s
            for s in without_target(data)
            if s.scene not in watched and s.label in self.scenes[s.scene].labels
        ]
        described = {
            s: (instances(rows), fronts(rows)) for s, rows in annotated(data).items() if s in self.scenes
        }
        described |= {room: ([item for item, _ in made], {}) for room, made in synthetic.items()}
        self.generated: dict[str, list[Sentence]] = defaultdict(list)
        rng = random.Random(seed)
        for scene in sorted(set(described) - watched):
            for said in make_sentences(described[scene][0], rng, described[scene][1], EACH):
                sentence = Sentence(scene, said.sentence, said.target, "", said.kind, said.anchors)
                self.generated[said.kind].append(sentence)
        made = [sentence.text for kind in self.generated.values() for sentence in kind]
        self.texts = [s.text for s in everyone + self.class_only] + made
        self.words = read(self.texts)

    def batches(self, seed: int) -> Iterator[Any]:
        """Endless batches of generated, class-only and human sentences, of scenes of similar size."""
        rng, disturb = random.Random(seed), np.random.default_rng(seed)
        kinds = sorted(self.generated)
        weights = [KINDS.get(kind, 1.0) for kind in kinds]
        weight = [KINDS.get(sentence.kind, 1.0) for sentence in self.human]
        generated, class_only = int(BATCH * GENERATED), int(BATCH * CLASS_ONLY)
        shares = (generated, class_only, BATCH - generated - class_only)
        while True:
            picked = rng.choices(kinds, weights, k=ROUND * generated)
            groups = [[rng.choice(self.generated[kind]) for kind in picked]]
            groups += [
                rng.choices(self.class_only, k=ROUND * class_only),
                rng.choices(self.human, weight, k=ROUND * shares[2]),
            ]
            for group in groups:
                group.sort(key=lambda sentence: len(self.scenes[sentence.scene]))
            for turn in rng.sample(range(ROUND), ROUND):
                chosen = [
                    sentence
                    for group, share in zip(groups, shares, strict=True)
                    for sentence in group[turn * share : (turn + 1) * share]
                ]
                yield training_batch(chosen, self.scenes, self.words, self.labels, disturb)


def losses(network: nn.Module, given: Any, spent: float) -> dict[str, Tensor]:
    """Contrastive loss over all candidates (the talk's L_mat), and the lessons beside it.

    class: which objects are of the class asked for; label: what every object is;
    cell: where the target stands; anchor: what else the sentence mentions. A
    sentence of which only the class is known teaches that the answer is one of
    its class, and, later in training, what the network is already fairly sure of.
    """
    batch, taught = given
    known = taught.target >= 0
    peers = taught.peers.float()
    found = network(batch, torch.where(known, taught.target, peers.argmax(1)))
    picked = found.scores.log_softmax(1)
    meant = found.candidates == taught.target[:, None]
    right = -(picked * meant).sum(1)[known].mean()
    judged = (taught.peers | taught.unlike).float()
    binary = binary_cross_entropy_with_logits(found.target, peers, reduction="none") * judged
    nothing = softplus(found.elsewhere)[taught.elsewhere].mean()
    wanted = found.target.masked_fill(~batch.exists, NEVER)
    mass = wanted.masked_fill(~taught.peers, NEVER).logsumexp(1) - wanted.logsumexp(1)
    label = cross_entropy(found.labels[batch.exists], taught.labels[batch.exists])
    cell = cross_entropy(found.cells[known], taught.cell[known])
    named = 4 * binary.sum() / judged.sum() + nothing - mass.mean()
    anchor = anchor_loss(found.asked, taught)
    loss = right + 0.5 * named + 0.3 * label + 0.2 * cell + 0.2 * anchor
    total = {"right": right, "class": named, "label": label, "cell": cell, "anchor": anchor}
    if (~known).any():
        among = taught.peers.gather(1, found.candidates)[~known]
        scores = found.scores[~known]
        inside = scores.masked_fill(~among, NEVER)
        belief = (1.3 * inside.detach()).softmax(1)
        sure = (belief.max(1).values > 0.6).float()
        self_taught = (-(belief * inside.log_softmax(1).clamp(min=-20)).sum(1) * sure).mean()
        one_of_them = (scores.logsumexp(1) - inside.logsumexp(1)).mean()
        loss = loss + 0.3 * one_of_them + 0.3 * min(1.0, 2.5 * spent) * self_taught
        total["self"] = self_taught
    hit = (found.scores.argmax(1) == meant.float().argmax(1)).float()
    people = known.clone()
    people[: int(BATCH * GENERATED)] = False
    return {"loss": loss, **total, "hit": hit[known].mean(), "hit_human": hit[people].mean()}


def anchor_loss(asked: Tensor, taught: Targets) -> Tensor:
    """For everything that a sentence mentions some slot should ask; else all should ask for nothing.

    asked: (B, slots, N + 1) log-probabilities, nothing last.
    """
    mentioned = taught.anchors.any(-1)
    covered = asked[:, None, :, :-1].masked_fill(~taught.anchors[:, :, None], NEVER).logsumexp(-1).amax(-1)
    found = -covered[mentioned].clamp(min=-10).sum() / mentioned.sum().clamp(min=1)
    nothing = -asked[taught.plain][..., -1].sum() / (taught.plain.sum() * asked.shape[1]).clamp(min=1)
    return found + 0.3 * nothing


def dev_accuracy(network: OpenInstanceRefer, corpus: Corpus) -> float:
    """Share of the held-out sentences of people whose target is found, given true boxes and labels."""
    asked = [(corpus.scenes[sentence.scene], sentence.text) for sentence in corpus.dev]
    hits = [
        int(corpus.scenes[sentence.scene].ids[int(scores.argmax())]) == sentence.target
        for sentence, scores in zip(corpus.dev, answers(network, asked, corpus.words), strict=True)
    ]
    return float(np.mean(hits))


def train(data: Path, out: Path, minutes: float) -> None:
    """Train what ships and write its checkpoint folder; the model card is written from what this prints."""
    with first_alone():
        corpus = Corpus(data, point_encoder())
    average, done = fit_version(corpus, "instancerefer", {}, minutes=minutes)
    save_half(average, out)
    print(done, flush=True)


def fit_version(
    corpus: Corpus,
    name: str,
    config: Mapping[str, Any],
    minutes: float = 0.0,
    steps: int = 0,
    seed: int = 0,
    first_words: Callable[[nn.Embedding], None] | None = None,
) -> tuple[OpenInstanceRefer, dict[str, float]]:
    """Train one configuration; state in runs/NAME.

    first_words: gives the words of a learned vocabulary their first vectors.
    """
    torch.manual_seed(seed)
    network = OpenInstanceRefer(label_count=len(corpus.labels.names), **config)
    network.encoder.labels.copy_(torch.from_numpy(corpus.labels.vectors))
    if first_words is not None and network.embedding is not None:
        first_words(network.embedding)
    return fit(  # type: ignore[return-value]
        name,
        network,
        corpus.batches,
        losses,
        rate=1e-3,
        minutes=minutes,
        steps=steps,
        seed=seed,
        check=lambda net: f"dev {dev_accuracy(net, corpus):.3f}",  # type: ignore[arg-type]
    )
