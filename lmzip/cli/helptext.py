"""--help, from the table of options."""

from __future__ import annotations

from click.formatting import HelpFormatter

from lmzip.cli.option_table import EPILOGUE, OPTIONS

SUMMARIES = {
    "lmzip": "Compress FILEs with a language model as predictor; -d decompresses.",
    "lmunzip": "Decompress FILEs that lmzip made; -z compresses.",
    "lmcat": "Decompress FILEs to standard output and copy those that are not compressed: lmunzip -cf.",
}
_WIDTH = 100


def option_rows() -> dict[str, list[tuple[str, str]]]:
    """Return (names with the argument, description) by heading; the nine levels share one row."""
    groups = {}
    for heading, options in OPTIONS.items():
        rows = []
        levels = [option.opts[0] for option in options if option.opts[0][1:].isdigit()]
        for option in options:
            names = ", ".join(option.opts)
            if levels and names == levels[0]:
                rows.append((", ".join(levels), "Level: 1 is fastest, 6 the default, 9 smallest."))
            elif names not in levels:
                argument = option.metavar or ""
                if argument and not argument.startswith("["):
                    argument = f" {argument}"
                rows.append((names + argument, option.help or ""))
        groups[heading] = rows
    return groups


def help_text(program: str) -> str:
    """Return what --help prints."""
    formatter = HelpFormatter(width=_WIDTH)
    formatter.write_usage(program, "[OPTION]... [FILE]...")
    formatter.write_text(SUMMARIES[program])
    for heading, rows in option_rows().items():
        with formatter.section(heading):
            formatter.write_dl(rows, col_max=34)
    formatter.write_paragraph()
    formatter.write_text(EPILOGUE)
    return formatter.getvalue()
