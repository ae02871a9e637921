"""PVDM's and LVDM's networks: the published layouts to the last tensor, released files, what they compute."""

import hashlib
from dataclasses import replace
from typing import Any

import pytest
import torch

from models.colonoscopy.video import lvdm, lvdm_autoencoder, pvdm, pvdm_autoencoder
from models.colonoscopy.video.lvdm import VideoUNet
from models.colonoscopy.video.lvdm_autoencoder import LvdmAutoencoder
from models.colonoscopy.video.pvdm import LatentVideoUNet
from models.colonoscopy.video.pvdm_autoencoder import PvdmAutoencoder, joined, separate
from models.core.errors import UserError
from tests.colonoscopy.video.tiny import TINY_LVDM, TINY_LVDM_AUTOENCODER, TINY_PVDM, TINY_PVDM_AUTOENCODER

KINDS: dict[str, tuple[type[Any], Any, Any]] = {
    "pvdm_autoencoder": (PvdmAutoencoder, pvdm_autoencoder, TINY_PVDM_AUTOENCODER),
    "lvdm_autoencoder": (LvdmAutoencoder, lvdm_autoencoder, TINY_LVDM_AUTOENCODER),
    "pvdm": (LatentVideoUNet, pvdm, TINY_PVDM),
    "lvdm": (VideoUNet, lvdm, TINY_LVDM),
}
# Of the released weights: tensors, trained numbers, and the hash of the sorted lines "name shape".
RELEASED = {
    "pvdm_autoencoder": (415, 62_064_399, "7e6f38f2ac4707d1a34ba64f1e669da9f5440b9ffe30a18d7a923b1c9dc282eb"),
    "pvdm": (559, 528_273_412, "e6fddc422018f4261ec8a2a6d3e7945a63340146ce795686f9ac6cf99957da9b"),
    "lvdm": (668, 548_904_580, "0e5ae5fe7c2b78f8fce0eb83fc13749fa4c1178feb46e2981706aa42770e2f77"),
}


def tiny(name: str) -> Any:
    """A small network whose zeroed layers say something."""
    torch.manual_seed(0)
    kind, _, config = KINDS[name]
    network = kind(config)
    with torch.no_grad():
        for parameter in network.parameters():
            if not parameter.any():
                parameter.normal_(0, 0.05)
    return network


def other(name: str) -> Any:
    """Other sizes than the tiny network's."""
    return replace(KINDS[name][2], width=2 * KINDS[name][2].width)


def given(name: str) -> tuple[torch.Tensor, ...]:
    """What a tiny network takes: clips, or latents and times."""
    torch.manual_seed(1)
    if name.endswith("autoencoder"):
        return (torch.rand(2, 3, 4, 16, 16) * 2 - 1,)
    shape = (TINY_PVDM.tokens,) if name == "pvdm" else (2, 4, 4)
    return torch.randn(2, 4, *shape), torch.tensor([10, 900])


@pytest.mark.parametrize("name", RELEASED)
def test_the_published_network_is_the_released_one(name):
    kind, module, _ = KINDS[name]
    with torch.device("meta"):
        network = kind(module.PUBLISHED)
    lines = sorted(f"{key} {tuple(value.shape)}" for key, value in network.state_dict().items())
    count = sum(value.numel() for value in network.parameters())
    assert (len(lines), count, hashlib.sha256("\n".join(lines).encode()).hexdigest()) == RELEASED[name]


def test_the_published_lvdm_autoencoder_has_the_released_sizes():
    with torch.device("meta"):
        network = LvdmAutoencoder(lvdm_autoencoder.PUBLISHED)
    shapes = {name: tuple(value.shape) for name, value in network.state_dict().items()}
    assert len(shapes) == 96
    assert sum(value.numel() for value in network.encoder.parameters()) == 7_458_952
    assert sum(value.numel() for value in network.decoder.parameters()) == 11_987_715
    assert shapes["encoder.conv_first.conv.weight"] == (32, 3, 3, 3, 3)
    assert shapes["encoder.conv_blocks.2.down.conv.weight"] == (256, 128, 4, 4, 4)
    assert shapes["encoder.final_block.2.conv.weight"] == (8, 256, 3, 3, 3)
    assert shapes["decoder.conv_blocks.0.up.convt.weight"] == (4, 256, 4, 4, 4)
    assert shapes["decoder.conv_blocks.2.res2.norm2.weight"] == (64,)
    assert shapes["post_quant_conv.conv.weight"] == (4, 4, 1, 1, 1)
    clips = torch.empty(1, 3, 16, 256, 256, device="meta")
    assert network.encode(clips).mean.shape == (1, 4, 4, 32, 32)
    assert network.decode(torch.empty(1, 4, 4, 32, 32, device="meta")).shape == clips.shape


def test_the_published_networks_take_each_others_shapes():
    with torch.device("meta"):
        autoencoder = PvdmAutoencoder(pvdm_autoencoder.PUBLISHED)
        network = LatentVideoUNet(pvdm.PUBLISHED)
        latents = autoencoder.encode(torch.empty(1, 3, 16, 256, 256))
        assert latents.shape == (1, 4, 2048) == (1, 4, pvdm.PUBLISHED.tokens)
        assert network(latents, torch.empty(1), latents).shape == latents.shape
        assert autoencoder.decode(latents).shape == (1, 3, 16, 256, 256)
        of_clips = torch.empty(1, 4, 4, 32, 32)
        assert VideoUNet(lvdm.PUBLISHED)(of_clips, torch.empty(1)).shape == of_clips.shape


@pytest.mark.parametrize("name", KINDS)
def test_every_weight_hears_of_the_loss(name):
    network, batch = tiny(name).train(), given(name)
    answer = network(*batch)
    assert answer.shape == batch[0].shape
    (answer * torch.randn_like(answer)).sum().backward()
    silent = [key for key, value in network.named_parameters() if value.grad is None or not value.grad.any()]
    assert not silent


@pytest.mark.parametrize("name", KINDS)
def test_one_batch_is_learned(name):
    network, batch = tiny(name).eval(), given(name)
    if name.endswith("autoencoder"):  # of each clip one colour; noise goes through no bottleneck
        batch = (
            torch.tensor([[0.5, -0.5, 0.2], [-0.4, 0.3, 0.8]])[..., None, None, None].expand_as(batch[0]),
        )
    wanted = batch[0] * 0.5
    optimiser = torch.optim.Adam(network.parameters(), 1e-2)
    losses = []
    for _ in range(60):
        loss = (network(*batch) - wanted).abs().mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    assert losses[-1] < 0.7 * losses[0]


@pytest.mark.parametrize("name", KINDS)
def test_it_comes_back_from_its_folder(name, tmp_path):
    network, batch = tiny(name).eval(), given(name)
    network.save_pretrained(tmp_path)
    again = type(network).from_pretrained(tmp_path).eval()
    assert torch.equal(network(*batch), again(*batch))


def test_attention_is_the_same_with_and_without_a_gradient():
    network, (noisy, times) = tiny("pvdm").eval(), given("pvdm")
    with torch.inference_mode():
        fused = network(noisy, times)
    torch.testing.assert_close(network(noisy, times).detach(), fused, atol=1e-5, rtol=1e-4)


def released(name: str, network: Any) -> dict[str, Any]:
    """A file as the authors' code saves it."""
    own = network.state_dict()
    if name == "pvdm_autoencoder":
        return own
    if name == "pvdm":
        return {f"diffusion_model.{key}": value for key, value in own.items()}
    buffers = {"betas": torch.zeros(10), "model_ema.decay": torch.tensor(0.9)}
    first = tiny("lvdm_autoencoder").state_dict() if name == "lvdm" else own
    first = {f"first_stage_model.{key}": value for key, value in first.items()}
    # The release registers the weight of a convolution twice.
    first |= {key.replace(".conv.weight", ".weight"): first[key] for key in first if ".conv.weight" in key}
    unet = own if name == "lvdm" else tiny("lvdm").state_dict()
    plain = {f"model.diffusion_model.{key}": value + 1 for key, value in unet.items()}
    averaged = {
        f"model_ema.{('diffusion_model.' + key).replace('.', '')}": value for key, value in unet.items()
    }
    return {"state_dict": {**plain, **averaged, **first, **buffers}}


@pytest.mark.parametrize("name", KINDS)
def test_released_weights_are_read(name, tmp_path):
    kind, _, config = KINDS[name]
    network = tiny(name)
    torch.save(released(name, network), tmp_path / "x.ckpt")
    found = kind.from_published(tmp_path / "x.ckpt", config)
    torch.testing.assert_close(found.state_dict(), network.state_dict(), rtol=0, atol=0)
    with pytest.raises(UserError, match="weights_mismatch"):
        kind.from_published(tmp_path / "x.ckpt", other(name))


def test_the_planes_are_told_apart():
    xy, yt, xt = torch.randn(2, 4, 5, 5), torch.randn(2, 4, 3, 5), torch.randn(2, 4, 3, 5)
    for one, again in zip((xy, yt, xt), separate(joined(xy, yt, xt), 5, 3), strict=True):
        assert torch.equal(one, again)


def test_each_plane_of_latents_goes_where_it_belongs():
    """A place of the plane yt is that frame's, in that column, in all rows."""
    network = tiny("pvdm_autoencoder").eval()
    size, frames, grid = TINY_PVDM_AUTOENCODER.size, TINY_PVDM_AUTOENCODER.frames, TINY_PVDM_AUTOENCODER.grid
    latents, seen = torch.zeros(1, 4, TINY_PVDM_AUTOENCODER.tokens), []
    network.decoder.register_forward_hook(lambda module, given, found: seen.append(given[0]))
    yt = torch.zeros(1, 4, frames, grid)
    yt[:, :, 1, 2] = 5
    network.decode(joined(torch.zeros(1, 4, grid, grid), yt, torch.zeros(1, 4, frames, grid)))
    network.decode(latents)
    touched = (seen[0] - seen[1]).abs().sum((0, 4)) > 0
    wanted = torch.zeros(frames, grid, grid, dtype=torch.bool)
    wanted[1, :, 2] = True
    assert torch.equal(touched, wanted) and network.decode(latents).shape == (1, 3, frames, size, size)


def test_pvdm_hears_its_condition_and_the_time():
    network, (noisy, times) = tiny("pvdm").eval(), given("pvdm")
    alone = network(noisy, times)
    assert torch.equal(alone, network(noisy, times, torch.zeros_like(noisy)))
    assert (alone - network(noisy, times, torch.randn_like(noisy))).abs().max() > 1e-4
    assert (alone - network(noisy, times - 5)).abs().max() > 1e-5


def test_the_posterior_is_sampled_in_training_only():
    network, (clips,) = tiny("lvdm_autoencoder"), given("lvdm_autoencoder")
    assert not torch.equal(network.train()(clips), network(clips))
    assert torch.equal(network.eval()(clips), network(clips))


def test_latents_are_normalised_and_restored():
    torch.manual_seed(0)
    latents = torch.randn(50, 4, 6) * torch.tensor([1.0, 2, 3, 4])[:, None] + 5
    scale, shift = (1.0, 0.5, 1 / 3, 0.25), (-5.0,) * 4
    network = tiny("pvdm")
    network.config = replace(TINY_PVDM, scale=scale, shift=shift)
    known = network.normalised(latents)
    assert torch.allclose(known.mean((0, 2)), torch.zeros(4), atol=0.2)
    assert torch.allclose(known.transpose(0, 1).flatten(1).std(1), torch.ones(4), atol=0.2)
    assert torch.allclose(network.restored(known), latents, atol=1e-5)
