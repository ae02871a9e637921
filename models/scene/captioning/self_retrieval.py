"""Self-retrieval: a caption is asked back of visual grounding in its own scan; does its object come home?

Luo et al., "Discriminability Objective for Training Descriptive Captions", CVPR 2018. The judge is
InstanceRefer, which has no part in how captions are made.
"""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from models.core import results
from models.scene import pipeline
from models.scene.captioning.registry import CAPTIONERS
from models.scene.types import Caption

JUDGE = "instancerefer"
COMMAND = "python -m models.scene evaluate self-retrieval"
ABOUT = f"""## Captions that tell things apart

Every object of the shipped rooms but walls, floors and ceilings is described, and its caption asked of
{JUDGE} in the same room: per cent that come back to their object, over all and over those with rivals of the
same label; distinct: captions that stand once in their room. The listener that chooses among the captions is
ScanRefer, TGNN and ReferIt3DNet together, other networks than the judge; that boxes are held against what a
sentence claims (`reasoning.py`) they and the judge have in common. How sure the listener must be of the
captioner's own words was chosen on other made rooms."""


def evaluate(scans: Sequence[str] = ()) -> dict[str, Any]:
    """Shares of 1 over all captions of the default method, and a row a method and scan.

    scans: names or paths; those that ship if none is named.
    """
    names = list(scans) or pipeline.examples()
    methods = CAPTIONERS.installed()
    rows, over_all = [], {}
    for method in methods:
        homes: list[dict[str, bool]] = []
        for name in names:
            found = judged(name, method)
            homes += found
            rows.append({"model": method, "scan": Path(name).name, **_per_cent(found)})
        rows.append({"model": method, "scan": "all", **_per_cent(homes)})
        over_all[method] = homes
    text = f"{ABOUT}\n\n{results.markdown(rows)}\n\n`{COMMAND}`"
    print(text)
    if not scans:
        results.write("self-retrieval", text)
    return {**_shares(over_all[methods[0]]), "captions": rows}


def judged(scan_name: str, method: str) -> list[dict[str, bool]]:
    """Of each caption in a scan: whether it came home, its object has rivals, and it is distinct."""
    scan = pipeline.open_path(Path(scan_name))
    captions = list(pipeline.describe(scan, method))
    labels = Counter(item.label for item in scan.instances)
    texts = Counter(caption.text for caption in captions)

    def home(caption: Caption) -> bool:
        best = pipeline.ground_by(JUDGE, scan, caption.text).best
        return best is not None and best.object_id == caption.object_id

    return [
        {"home": home(one), "rivals": labels[one.label] > 1, "distinct": texts[one.text] == 1}
        for one in captions
    ]


def _shares(found: Sequence[dict[str, bool]]) -> dict[str, Any]:
    with_rivals = [one["home"] for one in found if one["rivals"]]
    return {
        "self_retrieval": round(float(np.mean([one["home"] for one in found])), 3),
        "with_rivals": round(float(np.mean(with_rivals)), 3) if with_rivals else None,
        "distinct": round(float(np.mean([one["distinct"] for one in found])), 3),
        "n": len(found),
    }


def _per_cent(found: Sequence[dict[str, bool]]) -> dict[str, Any]:
    shares = _shares(found)
    count = shares.pop("n")
    return {
        name.replace("_", " "): "" if share is None else f"{100 * share:.1f}"
        for name, share in shares.items()
    } | {"n": count}
