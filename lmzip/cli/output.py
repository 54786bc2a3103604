"""Where the output of one file goes, and the order of the last steps: nothing is removed before all is safe."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

from lmzip.cli import signals
from lmzip.cli.messages import Reporter
from lmzip.cli.options import Options
from lmzip.errors import LmzipError, Skipped
from lmzip.fileio import Closing, LocalTarget, Sink, Source, Target, compressed_name, is_url, named_sink, raw_name


class OutputError(Exception):
    """Writing failed; name: of the output; is_final: the next file's output would fail too."""

    def __init__(self, name: str, cause: OSError, is_final: bool = False) -> None:
        super().__init__(str(cause))
        self.name = name
        self.cause = cause
        self.is_final = is_final


class Output(Closing):
    """A sink, or a file that publish() gives its name; close() at any time leaves nothing unfinished.

    path: what it was given as a name, None for standard output; place: the sink or file.
    """

    def __init__(self, options: Options, reporter: Reporter, source: Source) -> None:
        """Decide where the output of source goes and refuse a place that is taken; makes nothing yet."""
        self.options = options
        self.reporter = reporter
        self.keeps_input = False  # whatever the options say
        if options.to_stdout or (options.output is None and source.name is None):
            self.path = None
        elif options.output is not None:
            self.path = options.output
        else:
            assert source.name is not None
            make_name = compressed_name if options.mode == "compress" else raw_name
            self.path = make_name(source.name, options.suffix)
        self.name = "standard output" if self.path is None else self.path
        if options.removes_input and source.name is not None and source.is_made_up:
            raise Skipped("is made up by the system when it is read, skipped; -k, -c and -o compress it")
        with self._failures_named():
            self.place = self._place(source)
        if self.place.is_input(source):
            self.close()
            raise LmzipError("input and output are the same file")

    def _place(self, source: Source) -> Sink | Target:
        if self.path is None:
            return Sink(1)
        if is_url(self.path):
            return self._remote(self.path)
        sink = named_sink(self.path) if self.options.output is not None else None
        if sink is None:
            return LocalTarget(self.path, force=self.options.force)
        if self.options.removes_input and source.name is not None:
            raise LmzipError("is no file that could take the input's place; -k keeps the input")
        return sink

    def _remote(self, url: str) -> Target:
        from lmzip.remote import RemoteTarget, discard_pending

        signals.on_end(discard_pending)
        return RemoteTarget(url, force=self.options.force)

    @contextmanager
    def _failures_named(self) -> Iterator[None]:
        """Say of what goes wrong that it concerns the output."""
        try:
            yield
        except OSError as error:
            raise OutputError(self.name, error, is_final=self.path is None) from None
        except LmzipError as error:
            raise LmzipError(f"output {self.name} {error}") from None

    @property
    def target(self) -> Target | None:
        """The file that it is, None for a sink."""
        return self.place if isinstance(self.place, Target) else None

    @property
    def is_standard_output(self) -> bool:
        """Whether data go to standard output, by whatever name."""
        return isinstance(self.place, Sink) and self.place.fd == 1

    @property
    def _is_terminal(self) -> bool:
        return isinstance(self.place, Sink) and os.isatty(self.place.fd)

    def removes(self, source: Source) -> bool:
        """Return whether the input makes room for this output; behind a URL only where --rm says so."""
        to_file = self.target is not None and source.name is not None
        is_wanted = self.options.removes_input and (source.is_local or self.options.removal == "remove")
        return to_file and is_wanted and not self.keeps_input

    def create(self) -> None:
        """Make the file, still without its name, or open the sink; raises OutputError, LmzipError."""
        with self._failures_named():
            self.place.create()
            if self.options.mode == "compress" and not self.options.force and self._is_terminal:
                raise LmzipError("is a terminal, compressed data is not written to it; -f forces it")

    def write(self, data) -> None:
        """Write compressed data; raises OutputError."""
        with self._failures_named():
            self.place.write(data)

    def write_sparse(self, data) -> None:
        """Write decompressed data, with holes where it goes to a file; raises OutputError."""
        with self._failures_named():
            self.place.write_sparse(data)

    def publish(self, source: Source) -> None:
        """Complete the output and, if that is wanted, remove the input; warn of what the output lacks.

        Raises InputChangedError and Skipped (nothing is published), Skipped and OSError (the output is there, the input
        was not removed), OutputError, LmzipError when someone else took the name.
        """
        if not isinstance(self.place, Target):
            with self._failures_named():
                self.place.finish()
            self._tell_of_change(source)
            return
        target = self.place
        removes = self.removes(source)
        with self._failures_named():
            target.take_attributes(source)
            if removes or self.options.sync:
                target.flush()
        if source.name is None:
            self._tell_of_change(source)
        elif not self.options.salvage:
            source.check_unchanged()
            if removes:
                source.check_size()
        with signals.deferred():
            with self._failures_named():
                target.publish(sync_folder=self.options.sync)
            self._tell_of_losses(target)
            if removes and target.is_local:  # else it takes time, in which an end leaves both, and does no harm
                self._remove(source)
        if removes and not target.is_local:
            with self._failures_named():
                target.check_published()
            self._remove(source)

    def _remove(self, source: Source) -> None:
        try:
            source.remove()
        except OSError as error:
            raise OSError(error.errno, f"cannot remove: {error.strerror}; both files are kept") from None

    def _tell_of_change(self, source: Source) -> None:
        """Warn of an input that changed where no harm comes of it but that the output is of some state of it."""
        if source.has_changed and not self.options.salvage:
            name = source.name if source.name is not None else "standard input"
            self.reporter.warning(name, "changed while it was read; the output may lack what came late", status=0)

    def _tell_of_losses(self, target: Target) -> None:
        """Warn of attributes that the output could not be given."""
        if target.lost:
            reasons = "; ".join(dict.fromkeys(target.lost.values()))
            self.reporter.warning(self.name, f"cannot set {', '.join(target.lost)}: {reasons}; the data are complete")

    def close(self) -> None:
        """Discard what was not published."""
        self.place.close()
