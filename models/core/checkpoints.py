"""A checkpoint is a folder: config.json, model.safetensors and README.md, its model card.

Those that ship lie in checkpoints/, those that a person imported in $TRILAB_HOME, else in the user's data
folder. Where both have a name, what ships counts.
"""

import hashlib
import json
import os
import re
import sys
from contextlib import redirect_stdout
from dataclasses import dataclass
from functools import cache, lru_cache
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


def home() -> Path:
    """The folder of what a person imported: $TRILAB_HOME/checkpoints, else in the user's data folder."""
    import platformdirs

    chosen = os.environ.get("TRILAB_HOME")
    return (Path(chosen) if chosen else platformdirs.user_data_path("trilab")) / "checkpoints"


def folder_of(name: str) -> Path:
    """The folder of a checkpoint. Raises UserError("checkpoint_missing") where no place has one."""
    for place in (FOLDER, home()):
        folder = place / name
        if folder.parent == place and folder.is_dir():
            return folder
    raise UserError("checkpoint_missing", file=f"checkpoints/{Path(name).name}")


def is_here(name: str) -> bool:
    """Whether a checkpoint's weights are in one of the two places."""
    return any((place / name / FILES[1]).is_file() for place in (FOLDER, home()))


def card(name: str) -> CheckpointCard:
    """The card of a checkpoint, read anew only when one of its files has changed.

    Raises UserError("checkpoint_missing") naming the file that isn't there (or a name that
    isn't a folder here), UserError("checkpoint_broken") naming one that can't be read.
    """
    folder = folder_of(name)
    for file in FILES:
        if not (folder / file).is_file():
            raise UserError("checkpoint_missing", file=f"checkpoints/{name}/{file}")
    known = [(folder / file).stat() for file in FILES]
    return _card(folder, tuple((one.st_mtime_ns, one.st_size) for one in known))


@lru_cache(maxsize=256)
def _card(folder: Path, changed: tuple[tuple[int, int], ...]) -> CheckpointCard:
    name = folder.name
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


def imported() -> dict[str, str]:
    """The method of each checkpoint that a person imported (importing.py), by the checkpoint's name.

    Reads no weights; a folder whose card can't be read has no method, and `faults` tells of it.
    """
    found = {}
    for readme in sorted(home().glob("*/README.md")):
        name = readme.parent.name
        method = _method(readme, readme.stat().st_mtime_ns)
        if method and not (FOLDER / name).is_dir():
            found[name] = method
    return found


@lru_cache(maxsize=256)
def _method(readme: Path, changed: int) -> str:
    """What a card says that its weights are of, "" where it says nothing."""
    try:
        return str(_split(readme)[0].get("method", ""))
    except UserError:
        return ""


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
    """Cards of a lab's complete checkpoints, by name; `faults` tells of the others."""
    return [found for found in _all() if isinstance(found, CheckpointCard) and found.lab == lab]


def faults(lab: str) -> list[UserError]:
    """What is wrong with checkpoints that say they are this lab's, or no longer say whose they are."""
    return [error for error in _all() if isinstance(error, UserError) and error.facts.get("lab") in (lab, "")]


def fingerprint() -> str:
    """12 hex digits that change with the weights or the name of any complete checkpoint."""
    known = "".join(f"{one.name} {one.sha256}\n" for one in _all() if isinstance(one, CheckpointCard))
    return hashlib.sha256(known.encode()).hexdigest()[:12]


def _all() -> list[CheckpointCard | UserError]:
    """Every checkpoint's card, or why it has none; by name."""
    places = [place for place in (FOLDER, home()) if place.is_dir()]
    found: list[CheckpointCard | UserError] = []
    for name in sorted({path.parent.name for place in places for path in place.glob("*/README.md")}):
        try:
            found.append(card(name))
        except UserError as error:
            readme = (folder_of(name) / "README.md").read_text(encoding="utf-8", errors="replace")
            said = re.search(r"^lab:\s*(\w+)", readme, re.MULTILINE)
            found.append(UserError(error.key, **error.facts, lab=said[1] if said else ""))
    return found


def _split(path: Path) -> tuple[dict[str, Any], str]:
    """YAML front matter and text of a model card."""
    import yaml

    text = path.read_text(encoding="utf-8", errors="replace")
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
