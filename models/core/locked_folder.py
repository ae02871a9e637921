"""A temporary folder that goes with its process: also one of a killed process, at the next start of any.

A folder is named only when its lock is held, and the lock ends with the process, however that ends.
"""

import fcntl
import os
import secrets
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path

PREFIX = "trilab-"

_locks: list[int] = []  # descriptors; a lock ends with its descriptor


def make(parts: Sequence[str] = ()) -> Path:
    """A new folder of this process, with a folder in it for each of the parts."""
    system = Path(tempfile.gettempdir())
    new = Path(tempfile.mkdtemp(prefix="new-trilab-", dir=system))
    _locks.append(os.open(new / "lock", os.O_CREAT | os.O_RDWR, 0o600))
    fcntl.flock(_locks[-1], fcntl.LOCK_EX)
    for part in parts:
        (new / part).mkdir()
    # Named only now: under its name it is never seen without its lock.
    return new.rename(system / f"{PREFIX}{secrets.token_hex(8)}")


def sweep() -> None:
    """Delete the folders of this user's processes that were killed."""
    for left in Path(tempfile.gettempdir()).glob(f"{PREFIX}*"):
        try:
            if left.is_symlink() or left.stat().st_uid != os.getuid():
                continue
            lock = os.open(left / "lock", os.O_RDWR | os.O_NOFOLLOW)
        except OSError:  # no folder of ours, or another process was faster
            continue
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(left, ignore_errors=True)
        except OSError:  # its process lives
            pass
        finally:
            os.close(lock)
