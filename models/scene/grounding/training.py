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

from models.core.checkpoints import load_checkpoint
from models.core.training import first_alone, fit, save_half
from models.scene.data.datasets import (
    Cloud,
    Sentence,
    annotated,
    clouds,
    fronts,
    human,
    instances,
    scenes_with_points,
    split,
    without_target,
)
from models.scene.data.scan import Instance
from models.scene.grounding.batches import Labels, Targets, Words, collate, training_batch
from models.scene.grounding.instancerefer.open_instancerefer import NEVER, OpenInstanceRefer
from models.scene.grounding.sentence_vectors import WordVectors
from models.scene.objects.object_set import Objects, from_instances
from models.scene.objects.point_encoder import ShapeEncoder
from models.scene.synthetic_language.sentences import make_sentences
from models.scene.synthetic_rooms.training_rooms import rooms

BATCH = 48
GENERATED, CLASS_ONLY = 0.4, 0.25  # shares of a batch; the rest are sentences of people with a known target
ROUND = 8  # batches that are drawn at once and sorted by size, so that little is padding
DEV_SCENES = 45  # of the train scenes: their sentences are never trained on, they choose between versions
EACH = 10  # sentences of each kind that are generated for a scene
# how often a kind is drawn; others weigh 1
KINDS = {"horizontal": 3.0, "facing": 1.2, "sides": 1.2, "allocentric": 0.8, "alone": 0.6, "scanrefer": 2.0}


def scene_objects(data: Path, names: set[str], shapes: ShapeEncoder | None) -> dict[str, Objects]:
    """The annotated objects of scenes, with shape features where a scene has points."""
    with_points = set(scenes_with_points(data)) if shapes is not None else set()
    found = {}
    for scene, rows in annotated(data).items():
        if scene in names and rows:
            objects = from_instances(instances(rows))
            if scene in with_points and shapes is not None:
                objects.shapes[:] = shape_features(data, scene, objects, shapes)
            found[scene] = objects
    return found


def shape_features(data: Path, scene: str, objects: Objects, shapes: ShapeEncoder) -> Any:
    """(N, 128) features of the objects' own points, 0 where an object has none."""
    points = {cloud.id: cloud.xyz for cloud in clouds(data, scene)}
    empty = np.zeros((0, 3), np.float32)
    floor = float(min(xyz[:, 2].min() for xyz in points.values()))
    return shapes.encode([points.get(int(i), empty) for i in objects.ids], floor)


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
        spoken_of = sorted({sentence.scene for sentence in everyone})
        held_out = set(random.Random(7).sample(spoken_of, DEV_SCENES))
        self.dev = [sentence for sentence in everyone if sentence.scene in held_out]
        self.human = [sentence for sentence in everyone if sentence.scene not in held_out]
        self.class_only = [
            s
            for s in without_target(data)
            if s.scene not in held_out and s.label in self.scenes[s.scene].labels
        ]
        described = {
            s: (instances(rows), fronts(rows)) for s, rows in annotated(data).items() if s in self.scenes
        }
        described |= {room: ([item for item, _ in made], {}) for room, made in synthetic.items()}
        self.generated: dict[str, list[Sentence]] = defaultdict(list)
        rng = random.Random(seed)
        for scene in sorted(set(described) - held_out):
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


@torch.inference_mode()
def answers(
    network: OpenInstanceRefer,
    asked: Sequence[tuple[Objects, str]],
    words: Words,
    at_once: int = 64,
) -> list[Tensor]:
    """Scores over the objects of each (scene, sentence), in the order asked."""
    order = sorted(range(len(asked)), key=lambda place: len(asked[place][0]))
    found: dict[int, Tensor] = {}
    for start in range(0, len(order), at_once):
        chosen = order[start : start + at_once]
        batch = collate([asked[p][0] for p in chosen], [asked[p][1] for p in chosen], words)
        scores = network(batch.to(network.weights.device)).over_objects().cpu()
        found.update((p, scores[row, : len(asked[p][0])]) for row, p in enumerate(chosen))
    return [found[place] for place in range(len(asked))]


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


def point_encoder() -> ShapeEncoder:
    """The shipped point encoder."""
    return load_checkpoint(ShapeEncoder, "shapes")


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
