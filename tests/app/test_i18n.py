"""Both languages say everything, with the same facts, and the code asks for nothing they lack."""

import ast
import json
import re
from pathlib import Path
from types import SimpleNamespace

import pytest

from app import i18n
from app.colonoscopy import mask_presets
from app.components import mask_pad, result_strip, scene_view, video_stage
from models.core import sentences
from models.core.errors import UserError

ROOT = Path(__file__).parents[2]
SOURCES = [ROOT / "launch.py", *(ROOT / "app").rglob("*.py"), *(ROOT / "models").rglob("*.py")]


def errors_raised() -> dict[str, list[tuple[str, set[str] | None]]]:
    """{key: [(file:line, names of the facts, None where not literal)]} of UserError(...) in the code."""
    found: dict[str, list[tuple[str, set[str] | None]]] = {}
    for path in SOURCES:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "UserError" and node.args:
                names = {keyword.arg for keyword in node.keywords}
                facts = None if None in names else names
                for key in keys_of(node.args[0]):
                    found.setdefault(key, []).append((f"{path.name}:{node.lineno}", facts))
    return found


def keys_of(node: ast.expr) -> list[str]:
    if isinstance(node, ast.IfExp):
        return keys_of(node.body) + keys_of(node.orelse)
    return [node.value] if isinstance(node, ast.Constant) else []


def test_both_languages_have_the_same_keys():
    assert set(i18n.own_words("en")) == set(i18n.own_words("zh-CN"))


def test_a_further_language_is_one_file(tmp_path, monkeypatch):
    for file in i18n.FOLDER.glob("*.json"):
        (tmp_path / file.name).write_bytes(file.read_bytes())
    german = {"name": "Deutsch", "scene": {"find": "Finden"}, "errors": {"mask_empty": "Leer."}}
    (tmp_path / "de.json").write_text(json.dumps(german))
    monkeypatch.setattr(i18n, "FOLDER", tmp_path)
    offered = i18n.offered()
    assert offered == {"en": "English", "de": "Deutsch", "zh-CN": "中文"}
    monkeypatch.setattr(i18n, "LANGUAGES", offered)
    assert i18n.say("de", "scene.find") == "Finden"
    assert i18n.explain("de", UserError("mask_empty")) == "Leer."
    assert i18n.say("de", "page.title") == i18n.say("en", "page.title")
    assert set(i18n.words("de")) == set(i18n.words("en"))
    assert i18n.matching("de-AT,en;q=0.5") == "de"
    i18n.words.cache_clear()


@pytest.mark.parametrize(
    ("asked", "language"), [("zh", "zh-CN"), ("zh-TW", "zh-CN"), ("en-GB", "en"), ("fr", "en"), (None, "en")]
)
def test_a_browser_gets_the_nearest_language(asked, language):
    assert i18n.matching(asked) == language


@pytest.mark.parametrize("key", sorted(i18n.words("en")))
def test_both_languages_use_the_same_facts(key):
    assert i18n.placeholders(i18n.words("en")[key]) == i18n.placeholders(i18n.words("zh-CN")[key])


def test_no_sentence_is_empty_and_chinese_is_chinese():
    for name in i18n.LANGUAGES:
        assert all(sentence.strip() for sentence in i18n.words(name).values())
    same = {key for key, sentence in i18n.words("en").items() if sentence == i18n.words("zh-CN")[key]}
    assert same <= {"page.title", "page.api", "scene.placeholder"}


def test_every_error_of_the_code_has_its_sentence_and_its_facts():
    raised = errors_raised()
    assert "no_scan" in raised
    for key, places in raised.items():
        sentence = i18n.words("en").get(f"errors.{key}")
        assert sentence is not None, f"no sentence for {key}, raised at {places[0][0]}"
        for place, facts in places:
            if facts is not None:
                assert i18n.placeholders(sentence) <= facts, f"{key} at {place} lacks facts"


def test_every_error_sentence_is_raised_somewhere():
    code = "\n".join(path.read_text(encoding="utf-8") for path in SOURCES)
    keys = [key.removeprefix("errors.") for key in i18n.words("en") if key.startswith("errors.")]
    assert [key for key in keys if f'"{key}"' not in code and f"errors.{key}" not in code] == []


def asked_for() -> tuple[set[str], list[re.Pattern[str]]]:
    """What the code says: texts as they stand, and patterns of those put together (f"face.took_{step}")."""
    plain: set[str] = set()
    composed: set[str] = set()
    for path in SOURCES:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.JoinedStr):
                parts = [str(one.value) if isinstance(one, ast.Constant) else None for one in node.values]
                composed.add("".join("[a-z0-9_]+" if one is None else re.escape(one) for one in parts))
            elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                plain.add(node.value)
    # Of f"scene.{key}" nothing is told: there the keys stand as they are elsewhere.
    telling = re.compile("[a-z]{2}")
    told = [one for one in composed if telling.search(one.replace("[a-z0-9_]+", "").rpartition("\\.")[2])]
    return plain, [re.compile(one) for one in told]


def test_every_key_is_asked_for():
    plain, composed = asked_for()

    def used(key: str) -> bool:
        name = key.partition(".")[2]
        return {key, name} & plain != set() or any(
            one.fullmatch(text) for one in composed for text in (key, name)
        )

    assert not used("colonoscopy.no_such_help")
    assert [key for key in i18n.words("en") if not used(key)] == []


def test_every_key_of_the_page_exists():
    sections = "page|colonoscopy|find|face|scene|stage|viewer|rooms|progress|errors"
    pattern = re.compile(rf'["\'](({sections})\.[a-z_]+)["\']')
    for path in (ROOT / "app").glob("*.py"):
        for key, _ in pattern.findall(path.read_text(encoding="utf-8")):
            assert key in i18n.words("en"), f"{path.name} wants {key}"


def test_the_viewer_says_the_same_as_its_defaults():
    assert {key: i18n.say("en", f"viewer.{key}") for key in scene_view.WORDS} == scene_view.WORDS


def test_the_stage_says_the_same_as_its_defaults():
    assert {key: i18n.words("en")[f"stage.{key}"] for key in video_stage.WORDS} == video_stage.WORDS


def test_pad_and_strip_say_the_same_as_their_defaults():
    assert {key: i18n.words("en")[f"pad.{key}"] for key in mask_pad.WORDS} == mask_pad.WORDS
    assert {key: i18n.words("en")[f"strip.{key}"] for key in result_strip.WORDS} == result_strip.WORDS
    presets = {key for key in i18n.words("en") if key.startswith("pad.preset_")}
    assert presets == {f"pad.preset_{name}" for name in mask_presets.names()}


@pytest.mark.parametrize(
    ("query", "header", "expected"),
    [
        ({}, "zh-CN,zh;q=0.9,en;q=0.8", "zh-CN"),
        ({}, "zh-TW", "zh-CN"),
        ({}, "de-DE,de;q=0.9", "en"),
        ({}, None, "en"),
        ({"lang": "zh-CN"}, "en-US", "zh-CN"),
        ({"lang": "en"}, "zh-CN", "en"),
        ({"lang": "../../etc"}, "zh-CN", "zh-CN"),
    ],
)
def test_language_of_a_request(query, header, expected):
    headers = {"accept-language": header} if header else {}
    assert i18n.language(SimpleNamespace(query_params=query, headers=headers)) == expected


def test_explain_never_hides_an_error_behind_another():
    assert "300" in i18n.explain("en", UserError("sentence_long", count=301, limit=300))
    assert "no_such_key" in i18n.explain("en", UserError("no_such_key"))
    assert "sentence_long" in i18n.explain("en", UserError("sentence_long"))


def test_the_files_hold_no_key_twice():
    def once(pairs):
        keys = [key for key, _ in pairs]
        assert len(keys) == len(set(keys)), f"twice: {sorted(key for key in keys if keys.count(key) > 1)}"
        return dict(pairs)

    for name in i18n.LANGUAGES:
        for folder in (i18n.FOLDER, sentences.FOLDER):
            json.loads((folder / f"{name}.json").read_text(encoding="utf-8"), object_pairs_hook=once)


def test_no_part_of_the_words_is_in_both_places():
    for name in i18n.LANGUAGES:
        own = json.loads((i18n.FOLDER / f"{name}.json").read_text(encoding="utf-8"))
        assert not own.keys() & sentences.sentences(name).keys()


def test_a_fact_may_be_called_like_an_argument():
    told = i18n.explain("en", UserError("voice_missing", language="Deutsch"))
    assert "Deutsch" in told


def test_one_is_one_and_several_are_several():
    told = [i18n.say("en", "history.frames", count=count) for count in (1, 4)]
    assert told == ["1 frame", "4 frames"]
    assert i18n.say("zh-CN", "history.frames", count=1) == i18n.say(
        "zh-CN", "history.frames", count=4
    ).replace("4", "1")
