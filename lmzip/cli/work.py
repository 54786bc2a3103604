"""Compress, decompress, test: the work on one file, from opening to the line that -v prints."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from lmzip.cli import signals
from lmzip.cli.actions import Action
from lmzip.cli.chosen_model import ChosenModel
from lmzip.cli.inputs import STDIN, open_input
from lmzip.cli.messages import WARNING, Reporter, printable
from lmzip.cli.options import Options
from lmzip.cli.output import Output
from lmzip.cli.progress import Meter, TellEvent, duration
from lmzip.cli.results import events, tell, tell_failure
from lmzip.errors import DamagedError, LmzipError, TruncatedError
from lmzip.fileio import LocalTarget, Source
from lmzip.format.header import MAGIC

if TYPE_CHECKING:
    from lmzip.cli.journal import Journal
    from lmzip.codec import Summary, Tables
    from lmzip.codec.jobs import Engine

_COPY_SIZE = 1 << 20
_MAX_PIECES = 1 << 16  # heads and trailers that are looked at to know how much there is to do


class Work(Action):
    """Does one of the three to file after file; what differs between files is nothing but their names."""

    engine: Engine | None = None  # what codes blocks elsewhere
    journal: Journal | None = None  # of what is done, for --resume

    def __init__(self, options: Options, reporter: Reporter, chosen: ChosenModel) -> None:
        super().__init__(options, reporter, chosen)
        self._told_of_model: set[int] = set()  # statuses of the warnings that were given

    def begin(self, names: Iterator[str]) -> Iterable[str]:
        """Open the list of --resume and leave out what is done; raises CallError."""
        options = self.options
        if options.resume is None:
            return names
        from lmzip.cli.journal import Journal

        self.journal = Journal(options.resume, options.action or options.mode)
        return self.journal.left(names)

    def close(self) -> None:
        """Let others use the list."""
        if self.journal:
            self.journal.close()

    def run(self, name: str, shown: str) -> None:
        """Work on one input.  Raises LmzipError, OSError, OutputError; then nothing has changed but as they say."""
        output: Output | None = None
        try:
            with self._opened(name) as source:
                if self.options.action == "test":
                    self.chosen.find()
                    self._test(source, shown)
                else:
                    with Output(self.options, self.reporter, source) as output:
                        self.chosen.find()
                        self._make(source, output, shown)
                if self.journal:
                    self.journal.done(source)
        except Exception as error:
            tell_failure(self.options, None if name == STDIN else name, output, error)
            raise

    def _opened(self, name: str) -> Source:
        options = self.options
        in_place = not options.action and (options.output is None or options.removes_input)
        return open_input(name, in_place=in_place, force=options.force)

    def _make(self, source: Source, output: Output, shown: str) -> None:
        if self.options.mode == "compress":
            if self.chosen.original and output.removes(source) and source.name is not None:
                self.chosen.original.refuse_removal(source.name)
            self._compress(source, output, shown)
        elif self.options.range:
            self._extract(source, output, shown)
        else:
            self._decompress(source, output, shown)

    def _compress(self, source: Source, output: Output, shown: str) -> None:
        from lmzip import codec

        options = self.options
        if options.max_time is not None:
            self._refuse_if_slow(source, options.max_time)
        # What goes from pipe to pipe removes nothing, so it is verified only when asked for.
        verifies = options.verifies if output.target else options.verification == "on"
        verify: Any = None
        if verifies:
            verify = output.target.read_at if isinstance(output.target, LocalTarget) else True
        phases = ("compress", "verify") if verifies else ("compress",)
        start = time.monotonic()
        with self._metered(shown, phases, source.size, events(options, source.name, output)) as meter:
            meter.summary = summary = codec.Summary()
            output.create()
            codec.compress_stream(
                source.read,
                output.write,
                **self.compression(),
                engine=self.engine,
                progress=meter.advance,
                verify=verify,
                summary=summary,
            )
        lacks_model = summary.names_model and not self._model_is_found_again()
        would_remove = output.removes(source)
        output.keeps_input = lacks_model
        self._publish(source, output)
        if lacks_model:
            self._tell_of_model(would_remove)
        self.tell(source, summary, time.monotonic() - start, output)

    @contextmanager
    def _metered(
        self, shown: str, phases: tuple[str, ...], total: int | None, tell_event: TellEvent | None
    ) -> Iterator[Meter]:
        """Show progress within."""
        with Meter(self.reporter, shown, phases, total, tell_event) as meter, signals.reporting(meter.report):
            yield meter

    def tell(self, source: Source, summary: Summary, seconds: float, output: Output | None) -> None:
        """Tell that the work on an input is done; raises OutputError."""
        tell(self, source, summary, seconds, output)

    def _model_is_found_again(self) -> bool:
        """Return whether lmunzip without options finds the model that was compressed with."""
        model = self.chosen.model
        if model is None or self.options.model_variable is not None:
            return True
        return self.chosen.registry.is_installed(model.digest)

    def _tell_of_model(self, input_is_kept: bool) -> None:
        """Warn once of output that needs a model which only this call was given, and once of inputs kept for it."""
        from lmzip.models.registry import user_folder

        status = WARNING if input_is_kept else 0
        self.reporter.fail(status)
        if status in self._told_of_model:
            return
        self._told_of_model.add(status)
        kept = ", so input files are kept" if input_is_kept else ""
        self.reporter.warning(
            None,
            f"lmunzip will not find the model {printable(self.options.model)} by itself{kept}; copy it to "
            f"{printable(str(user_folder()))} or name it in LMZIP_MODEL_PATH",
            status,
        )

    def _refuse_if_slow(self, source: Source, limit: float) -> None:
        from lmzip.cli.estimate import estimate

        if source.whole_size is None:
            raise LmzipError("--max-time needs a file, whose size is known")
        expected = estimate(source, self.options, self.chosen).seconds
        if expected > limit:
            raise LmzipError(f"would take about {duration(expected)}, --max-time is {duration(limit)}")

    def _decompress(self, source: Source, output: Output, shown: str) -> None:
        options = self.options
        if options.force and output.target is None and not options.salvage and self._copies_plain(source, output):
            return
        start = time.monotonic()
        output.create()
        summary = self._decode(source, output, shown, "decompress")
        self._tell_holes(summary, shown)
        if summary.holes and not summary.raw_size:
            raise DamagedError("nothing could be saved")
        self._publish(source, output)
        self.tell(source, summary, time.monotonic() - start, output)

    def _publish(self, source: Source, output: Output) -> None:
        if self.journal:
            self.journal.publishing(source, output.path)
        output.publish(source)

    def _copies_plain(self, source: Source, output: Output) -> bool:
        """Copy an input that is not compressed as it is; return whether it was such a one."""
        head = source.peek(len(MAGIC))
        if head == MAGIC:
            return False
        if head and MAGIC.startswith(head):
            raise TruncatedError("unexpected end of file in the header")
        output.create()
        while data := source.read(_COPY_SIZE):
            output.write(data)
        output.publish(source)
        return True

    def _decode(self, source: Source, output: Output | None, shown: str, phase: str) -> Summary:
        from lmzip import codec

        total, tell_event = _raw_size(source), events(self.options, source.name, output)
        write: Callable[[Any], object] = output.write_sparse if output else len
        with self._metered(shown, (phase,), total, tell_event) as meter:
            return codec.decompress_stream(
                source.read,
                write,
                **self.coding(),
                engine=self.engine,
                progress=lambda _, n: meter.advance(phase, n),
                salvage=self.options.salvage,
                tables=self._tables(source),
            )

    def _tables(self, source: Source) -> Tables:
        """Return what tables of a file to be salvaged tell of its damaged places."""
        from lmzip import codec

        if not self.options.salvage or source.whole_size is None:
            return codec.NO_TABLES
        start = source.whole_size - (source.size or 0)
        with source.file() as file:
            return codec.read_tables(file, start)

    def _test(self, source: Source, shown: str) -> None:
        start = time.monotonic()
        summary = self._decode(source, None, shown, "test")
        seconds = time.monotonic() - start
        self._tell_holes(summary, shown)
        if not summary.holes:
            self.tell(source, summary, seconds, None)

    def _tell_holes(self, summary: Summary, shown: str) -> None:
        """Report what salvage could not save, a line for each place."""
        for hole in summary.holes:
            size = "an unknown number of" if hole.raw_size is None else str(hole.raw_size)
            self.reporter.error(
                shown, f"{hole.reason}; {size} bytes are missing at byte {hole.raw_offset} of the output"
            )

    def _extract(self, source: Source, output: Output, shown: str) -> None:
        from lmzip import codec

        if source.whole_size is None:
            raise LmzipError("--range needs a file, not a pipe")
        offset, size = self.options.range or (0, 0)
        output.create()
        with source.file() as file:
            given = self.coding()
            del given["threads"]
            for piece in codec.read_range(file, offset, size, **given):
                output.write_sparse(piece)
        source.read_size = source.whole_size  # only a part was read, on purpose
        output.publish(source)


def _raw_size(source: Source) -> int | None:
    """Return the size of the decompressed data from the heads of a file's blocks, None where they cannot be read."""
    from lmzip.codec.source import FileSource
    from lmzip.format.frames import Block, read_frames

    if source.whole_size is None or source.name is None or not source.is_local:  # of a URL a request for each block
        return None
    size = 0
    try:
        with source.file() as file:
            for number, piece in enumerate(read_frames(FileSource(file), with_payloads=False)):
                if number >= _MAX_PIECES:
                    return None
                if isinstance(piece, Block):
                    size += piece.head.raw_size
    except (LmzipError, OSError, ValueError):
        return None
    return size
