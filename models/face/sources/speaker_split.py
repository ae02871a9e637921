"""Who speaks in which clip, as somebody who looked at the clips wrote it down, and who is held out.

A person is learnt from or measured on, never both, except in grid_s1, where it is always the same man and
clips are held out instead. Two clips of grid_others show him too: they are left out there.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from models.face.sources.clips import Clip

S1 = "s1"
_GREY, _CURLY = "grey", "curly"
_SEEN = {
    "grid_others": {
        "bbaf2n": S1, "video_20251208_015857_cac80689": S1,
        "id2_vcd_swwp2s": _GREY, "pwij3p": _GREY,
        "video_20251207_154307_b7d7e7a1": _GREY, "video_20251207_154657_cc42ea12": _GREY,
    },
    "lipreading_course": {
        "lipread_missing__do_you_want_to_split_an_appetizer": _CURLY,
        "lipread_missing__happy_birthday": "jen",
        "lipread_missing__here_is_your_bill": _CURLY,
        "lipread_missing__how_are_you": _CURLY,
        "lipread_missing__how_many_is_the_table_for": "garrett",
        "lipread_missing__how_would_you_like_to_pay": "garrett",
        "lipread_missing__how_would_you_like_your_steak": "smolinski",
        "lipread_missing__its_been_years_since_i_last_saw_you": "jen",
        "lipread_missing__what_are_your_hobbies": "jen",
        "lipread_missing__what_fish_do_you_prefer": "smolinski",
        "lipread_missing__what_sort_of_bread_would_you_like": _CURLY,
        "lipread_missing__what_would_you_like_for_dessert": "smolinski",
        "lipread_missing__what_would_you_like_for_your_main_course": "smolinski",
        "lipread_missing__would_you_like_chips_with_that": "garrett",
        "lipread_missing__would_you_like_something_to_drink": "jen",
        "lipread_sentences__are_you_well": _CURLY,
        "lipread_sentences__do_you_want_to_split_an_appetizer": _CURLY,
        "lipread_sentences__do_you_want_to_split_an_appetizer1": "garrett",
        "lipread_sentences__how_are_you": "nicole",
        "lipread_sentences__how_many_is_the_table_for": "jen",
        "lipread_sentences__how_would_you_like_your_steak": "jen",
        "lipread_sentences__lets_get_dessert": "jen",
        "lipread_sentences__what_are_your_hobbies": "nicole",
        "lipread_sentences__what_fish_do_you_prefer": "nicole",
        "lipread_sentences__what_would_you_like_for_your_main_course": "garrett",
        "lipread_sentences__whats_the_address": "nicole",
        "lipread_sentences__would_you_like_a_cup_of_coffee": _CURLY,
        "lipread_sentences__would_you_like_a_table_for_two": "nicole",
        "lipread_sentences__would_you_like_chips_with_that": "garrett",
        "lipread_sentences__would_you_like_hear_about_the_specials": "garrett",
        "lipread_sentences__would_you_like_something_to_drink": "garrett",
        "lipread_sentences__would_you_like_something_to_drink_n": "jen",
    },
}  # fmt: skip
_WORDS = "lipread_words__"  # then the person's name

# Whom the networks that look at pictures (generator, sync network) never saw.
HELD_OUT = {
    "grid_others": ("brbk7n", "lbbc2a", "lwbsza", "sbwe5n", "swiz3n", "video_20251208_032953_826b5db2"),
    "vidtimit": ("vidtimit",),
    "lipreading_course": ("nicole", "smolinski"),
}


def person(name: str, stem: str) -> str:
    """Who speaks in a clip of a set: of grid_others a name of each clip's own where nobody appears twice."""
    if known := _SEEN.get(name, {}).get(stem):
        return known
    if stem.startswith(_WORDS):
        return stem.removeprefix(_WORDS).partition("_")[0]
    return {"grid_s1": S1, "grid_others": stem}.get(name, name)


def held_out(clip: "Clip") -> bool:
    """Whether the networks that look at pictures never saw the person of a clip."""
    return clip.person in HELD_OUT.get(clip.set, ())


def taught(data: Path) -> Iterator["Clip"]:
    """The clips that those networks learn from: grid_s1's training part, and who is not held out."""
    from models.face.sources.clips import SETS, parts, read_set

    yield from parts(read_set(data, SETS[0]))[0]
    for name in SETS[1:]:
        yield from (clip for clip in read_set(data, name) if not held_out(clip))


def checked(data: Path, name: str | None = None) -> Iterator["Clip"]:
    """The clips that they are measured on: of one set, or the held-out people of all."""
    from models.face.sources.clips import SETS, parts, read_set

    if name == SETS[0]:
        yield from parts(read_set(data, name))[2]
    else:
        for other in SETS[1:] if name is None else (name,):
            yield from filter(held_out, read_set(data, other))
