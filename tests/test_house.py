"""What may import what: the rules of docs/ARCHITECTURE.md, read from the source without running it."""

import ast
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
LABS = {"scene", "face", "colonoscopy"}


@cache
def sources() -> dict[str, ast.Module]:
    """Every module of app/ and models/ by its dotted name."""
    files = [path for folder in ("app", "models") for path in (ROOT / folder).rglob("*.py")]
    return {_name(path): ast.parse(path.read_text(encoding="utf-8")) for path in files}


def _name(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


@cache
def imports(name: str) -> set[str]:
    """The modules of ours that a module names, also inside functions and for type checkers alone."""
    found: set[str] = set()
    for node in ast.walk(sources()[name]):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            below = {f"{node.module}.{alias.name}" for alias in node.names}
            found |= {one for one in below if one in sources()}
            if not below <= sources().keys():
                found.add(node.module)
    return found & sources().keys()


def circle(name: str, way: tuple[str, ...], done: set[str]) -> tuple[str, ...]:
    """A way from a module back to one that is on it; () for none. done: modules that are known to be free."""
    if name in way:
        return (*way[way.index(name) :], name)
    if name not in done:
        for other in sorted(imports(name)):
            if found := circle(other, (*way, name), done):
                return found
        done.add(name)
    return ()


def test_nothing_imports_itself_by_a_detour():
    done: set[str] = set()
    for name in sources():
        assert circle(name, (), done) == ()


def test_models_know_no_app():
    for name, tree in sources().items():
        if name.startswith("models."):
            assert not any(one.split(".")[0] == "app" for one in imports(name)), name
            texts = [node.value for node in ast.walk(tree) if isinstance(node, ast.Constant)]
            assert "app" not in texts and not any(str(text).startswith("app/") for text in texts), name


def test_app_imports_no_network():
    for name in sources():
        if name.startswith("app."):
            assert not {one for one in top_level(name) if one.split(".")[0] == "torch"}, name


def test_what_is_remembered_of_a_visitor_knows_no_lab():
    assert not [one for one in reached("app.session") if LABS & set(one.split("."))]


def reached(name: str) -> set[str]:
    """The modules of ours that a module imports, and those that they import."""
    found: set[str] = set()
    ahead = [name]
    while ahead:
        new = imports(ahead.pop()) - found
        found |= new
        ahead += new
    return found


def top_level(name: str) -> set[str]:
    """All modules that are imported when a module is."""
    found: set[str] = set()
    for node in sources()[name].body:
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module)
    return found


@pytest.mark.parametrize("name", [one for one in sources() if one.endswith("evaluation")])
def test_an_evaluation_needs_no_trainer(name):
    trainers = {one for one in imports(name) if one.startswith("models.") and one.endswith("training")}
    assert trainers <= {"models.core.training"}
