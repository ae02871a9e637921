"""Tables in docs/RESULTS.md, each between two marks and written by the command that measured it."""

from collections.abc import Mapping, Sequence
from pathlib import Path

RESULTS = Path(__file__).resolve().parents[2] / "docs" / "RESULTS.md"


def markdown(rows: Sequence[Mapping[str, object]]) -> str:
    """A table whose columns are the keys of the first row."""
    columns = list(rows[0])
    lines = ["| " + " | ".join(columns) + " |", "|" + " --- |" * len(columns)]
    lines += ["| " + " | ".join(_cell(row.get(column, "")) for column in columns) + " |" for row in rows]
    return "\n".join(lines)


def _cell(value: object) -> str:
    return f"{value:.1f}" if isinstance(value, float) else str(value)


def write(mark: str, text: str) -> None:
    """Put a text between <!-- mark --> and <!-- /mark -->, at the end where that is not there yet."""
    start, end = f"<!-- {mark} -->", f"<!-- /{mark} -->"
    page = RESULTS.read_text() if RESULTS.exists() else "# Results\n"
    block = f"{start}\n\n{text}\n\n{end}"
    if start in page:
        before, rest = page.split(start, 1)
        page = before + block + rest.split(end, 1)[1]
    else:
        page = page.rstrip() + "\n\n" + block + "\n"
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text(page)


def peak_mebibytes() -> int:
    """The most memory that this process itself ever held (Linux).

    Not getrusage's figure: in a process that another one started it begins with what that one had.
    """
    status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    return int(status["VmHWM"].split()[0]) // 1024
