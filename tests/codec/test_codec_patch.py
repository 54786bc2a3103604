"""Frames whose blocks have copies of an original: both ways, in parts, in threads, damaged, and without it."""

from __future__ import annotations

import io
import random
from dataclasses import replace

import pytest
from codec_tools import pack, unpack, written_before_error
from conftest import SAMPLE

import lmzip
from lmzip import codec
from lmzip.codec.memory import decode_need, encode_need
from lmzip.codec.settings import settings_for
from lmzip.dictionary import Dictionary
from lmzip.errors import DamagedError, MemoryLimitError, OriginalMissingError, UnsupportedError
from lmzip.format.block import BASE, STORED, BlockHead, data_check
from lmzip.format.header import pack_header, record_of_original
from lmzip.format.trailer import Trailer, content_hash
from lmzip.models.base import Model
from lmzip.models.original import patching
from lmzip.original import Original
from lmzip.reference import container
from lmzip.reference.faults import DamagedFile, UnsupportedFile
from lmzip.stream import shared

TEXT = SAMPLE.read_bytes()
ORIGINAL = Original(TEXT[:30000])
NOISE = random.Random(2).randbytes(20000)


def new_version(old: bytes) -> bytes:
    """Return bytes with a word changed every 3000, and a sentence put in."""
    new = bytearray(old)
    for at in range(1000, len(new), 3000):
        new[at : at + 6] = b"change"
    return bytes(
        new[:12000] + b"This sentence stands in the new version only, and no word of it before. " + new[12000:]
    )


RAW = new_version(ORIGINAL.data)


def blocks_of(data: bytes):
    (frame,) = codec.list_frames(io.BytesIO(data))
    return frame.blocks


def by_the_reference(data: bytes, original: bytes) -> bytes:
    return container.decode(data, {}.__getitem__, [b"another", original])


@pytest.mark.parametrize("level", [1, 2, 3, 4, 5, 6])
def test_there_and_back_and_far_smaller(level):
    data, summary = pack(RAW, level=level, patch_from=ORIGINAL, verify=True)
    assert unpack(data, patch_from=ORIGINAL)[0] == RAW and summary.verified
    assert len(data) < 300 < len(pack(RAW, level=level)[0]) / 20
    (frame,) = codec.list_frames(io.BytesIO(data))
    assert frame.header.original.names(ORIGINAL) and frame.header.original.size_log == 15
    assert frame.blocks[0].head.is_patched and frame.header.dictionary is None
    if level < 5:
        assert by_the_reference(data, ORIGINAL.data) == RAW


@pytest.mark.parametrize("level", [1, 3, 5])
def test_blocks_and_threads(level):
    """Every block finds what it has of the original by itself, whoever codes it."""
    raw = RAW[20000:] + NOISE[:3000] + RAW[:12000]
    made = {
        pack(raw, level=level, patch_from=ORIGINAL, block_size=5000, threads=threads, verify=verify)[0]
        for threads in (1, 2, 3)
        for verify in (None, True)
    }
    (data,) = made
    assert len(data) < 3000 + 12 * 100 and any(not block.head.is_patched for block in blocks_of(data))
    for threads in (1, 2):
        assert unpack(data, patch_from=ORIGINAL, threads=threads)[0] == raw
    blocks = codec.decoded_blocks(io.BytesIO(data).read, registry=shared.registry, patch_from=ORIGINAL)
    assert b"".join(map(bytes, blocks)) == raw
    if level == 1:
        assert by_the_reference(data, ORIGINAL.data) == raw


def test_lanes():
    raw = new_version(TEXT[:30000]) + TEXT[100000:150000]
    for level, n_lanes in ((3, 4), (6, 8)):
        data, _ = pack(raw, level=level, n_lanes=n_lanes, patch_from=ORIGINAL, verify=True)
        head = blocks_of(data)[0].head
        assert head.n_lanes == n_lanes and head.is_patched and unpack(data, patch_from=ORIGINAL)[0] == raw
        assert level == 6 or by_the_reference(data, ORIGINAL.data) == raw


def test_stripes_are_of_the_rest():
    """Checks of stripes stand behind the list's payload."""
    rest = SAMPLE.read_bytes()[:200] * 2 + random.Random(5).randbytes(1000) + bytes(270000)
    raw = ORIGINAL.data[:5000] + rest + ORIGINAL.data[5000:9000]
    data, _ = pack(raw, level=1, patch_from=ORIGINAL, verify=True)
    (block,) = blocks_of(data)
    assert block.head.is_patched and block.head.coded_size > 1 << 18
    assert unpack(data, patch_from=ORIGINAL)[0] == raw
    damaged = bytearray(data)
    damaged[block.offset + block.head_size + block.head.list_payload_size] ^= 1
    written, error = written_before_error(bytes(damaged), patch_from=ORIGINAL)
    assert written == b"" and "stripe" in str(error)


def test_ranges_need_their_blocks_only():
    data, _ = pack(RAW, level=3, patch_from=ORIGINAL, block_size=4000)
    damaged = bytearray(data)
    damaged[blocks_of(data)[1].offset + 31] ^= 255
    for offset, size in ((0, 10), (3990, 10), (8000, 4000), (11999, 300), (30050, 100)):
        for content in (data, bytes(damaged)):
            parts = codec.read_range(io.BytesIO(content), offset, size, registry=shared.registry, patch_from=ORIGINAL)
            assert b"".join(parts) == RAW[offset : offset + size]
    with pytest.raises(OriginalMissingError):
        list(codec.read_range(io.BytesIO(data), 0, 1, registry=shared.registry))


@pytest.mark.parametrize("other", [None, Original(TEXT[:29999]), Original(b"")], ids=["none", "shorter", "empty"])
@pytest.mark.parametrize("block_size", [None, 4000], ids=["one", "many"])
def test_without_it_nothing_is_written(other, block_size):
    data, _ = pack(RAW, level=3, patch_from=ORIGINAL, block_size=block_size)
    written, error = written_before_error(data, patch_from=other)
    assert written == b"" and isinstance(error, OriginalMissingError) and error.exit_status == 3
    assert ORIGINAL.digest.hex() in str(error) and "\n" not in str(error)
    assert len(codec.list_frames(io.BytesIO(data))) == 1, "a list needs none"


@pytest.mark.parametrize("level", [1, 4])
def test_equal_to_the_input(level):
    for raw in (TEXT[:30000], NOISE, bytes(5000)):
        data, _ = pack(raw, level=level, patch_from=Original(raw), verify=True)
        assert len(data) <= 120 and unpack(data, patch_from=Original(raw))[0] == raw
        assert by_the_reference(data, raw) == raw
    data, _ = pack(NOISE * 3, level=level, patch_from=Original(NOISE), block_size=len(NOISE))
    assert len(data) < 300 and unpack(data, patch_from=Original(NOISE))[0] == NOISE * 3


def test_what_needs_none_names_none():
    empty = Original(b"")
    for raw in (b"", b"a", NOISE[:500], RAW[:500], TEXT[40000:45000]):
        for original in (ORIGINAL, empty):
            data, _ = pack(raw, level=3, patch_from=original)
            assert data == pack(raw, level=3)[0]
            assert unpack(data)[0] == unpack(data, patch_from=original)[0] == raw


def test_pictures_that_are_the_same():
    """Of samples a copy of nearly all is taken, and nothing else."""
    picture = b"P5\n256 200\n255\n" + bytes((3 * x * x + 2 * y) // 64 % 256 for y in range(200) for x in range(256))
    data, _ = pack(picture, level=1, patch_from=Original(picture))
    assert len(data) < 150 and unpack(data, patch_from=Original(picture))[0] == picture
    half = Original(picture[: len(picture) // 2])
    data, _ = pack(picture, level=1, patch_from=half)
    assert unpack(data, patch_from=half)[0] == picture
    assert {block.head.content.kind for block in blocks_of(data)} == {1}


def test_damage_is_noticed():
    for block_size in (None, 12000):
        data, _ = pack(RAW, level=1, patch_from=ORIGINAL, block_size=block_size)
        for at in range(0, len(data), 3):
            damaged = data[:at] + bytes([data[at] ^ 1 << at % 8]) + data[at + 1 :]
            written, error = written_before_error(damaged, patch_from=ORIGINAL)
            assert error is not None and RAW.startswith(written), at
        for size in range(0, len(data), 11):
            assert written_before_error(data[:size], patch_from=ORIGINAL)[1] is not None


def test_the_reference_finds_the_same_damage():
    data, _ = pack(RAW[:9000], level=1, patch_from=ORIGINAL)
    for at in range(39, len(data), 3):
        damaged = data[:at] + bytes([data[at] ^ 1 << at % 8]) + data[at + 1 :]
        with pytest.raises(DamagedFile):
            by_the_reference(damaged, ORIGINAL.data)


def test_salvage():
    """Blocks do not need each other; without the original, what has no copies of it is saved."""
    raw = RAW[:8000] + NOISE[:4000] + RAW[8000:16000]
    data, _ = pack(raw, level=1, patch_from=ORIGINAL, block_size=4000)
    damaged = bytearray(data)
    damaged[blocks_of(data)[1].offset + 30] ^= 1
    content, summary = unpack(bytes(damaged), patch_from=ORIGINAL, salvage=True)
    assert content == raw[:4000] + raw[8000:]
    assert [(hole.raw_offset, hole.raw_size) for hole in summary.holes] == [(4000, 4000)]
    content, summary = unpack(data, salvage=True)
    assert content == NOISE[:4000] and len(summary.holes) == 4
    assert all("is a patch of the file" in hole.reason for hole in summary.holes)
    with pytest.raises(OriginalMissingError):
        unpack(pack(RAW, level=1, patch_from=ORIGINAL)[0], salvage=True)
    cut = data[: blocks_of(data)[4].offset + 32]
    assert unpack(cut, patch_from=ORIGINAL, salvage=True)[0] == raw[:16000]


def test_memory_counts_original_and_index():
    settings, plain = settings_for(3, None, shared.registry)
    model = patching(plain, ORIGINAL)
    need, other = encode_need(model, settings, 1 << 20), encode_need(plain, settings, 1 << 20)
    assert need.window >= other.window + 30000 + 30000 // 4 and need.block > other.block
    data, _ = pack(RAW, level=3, patch_from=ORIGINAL)
    (frame,) = codec.list_frames(io.BytesIO(data))
    need = decode_need(model, frame.header, frame.blocks[0].head)
    assert need.window == 30000
    least = need.of_threads(1)
    assert unpack(data, patch_from=ORIGINAL, memory_limit=least)[0] == RAW
    with pytest.raises(MemoryLimitError):
        unpack(data, patch_from=ORIGINAL, memory_limit=least - 1)
    with pytest.raises(MemoryLimitError):
        pack(RAW, level=3, patch_from=ORIGINAL, memory_limit=1 << 20)
    many = Original(NOISE + b"!" * 40)
    raw = b"".join(NOISE[at : at + 300] for at in range(0, 19000, 310))  # a list that is coded, and no rest
    (frame,) = codec.list_frames(io.BytesIO(pack(raw, level=4, patch_from=many)[0]))
    head = frame.blocks[0].head
    assert head.is_stored and head.list_payload_size < (head.list_size or 0)
    assert decode_need(patching(plain, many), frame.header, head).block > 1 << 20, "the list is coded"


def head_of(**fields) -> BlockHead:
    sound = {"raw_size": 100, "payload_size": 12, "body_size": 12, "list_size": 4, "list_payload_size": 4}
    return BlockHead(**({"last": True, "mode": STORED, "n_lanes": 1, "data_check": 1} | sound | fields))


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"list_size": 0, "list_payload_size": 0},
        {"list_size": 13},
        {"list_payload_size": 5},
        {"list_payload_size": 0},
        {"body_size": 100},
        {"payload_size": 11},
        {"mode": BASE, "payload_size": 12},
        {"mode": BASE, "payload_size": 4},
        {"mode": BASE, "body_size": 4, "payload_size": 4},
        {"mode": BASE, "list_payload_size": 2, "payload_size": 6},
    ],
    ids=str,
)
def test_heads_that_are_damaged_or_of_wrong_blocks(fields):
    """The first is a sound head of what does not decode."""
    (frame,) = codec.list_frames(io.BytesIO(pack(RAW, level=1, patch_from=ORIGINAL)[0]))
    head = head_of(**fields)
    data = frame.header.packed + head.pack(frame.header) + bytes(head.payload_size)
    with pytest.raises(DamagedError):
        unpack(data, patch_from=ORIGINAL)
    with pytest.raises(DamagedFile):
        by_the_reference(data, ORIGINAL.data)


def test_profiles_that_only_later_versions_know():
    """Matter where the list is coded, or the rest."""
    payload = b"\1\0\x5a\0" + RAW[90:98]
    raw = ORIGINAL.data[:90] + RAW[90:98]
    header = pack_header(9, dictionary=record_of_original(ORIGINAL))
    stored = head_of(raw_size=98, data_check=data_check(STORED, raw, payload, has_copies=True))
    for head, is_known in (
        (stored, True),
        (replace(stored, list_size=5, body_size=13), False),
        (replace(stored, mode=BASE, body_size=13), False),
    ):
        block = head.pack(header) + payload
        trailer = Trailer(((98, len(block)),), content_hash_of(raw)).pack(header)
        if is_known:
            assert unpack(header.packed + block + trailer, patch_from=ORIGINAL)[0] == raw
            continue
        with pytest.raises(UnsupportedError, match="profile 9"):
            unpack(header.packed + block + trailer, patch_from=ORIGINAL)
        with pytest.raises(UnsupportedFile):
            by_the_reference(header.packed + block + trailer, ORIGINAL.data)


def content_hash_of(raw: bytes) -> bytes:
    state = content_hash()
    state.update(raw)
    return state.digest()


class OfTokens(Model):
    """No more of a model than settings ask for."""

    name, kind, has_tokens, digest = "words", 2, True, b"d" * 32
    takes = encode = decode = load = memory_size = None


def test_what_does_not_go_together():
    with pytest.raises(UnsupportedError, match="words takes no original"):
        patching(OfTokens(), ORIGINAL)
    assert patching(OfTokens(), None).name == "words"
    for given in ({"long": True}, {"dictionary": Dictionary(b"a")}):
        with pytest.raises(ValueError, match="exclude each other"):
            pack(RAW, patch_from=ORIGINAL, **given)


# --- the library


def test_compress_and_decompress():
    for original in (ORIGINAL, ORIGINAL.data, bytearray(ORIGINAL.data)):
        data = lmzip.compress(RAW, 3, patch_from=original)
        assert lmzip.decompress(data, patch_from=original) == RAW
    with pytest.raises(lmzip.OriginalMissingError):
        lmzip.decompress(data)
    for wrong in ("text", 5):
        with pytest.raises(TypeError):
            lmzip.compress(RAW, patch_from=wrong)
        with pytest.raises(TypeError):
            lmzip.decompress(data, patch_from=wrong)
    assert record_of_original(lmzip.Original(b"a")).size_log == 0
    assert [Original(bytes(n)).size_log for n in (2, 3, 4, 5, 1024, 1025)] == [1, 2, 2, 3, 10, 11]


def test_open_and_pieces(tmp_path):
    path = tmp_path / "a.lmz"
    with lmzip.open(path, "wb", level=2, block_size=4000, patch_from=ORIGINAL) as file:
        file.write(RAW)
    assert path.stat().st_size < 3000
    with lmzip.open(path, patch_from=ORIGINAL.data) as file:
        assert file.read() == RAW
        file.seek(13333)
        assert file.read(10) == RAW[13333:13343]
    with pytest.raises(OriginalMissingError), lmzip.open(path) as file:
        file.read()
    packer = lmzip.LmzCompressor(2, block_size=4000, patch_from=ORIGINAL)
    data = packer.compress(RAW[:5000]) + packer.compress(RAW[5000:]) + packer.flush()
    assert data == path.read_bytes()
    unpacker = lmzip.LmzDecompressor(patch_from=ORIGINAL)
    assert b"".join(unpacker.decompress(data[i : i + 100]) for i in range(0, len(data), 100)) == RAW
    for wrong in ({"long": True}, {"dictionary": b"a"}):
        with pytest.raises(ValueError, match="exclude each other"):
            lmzip.LmzCompressor(2, patch_from=ORIGINAL, **wrong)
