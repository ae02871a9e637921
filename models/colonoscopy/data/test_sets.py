"""What is measured on: the test sets of the data folder, or pairs that somebody brings."""

import hashlib
import itertools
from collections.abc import Mapping
from pathlib import Path

from models.colonoscopy.data.images import pair_paths
from models.core.errors import UserError

TESTS = ("kvasir_test", "clinicdb_test", "polypgen_C1")

Sets = Mapping[str, Path]


def test_sets(data: Path | None, pairs: Path | None) -> Sets:
    """Folders of pairs by name: `pairs` alone where given, else TESTS in data/colonoscopy.

    Raises UserError: data_missing where neither is given, pairs_missing.
    """
    if pairs is not None:
        found = {pairs.resolve().name: pairs}
    elif data is not None:
        found = {name: data / "colonoscopy" / name for name in TESTS}
    else:
        raise UserError("data_missing")
    for folder in found.values():
        pair_paths(folder)
    return found


def official(sets: Sets, limit: int | None) -> bool:
    """Whether figures are those of the test sets, whole, and belong into docs/RESULTS.md."""
    return tuple(sets) == TESTS and limit is None


def fingerprint(*folders: Path) -> str:
    """Of the files in folders of pairs: one of the same name may hold others another day."""
    digest = hashlib.sha256()
    for folder in folders:
        for path in itertools.chain.from_iterable(pair_paths(folder)):
            digest.update(f"{path.resolve()} {path.stat().st_size} {path.stat().st_mtime_ns}".encode())
    return digest.hexdigest()[:12]
