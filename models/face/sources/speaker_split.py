"""Which speakers are learnt from and which are held out.

A person is learnt from or measured on, never both, except in grid_s1, where it is always the same man and
clips are held out instead. Two clips of grid_others show him too: they are left out there. The people of
many_people who are held out are of every source, with some seconds each; no network of any kind saw them.
"""

from collections.abc import Iterator
from pathlib import Path

from models.face.sources.clips import SETS, Clip, parts, read_set

# Whom the networks that look at pictures (generator, sync network) never saw.
HELD_OUT = {
    "grid_others": ("brbk7n", "lbbc2a", "lwbsza", "sbwe5n", "swiz3n", "video_20251208_032953_826b5db2"),
    "vidtimit": ("vidtimit",),
    "lipreading_course": ("nicole", "smolinski"),
    "many_people": (
        *("p003", "p006", "p008", "p011", "p015", "p020", "p026", "p028", "p043", "p049", "p055", "p065"),
    ),
}


def held_out(clip: Clip) -> bool:
    """Whether the networks that look at pictures never saw the person of a clip."""
    return clip.person in HELD_OUT.get(clip.set, ())


def taught(data: Path) -> Iterator[Clip]:
    """The clips that those networks learn from: grid_s1's training part, and who is not held out."""
    yield from parts(read_set(data, SETS[0]))[0]
    for name in SETS[1:]:
        yield from (clip for clip in read_set(data, name) if not held_out(clip))


def checked(data: Path, name: str | None = None) -> Iterator[Clip]:
    """The clips that they are measured on: of one set, or the held-out people of all."""
    if name == SETS[0]:
        yield from parts(read_set(data, name))[2]
    else:
        for other in SETS[1:] if name is None else (name,):
            yield from filter(held_out, read_set(data, other))
