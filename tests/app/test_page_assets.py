"""Gradio's own files, as its bundle lists them: what the document names is what a page asks for."""

import re

import pytest

from app import page_assets

KINDS = {"html", "button", "checkboxgroup", "state"}


def test_the_page_and_its_components_are_found() -> None:
    scripts = page_assets.scripts(KINDS)
    assert scripts[0].startswith("index-") and len(scripts) == len(set(scripts))
    assert {"Blocks", "HTML", "core"} <= {name.partition("-")[0] for name in scripts}
    assert all((page_assets.ASSETS / name).is_file() for name in scripts)
    assert set(page_assets.scripts(())) < set(scripts)
    assert page_assets.core() in scripts


def test_what_a_script_needs_at_once_is_named_too() -> None:
    scripts = page_assets.scripts(KINDS)
    for name in scripts:
        text = (page_assets.ASSETS / name).read_text(encoding="utf-8")
        asked = re.findall(r"""(?:from|import)\s*["'`]\./([\w-]+\.js)["'`]""", text)
        assert set(asked) <= set(scripts), name


def test_the_rules_of_all_files_are_there() -> None:
    rules, files = page_assets.styles(KINDS)
    assert files and all(name.endswith(".css") for name in files)
    assert len(rules) == sum(len((page_assets.ASSETS / name).read_text()) for name in files)
    # They stand in the document now, where an address relative to the file would be another one.
    assert not re.findall(r"url\((?![\"']?(?:data:|#))[^)]*\)", rules)


def test_a_component_that_there_is_not_needs_nothing() -> None:
    assert page_assets.scripts({"no such thing"}) == page_assets.scripts(())


@pytest.mark.parametrize("kind", sorted(KINDS - {"state"}))
def test_a_component_needs_a_script_of_its_own(kind: str) -> None:
    assert len(page_assets.scripts({kind})) > len(page_assets.scripts(()))
