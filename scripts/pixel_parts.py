"""The parts of the predictor of pixels, each as the edits that take it out of the kernel (scripts/measure_parts.py)."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple


class Edit(NamedTuple):
    """What stands once in a file of the kernel, and what takes its place."""

    file: str
    old: str
    new: str

    def apply(self, folder: Path) -> None:
        """Edit the file in a folder of the kernel's sources; raises ValueError where the old text is not there once."""
        path = folder / self.file
        text = path.read_text()
        if text.count(self.old) != 1:
            raise ValueError(f"{self.file} does not have once: {self.old}")
        path.write_text(text.replace(self.old, self.new))


def _shape(numbers: str) -> Edit:
    """Return another shape of profile 4: n_own, n_others, n_taps, n_cells, n_sets, cell_bits."""
    return Edit("pixels_base.c", "{24, 14, 23, 8, 5, 19}", f"{{{numbers}}}")


_LEARNED = "n_learned = 1 + (s->shape->n_taps > 0) + N_CORRECTIONS"
_NO_MEAN_SQUARES = [
    Edit("pixels_learned.h", "    predict_by_mean_squares(s, p);\n", ""),
    Edit("pixels_learned.h", "    learn_mean_squares(s, p, value);\n", ""),
]
_NO_SQUARES = _shape("24, 14, 0, 8, 5, 19")
_NO_CORRECTIONS = [
    Edit("pixels_learned.h", "    predict_corrected(s, p);\n", ""),
    Edit(
        "pixels_learned.h",
        "    for (int k = 0; k < N_CORRECTIONS; k++) {\n        const int32_t error",
        "    for (int k = 0; k < 0; k++) {\n        const int32_t error",
    ),
]
PARTS: dict[str, list[Edit]] = {
    "nothing": [],
    "learned predictions": [
        *_NO_MEAN_SQUARES,
        _NO_SQUARES,
        *_NO_CORRECTIONS,
        Edit("pixels_base.h", _LEARNED, "n_learned = 0"),
    ],
    "least squares": [_NO_SQUARES],
    "least mean squares": [
        *_NO_MEAN_SQUARES,
        Edit("pixels_base.h", _LEARNED, "n_learned = (s->shape->n_taps > 0) + N_CORRECTIONS"),
    ],
    "corrections": [
        *_NO_CORRECTIONS,
        Edit("pixels_base.h", _LEARNED, "n_learned = 1 + (s->shape->n_taps > 0)"),
    ],
    "starting values of learned predictions": [
        Edit("pixels_base.c", "= start[k] * 65536;", "= 0;"),
        Edit("pixels_base.c", "= start[squares->input_of_tap[k]] * 1024;", "= 0;"),
    ],
    "cells of exact contexts": [_shape("24, 14, 23, 0, 5, 19")],
    "differences to other channels": [_shape("24, 0, 23, 8, 5, 19")],
    "two thirds of the fixed predictions (8 and 8 of 24 and 14)": [_shape("8, 8, 23, 8, 5, 19")],
    "sets of weights but that of c0": [_shape("24, 14, 23, 8, 1, 19")],
    "the sets of texture and of the last error": [_shape("24, 14, 23, 8, 3, 19")],
    "classes of each prediction's own errors (the blend's for all)": [
        Edit("pixels_bit.h", "s->error_class[sums[k]]) * N_BINS", "(size_t)b->error_class) * N_BINS")
    ],
    "adaptive maps": [Edit("pixels_bit.h", "return bounded(sum >> 2);", "return bounded(r->p_mixed);")],
}
