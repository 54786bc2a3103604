"""What is said when a file is done: the line of -v and the object of --json."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lmzip.cli.actions import Action
from lmzip.cli.messages import ERROR, printable, put, reason
from lmzip.cli.options import Options
from lmzip.cli.output import Output, OutputError
from lmzip.cli.progress import TellEvent, duration, speed
from lmzip.fileio import Source

if TYPE_CHECKING:
    from lmzip.codec import Summary


def tell(action: Action, source: Source, summary: Summary, seconds: float, output: Output | None) -> None:
    """Tell that the work on an input is done; output: None when it was only tested.  Raises OutputError."""
    options = action.options
    path = output.path if output is not None else None
    removed = output is not None and output.removes(source)
    if options.verbose:
        line = _line(options, summary, seconds, output is None, path, removed)
        action.reporter.info(source.name or "standard input", line)
    if options.json:
        record: dict[str, object] = {
            "name": source.name,  # null: standard input
            "action": options.action or options.mode,
            "output": path,
            "raw_size": summary.raw_size,
            "compressed_size": summary.compressed_size,
            "bits_per_byte": round(summary.bits_per_byte, 6),
            "frames": summary.n_frames,
            "blocks": summary.n_blocks,
            "stored_blocks": summary.n_stored,
            "bytes_outside_vocabulary": summary.n_outside,
            "content_hash": summary.content_hash.hex() if summary.content_hash else None,
            "seconds": round(seconds, 3),
            "verified": summary.verified,
            "input_removed": removed,
        }
        event: dict[str, object] = {"event": "done"} if options.json_progress else {}
        put_json(event | record, _fd(options, output))


def events(options: Options, name: str | None, output: Output | None) -> TellEvent | None:
    """Return what tells of events in the work on an input, None where nobody wants to know; raises OutputError."""
    if not options.json_progress:
        return None
    return lambda event, record: put_json({"event": event, "name": name, **record}, _fd(options, output))


def tell_failure(options: Options, name: str | None, output: Output | None, error: Exception) -> None:
    """Tell a program that the work on an input failed, or that it was left alone; raises OutputError."""
    if tell_event := events(options, name, output):
        status = getattr(error, "exit_status", ERROR)
        tell_event("failed", {"error": reason(getattr(error, "cause", error)), "exit_status": status})


def _fd(options: Options, output: Output | None) -> int:
    """Return where objects go: where the data themselves go to standard output, they must not be among them."""
    takes_data = output.is_standard_output if output else options.to_stdout and not options.action
    return 2 if takes_data else 1


def _line(options: Options, summary: Summary, seconds: float, tested: bool, path: str | None, removed: bool) -> str:
    sizes = [summary.raw_size, summary.compressed_size]
    if options.mode == "decompress" or tested:
        sizes.reverse()
    parts = ["ok"] if tested else []
    parts.append(f"{sizes[0]} -> {sizes[1]} bytes")
    parts += [f"{summary.bits_per_byte:.3f} bits/byte", duration(seconds), speed(summary.raw_size, seconds)]
    if summary.n_outside:
        parts.append(f"{summary.n_outside} bytes outside the model's vocabulary")
    if summary.verified:
        parts.append("verified")
    if path is not None:
        parts.append(f"{'replaced with' if removed else 'written to'} {printable(path)}")
    return ", ".join(parts)


def put_json(record: dict[str, object], fd: int = 1) -> None:
    """Write an object on a line; bytes of names that are no text come as lone surrogates.  Raises OutputError."""
    import json

    put_result(json.dumps(record) + "\n", fd)


def put_result(text: str, fd: int = 1) -> None:
    """Write text that was asked for; raises OutputError."""
    try:
        put(fd, text)
    except OSError as error:
        raise OutputError("standard output", error, is_final=True) from None
