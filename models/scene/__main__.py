"""The scene lab's command line: python -m models.scene COMMAND."""

import argparse
import json
import sys
from pathlib import Path

from models.core.errors import UserError

WORDS = Path(__file__).parents[2] / "app" / "words" / "en.json"


def parser() -> argparse.ArgumentParser:
    """The commands and their options."""
    top = argparse.ArgumentParser(prog="python -m models.scene", description=__doc__)
    commands = top.add_subparsers(dest="command", required=True)
    rooms = commands.add_parser("rooms", help="make furnished rooms, scanned, in ScanNet's format")
    rooms.add_argument("--count", type=int, default=6, help="how many; the kinds take turns")
    rooms.add_argument("--out", type=Path, required=True, help="the folder that gets a folder for each room")
    rooms.add_argument("--seed", type=int, default=1, help="of the first room of each kind")
    return top


def main(arguments: list[str] | None = None) -> int:
    """Runs one command and returns the exit status; what a person caused is told in a sentence."""
    options = parser().parse_args(arguments)
    try:
        if options.command == "rooms":
            from models.scene.rooms import rooms_command

            rooms_command(options.count, options.out, options.seed)
    except UserError as error:
        sentence = json.loads(WORDS.read_text(encoding="utf-8"))["errors"][error.key]
        print(sentence.format(**error.facts), file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
