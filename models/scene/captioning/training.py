"""Training the shipped X-Trans2Cap: the student alone, the student with its teacher, then by CIDEr.

Stages 1 and 2 answer one question (does the teacher help?): they take the same
number of steps from the same start. Stage 3, self-critical sequence
training (Rennie et al., CVPR 2017; M2's form with beams), goes on from stage 2.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy, mse_loss

from models.core.text import phrase_vectors
from models.core.training import first_alone, fit, save_half, unwrapped
from models.scene.captioning.base import SpeakingNetwork
from models.scene.captioning.batches import (
    CaptionCorpus,
    Judged,
    Told,
    asked_about,
    captions,
)
from models.scene.captioning.faithfulness import truth
from models.scene.captioning.metrics import CiderReward, caption_scores, framed
from models.scene.captioning.scan2cap import ANGLES, Graph, Scan2Cap
from models.scene.captioning.spoken_words import PAD
from models.scene.captioning.xtrans2cap.open_xtrans2cap import BEAMS, NAME, OpenXTrans2Cap
from models.scene.captioning.xtrans2cap.xtrans2cap import Taught
from models.scene.grounding.object_networks import neighbours_of
from models.scene.grounding.scene_objects import point_encoder
from models.scene.objects.object_set import LABEL

STEPS, CRITICAL_STEPS = 900, 600  # more learns the few captions by heart: held-out scenes get worse
SCAN2CAP_STEPS = 2500  # greedy words of a recurrent network come later
RATE, CRITICAL_RATE = 1e-3, 3e-4
CRITICAL_BATCH = 12
ANGLE = 0.1  # weight of the angles between fronts
TRUTH = 0.3  # what a true claim is worth, in CIDEr


def spoken(logits: Tensor, told: Told) -> Tensor:
    """Mean cross-entropy of the words; of the rows of one group only the one that says it best counts.

    An utterance of which only the class is known is about one of its objects: it teaches
    the object of which the network finds it likeliest (multiple-instance learning).
    """
    wanted = told.ids[:, 1:]
    each = cross_entropy(logits.flatten(0, 1).float(), wanted.flatten(), ignore_index=PAD, reduction="none")
    total, count = each.view(wanted.shape).sum(1), (wanted != PAD).sum(1).float()
    groups = int(told.group.max()) + 1

    def smallest(values: Tensor) -> Tensor:
        return values.new_full((groups,), torch.inf).scatter_reduce(0, told.group, values, "amin")

    return smallest(total).sum() / smallest(count).sum()


def losses_alone(network: Any, told: Told, spent: float) -> dict[str, Tensor]:
    """The student learns from captions only."""
    logits, _ = network(told.around, told.ids[:, :-1])
    return {"loss": spoken(logits, told)}


def losses_taught(network: Any, told: Told, spent: float) -> dict[str, Tensor]:
    """The published loss: captions for student and teacher, and their decoders' outputs agree."""
    taught = Taught(*network(told.around, told.ids[:, :-1], teacher=True))
    student, teacher = spoken(taught.student, told), spoken(taught.teacher, told)
    consistency = mse_loss(taught.student_states.float(), taught.teacher_states.float())
    loss = (student + teacher) / 2 + consistency
    return {"loss": loss, "student": student, "teacher": teacher, "consistency": consistency}


def losses_scan2cap(network: Any, told: Told, spent: float) -> dict[str, Tensor]:
    """Captions, and a tenth of the cross-entropy of the angles between fronts that are known."""
    logits, graph, _ = network(told.around, told.ids[:, :-1])
    words, angles = spoken(logits, told), angle_loss(graph, told.around.facing)
    return {"loss": words + ANGLE * angles, "words": words, "angles": angles}


def angle_loss(graph: Graph, facing: Tensor) -> Tensor:
    """Of the angle between an object and each neighbour, in ANGLES bins; 0 where no two fronts are known."""
    theirs = neighbours_of(facing, graph.near)
    turn = (theirs * facing[:, :, None]).sum(-1).clamp(-1, 1).acos()
    known = graph.there & (theirs.abs().sum(-1) > 0) & (facing.abs().sum(-1) > 0)[:, :, None]
    if not known.any():
        return graph.angles.sum() * 0
    bins = (turn / math.pi * ANGLES).long().clamp(max=ANGLES - 1)
    return cross_entropy(graph.angles[known].float(), bins[known])


def self_critical(
    reward: CiderReward, known: Sequence[str]
) -> Callable[[Any, Judged, float], dict[str, Tensor]]:
    """Losses of stage 3: captions found by the student's own beam search, weighed by what they earn.

    A caption earns its CIDEr, as published, and TRUTH for every claim (claims.SORTS) that is true of the
    scene, less TRUTH for every one that is not: CIDEr alone rewards saying what is often said.
    A beam counts by how much better it is than the mean of its object's beams. known: labels that count as
    the name of a neighbour.
    """

    def losses(network: Any, judged: Judged, spent: float) -> dict[str, Tensor]:
        network.eval()  # what is rewarded is what the search said, without dropout
        alone: OpenXTrans2Cap = unwrapped(network)
        ids, _ = alone.search(judged.around, "scanrefer", BEAMS, BEAMS)
        said = [alone.spoken.text(row) for row in ids.flatten(0, 1).tolist()]
        references = [rows for rows in judged.references for _ in range(BEAMS)]
        cider = torch.tensor(reward(list(map(framed, said)), references)).view(-1, BEAMS)
        scenes = [scene for scene in judged.truth for _ in range(BEAMS)]
        right = [truth(words, *scene, known) for words, scene in zip(said, scenes, strict=True)]
        true = torch.tensor(right, dtype=cider.dtype).view(-1, BEAMS)
        earned = cider + TRUTH * true
        better = (earned - earned.mean(1, keepdim=True)).flatten()
        flat = ids.flatten(0, 1)
        logits, _ = network(judged.around, flat[:, :-1])
        wanted = flat[:, 1:]
        each = logits.float().log_softmax(-1).gather(2, wanted[..., None])[..., 0] * (wanted != PAD)
        likely = each.sum(1) / (wanted != PAD).sum(1)
        return {
            "loss": -(likely * better.to(likely.device)).mean(),
            "CIDEr": cider.mean(),
            "true": true.mean(),
        }

    return losses


def dev_scores(network: SpeakingNetwork, corpus: CaptionCorpus) -> Mapping[str, Any]:
    """Scores on the held-out train scenes' ScanRefer descriptions."""
    references = {f"{scene}|{target}": rows for (scene, target), rows in corpus.references("dev").items()}
    asked = asked_about(corpus.scenes, list(corpus.references("dev")))
    said = captions(network, asked)
    return caption_scores(dict(zip(references, map(framed, said), strict=True)), references, meteor=False)


def start(words: Sequence[str]) -> OpenXTrans2Cap:
    """A network whose words and labels start from MiniLM, in one space of NAME principal directions.

    So a label that captions seldom name is near its word from the first step.
    """
    network = OpenXTrans2Cap(words=words)
    vectors, mean, directions = near_words(words)
    linear: Any = network.name[0]
    with torch.no_grad():
        linear.weight.copy_(directions * LABEL**0.5)
        linear.bias.copy_(-directions @ mean * LABEL**0.5)
        for captioner in (network.captioner, network.captioner_teacher):
            assert captioner is not None
            width = captioner.decoder.word_emb.embedding_dim
            captioner.decoder.word_emb.weight[1:, :NAME] = vectors[1:, :width] * 0.5
            captioner.decoder.fc.weight[:, :NAME] = vectors[:, :width] * 0.1
    return network


def start_scan2cap(words: Sequence[str]) -> Scan2Cap:
    """A network whose words start from MiniLM (GloVe in the paper)."""
    network = Scan2Cap(words=words)
    with torch.no_grad():
        network.captioner.word.weight[1:] = near_words(words)[0][1:]
    return network


def near_words(words: Sequence[str]) -> tuple[Tensor, Tensor, Tensor]:
    """MiniLM's vectors of words in their NAME principal directions, (V, NAME), at a variance of one; the mean
    that was taken away, (384,); the directions, (NAME, 384).
    """
    vectors = torch.cat([phrase_vectors(list(words[i : i + 128])) for i in range(0, len(words), 128)])
    mean = vectors.mean(0)
    directions = torch.linalg.svd(vectors - mean, full_matrices=False).Vh[:NAME]
    near = (vectors - mean) @ directions.T
    return near / near.std(), mean, directions


def train(data: Path, out: Path, seed: int = 0) -> None:
    """All stages; the last one's student to `out`, those before it to `out`_alone and `out`_taught."""
    corpus = _corpus(data, seed)

    def stage(name: str, network: Any, batches: Any, losses: Any, steps: int, rate: float) -> Any:
        average = _fit(corpus, f"captioning-{name}", network, batches, losses, steps, rate, seed)
        save_half(average.student(), out if name == "critical" else out.with_name(f"{out.name}_{name}"))
        return average

    torch.manual_seed(seed)
    network = start(corpus.words)
    lessons = partial(corpus.batches, network.spoken)
    stage("alone", network, lessons, losses_alone, STEPS, RATE)
    torch.manual_seed(seed)
    network = start(corpus.words)
    taught = stage("taught", network, lessons, losses_taught, STEPS, RATE)
    reward = CiderReward(list(corpus.references("scanrefer").values()))
    judged = partial(corpus.judged, CRITICAL_BATCH)
    losses = self_critical(reward, corpus.labels.names)
    stage("critical", taught, judged, losses, CRITICAL_STEPS, CRITICAL_RATE)


def train_scan2cap(data: Path, out: Path, seed: int = 0) -> None:
    """Scan2Cap, on the same batches as X-Trans2Cap's students, for longer."""
    corpus = _corpus(data, seed)
    torch.manual_seed(seed)
    network = start_scan2cap(corpus.words)
    lessons = partial(corpus.batches, network.spoken)
    save_half(_fit(corpus, "scan2cap", network, lessons, losses_scan2cap, SCAN2CAP_STEPS, RATE, seed), out)


def _corpus(data: Path, seed: int) -> CaptionCorpus:
    with first_alone():
        corpus = CaptionCorpus(data, point_encoder(), seed)
    print({sort: len(rows) for sort, rows in corpus.sorts.items()}, len(corpus.words), "words", flush=True)
    return corpus


def _fit(
    corpus: CaptionCorpus,
    name: str,
    network: Any,
    batches: Any,
    losses: Any,
    steps: int,
    rate: float,
    seed: int,
) -> Any:
    """The averaged network of one stage, whose state lies in runs/NAME."""
    average, done = fit(
        name,
        network,
        batches,
        losses,
        steps=steps,
        rate=rate,
        seed=seed,
        check=lambda net: f"dev {dict(dev_scores(net, corpus))}",  # type: ignore[arg-type]
    )
    print(name, done, flush=True)
    return average
