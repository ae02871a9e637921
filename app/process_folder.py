"""The folder of this process: all that it keeps of its visitors lies there and goes with it.

trilab-XXXXXXXX/
  lock       held as long as the process lives; a folder whose lock is free was left by a killed one
  served/    Gradio's: uploads that nobody asked for yet, results that the page serves
  held/      uploads that a request has claimed
  visits/    a folder for each visit that keeps something
"""

import atexit
import os
import shutil
import tempfile
from functools import cache
from pathlib import Path

from models.core import locked_folder

PARTS = ("served", "held", "visits")


@cache
def folder() -> Path:
    """The folder, made when first asked for; it is deleted when the process ends."""
    made = locked_folder.make(PARTS)
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
    locked_folder.sweep()
    os.environ["TMPDIR"] = tempfile.tempdir = str(folder())
    os.environ["GRADIO_TEMP_DIR"] = str(served())


def remove() -> None:
    """Delete the folder with all that is in it."""
    shutil.rmtree(folder(), ignore_errors=True)
