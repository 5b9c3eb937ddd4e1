"""Writes the table of all features in docs/features.md out of the registry.

python tests/features/document.py
"""

from __future__ import annotations

from pathlib import Path

from oracle.features import registry

DOCUMENT = Path(__file__).parents[2] / "docs" / "features.md"
BEGIN, END = "<!-- table -->\n", "<!-- end -->\n"


def table() -> str:
    """Return the features as rows of Markdown, in the order of the matrix."""
    form = {feature.name for feature in registry.features("form")}
    lines = ["| feature | sets | source | known | missing | version | meaning |", "|---|---|---|---|---|---|---|"]
    for f in registry.features("market"):
        sets = "form, market" if f.name in form else "market"
        lines.append(f"| `{f.name}` | {sets} | {f.source} | {f.known} | {f.missing} | {f.version} | {f.meaning} |")
    return "\n".join(lines) + "\n"


def rewritten(text: str) -> str:
    """Return the document with the table as the registry has it now."""
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    return before + BEGIN + table() + END + after


if __name__ == "__main__":
    DOCUMENT.write_text(rewritten(DOCUMENT.read_text("utf-8")), "utf-8")
