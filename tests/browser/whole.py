"""The whole page with all its labs, each on the tests' stand-ins, for tests that go from lab to lab."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from app import page
from tests import served
from tests.colonoscopy import stand_in as colonoscopy
from tests.face import stand_in as face


@contextmanager
def whole(folder: Path) -> Iterator[str]:
    """Address of the page; `folder` is for its scans."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(page, "processor", lambda: "cpu")  # else a process imports torch to find out
        colonoscopy.stand_in(patch, colonoscopy.drawing(steps=4, pause=0.15))
        face.stand_in(patch, face.animating(steps=6, pause=0.1))
        with served.served(folder) as address:
            yield address
