"""The face lab's registries of methods; each of its three tasks has one."""

from typing import TYPE_CHECKING, Any

from models.core.checkpoints import load_checkpoint
from models.core.registry import Method, Registry

if TYPE_CHECKING:
    from models.face.motion.face_motion import FaceMotion
    from models.face.rendering.generator import MouthGenerator
    from models.face.sync.syncnet import SyncNet


def _generator(kind: type[Any], checkpoint: str) -> "MouthGenerator":
    import torch

    network: MouthGenerator = load_checkpoint(kind, checkpoint)
    return network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]


MOTION: "Registry[FaceMotion]" = Registry(
    "speech to motion",
    Method(
        "motion",
        "Speech to motion",
        "Zhang et al., 2025",
        "face_motion",
        "models.face.motion.face_motion:FaceMotion",
        load_checkpoint,
    ),
)
RENDERING: "Registry[MouthGenerator]" = Registry(
    "rendering",
    Method(
        "generator",
        "Mouth generator",
        "Zhang et al., 2025",
        "face_generator",
        "models.face.rendering.generator:MouthGenerator",
        _generator,
    ),
)
SYNC: "Registry[SyncNet]" = Registry(
    "sync",
    Method(
        "sync",
        "SyncNet",
        "Chung and Zisserman, ACCVW 2016",
        "face_sync",
        "models.face.sync.syncnet:SyncNet",
        load_checkpoint,
    ),
)
METHODS: tuple[Registry[Any], ...] = (MOTION, RENDERING, SYNC)
