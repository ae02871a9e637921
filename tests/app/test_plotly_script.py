"""What of Plotly's script goes over the line."""

import re
from pathlib import Path

import brotli
import pytest

from app.components import plotly_cuts, plotly_script
from models.core.errors import UserError

# As esbuild writes a bundle: what the mesh needs, what it doesn't, and a name that means two things.
BUNDLE = b"""/** plotly.js */
(()=>{
"use strict";var Plotly=(()=>{var W=(e,t)=>()=>(t||e((t={exports:{}}).exports,t),t.exports),F=(e,t)=>{};\
var lib=W((e,t)=>{t.exports={half:x=>x/2}});\
function round(map){var big=map;return big}\
function tiles(e){return round(e)}\
var big,map=W((e,t)=>{big=1;t.exports=tiles(big)});\
var names={};F(names,{half:()=>round});\
var maps={};F(maps,{tiles:()=>tiles});\
var meshes=W((e,t)=>{t.exports={draw:lib().half(names),moduleType:"trace",name:"mesh3d"}});\
var pies=W((e,t)=>{t.exports={draw:map(),moduleType:"trace",name:"pie"}});\
var mesh=W((e,t)=>{"use strict";t.exports=meshes()});\
var pie=W((e,t)=>{"use strict";t.exports=pies()});\
var all=W((e,t)=>{var core=lib();core.register([pie(),mesh(),pie()]);t.exports=core});return all()})();
return Plotly})();
"""


def test_what_draws_no_mesh_is_cut() -> None:
    left = plotly_script.without(BUNDLE, plotly_cuts.cuts(BUNDLE)).decode()
    gone = ("tiles", "big,map", "maps", "pies", "pie=", "pie()")
    assert [word for word in gone if word in left] == []
    assert "core.register([mesh(),])" in left
    assert "function round(map){var big=map;return big}" in left
    assert "var names={};F(names,{half:()=>round});" in left
    assert left.startswith("/** plotly.js */") and left.endswith("return Plotly})();\n")


@pytest.mark.parametrize(
    ("known", "other"),
    [
        ("var names={};", "var names=start(1);"),
        ('name:"mesh3d"', 'name:"mesh"'),
        ("var lib=", "if(lib)throw 1;var lib="),
        ("(e,t)=>", "(e,t)=>)"),
    ],
)
def test_a_bundle_of_another_layout_is_not_cut(known: str, other: str) -> None:
    changed = BUNDLE.replace(known.encode(), other.encode(), 1)
    assert changed != BUNDLE
    with pytest.raises(AssertionError):
        plotly_cuts.cuts(changed)


def test_the_installed_script_is_cut_to_less_than_half() -> None:
    """Where it fails after another version of plotly was installed: python -m app.components.plotly_cuts."""
    text = plotly_script.script(plotly_script.address().partition("?name=")[2])
    assert len(brotli.compress(text.encode(), quality=9)) < 480_000
    assert re.findall(r'moduleType:"trace",name:"(\w+)"', text) == ["scatter", "mesh3d"]
    assert "Licensed under the MIT license" in text and "window.Plotly = Plotly;" in text


def test_a_script_that_was_not_cut_is_served_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    other = tmp_path / "plotly.min.js"
    other.write_text("var Plotly = {version: '9.0.0'};")
    monkeypatch.setattr(plotly_script, "whole", lambda: other)
    before = plotly_script.address()
    plotly_script._named.cache_clear()
    after = plotly_script.address()
    try:
        assert plotly_script.script(after.partition("?name=")[2]) == other.read_text()
        assert before != after
        with pytest.raises(UserError, match="route_unknown"):
            plotly_script.script(before.partition("?name=")[2])
    finally:
        plotly_script._named.cache_clear()
