"""Small sizes of the networks that are only imported, never trained here."""

from dataclasses import replace

from models.colonoscopy.video import lvdm
from models.colonoscopy.video.lvdm_autoencoder import LvdmAutoencoderConfig

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
