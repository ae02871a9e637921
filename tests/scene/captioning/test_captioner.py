"""What the shipped captioner says of scans that lack something: colour, or a second object."""

import re
from dataclasses import replace

import numpy as np
import pytest

from models.core.checkpoints import FOLDER
from models.scene import pipeline
from models.scene.captioning.registry import CAPTIONERS
from models.scene.data.mesh_io import GREY
from models.scene.grounding.sentence_reading import MORE_COLOURS
from models.scene.synthetic_language.vocabulary import COLOURS

pytestmark = pytest.mark.skipif(
    not (FOLDER / CAPTIONERS.default / "model.safetensors").is_file(), reason="no checkpoint here"
)
ROOM = pipeline.open_example("room_bathroom_01")
WORDS = re.compile(rf"\b(?:{'|'.join([*COLOURS, *MORE_COLOURS])})\b", re.IGNORECASE)


def test_nothing_is_said_of_colours_that_a_scan_has_not():
    grey = replace(ROOM, colours=np.full_like(ROOM.colours, GREY))
    captioner = CAPTIONERS.loaded(CAPTIONERS.default)
    objects = [one.id for one in ROOM.instances if one.label not in ("wall", "floor", "ceiling")][:3]
    said = [captioner(scan, one) for scan in (ROOM, grey) for one in objects]
    texts = [" ".join([caption.text, *caption.others]) for caption in said]
    assert any(WORDS.search(text) for text in texts[: len(objects)])
    assert not any(WORDS.search(text) for text in texts[len(objects) :])


def test_the_only_object_of_a_scan_is_named_once():
    table = next(one for one in ROOM.instances if one.label not in ("wall", "floor", "ceiling"))
    own = ROOM.vertex_instance == table.id
    alone = replace(
        ROOM,
        vertices=ROOM.vertices[own],
        colours=ROOM.colours[own],
        faces=np.zeros((0, 3), np.int32),
        vertex_instance=ROOM.vertex_instance[own],
        instances=(table,),
    )
    caption = CAPTIONERS.loaded(CAPTIONERS.default)(alone, table.id)
    assert caption.text.count(table.label) == 1 and "only object" in caption.text
