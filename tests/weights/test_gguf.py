"""Tensors of GGUF files in blocks of 256 weights (K-quants) are read as ggml defines them, whole and in rows."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from lmzip.weights.gguf import GgufFile

gguf = pytest.importorskip("gguf")

N_ROWS, N_BLOCKS = 7, 2


def halves(data: np.ndarray) -> np.ndarray:
    return data.copy().view(np.float16).astype(np.float32)


def of_q4_k(block: np.ndarray) -> np.ndarray:
    """Return the 256 weights of `block_q4_K`: two scales of 16 bits, 12 bytes with eight scales and eight minima of six
    bits, 128 bytes with two weights of four bits each.
    """
    (d, d_min), packed, quants = halves(block[:4]), block[4:16].astype(int), block[16:]
    weights = []
    for i in range(8):
        if i < 4:
            scale, minimum = packed[i] & 63, packed[i + 4] & 63
        else:
            scale = packed[i + 4] & 15 | packed[i - 4] >> 6 << 4
            minimum = packed[i + 4] >> 4 | packed[i] >> 6 << 4
        some = quants[i // 2 * 32 :][:32] >> 4 * (i % 2) & 15
        weights.append(d * np.float32(scale) * some.astype(np.float32) - d_min * np.float32(minimum))
    return np.concatenate(weights)


def of_q6_k(block: np.ndarray) -> np.ndarray:
    """Return the 256 weights of `block_q6_K`: the lower four bits of each, the upper two, 16 scales of a byte, one of
    16 bits.
    """
    low, high, scales = block[:128].astype(int), block[128:192].astype(int), block[192:208].view(np.int8)
    d = halves(block[208:])[0]
    weights = np.zeros(256, np.float32)
    for at in range(256):
        half, place = at // 128, at % 128
        four = low[64 * half + place % 64] >> 4 * (place // 64) & 15
        two = high[32 * half + place % 32] >> 2 * (place // 32) & 3
        weights[at] = d * np.float32(scales[at // 16]) * np.float32((four | two << 4) - 32)
    return weights


@pytest.mark.parametrize(("kind", "of_block", "size"), [("Q4_K", of_q4_k, 144), ("Q6_K", of_q6_k, 210)])
def test_blocks_of_256(tmp_path: Path, kind: str, of_block, size: int) -> None:
    blocks = np.random.default_rng(3).integers(0, 256, (N_ROWS, N_BLOCKS, size), np.uint8)
    for at in (1, 3) if kind == "Q4_K" else (209,):
        blocks[..., at] = blocks[..., at] & 0x83 | 0x28  # halves that are neither large nor infinite
    path = tmp_path / "tensor.gguf"
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_tensor("x", blocks.reshape(N_ROWS, -1), raw_dtype=gguf.GGMLQuantizationType[kind])
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    expected = np.stack([np.concatenate([of_block(block) for block in row]) for row in blocks])
    with GgufFile(path) as file:
        assert file.shapes == {"x": (N_ROWS, 256 * N_BLOCKS)}
        assert np.allclose(file.load("x"), expected, rtol=1e-6, atol=0)
        assert np.allclose(file.load("x", 2, 3), expected[2:5], rtol=1e-6, atol=0)
