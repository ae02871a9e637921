"""X-Trans2Cap as published (Yuan et al., CVPR 2022): a sentence for an object of a scan.

object tokens -> student (objects alone) -> words; in training a teacher also
sees each object's image features, fused layer by layer with the student's, and
the student's decoder learns to agree with the teacher's. The network that the
program ships is `open_xtrans2cap.py`: the same students and teachers over any label.

B captions, N objects of a scene (64 as published, padded), T words.
"""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from huggingface_hub import PyTorchModelHubMixin
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, mse_loss

from models.core.device import Movable
from models.core.pretrained import fill, read_tensors
from models.scene.captioning.spoken_words import PAD
from models.scene.captioning.xtrans2cap.meshed_memory import Captioner
from models.scene.objects import pointnet

UNKNOWN, START, END = 1, 2, 3
IMAGE = 2048  # width of a bottom-up-attention feature
PLACE = 32
WORDS = "captioner.decoder.word_emb.weight"
UNUSED = ("map_feat.", "fc_fuse.", "running_")  # stored by the released file, read by nothing


@dataclass(frozen=True)
class XTrans2CapConfig:
    """Sizes of the network; the defaults are the published ones.

    vocabulary: words (3,433 of Scan2Cap's ScanRefer list). classes: of objects (ScanRefer's 18).
    longest: words of a caption with "sos" and "eos". inner: width of the feed-forwards.
    layers, decoder_layers: of encoder and decoder. memory: slots of the encoder's attention.
    """

    vocabulary: int = 3433
    classes: int = 18
    longest: int = 32
    width: int = 512
    heads: int = 8
    inner: int = 2048
    layers: int = 3
    decoder_layers: int = 1
    memory: int = 40
    dropout: float = 0.1


PUBLISHED = XTrans2CapConfig()


@dataclass(frozen=True)
class Scenes(Movable):
    """B captions' worth of objects. The target may be any of them.

    points: (B, N, P, 6) xyz in metres and colours. boxes: (B, N, 6) centre and size, metres.
    classes: (B, N, classes) one-hot. exists: (B, N) bool. target: (B,) int64.
    images: (B, N, 2048) features of a view of each object, and image_boxes: (B, N, 4) its box there;
        None where there are none (only the teacher reads them).
    """

    points: Tensor
    boxes: Tensor
    classes: Tensor
    exists: Tensor
    target: Tensor
    images: Tensor | None = None
    image_boxes: Tensor | None = None


@dataclass(frozen=True)
class Taught:
    """Logits (B, T, vocabulary) and decoder outputs (B, layers, T, width) of student and teacher."""

    student: Tensor
    student_states: Tensor
    teacher: Tensor
    teacher_states: Tensor


def caption_loss(logits: Tensor, ids: Tensor) -> Tensor:
    """Cross-entropy of each next word. logits: (B, T, V) for ids (B, T + 1), padded with 0."""
    return cross_entropy(logits.flatten(0, 1), ids[:, 1:].flatten(), ignore_index=PAD)


def teaching_loss(taught: Taught, ids: Tensor) -> dict[str, Tensor]:
    """The published loss: mean of both captioning losses, and feature consistency between the decoders.

    Consistency is the mean squared difference of the decoder layers' outputs;
    it moves the teacher too (nothing is detached), as in the released code.
    """
    student, teacher = caption_loss(taught.student, ids), caption_loss(taught.teacher, ids)
    consistency = mse_loss(taught.student_states, taught.teacher_states)
    loss = (student + teacher) / 2 + consistency
    return {"loss": loss, "student": student, "teacher": teacher, "consistency": consistency}


class XTrans2Cap(nn.Module, PyTorchModelHubMixin):
    """The network. Its parameters have the released checkpoint's names."""

    def __init__(self, **sizes: Any) -> None:
        """sizes: those of XTrans2CapConfig that differ from the published ones."""
        super().__init__()
        self.config = config = XTrans2CapConfig(**sizes)
        given = asdict(config)
        vocabulary, classes = given.pop("vocabulary"), given.pop("classes")
        tokens = pointnet.WIDTH + classes + 2 * PLACE
        self.object_encoder = pointnet.ObjectPoints()
        self.fc_ape = nn.Sequential(nn.Linear(6, PLACE), nn.LayerNorm(PLACE))
        self.fc_rpe = nn.Sequential(nn.Linear(6, PLACE), nn.LayerNorm(PLACE))
        self.fc_2d = nn.Sequential(nn.Linear(IMAGE, 512), nn.ReLU(), nn.LayerNorm(512), nn.Linear(512, 128))
        self.fc_bbox_2d = nn.Sequential(nn.Linear(4, PLACE), nn.LayerNorm(PLACE))
        self.captioner = Captioner(tokens, vocabulary, **given)
        self.captioner_teacher = Captioner(tokens, vocabulary, **given)

    def encode(self, scenes: Scenes, shapes: Tensor | None = None) -> Tensor:
        """(B, layers, N, width): what the student makes of the objects, in the light of the target.

        shapes: (B, N, 128) of `object_encoder`, where the points were encoded before: they know no target.
        """
        rows, count = scenes.exists.shape
        if shapes is None:
            shapes = self.object_encoder(scenes.points.flatten(0, 1)).view(rows, count, -1)
        parts = [shapes, scenes.classes, self.fc_ape(scenes.boxes), self._relative(scenes)]
        tokens = torch.cat(parts, -1) * scenes.exists[..., None]
        return self.captioner.encoder(tokens, scenes.exists)

    def encode_with_images(self, scenes: Scenes, student: Tensor) -> Tensor:
        """(B, layers, N, width) of the teacher: image features, fused with the student's outputs (CMF)."""
        if scenes.images is None or scenes.image_boxes is None:
            raise ValueError("the teacher reads image features")
        parts = [
            self.fc_2d(scenes.images),
            self.fc_bbox_2d(scenes.image_boxes),
            scenes.classes,
            self._relative(scenes),
        ]
        tokens = torch.cat(parts, -1) * scenes.exists[..., None]
        return self.captioner_teacher.encoder(tokens, scenes.exists, student)

    def _relative(self, scenes: Scenes) -> Tensor:
        """Offset from the target's centre and size as a share of the target's: the target itself is 0, 1."""
        target = scenes.boxes.gather(1, scenes.target[:, None, None].expand(-1, 1, 6))
        offset = scenes.boxes[..., :3] - target[..., :3]
        return self.fc_rpe(torch.cat([offset, scenes.boxes[..., 3:] / target[..., 3:].clamp(min=1e-6)], -1))

    def forward(self, scenes: Scenes, ids: Tensor) -> Taught:
        """Student and teacher read the same caption. ids: (B, T) "sos" and words, padded with 0."""
        levels = self.encode(scenes)
        above = self.encode_with_images(scenes, levels)
        student, teacher = self.captioner.decoder, self.captioner_teacher.decoder
        return Taught(
            *student(ids, student.look(levels), scenes.exists),
            *teacher(ids, teacher.look(above), scenes.exists),
        )

    @classmethod
    def from_published(cls, path: str | Path) -> "XTrans2Cap":
        """The published network with released weights (model.pth of TransformerCaptionModule).

        Only tensors are read from the file, never code. What the released module stores and never reads
        (map_feat, fc_fuse, the decoding buffers) is left out. The file tells how many words there are. Raises
        as `load_published` does.
        """
        tensors = read_tensors(path)
        words = [value for name, value in tensors.items() if name.endswith(WORDS) and value.dim() == 2]
        network = cls(vocabulary=len(words[0])) if words and len(words[0]) else cls()
        fill(
            *(network, tensors, Path(path).name),
            lambda name: None if any(part in name for part in UNUSED) else name,
        )
        return network.eval()
