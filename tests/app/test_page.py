"""The page as it is served: light to start, alive when a lab is not, honest about its device."""

import os
import re
import socket
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest

from app import i18n as words
from app import page
from tests.served import served

ROOT = Path(__file__).parents[2]
HEAVY = (
    "torch",
    "open3d",
    "diffusers",
    "transformers",
    "mediapipe",
    "spconv",
    "trimesh",
    "scipy",
    "plotly",
    "matplotlib",
)

SERVE = f"""
import socket, sys, urllib.request
with socket.socket() as free:
    free.bind(("127.0.0.1", 0))
    port = free.getsockname()[1]
sys.argv = ["launch.py", "--port", str(port)]
import launch
from app import page
def look(self):
    body = urllib.request.urlopen(self.local_url).read().decode()
    print("page", "gradio_config" in body and "navigator" in body)
    print("heavy", *sorted(set({HEAVY!r}) & set(sys.modules)))
page.Page.block_thread = look
code = launch.main()
import os
os._exit(code)
"""


def python(*arguments: str, seconds: float = 120, **more: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "OMP_NUM_THREADS": "1", **more}
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=seconds,
    )


def test_nothing_heavy_is_imported_before_a_lab_is_used():
    done = python("-c", SERVE)
    assert "page True" in done.stdout, done.stderr
    assert "heavy" in done.stdout.splitlines(), done.stdout


def test_a_device_that_is_not_there_is_an_error_and_not_a_cpu():
    done = python("launch.py", "--device", "cuda", CUDA_VISIBLE_DEVICES="")
    assert done.returncode == 2
    assert "--device cuda" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_port_that_is_taken_is_told():
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        done = python("launch.py", "--port", str(other.getsockname()[1]))
    assert done.returncode == 2
    assert "--port" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_lab_that_fails_tells_why_and_the_page_lives(tmp_path, monkeypatch):
    monkeypatch.setattr(page, "LABS", (*page.LABS, page.Lab("broken", "app.no_such_module")))
    for name in words.LANGUAGES:
        monkeypatch.setitem(words.words(name), "broken.tab", "Broken")
    with served(tmp_path) as address, urllib.request.urlopen(address) as answer:
        body = answer.read().decode()
    assert "html.failed_broken" in body
    assert "This lab could not start." in body
    assert "tl-sentence" in body


def test_the_footer_names_device_and_checkpoints(monkeypatch):
    monkeypatch.setattr(page.model_cards, "cards", lambda lab: [])
    foot = page._foot("en", "cpu")
    assert "CPU" in foot
    assert "none installed" in foot
    assert page.processor() in ("cpu", "cuda", "mps")


@pytest.mark.parametrize("name", list(words.LANGUAGES))
def test_every_widget_text_is_translated(tmp_path, name):
    built, i18n = page.build()
    text = str(built.get_config_file())
    keys = set(
        re.findall(r"translation_metadata.{1,6}, .{1,2}key.{1,2}: .{1,3}?([a-z]+\.[A-Za-z0-9_.]+)", text)
    )
    assert "scene.find" in keys
    assert keys <= set(i18n.translations[name])


@pytest.mark.parametrize("lab", page.LABS, ids=lambda lab: lab.name)
def test_every_page_holds_a_heartbeat_with_which_its_visit_ends(monkeypatch, lab):
    monkeypatch.setattr(page, "LABS", (lab,))
    built, _ = page.build()
    assert built.get_config_file()["connect_heartbeat"]


@pytest.mark.parametrize("name", list(words.LANGUAGES))
def test_the_page_for_scripts_tells_every_endpoint_in_every_language(name):
    built, _ = page.build()
    info = built.get_api_info()
    told = page.api_page.html(name, info, "http://127.0.0.1:7860/")
    assert len(info["named_endpoints"]) >= 11
    for endpoint in info["named_endpoints"]:
        assert f'<section id="{endpoint.strip("/")}">' in told
