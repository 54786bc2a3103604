"""mimetypes: a.csv.lmz is text/csv in the encoding "lmzip", a.tlmz an archive of tar in it."""

from __future__ import annotations

import mimetypes

MIME_TYPE = "application/x-lmz"  # as share/mime/lmzip.xml has it


def register() -> None:
    """Have mimetypes.guess_type know the suffixes."""
    mimetypes.init()
    mimetypes.encodings_map[".lmz"] = "lmzip"
    mimetypes.suffix_map[".tlmz"] = ".tar.lmz"
