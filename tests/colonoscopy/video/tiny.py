"""Small sizes of the networks that are only imported, never trained here."""

from dataclasses import replace

from models.colonoscopy.video import lvdm, pvdm
from models.colonoscopy.video.lvdm_autoencoder import LvdmAutoencoderConfig
from models.colonoscopy.video.pvdm_autoencoder import PvdmAutoencoderConfig

TINY_PVDM_AUTOENCODER = PvdmAutoencoderConfig(
    size=16, frames=4, patch=4, width=16, depth=1, heads=2, head=8, widening=1, projection_depth=1
)
TINY_PVDM = replace(
    pvdm.PUBLISHED, width=32, multiples=(1, 1), blocks=1, attention=(2,), heads=4, grid=4, frames=4
)
TINY_LVDM_AUTOENCODER = LvdmAutoencoderConfig(width=4, halvings=(1, 2), blocks=1, groups=4)
TINY_LVDM = replace(
    lvdm.PUBLISHED,
    width=32,
    multiples=(1, 1),
    blocks=1,
    attention=(2,),
    scale=(1.0,),
    shift=(0.0,),
    frames=2,
    side=4,
)
