"""The model that the user asked for: found when the first file needs it, which is after all that needs none."""

from __future__ import annotations

from lmzip.cli.messages import ERROR, FOREIGN, CallError, Reporter, reason
from lmzip.cli.option_table import ULTRA
from lmzip.cli.options import AUTO, Options
from lmzip.errors import LmzipError, MemoryLimitError
from lmzip.models.hf.settings import Settings


def find_model(options: Options, reporter: Reporter) -> None:
    """Make a model that was named or given by path known, also to decompression; does nothing the second time.

    To be called where it is settled that there is work, before anything is read or written.  Raises CallError for one
    that was said and is not here or cannot be used; warns of one from the environment.
    """
    from lmzip.models import registry

    if options.model_is_found:
        return
    options.model_is_found = True
    compresses = options.mode == "compress" and options.action not in ("test", "list-models")
    # Decompression takes the threads from the frame: with others, other sums come out.
    threads = options.threads or None if compresses else None
    registry.configure(Settings(options.device, options.dtype, threads, options.allow_download))
    if options.model in (AUTO, registry.BUILT_IN):
        return
    try:
        if options.model == ULTRA:
            # What is compressed says by itself which model it needs.
            options.model = str(registry.strongest()) if compresses else AUTO
            if not compresses:
                return
        if options.is_foreign and not compresses:
            registry.tell_of(options.model)
            return
        registry.by_name(options.model)
        if compresses:
            _unpack_model(options)
    except (LmzipError, OSError, MemoryError) as error:
        if options.model_variable is None:
            lacks_memory = isinstance(error, (MemoryLimitError, MemoryError))
            raise CallError(reason(error), ERROR if lacks_memory else FOREIGN) from None
        reporter.warning(None, f"{options.model_variable}={options.model!r} ignored: {reason(error)}", 0)
        options.model = AUTO


def _unpack_model(options: Options) -> None:
    """Raise UnsupportedError if the chosen weights are not whole: only to unpack them tells; MemoryLimitError."""
    from lmzip import codec

    limit = options.memory_limit
    codec.compress_memory(options.level, block_size=1, threads=1, model=options.chosen_model, memory_limit=limit)
