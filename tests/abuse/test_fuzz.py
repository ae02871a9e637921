"""A short run of the fuzzer with a fixed seed; `python -m tests.abuse.fuzz` runs for longer."""

import pytest

from tests.abuse import fuzz

SLOW = {"wav": 6, "mp4": 3, "scannet": 25, "obj": 25}


@pytest.mark.parametrize("name", fuzz.FORMATS)
def test_damaged_files_are_read_or_refused(tmp_path, name):
    counts = fuzz.tried(name, 7, tmp_path, most=SLOW.get(name, 60))
    assert counts["fell"] == 0, [path.read_text()[-600:] for path in tmp_path.glob("*.txt")]
    assert counts["tried"] and counts["read"] + counts["refused"] == counts["tried"]
