"""Text and options in the language of manual pages."""

from __future__ import annotations

import re


def roff(text: str) -> str:
    """Return text in which roff sees no command."""
    text = text.replace("\\", "\\e").replace("-", "\\-")
    return re.sub(r"^(?=[.'])", r"\\&", text, flags=re.MULTILINE)


def option_entry(names: str, description: str) -> str:
    """Return the entry of one option: its names bold, its argument in italics."""
    options, _, argument = names.rpartition(" ") if re.search(r" [A-Z.,|]+$", names) else (names, "", "")
    label = "\\fB" + roff(options).replace(", ", "\\fR, \\fB") + "\\fR"
    if argument:
        label += f" \\fI{roff(argument)}\\fR"
    return f".TP\n{label}\n{roff(description)}"
