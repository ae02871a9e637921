"""Frames, masks and stand-ins for trained networks, small enough for tests."""

import numpy as np
import pytest

from models.colonoscopy import pipeline
from models.colonoscopy.synthesis import memorization
from models.colonoscopy.synthesis.registry import GENERATORS
from models.core.progress import Drawing, Progress


def mask_of(height=256, width=256, box=(60, 120, 80, 180)):
    """True in the rectangle of rows top..bottom and columns left..right."""
    mask = np.zeros((height, width), bool)
    top, bottom, left, right = box
    mask[top:bottom, left:right] = True
    return mask


def frame_of(mask, seed=0):
    """Reddish tissue under noise, yellow where the mask is."""
    noise = np.random.default_rng(seed).integers(0, 30, (*mask.shape, 3))
    frame = noise + np.where(mask[..., None], (200, 170, 60), (170, 70, 60))
    return frame.astype(np.uint8)


def sample_of(seed=3, **changed):
    """A judged sample, whose found mask is half of the drawn one."""
    mask = mask_of()
    facts = {"frame": frame_of(mask, seed), "mask": mask, "found": mask_of(box=(60, 120, 80, 130))}
    facts |= {"dice": 2 / 3, "nearest": 0.5, "percentile": 40.0, "model": "arsdm", "weights": "0123456789ab"}
    facts |= {"steps": 20, "sampler": "dpm", "seconds": 1.25}
    return pipeline.Sample(seed=seed, **{**facts, **changed})


def draws(mask, count=1, seed=0, steps=20, sampler="dpm", look="any"):
    """Stands for a trained pipeline: shows a preview and then the frame."""
    frames = []
    small = pipeline.fitted(mask, 256, 256)
    for index in range(count):
        frames.append(frame_of(small, seed + index))
        yield Progress((index + 0.5) / count, "drawing", Drawing(index, frames[-1] // 2))
        yield Progress((index + 1) / count, "drawing", Drawing(index, frames[-1]))
    yield frames


draws.looks = ("any",)


@pytest.fixture
def stand_ins(monkeypatch):
    """Every network of the lab stands aside: drawing, judging by colour, a memory of two frames."""
    import torch

    def load(model):
        GENERATORS[model]
        return draws

    known = memorization.Memory.of(torch.randn(6, 3), torch.randn(4, 3))
    monkeypatch.setattr(GENERATORS, "loaded", load)
    monkeypatch.setattr(memorization, "load", lambda: known)
    monkeypatch.setattr(
        memorization, "features", lambda frames: torch.tensor([[float(f.mean()), 0.0, 0.0] for f in frames])
    )
    monkeypatch.setattr(pipeline, "segment", lambda frame, model="polyps": frame[..., 1] > 130)
    monkeypatch.setattr(pipeline, "looks_like_endoscopy", lambda frame: frame[..., 0].mean() > 120)
    monkeypatch.setattr(GENERATORS, "weights", lambda model: "0123456789ab")
