"""What the labs' command lines share: how a command is run, and how it tells what a person caused."""

import argparse
import json
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from models.core import device
from models.core.errors import UserError
from models.core.executors import Executor, InProcessExecutor
from models.core.importing import import_weights
from models.core.notes import Note
from models.core.registry import Registry
from models.core.sentences import sentence, told

Commands = Mapping[str, Callable[[argparse.Namespace], int | None]]


def run(parser: argparse.ArgumentParser, commands: Commands, arguments: list[str] | None) -> int:
    """Runs one command and returns the exit status: 0, 2 where a person caused what went wrong, which is
    told in a sentence, or what the command itself gives (1 where a part of its files was passed over).
    """
    options = parser.parse_args(arguments)
    try:
        device.choose(options.device)
        return commands[options.command](options) or 0
    except UserError as error:
        print(sentence(error), file=sys.stderr)
        return 2


def add_import(commands: Any, registries: Sequence[Registry[Any]]) -> None:
    """The command `import`. commands: what argparse's `add_subparsers` gave."""
    known = ", ".join(name for registry in registries for name in registry.published)
    command = commands.add_parser("import", help="weights that a method's authors published, for --model")
    command.add_argument("method", help=f"whose weights they are: {known}")
    command.add_argument("file", type=Path, help="the file as it was released")
    command.add_argument("--name", required=True, help="what --model and the page shall call them")
    command.add_argument("--words", type=Path, help="the words that a method of language was trained with")


def add_ray(command: argparse.ArgumentParser) -> None:
    """The option `--ray` of a command whose work can be done elsewhere."""
    command.add_argument(
        "--ray",
        metavar="ADDRESS",
        help="work on the Ray cluster whose head is at HOST:PORT; local: on all GPUs of this machine",
    )


@contextmanager
def executor_at(address: str | None) -> Iterator[Executor]:
    """What `--ray` asked for, None for this process. Raises as `RayExecutor` does."""
    if address is None:
        yield InProcessExecutor()
        return
    from models.core.ray_executor import RayExecutor

    executor = RayExecutor(address, device.chosen())
    try:
        yield executor
    finally:
        executor.close()


def run_import(lab: str, registries: Sequence[Registry[Any]], options: argparse.Namespace) -> None:
    """What `import` does: the folder that was made is printed."""
    print(import_weights(lab, registries, options.method, options.file, options.name, options.words))


def tell_read(facts: Mapping[str, object], notes: Sequence[Note], as_json: bool) -> None:
    """Print what `inspect` read of a file: one JSON object, or a line a fact and then the notes."""
    sentences = [told(one) for one in notes]
    if as_json:
        print(json.dumps({**facts, "notes": sentences}, ensure_ascii=False))
        return
    for name, value in facts.items():
        print(f"{name}: {value}")
    for one in sentences:
        print(one)
