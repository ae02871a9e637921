"""What the lab's commands share: numbers that are typed, mask files, and files that were passed over."""

import sys
from pathlib import Path

from models.core.errors import UserError
from models.core.sentences import sentence, told


def some(text: str) -> int:
    """A number from 1 on, for argparse."""
    number = int(text)
    if number < 1:
        raise ValueError
    return number


def usable_masks(given: Path, limit: int | None = None) -> tuple[list[Path], int]:
    """A mask file, or those of a folder that frames can be drawn for, and how many others were told of.

    Raises UserError: masks_missing for none, and for one file as `read_cleaned` does.
    """
    from models.colonoscopy.data.masks import mask_files, read_cleaned

    folder = given.is_dir()
    files = mask_files(given)[:limit] if folder else [given]
    usable = []
    for path in files:  # one bad file must not end a long run in its middle
        try:
            found = read_cleaned(path)
        except UserError as error:
            if not folder:
                raise
            print(f"{path.name}: {sentence(error)}", file=sys.stderr)
            continue
        usable.append(path)
        for one in found.notes:
            print(f"{path.name}: {told(one)}", file=sys.stderr)
    if not usable:
        raise UserError("masks_missing", name=given.name)
    return usable, len(files) - len(usable)


def told_skipped(count: int) -> int:
    """The exit status of a command that had to pass over some of its files, after it was told."""
    if count:
        print(f"{count} skipped", file=sys.stderr)
    return min(count, 1)
