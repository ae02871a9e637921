"""The page that tells scripts how to ask: every named endpoint with its arguments, units, and calls to copy.

What is there comes from Gradio's own description of the page, so that nothing can be forgotten; what it means
stands under "api" of the words. It is a page of its own: who reads it keeps what is on the other.
"""

import json
from collections.abc import Mapping
from html import escape
from typing import Any

from app import i18n

# What the calls to copy ask, by the name of the argument. A name that ends in .something is a file.
EXAMPLES: dict[str, Any] = {
    "sentence": "the chair closest to the window",
    "scan": "room_office_01",
    "object_id": 5,
    "files": ["scan.zip"],
    "mask": "mask.png",
    "frame": "frame.png",
    "frames": ["frame.png"],
    "methods": "instancerefer,scanrefer",
    "segmenters": "polyps,polyp_pvt",
    "detectors": "mask_boxes",
    "portrait": "portrait.jpg",
    "text": "Good morning!",
    "consent": True,
}
# Where both of a pair can be given and only one may be.
LEFT_OUT = {
    "scene_open": ("files",),
    "scene_ground": ("files",),
    "scene_segment": ("scan",),
    "scene_compare": ("files",),
    "colonoscopy_film": ("frame",),
}

STYLE = """
:root { color-scheme: light dark; --ink: #151c21; --quiet: #4b5862; --line: #dde3e7; --paper: #f6f8f9; --panel: #fff; --strong: #115462; }
@media (prefers-color-scheme: dark) { :root { --ink: #edf0f2; --quiet: #aebac3; --line: #36414a; --paper: #0d1215; --panel: #151c21; --strong: #7cbfc9; } }
body { margin: 0; background: var(--paper); color: var(--ink); font: 16px/1.5 Inter, "Segoe UI", "Noto Sans", "Noto Sans CJK SC", sans-serif; }
main { max-width: 880px; margin: 0 auto; padding: 32px 24px 64px; }
h1 { font-size: 30px; margin: 0 0 8px; } h2 { font-size: 20px; margin: 0 0 4px; font-family: ui-monospace, monospace; color: var(--strong); overflow-wrap: anywhere; }
p { margin: 0 0 12px; } nav ul { columns: 2; padding-left: 20px; } a { color: var(--strong); }
section { margin-top: 24px; padding: 20px; border: 1px solid var(--line); border-radius: 10px; background: var(--panel); }
table { width: 100%; border-collapse: collapse; margin: 0 0 12px; font-size: 15px; }
th, td { padding: 6px 12px 6px 0; text-align: left; vertical-align: top; border-bottom: 1px solid var(--line); }
th { white-space: nowrap; } td:nth-child(2) { white-space: nowrap; color: var(--quiet); }
h3 { margin: 12px 0 4px; font-size: 14px; color: var(--quiet); }
pre { margin: 0; padding: 12px 14px; overflow-x: auto; border-radius: 8px; background: var(--paper); border: 1px solid var(--line); font-size: 13px; line-height: 1.45; }
@media (max-width: 600px) { main { padding: 20px 14px; } nav ul { columns: 1; } }
"""  # noqa: E501


def html(language: str, info: Mapping[str, Any], address: str) -> str:
    """The page in a language. info: of `Blocks.get_api_info`. address: of the page, for the calls to copy."""
    say = i18n.words(language)
    endpoints = {name.strip("/"): told for name, told in info["named_endpoints"].items()}
    links = "".join(f'<li><a href="#{name}">/{name}</a></li>' for name in endpoints)
    body = "".join(_endpoint(say, name, told, address) for name, told in endpoints.items())
    title = escape(say["api.title"])
    return (
        f'<!doctype html><html lang="{language}"><head><meta charset="utf-8"><title>{title}</title>'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<style>{STYLE}</style></head><body><main><h1>{title}</h1><p>{escape(say['api.lead'])}</p>"
        f"<p>{escape(say['api.session'])}</p><nav><ul>{links}</ul></nav>{body}</main></body></html>"
    )


def _endpoint(say: Mapping[str, str], name: str, told: Mapping[str, Any], address: str) -> str:
    rows = "".join(
        f'<tr><th scope="row"><code>{field}</code></th><td>{escape(_kind(say, one))}</td>'
        f"<td>{escape(say.get(f'api.{name}_takes_{field}') or say[f'api.{field}'])}</td></tr>"
        for one in told["parameters"]
        for field in (one["parameter_name"],)
    )
    table = f"<table>{rows}</table>" if rows else f"<p>{escape(say['api.no_arguments'])}</p>"
    asked = {one["parameter_name"]: _example(name, one) for one in told["parameters"]}
    return (
        f'<section id="{name}"><h2>/{name}</h2><p>{escape(say[f"api.{name}"])}</p>{table}'
        f"<h3>{escape(say['api.gives'])}</h3><p>{escape(say[f'api.{name}_gives'])}</p>"
        f"<h3>Python</h3><pre>{escape(python(name, asked, address))}</pre>"
        f"<h3>curl</h3><pre>{escape(curl(name, asked, address))}</pre></section>"
    )


def _kind(say: Mapping[str, str], one: Mapping[str, Any]) -> str:
    kinds = {"File": "file", "Files": "file", "Number": "number", "Flag": "yes_no", "Text": "text"}
    kind = say[f"api.kind_{kinds[one['component']]}"]
    default = one["parameter_default"] if one["parameter_has_default"] else None
    return kind if default in (None, "") else f"{kind}, {json.dumps(default)}"


def _example(name: str, one: Mapping[str, Any]) -> Any:
    field = one["parameter_name"]
    if field in LEFT_OUT.get(name, ()) or field not in EXAMPLES:
        return one["parameter_default"] if one["parameter_has_default"] else None
    return EXAMPLES[field]


def _is_file(value: Any) -> bool:
    return isinstance(value, str) and value.partition(".")[2] in ("zip", "png", "jpg")


def python(name: str, asked: Mapping[str, Any], address: str) -> str:
    """The call in Python."""

    def value(one: Any) -> str:
        if isinstance(one, list):
            return f"[{', '.join(map(value, one))}]"
        return f"handle_file({one!r})" if _is_file(one) else repr(one)

    given = "".join(f"    {field}={value(one)},\n" for field, one in asked.items())
    return (
        "from gradio_client import Client, handle_file\n\n"
        f'client = Client("{address}")\n'
        f'result = client.predict(\n{given}    api_name="/{name}",\n)'
    )


def curl(name: str, asked: Mapping[str, Any], address: str) -> str:
    """The same in a shell: files are sent first, then the question, then the answer is fetched."""
    lines, data = [f"SITE={address}gradio_api"], []

    def sent(file: str) -> str:
        lines.append(f"FILE=$(curl -s -F files=@{file} $SITE/upload | tr -d '[]\"')")
        return '{"path": "\'$FILE\'", "meta": {"_type": "gradio.FileData"}}'

    for one in asked.values():
        if isinstance(one, list):
            data.append(f"[{', '.join(map(sent, one))}]")
        else:
            data.append(sent(one) if _is_file(one) else json.dumps(one))
    body = '{"data": [' + ", ".join(data) + '], "session_hash": "my-session"}'
    return "\n".join(
        (
            *lines,
            f"ID=$(curl -s $SITE/call/{name} -H 'Content-Type: application/json' \\",
            f"  -d '{body}' | sed 's/.*: *\"//; s/\".*//')",
            f"curl -N $SITE/call/{name}/$ID",
        )
    )
