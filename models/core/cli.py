"""What the labs' command lines share: how a command is run, and how it tells what a person caused."""

import argparse
import json
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

from models.core import device
from models.core.errors import UserError

WORDS = Path(__file__).parents[2] / "app" / "i18n" / "en.json"

Commands = Mapping[str, Callable[[argparse.Namespace], None]]


def run(parser: argparse.ArgumentParser, commands: Commands, arguments: list[str] | None) -> int:
    """Runs one command and returns the exit status; what a person caused is told in a sentence."""
    options = parser.parse_args(arguments)
    try:
        device.choose(options.device)
        commands[options.command](options)
    except UserError as error:
        print(sentence(error), file=sys.stderr)
        return 2
    return 0


def sentence(error: UserError) -> str:
    """What the page would say."""
    words: dict[str, str] = json.loads(WORDS.read_text(encoding="utf-8"))["errors"]
    return words[error.key].format(**error.facts)
