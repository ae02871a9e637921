"""The scene lab's registries of methods."""

from typing import Any

from models.core.registry import Registry
from models.scene.captioning.registry import CAPTIONERS
from models.scene.grounding.registry import GROUNDERS
from models.scene.segmentation.registry import SEGMENTERS

METHODS: tuple[Registry[Any], ...] = (GROUNDERS, CAPTIONERS, SEGMENTERS)
