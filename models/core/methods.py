"""What a lab's methods are, for `models`: the paper, the checkpoint, and what its card says of it."""

import json
import re
from collections.abc import Sequence
from typing import Any

from models.core.checkpoints import all_cards
from models.core.registry import Registry


def table(lab: str, registries: Sequence[Registry[Any]]) -> list[dict[str, Any]]:
    """A row a method: name, task, paper, checkpoint, megabytes, trained_on, figures.

    The last three are the checkpoint's: the size of its weights, and the sections "Data" and "Measured" of
    its card; None where there is no checkpoint, or its card does not say.
    """
    cards = {card.name: card for card in all_cards(lab)}
    rows = []
    for task, method in ((one.task, one[name]) for one in registries for name in one):
        card = cards.get(method.checkpoint)
        size = (card.path / "model.safetensors").stat().st_size if card else None
        rows.append(
            {
                "name": method.name,
                "task": task,
                "paper": method.paper,
                "checkpoint": card.name if card else None,
                "megabytes": round(size / 1e6, 1) if size is not None else None,
                "trained_on": _section(card.summary, "Data") if card else None,
                "figures": _section(card.summary, "Measured") if card else None,
            }
        )
    return rows


def show(lab: str, registries: Sequence[Registry[Any]], as_json: bool) -> None:
    """Print the table, for people or as JSON."""
    rows = table(lab, registries)
    if as_json:
        print(json.dumps(rows))
        return
    for row in rows:
        size = f"{row['megabytes']} MB" if row["checkpoint"] else "no checkpoint here"
        print(f"{row['name']} ({row['task']}): {row['paper']}; {size}")
        for key in ("trained_on", "figures"):
            if row[key]:
                print(f"  {key.replace('_', ' ')}: {row[key]}")


def _section(text: str, heading: str) -> str | None:
    """What a card says from a heading in bold to the next one, with its tables."""
    found = re.search(rf"^\*\*{heading}\.?\*\*(.+?)(?=^\*\*\w|\Z)", text, re.MULTILINE | re.DOTALL)
    return found[1].strip() if found else None
