"""What networks find in frames, as files: masks, boxes and areas, and a picture of all on the frame."""

import itertools
import json
import zipfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from models.colonoscopy.data.exports import mask_png
from models.colonoscopy.data.images import Frame
from models.colonoscopy.finding import disputed
from models.colonoscopy.types import Finding

NOTE = "Found by neural networks of a research demonstration. Not for diagnosis."
# One colour a network, segmenters' in this order and detectors' in the other, told apart by the colour-blind
# too (Okabe and Ito, 2008); a ninth network begins anew.
COLOURS = (
    (240, 228, 66),
    (86, 180, 233),
    (0, 158, 115),
    (230, 159, 0),
    (255, 255, 255),
    (0, 114, 178),
    (204, 121, 167),
    (213, 94, 0),
)


def facts(finding: Finding) -> dict[str, Any]:
    """What is known of a finding but its pixels, ready for JSON; areas are shares of the frame."""
    return {
        "areas": {name: round(float(mask.mean()), 5) for name, mask in finding.masks.items()},
        "boxes": {
            name: [
                {
                    "box": [round(v, 1) for v in (box.left, box.top, box.right, box.bottom)],
                    "confidence": round(box.confidence, 4),
                }
                for box in boxes
            ]
            for name, boxes in finding.boxes.items()
        },
        "dice": {name: round(value, 4) for name, value in finding.dice.items()},
        "agreement": None if finding.agreement is None else round(finding.agreement, 4),
    }


def write_masks(finding: Finding, folder: Path) -> dict[str, Any]:
    """Write NAME.png, or MODEL/NAME.png where several models looked; returns `facts` and the files."""
    files = {}
    for model, mask in finding.masks.items():
        path = folder / (f"{finding.name}.png" if len(finding.masks) == 1 else f"{model}/{finding.name}.png")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(mask_png(mask))
        files[model] = str(path.relative_to(folder))
    return {"masks": files, **facts(finding)}


def write_zip(findings: Iterable[Finding], path: Path) -> None:
    """masks/MODEL/NAME.png, outlines/NAME.jpg and found.json of all findings in a zip."""
    rows = []
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as packed:
        for finding in findings:
            for model, mask in finding.masks.items():
                packed.writestr(f"masks/{model}/{finding.name}.png", mask_png(mask))
            packed.writestr(f"outlines/{finding.name}.jpg", _jpeg(outlined(finding)))
            rows.append({"name": finding.name, **facts(finding)})
        packed.writestr("found.json", json.dumps({"note": NOTE, "frames": rows}, indent=1))


def outlined(finding: Finding) -> Frame:
    """The frame with every outline and box in its network's colour, dimmed where segmenters disagree."""
    shown = finding.frame.copy()
    thick = max(1, round(min(shown.shape[:2]) / 160))
    if len(finding.masks) > 1:
        shown[disputed(finding)] //= 2
    for colour, mask in zip(itertools.cycle(COLOURS), finding.masks.values(), strict=False):
        edges, _ = cv2.findContours(mask.astype(np.uint8), cv2.RETR_CCOMP, cv2.CHAIN_APPROX_NONE)
        cv2.drawContours(shown, edges, -1, colour, thick)
    for colour, boxes in zip(itertools.cycle(COLOURS[::-1]), finding.boxes.values(), strict=False):
        for box in boxes:
            start, end = (round(box.left), round(box.top)), (round(box.right) - 1, round(box.bottom) - 1)
            cv2.rectangle(shown, start, end, colour, thick)
    return shown


def _jpeg(frame: Frame) -> bytes:
    done, data = cv2.imencode(".jpg", cv2.cvtColor(frame, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, 92])
    assert done
    return data.tobytes()
