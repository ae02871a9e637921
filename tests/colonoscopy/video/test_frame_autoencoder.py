"""LVDM's 2D autoencoder: latent diffusion's KL-f8 on each frame, and the U-Net on its latents."""

import pytest
import torch

from models.colonoscopy.video.base import FilmFrame, FilmOrder
from models.colonoscopy.video.frame_autoencoder import FrameAutoencoder, FrameAutoencoderConfig
from models.colonoscopy.video.lvdm import FrameVideoUNet, VideoUNetConfig
from models.colonoscopy.video.lvdm_pipeline import LvdmFilms
from models.core.errors import UserError
from tests.colonoscopy.makers import mask_of

TINY = FrameAutoencoderConfig(widths=(8, 8, 8, 8), blocks=1, groups=4)
TINY_UNET = VideoUNetConfig(
    width=32, multiples=(1,), blocks=1, attention=(), scale=(0.18,), shift=(0.0,), frames=4, side=4
)


def released(network):
    """The tensors under the names of latent diffusion's code, some of which are 1 x 1 convolutions there."""
    found = {"model.diffusion_model.other": torch.zeros(2)}
    for name, value in network.frames.state_dict().items():
        for ours, theirs in (
            ("mid_block.resnets.0", "mid.block_1"),
            ("mid_block.resnets.1", "mid.block_2"),
            ("mid_block.attentions.0.group_norm", "mid.attn_1.norm"),
            ("mid_block.attentions.0.to_q", "mid.attn_1.q"),
            ("mid_block.attentions.0.to_k", "mid.attn_1.k"),
            ("mid_block.attentions.0.to_v", "mid.attn_1.v"),
            ("mid_block.attentions.0.to_out.0", "mid.attn_1.proj_out"),
            ("conv_norm_out", "norm_out"),
            ("conv_shortcut", "nin_shortcut"),
            ("downsamplers.0", "downsample"),
            ("upsamplers.0", "upsample"),
        ):
            name = name.replace(ours, theirs)
        for level in range(4):
            name = name.replace(f"down_blocks.{level}.resnets", f"down.{level}.block")
            name = name.replace(f"down_blocks.{level}.downsample", f"down.{level}.downsample")
            name = name.replace(f"up_blocks.{level}.resnets", f"up.{3 - level}.block")
            name = name.replace(f"up_blocks.{level}.upsample", f"up.{3 - level}.upsample")
        if "attn_1" in name and value.dim() == 2:
            value = value[:, :, None, None]
        found[f"first_stage_model.{name}"] = value
    return found


def test_the_published_sizes():
    with torch.device("meta"):
        network = FrameAutoencoder()
        unet = FrameVideoUNet()
    assert len(network.frames.state_dict()) == 248
    assert sum(one.numel() for one in network.parameters()) == 83_653_863
    assert len(unet.state_dict()) == 668
    assert sum(one.numel() for one in unet.parameters()) == 549_110_404


def test_a_clip_keeps_its_length():
    network = FrameAutoencoder(TINY)
    clip = torch.rand(2, 3, 4, 32, 32) * 2 - 1
    latents = network.encode(clip)
    assert latents.shape == (2, 4, 4, 4, 4)
    assert network.decode(latents).shape == clip.shape
    assert torch.allclose(network.encode(clip[:, :, 2:3]), latents[:, :, 2:3], atol=1e-5)


def test_released_weights_are_read_and_others_refused(tmp_path):
    network = FrameAutoencoder(TINY)
    torch.save({"state_dict": released(network)}, tmp_path / "model.ckpt")
    again = FrameAutoencoder.from_published(tmp_path / "model.ckpt", TINY)
    for name, value in network.state_dict().items():
        assert torch.equal(again.state_dict()[name], value), name
    torch.save({"state_dict": {"first_stage_model.encoder.x": torch.zeros(1)}}, tmp_path / "wrong.ckpt")
    with pytest.raises(UserError, match="weights_mismatch"):
        FrameAutoencoder.from_published(tmp_path / "wrong.ckpt", TINY)


def test_it_makes_a_film():
    films = LvdmFilms(FrameVideoUNet(TINY_UNET), FrameAutoencoder(TINY).eval())
    frames = [s for s in films(FilmOrder(mask_of(), seconds=0.6, steps=2)) if isinstance(s, FilmFrame)]
    assert [one.index for one in frames] == list(range(6))
    assert frames[0].frame.shape == (32, 32, 3)
