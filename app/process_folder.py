"""The folder of this process: all that it keeps of its visitors lies there and goes with it.

trilab-XXXXXXXX/
  lock       held as long as the process lives; a folder whose lock is free was left by a killed one
  served/    Gradio's: uploads that nobody asked for yet, results that the page serves
  held/      uploads that a request has claimed
  visits/    a folder for each visit that keeps something
"""

import atexit
import fcntl
import os
import secrets
import shutil
import tempfile
from functools import cache
from pathlib import Path

PREFIX = "trilab-"
PARTS = ("served", "held", "visits")

_locks: list[int] = []  # descriptors; a lock ends with its descriptor


@cache
def folder() -> Path:
    """The folder, made when first asked for; it is deleted when the process ends."""
    system = Path(tempfile.gettempdir())
    new = Path(tempfile.mkdtemp(prefix="new-trilab-", dir=system))
    _locks.append(os.open(new / "lock", os.O_CREAT | os.O_RDWR, 0o600))
    fcntl.flock(_locks[-1], fcntl.LOCK_EX)
    for part in PARTS:
        (new / part).mkdir()
    # Named only now: under its name it is never seen without its lock.
    made = new.rename(system / f"{PREFIX}{secrets.token_hex(8)}")
    atexit.register(remove)
    return made


def served() -> Path:
    """What the page may serve to who knows a file's name."""
    return folder() / "served"


def held() -> Path:
    """Uploads that are being read."""
    return folder() / "held"


def visits() -> Path:
    """What is kept of visitors."""
    return folder() / "visits"


def settle() -> None:
    """Let all files for a while lie in the folder, those of libraries too; before gradio is imported."""
    sweep()
    os.environ["TMPDIR"] = tempfile.tempdir = str(folder())
    os.environ["GRADIO_TEMP_DIR"] = str(served())


def remove() -> None:
    """Delete the folder with all that is in it."""
    shutil.rmtree(folder(), ignore_errors=True)


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
