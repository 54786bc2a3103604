"""Completion scripts for bash, zsh and fish, from the table of options; --completion SHELL prints them."""

from __future__ import annotations

import re

import click

from lmzip.cli.option_table import option_groups
from lmzip.cli.options import AUTO, DEVICES
from lmzip.fileio import SUFFIX
from lmzip.models import registry

_PROGRAMS = ("lmzip", "lmunzip", "lmcat")
_COMPRESSED = (SUFFIX, ".tlmz")
# Those that ship: what else is on a machine is known to a start of the program only, and completion has to be quick.
_MODELS = (AUTO, registry.BUILT_IN, registry.default_name())

_BASH = """\
# bash completion of lmzip, lmunzip and lmcat; made by `lmzip --completion bash`
_lmzip() {{
    local current=${{COMP_WORDS[COMP_CWORD]}} previous=${{COMP_WORDS[COMP_CWORD-1]}} word name
    COMPREPLY=()
    case $previous in
{values}
    esac
    if [[ $current == -* ]]; then
        mapfile -t COMPREPLY < <(compgen -W '{options}' -- "$current")
        return
    fi
    # Compressed files only, where they are what is worked on; directories always, to get to them.
    local decompress=
    [[ ${{COMP_WORDS[0]##*/}} == lmunzip ]] && decompress=1
    for word in "${{COMP_WORDS[@]:1:COMP_CWORD-1}}"; do
        case $word in
        --decompress | --uncompress | --test | --list | --salvage) decompress=1 ;;
        --*) ;;
        -*[dtl]*) decompress=1 ;;
        esac
    done
    compopt -o filenames 2>/dev/null
    while IFS= read -r name; do
        if [[ -d $name || -z $decompress ]]; then
            COMPREPLY+=("$name")
        else
            case ${{name,,}} in {suffixes}) COMPREPLY+=("$name") ;; esac
        fi
    done < <(compgen -f -- "$current")
}}
complete -F _lmzip {programs}
"""

_ZSH = """\
#compdef {programs}
# zsh completion of lmzip, lmunzip and lmcat; made by `lmzip --completion zsh`
_lmzip() {{
    local files='*:file:_files'
    if [[ $service == lmunzip || -n ${{words[(r)-(|[^-]*)[dtl]*]}} || \\
          -n ${{words[(r)--(decompress|uncompress|test|list|salvage)]}} ]]; then
        files='*:compressed file:_files -g "*(#i)({suffixes})"'
    fi
    _arguments -s -S \\
{arguments}
        "$files"
}}
_lmzip "$@"
"""

_FISH = """\
# fish completion of lmzip, lmunzip and lmcat; made by `lmzip --completion fish`
function __lmzip_decompresses
    set -l words (commandline -opc)
    string match -qr 'lmunzip$' -- $words[1]; and return 0
    string match -qr -- '^(-[^-]*[dtl].*|--(decompress|uncompress|test|list|salvage))$' $words[2..-1]
end
function __lmzip_files
    string match -ri -- '^.*(?:{suffixes}|/)$' (complete -C "__fish_command_without_completions "(commandline -ct))
end
for program in {programs}
    complete -c $program -n __lmzip_decompresses -f -a '(__lmzip_files)'
{options}
end
"""


def _options() -> list[click.Option]:
    return [option for group in option_groups().values() for option in group]


def _choices(option: click.Option) -> tuple[str, ...]:
    """Return the values of an option that can be listed."""
    if option.name == "model":
        return _MODELS
    if option.name == "get_model":
        from lmzip.models.importing.known import KNOWN

        return tuple(KNOWN)
    if option.name == "device":
        return DEVICES
    return tuple(option.type.choices) if isinstance(option.type, click.Choice) else ()


def _takes_value(option: click.Option) -> bool:
    return not option.is_flag and not option.count


def _takes_file(option: click.Option) -> bool:
    return option.metavar in ("FILE", "PATH", "NAME|PATH")


def _bash() -> str:
    values = []
    for option in filter(_takes_value, _options()):
        names = " | ".join(option.opts)
        words = f"-W '{' '.join(_choices(option))}' " if _choices(option) else ""
        files = "-f " if _takes_file(option) else ""
        action = f'mapfile -t COMPREPLY < <(compgen {words}{files}-- "$current"); ' if words or files else ""
        if files:
            action = "compopt -o filenames 2>/dev/null; " + action
        values.append(f"    {names}) {action}return ;;")
    names = " ".join(name for option in _options() for name in option.opts)
    return _BASH.format(
        values="\n".join(values),
        options=names,
        suffixes=" | ".join(f"*{suffix}" for suffix in _COMPRESSED),
        programs=" ".join(_PROGRAMS),
    )


def _zsh_quoted(text: str) -> str:
    for char in "[]:":
        text = text.replace(char, "\\" + char)
    return text.replace("'", "'\\''")


def _zsh_source(option: click.Option) -> str:
    """Return what _arguments takes the values of an option from."""
    choices = " ".join(_choices(option))
    if not _takes_file(option):
        return f"({choices})" if choices else " "
    return f'{{_alternative "names\\:name\\:({choices})" "files\\:file\\:_files"}}' if choices else "_files"


def _zsh() -> str:
    lines = []
    for option in _options():
        text = _zsh_quoted((option.help or "").rstrip("."))
        value = ""
        if _takes_value(option):
            value = f":{_zsh_quoted(option.metavar or 'value')}:{_zsh_source(option)}"
        repeated = "*" if option.count else ""
        for name in option.opts:
            # `+` and `=`: the value may be joined to the name.
            joined = "" if not value else "=" if name.startswith("--") else "+"
            lines.append(f"        '{repeated}{name}{joined}[{text}]{value}' \\")
    return _ZSH.format(programs=" ".join(_PROGRAMS), suffixes="|".join(_COMPRESSED), arguments="\n".join(lines))


def _fish() -> str:
    lines = []
    for option in _options():
        parts = ["    complete -c $program"]
        for name in option.opts:
            parts.append(f"-l {name[2:]}" if name.startswith("--") else f"-s {name[1:]}")
        if _takes_value(option):
            choices = f" -a '{' '.join(_choices(option))}'" if _choices(option) else ""
            # -F: files too where the command itself takes compressed ones only.
            parts.append(("-r -F" if _takes_file(option) else "-x") + choices)
        text = (option.help or "").rstrip(".").replace("\\", "\\\\").replace("'", "\\'")
        lines.append(" ".join([*parts, f"-d '{text}'"]))
    suffixes = "|".join(map(re.escape, _COMPRESSED))
    return _FISH.format(programs=" ".join(_PROGRAMS), suffixes=suffixes, options="\n".join(lines))


def completion_script(shell: str) -> str:
    """Return the completion script for bash, zsh or fish."""
    return {"bash": _bash, "zsh": _zsh, "fish": _fish}[shell]()
