"""Seconds and memory of what a visitor waits for: opening a scan, asking a sentence."""

import time
from statistics import median
from typing import Any

from models.core.results import markdown, peak_mebibytes, write
from models.scene import pipeline

ASKED = (
    "the chair closest to the window",
    "the largest table",
    "the lamp on the left",
    "the door near the bed",
)


def measure() -> dict[str, Any]:
    """Every shipped scan is opened and asked four sentences; the first answer loads the networks."""
    rows: list[dict[str, Any]] = []
    first = 0.0
    for name in pipeline.examples():
        start = time.perf_counter()
        scan = pipeline.open_example(name)
        opened = time.perf_counter() - start
        seconds = []
        for sentence in ASKED:
            start = time.perf_counter()
            pipeline.ground(scan, sentence)
            seconds.append(time.perf_counter() - start)
        first = first or seconds[0]
        rows.append(
            {
                "scan": name,
                "vertices": len(scan.vertices),
                "objects": len(scan.instances),
                "open, s": f"{opened:.2f}",
                "first question, s": f"{seconds[0]:.2f}",
                "next questions, s": f"{median(seconds[1:]):.3f}",
            }
        )
    table = markdown(rows)
    print(table)
    memory = peak_mebibytes()
    text = "\n\n".join(
        (
            "## Speed: the scene lab",
            "On 2 CPU cores. The very first question also loads the networks.",
            table,
            f"Peak memory {memory} MiB.",
            "`python -m models.scene evaluate benchmark`",
        )
    )
    write("scene-speed", text)
    return {
        "speed": rows,
        "open_s": max(float(row["open, s"]) for row in rows),
        "first_s": round(first, 2),
        "ask_s": max(float(row["next questions, s"]) for row in rows),
        "peak_mib": memory,
    }
