"""The U-Net: the published layout to the last tensor, released files, where the mask is heard."""

import hashlib
from dataclasses import replace

import pytest
import torch

from models.colonoscopy.synthesis.cascade import BaseSdm
from models.colonoscopy.synthesis.latent_diffusion import LDM, LatentDiffusion
from models.colonoscopy.synthesis.sdm import PUBLISHED, SdmConfig, SdmUNet, one_hot
from models.colonoscopy.synthesis.super_resolution import Sharpener
from models.core.errors import UserError

TINY = SdmConfig(
    channels=3, width=32, multiples=(1, 2), blocks=1, attention=(2,), head=16, hidden=4, labels_by="nearest"
)
# Of the sorted lines "name shape" of the released weights.
PUBLISHED_HASH = "18214d2145cbc1d7e4e96d1f0caea151056cf99dce6bb2f85bcd2331f3578e03"


def tiny(config: SdmConfig = TINY) -> SdmUNet:
    """A small network whose zeroed layers say something."""
    torch.manual_seed(0)
    network = SdmUNet(config)
    with torch.no_grad():
        for parameter in network.parameters():
            if not parameter.any():
                parameter.normal_(0, 0.05)
    return network


def test_the_published_network_is_the_released_one():
    with torch.device("meta"):
        network = SdmUNet(PUBLISHED)
    shapes = {name: tuple(value.shape) for name, value in network.state_dict().items()}
    assert len(shapes) == 766
    assert sum(p.numel() for p in network.parameters()) == 652_019_203
    assert shapes["time_embed.0.weight"] == (1024, 256)
    assert shapes["input_blocks.7.0.skip_connection.weight"] == (512, 256, 1, 1)
    assert shapes["input_blocks.10.1.qkv.weight"] == (1536, 512, 1)
    assert shapes["middle_block.0.in_norm.mlp_shared.0.weight"] == (128, 2, 3, 3)
    assert shapes["output_blocks.8.2.out_layers.2.weight"] == (512, 512, 3, 3)
    assert shapes["out.2.weight"] == (3, 256, 3, 3)
    lines = sorted(f"{name} {shape}" for name, shape in shapes.items())
    assert hashlib.sha256("\n".join(lines).encode()).hexdigest() == PUBLISHED_HASH


@pytest.mark.parametrize("kind", [BaseSdm, Sharpener, LatentDiffusion])
def test_what_ships_fits_its_file(kind):
    network = kind()
    bytes_in_fp16 = 2 * sum(value.numel() for value in network.state_dict().values())
    assert bytes_in_fp16 < 16 * 2**20 - 2**15, "16 MiB with the file's table of contents"


def released(network: SdmUNet) -> dict:
    """A checkpoint as Lightning writes it: plain weights, averaged ones under dotless names, and buffers."""
    averaged = {
        f"model_ema.{('diffusion_model.' + n).replace('.', '')}": v + 1
        for n, v in network.state_dict().items()
    }
    plain = {f"model.diffusion_model.{n}": v for n, v in network.state_dict().items()}
    return {"epoch": 94, "state_dict": {**plain, **averaged, "betas": torch.zeros(10)}}


def test_released_weights_are_read_and_the_averaged_ones_taken(tmp_path):
    network = tiny()
    torch.save(released(network), tmp_path / "epoch=94.ckpt")
    found = SdmUNet.from_published(tmp_path / "epoch=94.ckpt", TINY)
    for name, value in network.state_dict().items():
        assert torch.equal(found.state_dict()[name], value + 1)


def test_a_checkpoint_with_code_is_refused_and_lightnings_own_key_is_not(tmp_path):
    import sys
    from types import ModuleType

    whole = released(tiny())
    lightning = type("ModelCheckpoint", (), {"__module__": "pytorch_lightning.callbacks.model_checkpoint"})
    names = [
        "pytorch_lightning",
        "pytorch_lightning.callbacks",
        "pytorch_lightning.callbacks.model_checkpoint",
    ]
    modules = {name: ModuleType(name) for name in names}
    modules[names[-1]].ModelCheckpoint = lightning
    sys.modules.update(modules)
    torch.save(
        {**whole, "callbacks": {lightning: {"best_model_score": torch.tensor(0.1)}}}, tmp_path / "kept.ckpt"
    )
    torch.save({**whole, "hyper": print}, tmp_path / "code.ckpt")
    for name in names:
        del sys.modules[name]
    assert SdmUNet.from_published(tmp_path / "kept.ckpt", TINY)
    with pytest.raises(UserError, match="weights_unreadable"):
        SdmUNet.from_published(tmp_path / "code.ckpt", TINY)


def test_weights_of_another_size_are_refused(tmp_path):
    torch.save(released(tiny()), tmp_path / "small.ckpt")
    with pytest.raises(UserError, match="weights_mismatch"):
        SdmUNet.from_published(tmp_path / "small.ckpt", replace(TINY, width=64))


@pytest.mark.parametrize("spade", [True, False])
def test_the_answer_depends_on_image_time_and_mask(spade):
    network = tiny(replace(TINY, spade=spade))
    image, mask = torch.randn(2, 3, 16, 16), (torch.rand(2, 16, 16) > 0.5).float()
    times = torch.tensor([10, 900])
    answer = network(image, times, one_hot(mask))
    assert answer.shape == image.shape
    for other in (
        network(image + 1, times, one_hot(mask)),
        network(image, times - 5, one_hot(mask)),
        network(image, times, one_hot(1 - mask)),
    ):
        assert (answer - other).abs().max() > 1e-4


def test_the_encoder_of_sdm_does_not_see_the_mask():
    network = tiny()
    seen = []
    for block in network.input_blocks[1:]:
        block[-1].register_forward_hook(lambda module, given, found: seen.append(found.detach()))
    image, times = torch.randn(1, 3, 16, 16), torch.tensor([500])
    network(image, times, one_hot(torch.zeros(1, 16, 16)))
    network(image, times, one_hot(torch.ones(1, 16, 16)))
    half = len(seen) // 2
    assert half == 3
    assert all(torch.equal(a, b) for a, b in zip(seen[:half], seen[half:], strict=True))


def test_a_soft_mask_is_averaged_where_the_configuration_says_so():
    network = tiny(replace(TINY, labels_by="area"))
    image, times = torch.randn(1, 3, 16, 16), torch.tensor([500])
    mask = torch.zeros(1, 32, 32)
    mask[:, 1::2, 1::2] = 1  # the nearest pixel of every pair is 0
    even = torch.full((1, 16, 16), 0.25)
    assert torch.allclose(
        network(image, times, one_hot(mask)), network(image, times, one_hot(even)), atol=1e-5
    )


def test_it_comes_back_from_its_folder(tmp_path):
    network = tiny().eval()
    network.save_pretrained(tmp_path)
    again = SdmUNet.from_pretrained(tmp_path).eval()
    image, times, label = torch.randn(1, 3, 16, 16), torch.tensor([500]), one_hot(torch.ones(1, 16, 16))
    assert torch.equal(network(image, times, label), again(image, times, label))


def test_the_linear_guess_is_the_best_for_gaussian_images():
    """On white noise of known power it is a scale, and v's error is what theory says."""
    torch.manual_seed(0)
    network = LatentDiffusion(replace(LDM, width=32, blocks=1, hidden=4))
    clean = 0.5 * torch.randn(64, 32, 16, 16) + 2
    network.fit_power(clean)
    kept = torch.full((64, 1, 1, 1), 0.3)
    noisy = kept.sqrt() * clean + (1 - kept).sqrt() * torch.randn_like(clean)
    error = (network.linear_guess(noisy, kept) - clean).square().mean().item()
    assert error == pytest.approx(0.25 * 0.7 / (0.3 * 0.25 + 0.7), rel=0.1)


def test_before_training_it_predicts_the_v_of_its_guess():
    torch.manual_seed(0)
    network = LatentDiffusion(replace(LDM, width=32, blocks=1, hidden=4))
    noisy, times = torch.randn(2, 32, 16, 16), torch.tensor([300, 999])
    v = network(noisy, times, torch.zeros(2, 8, 16, 16))
    kept = network.kept[times].view(2, 1, 1, 1)
    assert torch.allclose(
        kept.sqrt() * noisy - (1 - kept).sqrt() * v, network.linear_guess(noisy, kept), atol=1e-5
    )
    assert torch.allclose(v[1], torch.zeros(32, 16, 16), atol=1e-5), "of pure noise the guess is the mean"


def test_blocks_that_are_computed_again_have_the_same_gradients():
    torch.manual_seed(0)
    network, given = SdmUNet(TINY).train(), torch.rand(1, TINY.channels, 16, 16)
    torch.nn.init.normal_(network.out[2].weight)
    label, time = torch.rand(1, TINY.labels, 16, 16), torch.tensor([3])
    found = []
    for checkpoints in (True, False):
        network.config = replace(TINY, checkpoints=checkpoints)
        network.zero_grad()
        network(given, time, label).square().mean().backward()
        found.append([weight.grad.clone() for weight in network.parameters() if weight.grad is not None])
    for one, two in zip(*found, strict=True):
        torch.testing.assert_close(one, two)
