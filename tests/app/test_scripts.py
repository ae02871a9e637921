"""The page's scripts as the browser gets them, put together and linted."""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from app.components.history_strip import HistoryStrip
from app.components.mask_pad import MaskPad
from app.components.result_strip import ResultStrip
from app.components.scene_view import SceneView
from app.components.video_stage import VideoStage
from app.scripts import FOLDER

ROOT = Path(__file__).parents[2]
OXLINT = shutil.which("oxlint", path=Path(sys.executable).parent)
CALLED = (
    "link_read",
    "dice",
    "hold",
    "face_address",
    "scene_address",
    "scene_opening",
)  # functions that Gradio calls
PUT_IN = {
    "page": ("CORE", "SCRIPTS", "AHEAD", "LANGUAGES"),
    "scene_address": (
        "FIRST_METHOD",
        "FIRST_CAPTIONER",
    ),
}  # by Python, before the browser gets it


def linted(folder: Path, *rules: str) -> str:
    """What the linter has to say of a folder, "" for nothing."""
    assert OXLINT is not None, "pip install -r requirements-dev.txt"
    command = [OXLINT, "--config", str(ROOT / ".oxlintrc.json"), "--format", "unix", *rules, str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    return "" if done.returncode == 0 else done.stdout + done.stderr


@pytest.mark.parametrize("component", [HistoryStrip, MaskPad, ResultStrip, SceneView, VideoStage])
def test_a_components_script_uses_what_it_declares_and_knows_what_it_uses(component, tmp_path):
    parts = component(render=False, elem_id="tl-any")._script({})
    (tmp_path / "whole.js").write_text(parts, encoding="utf-8")
    assert linted(tmp_path, "-D", "no-undef", "-D", "no-unused-vars") == ""


def test_what_stands_beside_the_components_knows_what_it_uses(tmp_path):
    for path in FOLDER.glob("*.js"):
        said = path.read_text(encoding="utf-8")
        if path.stem in CALLED:
            said = said.replace("\nfunction", "\nexport default function")
        names = "".join(f"const {name} = {json.dumps(name)};\n" for name in PUT_IN.get(path.stem, ()))
        (tmp_path / path.name).write_text(names + said, encoding="utf-8")
    assert linted(tmp_path, "-D", "no-undef", "-D", "no-unused-vars") == ""


def test_a_script_that_is_broken_is_told(tmp_path):
    (tmp_path / "broken.js").write_text("const a = nobody(;", encoding="utf-8")
    assert linted(tmp_path)
    (tmp_path / "broken.js").write_text("nobody();", encoding="utf-8")
    assert re.search("nobody", linted(tmp_path, "-D", "no-undef"))
