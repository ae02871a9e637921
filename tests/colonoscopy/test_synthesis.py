"""The pipeline on small random networks: deterministic by seed, showing its work, stopping when told."""

import numpy as np
import pytest
import torch

from models.colonoscopy.synthesis.arsdm import schedule
from models.colonoscopy.synthesis.autoencoder import Autoencoder, label_maps
from models.colonoscopy.synthesis.latent_diffusion import LDM, LatentDiffusion
from models.colonoscopy.synthesis.ldm_pipeline import LatentPipeline
from models.colonoscopy.synthesis.registry import GENERATORS
from models.core.errors import UserError
from models.core.progress import Progress


@pytest.fixture(scope="module")
def pipeline():
    from dataclasses import replace

    torch.manual_seed(0)
    unet = LatentDiffusion(replace(LDM, width=32, blocks=1, hidden=4))
    with torch.no_grad():
        for parameter in unet.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.004)
    frames = torch.rand(4, 3, 64, 64) * 2 - 1
    autoencoder = Autoencoder().fit_components(frames)
    return LatentPipeline(unet, autoencoder, schedule())


MASK = np.zeros((100, 120), bool)
MASK[20:60, 30:80] = True


def frames_of(pipeline, mask=MASK, **options):
    *_, last = pipeline(mask, steps=3, **options)
    return last


@pytest.mark.parametrize("sampler", ["dpm", "ddim"])
def test_the_same_seed_draws_the_same_frame(pipeline, sampler):
    first, again = (frames_of(pipeline, seed=7, sampler=sampler) for _ in range(2))
    assert first[0].shape == (256, 256, 3) and first[0].dtype == np.uint8
    assert np.array_equal(first[0], again[0])
    assert not np.array_equal(first[0], frames_of(pipeline, seed=8, sampler=sampler)[0])


def test_frame_i_is_the_first_of_seed_plus_i(pipeline):
    both = frames_of(pipeline, seed=3, count=2)
    assert len(both) == 2
    assert np.array_equal(both[1], frames_of(pipeline, seed=4)[0])


def test_the_mask_is_heard_and_guidance_exaggerates_it(pipeline):
    plain = frames_of(pipeline)[0].astype(int)
    other = frames_of(pipeline, ~MASK)[0].astype(int)
    guided = frames_of(pipeline, guidance=4.0)[0].astype(int)
    assert np.abs(plain - other).max() > 0
    assert np.abs(plain - guided).max() > 0


def test_previews_come_on_the_way_and_fractions_grow(pipeline):
    *steps, last = pipeline(MASK, steps=10, count=2)
    assert all(isinstance(step, Progress) for step in steps) and len(steps) >= 8
    fractions = [step.fraction for step in steps]
    assert fractions == sorted(fractions) and fractions[-1] == 1
    assert {step.preview.index for step in steps} == {0, 1}
    assert np.array_equal(steps[-1].preview.frame, last[1])


def test_a_closed_iterator_computes_no_further(pipeline, monkeypatch):
    calls = []
    forward = pipeline.unet.forward
    monkeypatch.setattr(pipeline.unet, "forward", lambda *given: calls.append(1) or forward(*given))
    running = pipeline(MASK, steps=50, count=20)
    next(running)
    running.close()
    assert len(calls) <= 10


@pytest.mark.parametrize("steps", [0, 1001])
def test_steps_out_of_range_are_refused(pipeline, steps):
    with pytest.raises(UserError, match="steps_range"):
        next(pipeline(MASK, steps=steps))


def test_unknown_names_are_refused(pipeline):
    with pytest.raises(UserError, match="sampler_unknown"):
        next(pipeline(MASK, sampler="euler"))
    with pytest.raises(UserError, match="model_unknown"):
        GENERATORS.loaded("../sdm")


def test_components_keep_what_they_span_and_the_latents_have_unit_size():
    torch.manual_seed(0)
    ramp = torch.linspace(-1, 1, 64)
    frames = 0.5 * torch.rand(16, 3, 1, 1) * ramp + 0.5 * torch.rand(16, 1, 1, 1) * ramp[:, None]
    autoencoder = Autoencoder().fit_components(frames)
    latents = autoencoder.encode(frames)
    assert latents.shape == (16, 32, 4, 4)
    assert latents.square().mean().item() == pytest.approx(1, abs=0.05)
    assert (autoencoder.decode(autoencoder.encode(frames)) - frames).abs().max() < 1e-3, (
        "such planes are seven components"
    )


def test_label_maps_lie_as_the_latents_do():
    mask = torch.zeros(1, 256, 256)
    mask[:, :8, 8:16] = 1  # the second patch of the first row
    maps = label_maps(mask)
    assert maps.shape == (1, 8, 16, 16)
    assert maps[0, :, 0, 0].tolist() == [1, 0, 1, 1, 0, 1, 0, 0], "background of four patches, then polyp"
    assert torch.equal(maps[:, :4] + maps[:, 4:], torch.ones(1, 4, 16, 16))
