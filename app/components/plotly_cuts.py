"""`python -m app.components.plotly_cuts`: notes which bytes of Plotly's script the viewer can do without.

esbuild writes plotly.min.js as one function that holds statements. Each defines a function, values, or a
module of Plotly's that runs when it is first asked for: ``var NAME=wrapper((exports,module)=>{...})``.
The last module registers the kinds of traces: ``core.register([bar(),mesh3d(),...])``. Here the kinds
that the viewer never draws are struck off that list, and then every statement that is not named, by way
of others, from what is left. A file that is laid out otherwise ends in an AssertionError. To be run
whenever the plotly package has changed; the grammar of JavaScript is tree-sitter's.
"""

import hashlib
import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import tree_sitter_javascript
from tree_sitter import Language, Node, Parser

from app.components import plotly_script

TRACES = ("mesh3d",)  # all that scene_view_shapes.js draws with
ALIAS = re.compile(rb"\.exports=([\w$]+)\(\)\}\);?$")  # how a module ends that only hands on another
FUNCTIONS = {"arrow_function", "function_expression", "function_declaration", "method_definition"}
FUNCTIONS |= {"generator_function", "generator_function_declaration"}
CONSTANTS = {"arrow_function", "function_expression", "object", "member_expression"}
DEFINITIONS = {"function_declaration", "generator_function_declaration", "class_declaration"}
NAMES = {"identifier", "shorthand_property_identifier"}


@dataclass(frozen=True)
class Statement:
    """Of the bundle, from one byte to before another. names: defined here. free: used, its own or others'."""

    start: int
    end: int
    names: frozenset[bytes]
    free: frozenset[bytes]


def cuts(source: bytes, traces: tuple[str, ...] = TRACES) -> list[tuple[int, int]]:
    """What isn't needed of Plotly's script to draw such traces, as `plotly_script.without` takes it."""
    root = Parser(Language(tree_sitter_javascript.language())).parse(source).root_node
    assert not root.has_error
    bundle = next(_found(root, lambda node: node.type == "variable_declarator" and _name(node) == b"Plotly"))
    body = next(_found(bundle, lambda node: node.type == "statement_block"))
    statements = [_statement(node) for node in body.named_children if node.type != "comment"]
    homes: dict[bytes, list[Statement]] = {}
    for one in statements:
        for name in one.names:
            homes.setdefault(name, []).append(one)

    register = next(_found(body.named_children[-2], _registers))
    kinds = [one for one in register.named_children if one.type == "call_expression"]
    struck = {_called(one) for one in kinds if not _is_trace(source, homes, _called(one), traces)}
    assert len([one for one in kinds if _called(one) not in struck]) == len(traces)
    kept: set[Statement] = set()
    ahead = [one for one in statements if not one.names]
    while ahead:
        one = ahead.pop()
        if one not in kept:
            kept.add(one)
            lists = one.start <= register.start_byte < one.end
            used = one.free - struck if lists else one.free
            ahead += [home for name in used for home in homes.get(name, ())]
    found = [(one.start, one.end) for one in statements if one not in kept]
    found += [(one.start_byte, _comma(one).end_byte) for one in kinds if _called(one) in struck]
    return _joined(sorted(found))


def _statement(node: Node) -> Statement:
    """A statement of the bundle. One without names has an effect, so it stays whatever happens."""
    names: set[bytes] = set()
    if node.type in DEFINITIONS:
        names.add(_name(node))
    elif node.type == "variable_declaration":
        assert all(_is_idle(one.child_by_field_name("value")) for one in node.named_children)
        names |= {_name(one) for one in node.named_children}
    elif (
        node.type == "expression_statement"
    ):  # export(NAMESPACE,{NAME:()=>...}) adds to what is defined before
        call = node.named_children[0]
        assert call.type == "call_expression"
        names.add(_text(_field(call, "arguments").named_children[0]))
    else:
        assert node.type == "return_statement"
    return Statement(node.start_byte, node.end_byte, frozenset(names), frozenset(_free(node)))


def _is_idle(value: Node | None) -> bool:
    """Whether the value of a variable is made without an effect: a module is a call of esbuild's wrapper."""
    if value is None or value.type in CONSTANTS:
        return True
    passed = _field(value, "arguments").named_children if value.type == "call_expression" else []
    return len(passed) == 1 and passed[0].type in FUNCTIONS


def _registers(node: Node) -> bool:
    """Whether it is the list of ``.register([...])``."""
    call = node.parent.parent if node.type == "array" and node.parent else None
    return (
        call is not None
        and call.type == "call_expression"
        and _text(call).partition(b"(")[0].endswith(b".register")
    )


def _called(call: Node) -> bytes:
    return _text(_field(call, "function"))


def _is_trace(
    source: bytes, homes: dict[bytes, list[Statement]], name: bytes, traces: tuple[str, ...]
) -> bool:
    """Whether a module defines one of the traces, or hands on one that does."""
    (home,) = homes[name]
    text = source[home.start : home.end]
    other = ALIAS.search(text)
    if other and other[1] in homes:
        return _is_trace(source, homes, other[1], traces)
    return any(f'moduleType:"trace",name:"{trace}"'.encode() in text for trace in traces)


def _comma(call: Node) -> Node:
    """What a call in a list ends with: the comma after it, or itself where it is the last."""
    after = call.next_sibling
    return after if after is not None and after.type == "," else call


def _free(root: Node) -> set[bytes]:
    """The names in a piece of code that no scope inside of it defines."""
    found: set[bytes] = set()
    ahead: list[tuple[Node, frozenset[bytes]]] = [(root, frozenset())]
    while ahead:
        node, bound = ahead.pop()
        if node.type in NAMES:
            found |= {_text(node)} - bound
            continue
        bound |= _defined(node)
        ahead += [(child, bound) for child in node.named_children]
    return found


def _defined(node: Node) -> set[bytes]:
    """The names that a node defines for what lies in it, by JavaScript's rules of scope."""
    kind = node.type
    if kind in FUNCTIONS:
        parts = [_name(node)] if kind in ("function_expression", "generator_function") else []
        given = node.child_by_field_name("parameters") or node.child_by_field_name("parameter")
        return {*parts, *_bound(given), *_variables(_field(node, "body"))}
    if kind in ("statement_block", "switch_case", "switch_default", "for_statement"):
        found: set[bytes] = set()
        for child in node.named_children:
            if child.type in DEFINITIONS:
                found.add(_name(child))
            elif child.type == "lexical_declaration":
                found |= {
                    name for one in child.named_children for name in _bound(one.child_by_field_name("name"))
                }
        return found
    if kind == "for_in_statement" and any(child.type in ("let", "const") for child in node.children):
        return _bound(node.child_by_field_name("left"))
    if kind == "catch_clause":
        return _bound(node.child_by_field_name("parameter"))
    return {_name(node)} if kind == "class" else set()


def _variables(node: Node) -> set[bytes]:
    """What `var` defines in the body of a function, however deep, but for the functions in it."""
    found: set[bytes] = set()
    for child in node.named_children:
        if child.type in FUNCTIONS:
            continue
        if child.type == "variable_declaration":
            found |= {
                name for one in child.named_children for name in _bound(one.child_by_field_name("name"))
            }
        elif child.type == "for_in_statement" and any(one.type == "var" for one in child.children):
            found |= _bound(child.child_by_field_name("left"))
        found |= _variables(child)
    return found


def _bound(pattern: Node | None) -> set[bytes]:
    """The names that a pattern such as ``{a,b:[c]=d,...e}`` gives a value."""
    if pattern is None:
        return set()
    if pattern.type in ("identifier", "shorthand_property_identifier_pattern"):
        return {_text(pattern)}
    if pattern.type in ("assignment_pattern", "object_assignment_pattern"):
        return _bound(_field(pattern, "left"))
    if pattern.type == "pair_pattern":
        return _bound(_field(pattern, "value"))
    return {name for child in pattern.named_children for name in _bound(child)}


def _found(root: Node, fits: Callable[[Node], bool]) -> Iterator[Node]:
    """The nodes below one that fit, in the order of the text; what is inside of them isn't looked at."""
    for child in root.named_children:
        if fits(child):
            yield child
        else:
            yield from _found(child, fits)


def _field(node: Node, name: str) -> Node:
    found = node.child_by_field_name(name)
    assert found is not None, (node.type, name)
    return found


def _name(node: Node) -> bytes:
    """What a definition is called; nothing where it has no name."""
    found = node.child_by_field_name("name")
    return b"" if found is None else _text(found)


def _text(node: Node) -> bytes:
    assert node.text is not None
    return node.text


def _joined(ranges: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """Ascending ranges as few: those that touch become one."""
    found: list[tuple[int, int]] = []
    for start, end in ranges:
        if found and found[-1][1] == start:
            start = found.pop()[0]
        found.append((start, end))
    return found


def main() -> None:
    """Write the file, and print what it saves."""
    source = plotly_script.whole().read_bytes()
    found = cuts(source)
    noted = {"sha256": hashlib.sha256(source).hexdigest(), "cuts": found}
    plotly_script.CUTS.write_text(json.dumps(noted, separators=(",", ":")) + "\n", encoding="utf-8")
    left = plotly_script.without(source, found)
    print(f"{len(source):,} bytes, {len(left):,} of them left, {len(found)} cuts")


if __name__ == "__main__":
    main()
