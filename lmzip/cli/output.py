"""Where the output of one file goes, and the order of the last steps: nothing is removed before all is safe."""

from __future__ import annotations

import os

from lmzip.cli import signals
from lmzip.cli.options import Options
from lmzip.errors import LmzipError
from lmzip.fileio import Sink, Source, Target, compressed_name, raw_name, same_file, standard_output

_STDOUT_NAME = "standard output"


class OutputError(Exception):
    """Writing failed; name: of the output; is_final: the next file's output would fail too."""

    def __init__(self, name: str, cause: OSError, is_final: bool = False) -> None:
        super().__init__(str(cause))
        self.name = name
        self.cause = cause
        self.is_final = is_final


class Output:
    """Standard output, or a file that publish() gives its name; close() at any time leaves nothing unfinished."""

    def __init__(self, options: Options, source: Source) -> None:
        """Decide where the output of source goes and refuse a place that is taken; makes nothing yet."""
        self.options = options
        self.sink: Sink | None = None
        self.target: Target | None = None
        self.keeps_input = False  # whatever the options say
        if options.to_stdout or (options.output is None and source.name is None):
            self.name = _STDOUT_NAME
            self.sink = standard_output()
            if source.is_regular and same_file(self.sink.fd, source.status):
                raise LmzipError("input and output are the same file")
            return
        if options.output is not None:
            self.name = options.output
        else:
            assert source.name is not None
            make_name = compressed_name if options.mode == "compress" else raw_name
            self.name = make_name(source.name, options.suffix)
        try:
            self.target = Target(self.name, force=options.force)
        except OSError as error:
            raise OutputError(self.name, error) from None
        except LmzipError as error:
            raise LmzipError(f"output {self.name} {error}") from None
        if self.target.is_name_of(source.status):
            self.target.close()
            raise LmzipError("input and output are the same file")

    def removes(self, source: Source) -> bool:
        """Return whether the input makes room for this output."""
        to_file = self.target is not None and source.name is not None
        return to_file and self.options.removes_input and not self.keeps_input

    def create(self) -> None:
        """Make the file, still without its name; raises OutputError."""
        if self.target is not None:
            try:
                self.target.create()
            except OSError as error:
                raise OutputError(self.name, error) from None

    def write(self, data) -> None:
        """Write compressed data; raises OutputError."""
        try:
            (self.sink if self.sink is not None else self._file()).write(data)
        except OSError as error:
            raise OutputError(self.name, error, is_final=self.sink is not None) from None

    def write_sparse(self, data) -> None:
        """Write decompressed data, with holes where it goes to a file; raises OutputError."""
        if self.sink is not None:
            self.write(data)
            return
        try:
            self._file().write_sparse(data)
        except OSError as error:
            raise OutputError(self.name, error) from None

    def _file(self) -> Target:
        assert self.target is not None
        return self.target

    def publish(self, source: Source) -> None:
        """Complete the output and, if that is wanted, remove the input.

        Raises InputChangedError (nothing is published), Skipped and OSError (the output is there, the input was not
        removed), OutputError, LmzipError when someone else took the name.
        """
        if self.sink is not None:
            try:
                self.sink.finish()
            except OSError as error:
                raise OutputError(self.name, error, is_final=True) from None
            return
        target = self._file()
        removes = self.removes(source)
        try:
            if source.name is not None and source.is_regular:
                target.copy_attributes(source.status, source.fd)
            else:
                target.set_mode(0o666 & ~_umask())
            if removes or self.options.sync:
                target.flush()
        except OSError as error:
            raise OutputError(self.name, error) from None
        if source.name is not None and not self.options.salvage:
            source.check_unchanged()
        with signals.deferred():
            try:
                target.publish(sync_folder=self.options.sync)
            except OSError as error:
                raise OutputError(self.name, error) from None
            except LmzipError as error:
                raise LmzipError(f"output {self.name} {error}") from None
            if removes:
                try:
                    source.remove()
                except OSError as error:
                    raise OSError(error.errno, f"cannot remove: {error.strerror}; both files are kept") from None

    def close(self) -> None:
        """Discard what was not published."""
        if self.target is not None:
            self.target.close()

    def __enter__(self) -> Output:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _umask() -> int:
    """Return the process's file mode creation mask, which can only be read by setting it."""
    mask = os.umask(0o077)
    os.umask(mask)
    return mask
