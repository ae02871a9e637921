"""Which of Gradio's own files the page needs before it can be used, so that its document can name them.

Gradio's browser side is some hundred small files that name each other: on a slow line a browser asks for six
at a time, and learns of the next ones from those. Here the styles are put into the document, and the scripts
are named at its top. What belongs to a component stands in Gradio's bundle as its bundler (Vite) writes it:
``name:{component:()=>v(()=>import(`./FILE`),__vite__mapDeps([places])``, places in the list of all files.
"""

import json
import re
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path

import gradio

FRONTEND = Path(gradio.__file__).parent / "templates" / "frontend"
ASSETS = FRONTEND / "assets"
ENTRY = re.compile(r'src="\./assets/(index-[\w-]+\.js)"')
LISTED = re.compile(r"m\.f\|\|\(m\.f=(\[.*?\])\)")
IMPORTED = r"import\(`\./{file}`\)[^[]{{0,40}}__vite__mapDeps\(\[([\d,]*)\]\)"
COMPONENT = r"[{{,]{kind}:\{{[^{{}}]*?component:\(\)=>\w+\(\(\)=>"
STEPS = (r"Index-[\w-]+\.js", r"Blocks-[\w-]+\.js")  # what the entry goes on to, and that then


def core() -> str:
    """The name of Gradio's module that changes the language and knows the components."""
    return next(file.name for file in sorted(ASSETS.glob("core-*.js")) if "changeLocale" in _text(file.name))


def scripts(kinds: Iterable[str]) -> list[str]:
    """Names of the scripts of a page with such components, those that others wait for first."""
    return [file for file in _files(kinds) if file.endswith(".js")]


def styles(kinds: Iterable[str]) -> tuple[str, list[str]]:
    """The rules of a page with such components as one text, and the names of the files that hold them."""
    files = [file for file in _files(kinds) if file.endswith(".css")]
    return "".join(_text(file) for file in files), files


def _files(kinds: Iterable[str]) -> list[str]:
    """Each once: of the page itself, then of its components."""
    found = ENTRY.search((FRONTEND / "index.html").read_text(encoding="utf-8"))
    assert found is not None
    files, last = [found[1]], found[1]
    for step in STEPS:
        more = next(_dependencies(last, step))
        files, last = [*files, *more], more[0]
    for kind in sorted(set(kinds)):
        of_kind = _dependencies(core(), r"[\w-]+\.js", COMPONENT.format(kind=kind))
        files += next(of_kind, [])  # a state has nothing to show
    return list(dict.fromkeys(files))


def _dependencies(script: str, file: str, before: str = "") -> Iterator[list[str]]:
    """Of each import in a script that fits: the imported file and all it needs. file, before: patterns."""
    listed = LISTED.search(_text(script))
    assert listed is not None
    names = [name.removeprefix("./") for name in json.loads(listed[1])]
    for found in re.finditer(before + IMPORTED.format(file=file), _text(script)):
        yield [names[int(place)] for place in found[1].split(",")]


@cache
def _text(name: str) -> str:
    return (ASSETS / name).read_text(encoding="utf-8")
