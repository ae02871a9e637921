"""The talk's ablation on the same data and the same number of steps: modules, matching, words."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from models.core.training import RUNS

STEPS = 900
VERSIONS: Mapping[str, Mapping[str, Any]] = {
    "AP, cosine": {"modules": ("attribute",), "matching": "cosine"},
    "AP + RP, cosine": {"modules": ("attribute", "relation"), "matching": "cosine"},
    "AP + RP + GLP, cosine": {"matching": "cosine"},
    "AP + RP + GLP, MCAN": {},
    "AP + RP + GLP, MCAN, learned words": {"vocabulary": True},
}


def folder(version: str) -> Path:
    """Where a version's trained network lies."""
    return RUNS / ("ablation_" + version.lower().replace(" + ", "_").replace(", ", "_").replace(" ", "_"))
