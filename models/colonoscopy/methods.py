"""The colonoscopy lab's registries of methods."""

from typing import Any

from models.colonoscopy.detection.registry import DETECTORS
from models.colonoscopy.segmentation.registry import SEGMENTERS
from models.colonoscopy.synthesis.registry import GENERATORS
from models.colonoscopy.video.registry import FILMS
from models.core.registry import Registry

METHODS: tuple[Registry[Any], ...] = (GENERATORS, FILMS, SEGMENTERS, DETECTORS)
