"""A checkpoint is a folder: config.json, model.safetensors and README.md, its model card."""

import hashlib
import json
import sys
from contextlib import redirect_stdout
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from models.core import device
from models.core.errors import UserError

FOLDER = Path(__file__).resolve().parents[2] / "checkpoints"
FILES = ("config.json", "model.safetensors", "README.md")


@dataclass(frozen=True)
class CheckpointCard:
    """What a person should know about a checkpoint before believing it.

    summary: the card's text (Markdown) without its front matter.
    sha256: the first 12 hex digits of the weights' hash; it changes with the weights.
    lab: "scene", "face" or "colonoscopy".
    """

    name: str
    lab: str
    title: str
    licence: str
    summary: str
    sha256: str
    path: Path


def card(name: str) -> CheckpointCard:
    """The card of checkpoints/NAME.

    Raises UserError("checkpoint_missing") naming the file that isn't there (or a name that
    isn't a folder here), UserError("checkpoint_broken") naming one that can't be read.
    """
    folder = FOLDER / name
    if folder.parent != FOLDER or not folder.is_dir():
        raise UserError("checkpoint_missing", file=f"checkpoints/{Path(name).name}")
    for file in FILES:
        if not (folder / file).is_file():
            raise UserError("checkpoint_missing", file=f"checkpoints/{name}/{file}")
    _check_weights(folder / "model.safetensors")
    front, summary = _split(folder / "README.md")
    return CheckpointCard(
        name=name,
        lab=str(front.get("lab", "")),
        title=str(front.get("title", name)),
        licence=str(front.get("license", "")),
        summary=summary,
        sha256=_sha256(folder / "model.safetensors", (folder / "model.safetensors").stat().st_mtime_ns),
        path=folder,
    )


def load_checkpoint(kind: type[Any], name: str) -> Any:
    """A network of checkpoints/NAME on the chosen device, in full precision, to be asked and not trained.

    kind: its class, with the hub's mixin. Raises UserError("checkpoint_missing" or "checkpoint_broken").
    """
    path = card(name).path
    try:
        with redirect_stdout(sys.stderr):  # the hub's mixin prints; a command's output is its answer alone
            network = kind.from_pretrained(path, map_location="cpu", strict=True)
        network = network.float().eval()
    except Exception as error:
        raise UserError("checkpoint_broken", file=f"checkpoints/{name}") from error
    return network.to(device.best())


def all_cards(lab: str) -> list[CheckpointCard]:
    """Cards of a lab's complete checkpoints, by name; a broken one raises as `card` does."""
    if not FOLDER.is_dir():
        return []
    names = sorted(path.name for path in FOLDER.iterdir() if (path / "README.md").is_file())
    return [found for found in map(card, names) if found.lab == lab]


def _split(path: Path) -> tuple[dict[str, Any], str]:
    """YAML front matter and text of a model card."""
    import yaml

    text = path.read_text(encoding="utf-8")
    head, mark, body = text.removeprefix("---\n").partition("\n---\n")
    if not text.startswith("---\n") or not mark:
        raise UserError("checkpoint_broken", file=_shown(path))
    try:
        front = yaml.safe_load(head)
    except yaml.YAMLError as error:
        raise UserError("checkpoint_broken", file=_shown(path)) from error
    if not isinstance(front, dict):
        raise UserError("checkpoint_broken", file=_shown(path))
    return front, body.strip()


def _check_weights(path: Path) -> None:
    """Read the safetensors header only: 8 bytes of length, JSON, and tensors to the file's end."""
    size = path.stat().st_size
    with path.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
        if not 2 <= length <= size - 8:
            raise UserError("checkpoint_broken", file=_shown(path))
        try:
            header = json.loads(file.read(length))
            end = max(entry["data_offsets"][1] for key, entry in header.items() if key != "__metadata__")
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise UserError("checkpoint_broken", file=_shown(path)) from error
    if 8 + length + end != size:
        raise UserError("checkpoint_broken", file=_shown(path))


@cache
def _sha256(path: Path, changed: int) -> str:
    """Short hash of a file; `changed` (its time) makes a replaced file a new question."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()[:12]


def _shown(path: Path) -> str:
    return f"checkpoints/{path.parent.name}/{path.name}"
