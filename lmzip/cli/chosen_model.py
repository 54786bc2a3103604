"""Model and dictionary that the user asked for: found when the first file needs them, after all that needs none."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from lmzip.cli.chosen_dictionary import ChosenDictionary
from lmzip.cli.chosen_original import ChosenOriginal
from lmzip.cli.completing import AUTO
from lmzip.cli.messages import ERROR, UNSUPPORTED, CallError, Reporter, printable, reason
from lmzip.cli.option_table import ULTRA
from lmzip.cli.options import Options
from lmzip.errors import LmzipError, MemoryLimitError
from lmzip.models.hf.numerics import Settings
from lmzip.models.registry import BUILT_IN, Registry
from lmzip.twin.device import PROCESSOR

if TYPE_CHECKING:
    from lmzip.models.base import Model


class ChosenModel:
    """The models of one call of a program, and which of them it compresses with."""

    def __init__(self, options: Options, reporter: Reporter) -> None:
        self.model: Model | None = None  # None: the level's own
        self._options, self._reporter = options, reporter
        self._compresses = options.mode == "compress" and options.action != "test"
        self.registry = self._new_registry()
        self.dictionary: ChosenDictionary | None = None
        if options.dictionary is not None:
            self.dictionary = ChosenDictionary(options.dictionary, options.dictionary_size)
        self.original: ChosenOriginal | None = None
        if options.patch_from is not None:
            self.original = ChosenOriginal(options.patch_from, options.memory_limit)
        self._was_looked_for = False
        self._lock = threading.Lock()

    def _new_registry(self) -> Registry:
        options = self._options
        # Decompression takes the threads from the frame: with others, other sums come out.
        threads = options.threads or None if self._compresses else None
        return Registry(Settings(options.device, options.dtype, threads, options.allow_download))

    def find(self) -> None:
        """Find a model that was named or given by path, also for decompression, and the dictionary or file to
        compress with.

        Does nothing the second time, but for what was not found.

        To be called where it is settled that there is work, before anything is read or written.  Raises CallError for
        one that was said and is not here or cannot be used; warns of one from the environment.
        """
        with self._lock:
            if not self._was_looked_for:
                self._find()
                self._was_looked_for = True

    def _find(self) -> None:
        options = self._options
        if self._compresses:
            try:
                if self.dictionary:
                    self.dictionary.to_compress()
                if self.original:
                    self.original.original()
            except MemoryLimitError as error:
                raise CallError(f"--patch-from {reason(error)}", ERROR) from None
            except LmzipError as error:
                raise CallError(reason(error), UNSUPPORTED) from None
        if self._compresses and not options.is_float_model:
            self._check_device()
        try:
            if self._compresses:
                self._find_to_compress(options.model)
            elif options.model not in (AUTO, BUILT_IN, ULTRA):  # what is compressed says by itself which model it needs
                self.registry.add_path(options.model)
        except (LmzipError, OSError, MemoryError) as error:
            if options.model_variable is None:
                lacks_memory = isinstance(error, (MemoryLimitError, MemoryError))
                raise CallError(reason(error), ERROR if lacks_memory else UNSUPPORTED) from None
            self._reporter.warning(None, f"{options.model_variable}={options.model!r} ignored: {reason(error)}", 0)
            options.model, self.model = AUTO, None

    def _check_device(self) -> None:
        """Raise CallError for a device that was said and is not here; warn of one from the environment."""
        options = self._options
        try:
            self.registry.check_device()
        except LmzipError as error:
            if options.device_variable is None:
                raise CallError(reason(error), UNSUPPORTED) from None
            self._reporter.warning(None, f"{options.device_variable}={options.device} ignored: {reason(error)}", 0)
            options.device = PROCESSOR
            self.registry = self._new_registry()

    def _find_to_compress(self, name: str) -> None:
        """Find a model and load it: only that tells whether its weights are whole."""
        from lmzip.codec.memory import check_weights

        if name == AUTO:
            return
        model = self.registry.strongest() if name == ULTRA else self.registry.model(name)
        check_weights(model, self._options.memory_limit)
        model.load()
        self.model = model
        if name == ULTRA:
            self._reporter.warning(None, f"--ultra takes {printable(model.name)}, the largest model here", 0)
