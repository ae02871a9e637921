"""Every network's forward, and what the labs answer, on a second device ("meta" with values)."""

import copy
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from models.colonoscopy.segmentation.pranet import PraNet
from models.colonoscopy.segmentation.small import SmallSegmenter
from models.colonoscopy.synthesis import memorization
from models.colonoscopy.synthesis.autoencoder import Autoencoder
from models.colonoscopy.synthesis.latent_diffusion import LDM, LatentDiffusion
from models.colonoscopy.synthesis.ldm_pipeline import LatentPipeline, schedule
from models.colonoscopy.synthesis.sdm import SdmConfig, SdmUNet
from models.core import device, text
from models.core.nn.efficientnet import EfficientNetLite
from models.face.methods import RENDERING
from models.face.motion.face_motion import FaceMotion
from models.face.rendering.blend import Blender
from models.face.rendering.generator import MouthGenerator
from models.face.rendering.predictor import Generator
from models.face.speech.voice_matching import WIDTH, VoiceMatcher
from models.face.sync.syncnet import SyncNet, measure
from models.scene import pipeline
from models.scene.captioning.decoding import say
from models.scene.captioning.xtrans2cap.xtrans2cap import XTrans2Cap
from models.scene.grounding.instancerefer import predictor
from models.scene.grounding.instancerefer.instancerefer import InstanceRefer
from models.scene.methods import METHODS
from models.scene.objects.cache import prepared_scans
from models.scene.segmentation.pointgroup import PointGroup, Points
from models.scene.segmentation.predictor import finding
from tests.core.trainers_data import TINY_POINTGROUP, cloud_scene, heard_sample, mouth_clip
from tests.elsewhere import Elsewhere, elsewhere
from tests.face.made_face import own, picture, pixels
from tests.scene.test_instancerefer import SMALL as SMALL_REFER
from tests.scene.test_instancerefer import example as refer_example
from tests.scene.test_xtrans2cap import CAPTIONS
from tests.scene.test_xtrans2cap import SMALL as SMALL_CAPTIONER
from tests.scene.test_xtrans2cap import example as captioner_example

TINY_SDM = SdmConfig(width=32, multiples=(1, 1), attention=(2,), head=16, hidden=4, blocks=1)


def _published_captions(network: XTrans2Cap, scenes: Any) -> Any:
    levels = network.encode(scenes)
    return say(network.captioner.decoder, levels, scenes.exists, 2, 3, beams=2), network(
        scenes, CAPTIONS.to(levels.device)
    )


def _cloud() -> Points:
    scene = cloud_scene(np.random.default_rng(0))
    return Points.of(scene.xyz, scene.colours)


# The network, what it is given (moved), and how it is called.
FORWARDS: dict[str, tuple[Callable[[], Any], Callable[[], Any], Callable[[Any, Any], Any]]] = {
    "instancerefer": (
        lambda: InstanceRefer(SMALL_REFER),
        lambda: refer_example(SMALL_REFER),
        lambda n, x: n(x).scores,
    ),
    "xtrans2cap": (lambda: XTrans2Cap(**SMALL_CAPTIONER), captioner_example, _published_captions),
    "pointgroup": (lambda: PointGroup(**TINY_POINTGROUP), _cloud, lambda n, x: n(x, 50)),
    "pointgroup_published": (
        lambda: PointGroup(**{**TINY_POINTGROUP, "levelled": False}),
        _cloud,
        lambda n, x: n(x, 50),
    ),
    "pranet": (PraNet, lambda: torch.rand(1, 3, 64, 64), lambda n, x: n(x)),
    "sdm": (
        lambda: SdmUNet(TINY_SDM),
        lambda: torch.rand(1, 3, 32, 32),
        lambda n, x: n(x, torch.tensor([5], device=x.device), torch.zeros(1, 2, 32, 32, device=x.device)),
    ),
    "efficientnet": (
        lambda: EfficientNetLite("lite0"),
        lambda: torch.rand(1, 3, 64, 64),
        lambda n, x: n(x)[-1],
    ),
    "voice": (VoiceMatcher, lambda: torch.rand(2, WIDTH), lambda n, x: n(x)),
    "polyps": (lambda: SmallSegmenter(8), lambda: torch.rand(1, 3, 64, 64), lambda n, x: n(x)),
}


@pytest.mark.parametrize("name", FORWARDS)
def test_a_network_is_asked_on_meta(name):
    make, given, call = FORWARDS[name]
    network, batch = make().eval(), given()
    with elsewhere() as meta, torch.inference_mode():
        found = call(copy.deepcopy(network).to(meta), batch.to(meta))
    if isinstance(found, torch.Tensor):
        with torch.inference_mode():
            torch.testing.assert_close(found.inside, call(network, batch))


@pytest.fixture
def meta(monkeypatch):
    """`--device meta`, the caches of loaded networks empty before and after."""
    tokenizer, minilm = text._minilm()
    caches = (predictor.load, prepared_scans)
    with elsewhere() as there:
        moved = copy.deepcopy(minilm).to(there)
        monkeypatch.setattr(text, "_minilm", lambda: (tokenizer, moved))
        monkeypatch.setattr(device, "best", lambda: "meta")
        for registry in METHODS:
            monkeypatch.setattr(registry, "_loaded", {})
        for cache in caches:
            cache.cache_clear()
        yield there
    for cache in caches:
        cache.cache_clear()


def test_the_scene_lab_answers_on_meta(meta):
    scan = pipeline.open_example("room_bathroom_01")
    answer = pipeline.ground(scan, f"the {scan.instances[-1].label}")
    assert isinstance(pipeline.grounder("instancerefer").network.weights, Elsewhere)
    assert answer.candidates and pipeline.caption(scan, scan.instances[-1].id).text


def test_a_raw_scan_is_segmented_on_meta(meta):
    scene = cloud_scene(np.random.default_rng(0))
    *_, found = finding(PointGroup(**TINY_POINTGROUP).eval().to(meta), scene.xyz, scene.colours)
    assert len(found.semantic) == len(scene.xyz)


def test_the_colonoscopy_lab_draws_and_judges_on_meta(meta):
    mask = np.zeros((256, 256), bool)
    mask[80:150, 60:120] = True
    sizes = {"width": 32, "blocks": 1, "hidden": 4, "head": 16}
    pipe = LatentPipeline(LatentDiffusion(SdmConfig(**{**vars(LDM), **sizes})), Autoencoder(), schedule())
    for sampler in ("dpm", "ddim"):
        *_, frames = pipe.to(meta)(mask, steps=2, sampler=sampler)
        assert frames[0].shape == (256, 256, 3)
    assert SmallSegmenter(8).eval().to(meta).find(frames[0]).shape == (256, 256)
    remembered = memorization.Memory(2, 3, 8).to(meta)
    assert remembered.nearest(torch.zeros(1, 8)).shape == (1,)
    assert 0 <= remembered.percentile(0.5) <= 100


def test_the_face_lab_moves_and_cleans_on_meta(meta, monkeypatch):
    heard = heard_sample(0).heard
    moves = FaceMotion(components=4, width=16, layers=1, heads=2, reduced=4).eval().to(meta).predict(heard)
    assert moves.deltas().shape == (70, 478, 3)
    network = MouthGenerator((8, 12, 16), (1, 1, 1), 2.0).eval().to(meta)
    monkeypatch.setattr(RENDERING, "loaded", lambda name: network)
    blender = Blender(picture(), pixels(), own())
    blended = blender.blend(picture(), pixels(), pixels(open_by=0.5))
    assert Generator(picture(), pixels(), own()).refine([blended])[0].shape == picture().shape
    clip = mouth_clip(60, 0)
    assert measure(SyncNet(width=8, out=16).eval().to(meta), clip.mouth, clip.mel).distance > 0
