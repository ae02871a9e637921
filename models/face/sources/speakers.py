"""Who speaks in which clip, as somebody who looked at the clips wrote it down."""

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


def person(name: str, stem: str) -> str:
    """Who speaks in a clip of a set: of grid_others a name of each clip's own where nobody appears twice."""
    if known := _SEEN.get(name, {}).get(stem):
        return known
    if stem.startswith(_WORDS):
        return stem.removeprefix(_WORDS).partition("_")[0]
    if name == "many_people":  # p051_a is the first clip of p051
        return stem.partition("_")[0]
    return {"grid_s1": S1, "grid_others": stem}.get(name, name)
