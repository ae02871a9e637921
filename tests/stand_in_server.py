"""launch.py on stand-ins for the networks: `python tests/stand_in_server.py FLAGS`. Pauses make jobs long."""

import os
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1]))
PAUSE = float(os.environ.get("STAND_IN_PAUSE", "0.5"))

from app import process_folder  # noqa: E402

process_folder.settle()
import launch  # noqa: E402
from app.face import service  # noqa: E402
from app.scene import service as scene_service  # noqa: E402
from models.colonoscopy import pipeline as colonoscopy  # noqa: E402
from models.face import pipeline as face  # noqa: E402
from models.scene import pipeline as scene  # noqa: E402
from tests import served  # noqa: E402
from tests.colonoscopy import stand_in as tissue  # noqa: E402
from tests.face import stand_in as talk  # noqa: E402

with pytest.MonkeyPatch.context() as patch:
    patch.setattr(scene, "ground", served.name_matcher)
    patch.setattr(scene, "caption", served.label_sayer)
    patch.setattr(scene, "describe", served.all_said)
    patch.setattr(scene, "segmenting", served.paint_finder)
    patch.setattr(scene_service, "warm_up", lambda name: None)
    patch.setattr(colonoscopy, "draw", tissue.drawing(pause=PAUSE))
    patch.setattr(colonoscopy, "segment", lambda picture: picture[..., 0] > 127)
    tissue.stand_in_films(patch, PAUSE)
    patch.setattr(face, "animate", talk.animating(pause=PAUSE))
    patch.setattr(service, "warm_up", lambda: None)
    patch.setattr(service, "look", lambda image: None)
    code = launch.main()
    sys.stdout.flush()
    os._exit(code)
