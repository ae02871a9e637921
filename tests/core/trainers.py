"""Each trainer in small: its network, batches and losses as `fit` gets them, on data made here."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from typing import Any
from unittest.mock import patch

import numpy as np
import torch

from models.colonoscopy.segmentation import training
from models.colonoscopy.segmentation.small import SmallSegmenter
from models.colonoscopy.synthesis import (
    autoencoder_training,
    ldm_training,
    sharpener_training,
)
from models.colonoscopy.synthesis import training as cascade_training
from models.colonoscopy.synthesis.autoencoder import Autoencoder
from models.colonoscopy.synthesis.cascade import (
    BASE,
    BaseSdm,
)
from models.colonoscopy.synthesis.latent_diffusion import LDM, LatentDiffusion
from models.colonoscopy.synthesis.super_resolution import (
    Sharpener,
    SharpenerConfig,
)
from models.colonoscopy.synthesis.whole_frames import TrainingFrames
from models.colonoscopy.video import film_training, lvdm_2d, lvdm_2d_training, projected, pvdm_training
from models.colonoscopy.video.base import CLIP
from models.colonoscopy.video.film_networks import FilmBase, FilmBaseConfig, FilmDetail, FilmDetailConfig
from models.core.perceptual import PerceptualLoss
from models.core.training import fit
from models.face.motion import batches
from models.face.motion.face_motion import FaceMotion
from models.face.rendering import training as rendering_training
from models.face.rendering.generator import MouthGenerator
from models.face.sync import training as sync_training
from models.face.sync.syncnet import SyncNet
from models.scene.captioning import batches as captioning_batches
from models.scene.captioning import training as captioning_training
from models.scene.captioning.metrics import CiderReward, framed
from models.scene.captioning.scan2cap import Scan2Cap
from models.scene.data.datasets import Cloud, Sentence
from models.scene.grounding import batches as grounding_batches
from models.scene.grounding import training as grounding_training
from models.scene.grounding.instancerefer.open_instancerefer import OpenInstanceRefer
from models.scene.grounding.rendered_views import training as views_training
from models.scene.grounding.rendered_views.one_stage import OneStage
from models.scene.objects import training as objects_training
from models.scene.objects.point_encoder import ShapeEncoder
from models.scene.segmentation import training as segmentation_training
from models.scene.segmentation.pointgroup import PointGroup
from tests.core.trainers_data import (
    TINY_POINTGROUP,
    Words,
    cloud_scene,
    examples,
    heard_sample,
    labelled_room,
    lesson,
    mouth_clip,
    network_of_words,
    viewed_scan,
    views,
)

Trainer = Callable[..., Any]  # (name, steps=2) to what `fit` returns


def _grounding(name: str, **how: Any) -> Any:
    scene = labelled_room()
    labels = grounding_batches.Labels.of({"a": scene})
    said = [
        Sentence("a", "the chair next to the door", 11, "", "horizontal", (14,)),
        Sentence("a", "the window", 13),
        Sentence("a", "some chair", None, "chair", "class"),
    ]

    def drawn(seed: int) -> Iterator[Any]:
        rng = np.random.default_rng(seed)
        while True:
            yield grounding_batches.training_batch(said, {"a": scene}, Words(), labels, rng)

    network = OpenInstanceRefer(width=32, label_count=len(labels.names))
    network.encoder.labels.copy_(torch.from_numpy(labels.vectors))
    return fit(name, network, drawn, grounding_training.losses, rate=1e-3, **how)


def _grounding_2d(name: str, **how: Any) -> Any:
    scans = {scan: viewed_scan(seed) for seed, scan in enumerate("abcde")}
    said = {scan: [Sentence(scan, "the red chair", 11), Sentence(scan, "the lamp", 12)] for scan in scans}
    parts = [{scan: said[scan] for scan in some} for some in ("abcd", "e")]
    drawn = partial(views_training.batches, scans, parts, Words())
    with patch.multiple(views_training, VIEWS=2, SENTENCES=2):
        return fit(name, OneStage(16, 8), drawn, views_training.losses, rate=1e-3, **how)


def _captioning(losses: Any, name: str, **how: Any) -> Any:
    network = network_of_words()

    def drawn(seed: int) -> Iterator[captioning_batches.Told]:
        torch.manual_seed(seed)
        while True:
            told = lesson(network.spoken)
            yield replace(told, around=replace(told.around, shapes=torch.randn_like(told.around.shapes)))

    return fit(name, network, drawn, losses, rate=1e-3, **how)


def _scan2cap(name: str, **how: Any) -> Any:
    network = Scan2Cap(words=network_of_words().spoken.words, width=16, word_width=16, hidden=24)

    def drawn(seed: int) -> Iterator[captioning_batches.Told]:
        torch.manual_seed(seed)
        while True:
            told = lesson(network.spoken)
            facing = torch.nn.functional.normalize(torch.randn_like(told.around.facing), dim=-1)
            yield replace(told, around=replace(told.around, facing=facing))

    return fit(name, network, drawn, captioning_training.losses_scan2cap, rate=1e-3, **how)


def _critical(name: str, **how: Any) -> Any:
    network = network_of_words()
    references = [[framed(text.split())] for text in ("this is a red chair .", "a blue table .", "a lamp .")]

    def drawn(seed: int) -> Iterator[captioning_batches.Judged]:
        torch.manual_seed(seed)
        while True:
            around = lesson(network.spoken).around
            moved = replace(around, shapes=torch.randn_like(around.shapes))
            yield captioning_batches.Judged(
                moved, references, [(labelled_room(), place) for place in (0, 1, 3)]
            )

    losses = captioning_training.self_critical(CiderReward(references), ["chair", "table"])
    return fit(name, network, drawn, losses, rate=1e-3, **how)


def _pointgroup(name: str, **how: Any) -> Any:
    network = PointGroup(**TINY_POINTGROUP)

    def drawn(seed: int) -> Iterator[Any]:
        rng = np.random.default_rng(seed)
        while True:
            yield segmentation_training.collate([cloud_scene(rng), cloud_scene(rng)])

    losses = partial(segmentation_training.losses, weights=torch.ones(len(network.classes)))
    return fit(name, network, drawn, losses, rate=1e-3, **how)


def _shapes(name: str, **how: Any) -> Any:
    rng = np.random.default_rng(0)
    taught = [(Cloud(k, "chair", rng.random((210, 3)).astype(np.float32)), 0.0, k % 2) for k in range(4)]
    with patch.object(objects_training, "BATCH", 4):
        return fit(
            name,
            ShapeEncoder(classes=["a", "b"]),
            partial(objects_training.batches, taught),
            objects_training.losses,
            rate=1e-3,
            **how,
        )


def _motion(name: str, **how: Any) -> Any:
    samples = [heard_sample(seed) for seed in range(3)]
    network = FaceMotion(components=4, width=16, layers=1, heads=2, reduced=4)
    return fit(name, network, partial(batches.batches, samples), batches.losses, rate=1e-3, **how)


def _sync(name: str, **how: Any) -> Any:
    clips = [mouth_clip(60, seed) for seed in range(3)]
    with patch.object(sync_training, "CLIPS", 3):
        return fit(
            name,
            SyncNet(width=8, out=16),
            partial(sync_training.batches, clips),
            sync_training.losses,
            rate=1e-3,
            **how,
        )


def _generator(name: str, **how: Any) -> Any:
    with patch.object(PerceptualLoss, "load_vgg16", lambda self: self):
        losses = rendering_training.GeneratorLosses()
    network = MouthGenerator((8, 12), (1, 1), 2.0)
    drawn = partial(rendering_training.batches, examples(), batch=2)
    return fit(name, network, drawn, losses, rate=1e-3, **how)


def _segmentation(name: str, **how: Any) -> Any:
    frames, masks = views()
    known = list(zip(frames, masks, strict=True))
    with patch.object(training, "BATCH", 2):
        return fit(
            name,
            SmallSegmenter(8),
            partial(training.batches, known),
            training.losses,
            rate=1e-3,
            **how,
        )


UNET = {"width": 32, "multiples": (1, 1), "blocks": 1, "attention": (2,), "head": 16, "hidden": 4}


def _whole() -> TrainingFrames:
    frames, masks = views()
    return TrainingFrames(frames, masks, np.ones_like(masks), np.arange(len(frames)) % 4)


def _autoencoder(name: str, **how: Any) -> Any:
    with patch.object(PerceptualLoss, "load_vgg16", lambda self: self):
        losses = autoencoder_training.RepairLosses()
    network, drawn = Autoencoder(), partial(autoencoder_training.crops, _whole())
    return fit(name, network, drawn, losses, rate=1e-3, beside={"judge": losses}, **how)


def _sharpener(name: str, **how: Any) -> Any:
    with patch.object(PerceptualLoss, "load_vgg16", lambda self: self):
        losses = sharpener_training.SharpenerLosses()
    network, drawn = Sharpener(SharpenerConfig(8, 1)), partial(sharpener_training.crops, _whole())
    return fit(name, network, drawn, losses, rate=1e-3, beside={"judge": losses}, **how)


def _base(name: str, refined: bool, **how: Any) -> Any:
    segment = SmallSegmenter(8).eval().requires_grad_(False) if refined else None
    losses = cascade_training.BaseLosses(adaptive=refined, segment=segment)
    rows = cascade_training.small_frames(_whole())
    drawn = partial(cascade_training.batches, rows, batch=4)
    return fit(name, BaseSdm(replace(BASE, **UNET)), drawn, losses, rate=1e-3, **how)


def _ldm(name: str, **how: Any) -> Any:
    network = LatentDiffusion(replace(LDM, width=32, blocks=1, hidden=4, head=16))
    losses = ldm_training.LatentLosses(Autoencoder())
    return fit(name, network, partial(ldm_training.batches, _whole(), batch=4), losses, rate=1e-3, **how)


def _film_base(name: str, **how: Any) -> Any:
    network = FilmBase(FilmBaseConfig(width=16, multiples=(1, 2), blocks=1, head=16))
    losses = film_training.FilmBaseLosses()
    with patch.object(film_training, "BASE_BATCH", 1):
        drawn = partial(film_training.base_batches, _stills())
        return fit(name, network, drawn, losses, rate=1e-3, **how)


def _film_detail(name: str, **how: Any) -> Any:
    with patch.object(PerceptualLoss, "load_vgg16", lambda self: self):
        losses = film_training.FilmDetailLosses()
    network = FilmDetail(FilmDetailConfig(8, 1))
    with patch.object(film_training, "DETAIL_BATCH", 1):
        drawn = partial(film_training.detail_batches, _stills())
        return fit(name, network, drawn, losses, rate=1e-3, beside={"judge": losses}, **how)


def _stills() -> TrainingFrames:
    """With enough tissue for a camera to move in."""
    frames, masks = views()
    return TrainingFrames(np.maximum(frames, 1), masks, np.ones_like(masks), np.zeros(len(frames), np.int64))


TINY_PROJECTION = replace(projected.OF_LATENTS, width=16, depth=1, heads=2, head=8, projection_hidden=16)
TINY_PLANES = replace(projected.OF_PLANES, width=32, blocks=1)
TINY_LVDM_2D = replace(lvdm_2d.LVDM_2D, width=32, blocks=1)


def _latents() -> torch.Tensor:
    """Of clips that have one colour."""
    generator = torch.Generator().manual_seed(0)
    colours = torch.randn(500, 1, TINY_PROJECTION.given, 1, 1, generator=generator)
    return colours.expand(-1, 2 * CLIP, -1, 16, 16)


def _projection(name: str, **how: Any) -> Any:
    drawn = partial(pvdm_training.clips, _latents(), batch=1)
    network = projected.ProjectedAutoencoder(TINY_PROJECTION)
    return fit(name, network, drawn, pvdm_training.ReconstructionLosses(), rate=1e-3, **how)


def _pvdm(name: str, **how: Any) -> Any:
    generator = torch.Generator().manual_seed(0)
    rows = torch.randn(500, TINY_PLANES.channels, 1, generator=generator).expand(
        -1, -1, 3 * projected.GRID**2
    )
    network = projected.PlaneDiffusion(TINY_PLANES).fit_power(rows[:8], rows[8:16])
    drawn = partial(pvdm_training.batches, (rows, rows), batch=2)
    return fit(name, network, drawn, pvdm_training.ContinuationLosses(), rate=1e-3, **how)


def _lvdm(name: str, **how: Any) -> Any:
    generator = torch.Generator().manual_seed(0)
    colours = torch.randn(500, CLIP, TINY_LVDM_2D.channels, 1, 1, generator=generator)
    latents = colours.expand(-1, -1, -1, 16, 16)
    labels = torch.rand(1, CLIP, TINY_LVDM_2D.labels, 16, 16, generator=generator).expand(500, -1, -1, -1, -1)
    network = lvdm_2d.ClipDiffusion(TINY_LVDM_2D).fit_power(latents[:8])
    drawn = partial(lvdm_2d_training.batches, latents, labels)
    return fit(name, network, drawn, lvdm_2d_training.ClipLosses(), rate=1e-3, **how)


TRAINERS: dict[str, Trainer] = {
    "grounding": _grounding,
    "grounding_2d": _grounding_2d,
    "captioning_alone": partial(_captioning, captioning_training.losses_alone),
    "captioning_taught": partial(_captioning, captioning_training.losses_taught),
    "captioning_critical": _critical,
    "scan2cap": _scan2cap,
    "pointgroup": _pointgroup,
    "shapes": _shapes,
    "motion": _motion,
    "sync": _sync,
    "generator": _generator,
    "polyps": _segmentation,
    "autoencoder": _autoencoder,
    "sharpener": _sharpener,
    "base": partial(_base, refined=False),
    "arsdm": partial(_base, refined=True),
    "ldm": _ldm,
    "film_base": _film_base,
    "film_detail": _film_detail,
    "pvdm_autoencoder": _projection,
    "pvdm": _pvdm,
    "lvdm": _lvdm,
}
