"""The words of an imported X-Trans2Cap: Scan2Cap's vocabulary (Chen et al., CVPR 2021), a line each."""

from pathlib import Path

from models.core.errors import UserError
from models.core.upload_validation import read_json

SPECIAL = ["pad_", "unk", "sos", "eos"]
WORDS = "words.txt"


def write_vocabulary(source: Path, folder: Path, count: int) -> None:
    """Keep the words of a vocabulary in Scan2Cap's form, {"idx2word": {"0": "pad_", ...}}.

    Raises UserError: vocabulary_broken, vocabulary_size where there aren't `count`, and as `read_json`.
    """
    found = read_json(source)
    by_place = found.get("idx2word") if isinstance(found, dict) else None
    if not isinstance(by_place, dict):
        raise UserError("vocabulary_broken", file=source.name)
    words = [by_place.get(str(place)) for place in range(len(by_place))]
    plain = all(isinstance(word, str) and word and len(word.split()) == 1 for word in words)
    if not plain or words[: len(SPECIAL)] != SPECIAL:
        raise UserError("vocabulary_broken", file=source.name)
    if len(words) != count:
        raise UserError("vocabulary_size", file=source.name, count=len(words), wanted=count)
    (folder / WORDS).write_text("".join(f"{word}\n" for word in words), encoding="utf-8", newline="\n")


def read_vocabulary(folder: Path, count: int) -> list[str]:
    """The words in a checkpoint's folder.

    Raises UserError("checkpoint_broken") where there aren't `count`.
    """
    try:
        words = (folder / WORDS).read_text(encoding="utf-8").split("\n")[:-1]
    except (OSError, ValueError):
        words = []
    if len(words) != count:
        raise UserError("checkpoint_broken", file=f"checkpoints/{folder.name}/{WORDS}")
    return words
