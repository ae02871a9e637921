"""What a lab's methods are, for `models`: the paper, the checkpoint, and what its card says of it."""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from models.core.checkpoints import all_cards
from models.core.registry import Registry


@dataclass(frozen=True)
class Method:
    """A network that a lab can be asked for. checkpoint: the one that ships, None where none does."""

    name: str
    task: str
    paper: str
    checkpoint: str | None


def of(*registries: Registry[Any]) -> tuple[Method, ...]:
    """The methods of registries, imported ones too."""
    return tuple(
        Method(entry.name, registry.task, entry.paper, entry.checkpoint)
        for registry in registries
        for entry in registry.entries.values()
    )


def table(lab: str, methods: Sequence[Method]) -> list[dict[str, Any]]:
    """A row a method: name, task, paper, checkpoint, megabytes, trained_on, figures.

    The last three are the checkpoint's: the size of its weights, and the paragraphs "Data" and "Measured" of
    its card; None where there is no checkpoint, or its card does not say.
    """
    cards = {card.name: card for card in all_cards(lab)}
    rows = []
    for method in methods:
        card = cards.get(method.checkpoint or "")
        size = (card.path / "model.safetensors").stat().st_size if card else None
        rows.append(
            {
                "name": method.name,
                "task": method.task,
                "paper": method.paper,
                "checkpoint": card.name if card else None,
                "megabytes": round(size / 1e6, 1) if size is not None else None,
                "trained_on": _paragraph(card.summary, "Data") if card else None,
                "figures": _paragraph(card.summary, "Measured") if card else None,
            }
        )
    return rows


def show(lab: str, methods: Sequence[Method], as_json: bool) -> None:
    """Print the table, for people or as JSON."""
    rows = table(lab, methods)
    if as_json:
        print(json.dumps(rows))
        return
    for row in rows:
        size = f"{row['megabytes']} MB" if row["checkpoint"] else "no checkpoint here"
        print(f"{row['name']} ({row['task']}): {row['paper']}; {size}")
        for key in ("trained_on", "figures"):
            if row[key]:
                print(f"  {key.replace('_', ' ')}: {row[key]}")


def _paragraph(text: str, heading: str) -> str | None:
    """The paragraph of a card that begins with a heading in bold."""
    found = re.search(rf"^\*\*{heading}\.\*\* (.+)$", text, re.MULTILINE)
    return found[1] if found else None
