"""Build description of the native kernel for cffi (API mode, stable ABI); run by setup.py only."""

from __future__ import annotations

from pathlib import Path

from cffi import FFI

HERE = Path(__file__).parent
ROOT = HERE.parent.parent


def _declarations() -> str:
    """Return what cffi must know of lmz.h: the part between the include guards, without preprocessor lines."""
    lines = (HERE / "src" / "lmz.h").read_text().splitlines()
    sizes = ("MAX_RAW_SIZE", "MAX_SHOWN", "MAX_DICTIONARY_SIZE", "NOTED_SIZE")
    constants = tuple(f"#define LMZ_{name} " for name in ("MAX_LANES", "MAX_ORDERS", "SCRATCH_RATE", *sizes))
    return "\n".join(
        line.split("/*")[0] if line.startswith(constants) else "" if line.startswith("#") else line for line in lines
    )


ffibuilder = FFI()
ffibuilder.cdef(_declarations())
ffibuilder.set_source(
    "lmzip.native._kernel",
    '#include "lmz.h"',
    sources=[str(p.relative_to(ROOT)) for p in sorted((HERE / "src").glob("*.c"))],
    depends=[str(p.relative_to(ROOT)) for p in sorted((HERE / "src").glob("*.[hi]*"))],
    include_dirs=[str((HERE / "src").relative_to(ROOT))],
    # Python adds -fwrapv, which keeps loops from being vectorised; the kernel is free of overflow (make asan).  It may
    # add -g too, which is four fifths of the file.
    extra_compile_args=["-O3", "-std=c99", "-D_GNU_SOURCE", "-fno-wrapv", "-g0"],
    py_limited_api=True,
)
