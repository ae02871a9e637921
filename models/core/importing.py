"""`import`: the weights that a method's authors published become a checkpoint folder of the user's.

The file is read as it was released (pretrained.py), its network is written like any checkpoint, and the card
says whose the weights are and where they came from. The folder appears whole or not at all.
"""

import hashlib
import re
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from models.core import checkpoints
from models.core.errors import UserError
from models.core.registry import Published, Registry
from models.core.upload_validation import safe_name

NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,39}")

CARD = """---
lab: {lab}
title: {title}, imported as {name}
license: unknown
method: {method}
---

Weights of others, imported: {title} ({paper}), as its authors published it. They were read from `{file}`, \
whose SHA-256 is `{digest}`{words}. Under which licence they may be used is not known here; ask their authors.

They were neither trained nor measured here. What they can and can't do, their paper tells.
"""


def import_weights(
    lab: str, registries: Sequence[Registry[Any]], method: str, file: Path, name: str, words: Path | None
) -> Path:
    """Make the checkpoint NAME of a released file, and give its folder.

    Raises UserError: model_unknown for a method that has no published weights here, import_name,
    import_taken, import_words_missing, import_words_unused, and what reading the files raises.
    """
    known = {one.name: one for registry in registries for one in registry.published.values()}
    if method not in known:
        raise UserError("model_unknown", name=method[:40], choices=", ".join(known))
    one = known[method]
    _check_name(name, registries)
    if one.write_words and words is None:
        raise UserError("import_words_missing", method=one.title)
    if words is not None and not one.write_words:
        raise UserError("import_words_unused", method=one.title)
    network = one.read(file)
    place = checkpoints.home()
    place.mkdir(parents=True, exist_ok=True)
    # Beside the folder of checkpoints, where nobody lists it, and on the same disk, so that it can be moved.
    unfinished = Path(tempfile.mkdtemp(prefix="importing-", dir=place.parent))
    try:
        network.save_pretrained(unfinished)
        if one.write_words and words is not None:
            one.write_words(words, unfinished, network)
        card = _card(lab, one, file, name, words)
        (unfinished / "README.md").write_text(card, encoding="utf-8")
        unfinished.chmod(0o755)  # a temporary folder is its maker's alone
        try:
            unfinished.rename(place / name)
        except OSError:  # somebody else was first
            raise UserError("import_taken", name=name) from None
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)
    return place / name


def _check_name(name: str, registries: Sequence[Registry[Any]]) -> None:
    """Raises UserError: import_name, import_taken."""
    if not NAME.fullmatch(name):
        raise UserError("import_name", name=safe_name(name)[:40])
    taken = {method for registry in registries for method in registry}
    if name in taken or any((place / name).exists() for place in (checkpoints.FOLDER, checkpoints.home())):
        raise UserError("import_taken", name=name)


def _card(lab: str, one: Published[Any], file: Path, name: str, words: Path | None) -> str:
    said = f", and the words from `{_plain(words)}`, SHA-256 `{_digest(words)}`" if words else ""
    return CARD.format(
        lab=lab,
        title=one.title,
        name=name,
        method=one.name,
        paper=one.paper,
        file=_plain(file),
        digest=_digest(file),
        words=said,
    )


def _plain(path: Path) -> str:
    """A file's name that can stand between backticks."""
    return safe_name(path.name).replace("`", "_")


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
