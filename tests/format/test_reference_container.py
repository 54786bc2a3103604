"""An independent decoder of whole files: it decodes what is sound, and agrees with lmzip.format on what is not."""

from __future__ import annotations

import hashlib
import json
import random
import struct
import subprocess
import sys
import zlib
from collections import Counter
from dataclasses import replace

import pytest
from conftest import ROOT, painted
from format_tools import FLOAT, HEADERS, KNOWN, LONG, SHORT, coded, coded_mode, frame, source_of, stored_frame

from lmzip import reference
from lmzip.codec.stripes import StripeChecker, checks_of
from lmzip.errors import DamagedError, NotLmzipError, UnsupportedError
from lmzip.format.block import BASE, STRIPE_SIZE, WITH_MODEL, data_check, parse_stripe_checks, payload_check
from lmzip.format.frames import Block, FrameEnd, FrameStart, read_frames
from lmzip.format.header import FrameHeader, ModelRecord, pack_header
from lmzip.format.trailer import content_hash
from lmzip.native.copies import Past
from lmzip.reference import container, heads
from lmzip.reference import copies as reference_copies
from lmzip.reference.faults import DamagedFile, UnsupportedFile


def weight_file(name: str) -> bytes:
    """Return the start of a weight file that says which format it has, without tensors."""
    header = json.dumps({"__metadata__": {"lmzip": json.dumps({"format": name})}}).encode()
    return len(header).to_bytes(8, "little") + header


WEIGHTS, TOKEN_WEIGHTS = weight_file("bytelm-1"), weight_file("transformer-1")
NET = ModelRecord(1, hashlib.sha256(WEIGHTS).digest(), name="here")
TRANSFORMER = ModelRecord(2, hashlib.sha256(TOKEN_WEIGHTS).digest(), name="here")
HERE = {NET.digest: WEIGHTS, TRANSFORMER.digest: TOKEN_WEIGHTS}
CODED_FILE = bytes.fromhex("894C4D5A11013C0007001D87740A3F2D910C0482F5EF6A")  # FORMAT 10.3


def decode(data: bytes) -> bytes:
    return container.decode(data, HERE.__getitem__)


def fake_decode_block(
    coded, raw_size, profile, n_lanes, weight_file, *, context, content=None, dictionary=b"", machine=0
):
    """In the place of what a payload stands for: its bytes again and again, told by all that a coder is told."""
    uses_model = weight_file is not None
    assert len(coded) > 0
    if coded[0] == 0xFF or raw_size > 1 << 20:
        raise ValueError("used up")
    start = struct.pack("<BBBBB", profile, uses_model, n_lanes, context, machine)
    return (start + bytes(coded) * (raw_size // len(coded) + 1))[:raw_size]


@pytest.fixture
def fake_coder(monkeypatch):
    monkeypatch.setattr(reference, "decode_block", fake_decode_block)


def fake_coded(header: FrameHeader, raw_size: int, mode: int, n_lanes: int, *, last: bool = True, start: bytes = b"x"):
    """Return head and payload of a block of the fake coder, and its raw bytes."""
    raw = fake_decode_block(
        start,
        raw_size,
        header.profile,
        n_lanes,
        WEIGHTS if mode == WITH_MODEL else None,
        context=header.context if mode == WITH_MODEL else 0,
    )
    return coded(raw, checks_of(raw, n_lanes) + start, mode, n_lanes, last=last), raw


def content_of_block(piece: Block, before: bytes) -> bytes:
    """Decode a block with the modules of lmzip.format, as FORMAT 1.2 has the steps from the seventh on."""
    header, head, payload = piece.header, piece.head, piece.payload
    record = header.model()
    if record and (record.kind, record.digest) not in [(m.kind, m.digest) for m in (NET, TRANSFORMER)]:
        raise UnsupportedError("the model is not here")
    if header.dictionary:
        raise UnsupportedError("the dictionary is not here")
    if head.payload_check not in (None, payload_check(payload)):
        raise DamagedError("payload_check")
    raw = payload
    if not head.is_stored:
        kind = record.kind if record and head.uses_model else None
        if header.profile not in heads.PROFILES[kind] or (kind == 2 and head.n_lanes > 64):
            raise UnsupportedError("the profile is not here")
        checker = StripeChecker(head.spec(header), parse_stripe_checks(payload, head.coded_size, head.n_lanes))
        behind = payload[len(checks_of(bytes(head.coded_size), head.n_lanes)) :]
        try:
            of = (head.coded_size, header.profile, head.n_lanes, WEIGHTS if head.uses_model else None)
            raw = fake_decode_block(behind, *of, context=header.context if head.uses_model else 0)
        except ValueError:
            raise DamagedError("used up") from None
        checker.reached(raw, len(raw))
    if head.has_copies:
        past = Past(len(before))
        past.append(before)
        raw = past.put_back(raw, head.raw_size, head.reach)
    if data_check(head.mode, raw, payload, has_copies=head.has_copies) != head.data_check:
        raise DamagedError("data_check")
    return bytes(raw)


def production(data: bytes) -> bytes:
    """Decode a file with the modules of lmzip.format."""
    content, hash_ = bytearray(), content_hash()
    for piece in read_frames(source_of(data)):
        if isinstance(piece, FrameStart):
            hash_ = content_hash()
        elif isinstance(piece, Block):
            raw = content_of_block(piece, bytes(content[len(content) - piece.head.reach :]))
            content += raw
            hash_.update(raw)
        elif isinstance(piece, FrameEnd) and piece.trailer.content_hash not in (b"", hash_.digest()):
            raise DamagedError("content_hash")
    return bytes(content)


def outcome(function, data: bytes):
    """Return the content, or the class of the rejection as FORMAT 1.2 has them."""
    try:
        return function(data)
    except (DamagedError, NotLmzipError, DamagedFile):
        return "damaged"
    except (UnsupportedError, UnsupportedFile):
        return "unsupported"


# --- sound files ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("header", [LONG, SHORT], ids=["long", "short"])
@pytest.mark.parametrize("size", [0, 1, 255, 65535])
def test_stored_frames_decode_as_in_production(header, size):
    data = stored_frame(header, painted(size))
    assert decode(data) == production(data) == painted(size)
    assert decode(data * 3 + bytes(1000)) == painted(size) * 3


def test_blocks_of_any_sizes():
    assert decode(stored_frame(LONG, b"ab", b"c", b"defg")) == b"abcdefg"


@pytest.mark.parametrize("model", [None, NET, TRANSFORMER], ids=["base", "net", "transformer"])
@pytest.mark.parametrize("n_lanes", [1, 2, 8, 64])
@pytest.mark.parametrize("size", [100, STRIPE_SIZE - 1, STRIPE_SIZE, STRIPE_SIZE + 1, 2 * STRIPE_SIZE + 77])
def test_coded_blocks_have_stripes(fake_coder, model, n_lanes, size):
    context = 2 if model is TRANSFORMER else 0
    header = pack_header(6, model, context=context)
    mode = WITH_MODEL if model else BASE
    first, raw = fake_coded(header, size, mode, n_lanes, last=False)
    second, more = fake_coded(header, size, BASE, n_lanes)
    data = frame(header, [first, second], raw + more)
    assert decode(data) == production(data) == raw + more
    for at in range(0, len(first[1]) - 1, 4):  # each check of a stripe, with a sound data_check over it
        payload = bytearray(first[1])
        payload[at] ^= 1
        wrong = frame(header, [coded(raw, bytes(payload), mode, n_lanes, last=False), second], raw + more)
        with pytest.raises(DamagedFile, match=f"stripe {at // 4 + 1}$"):
            decode(wrong)
        assert outcome(production, wrong) == "damaged"


@pytest.mark.parametrize("n_lanes", [1, 2, 8])
def test_coded_short_frames(fake_coder, n_lanes):
    for model, context in ((None, 0), (NET, 0), (TRANSFORMER, 3)):
        header = pack_header(6, model, context=context, short=True, n_lanes=n_lanes)
        block, raw = fake_coded(header, 1000, coded_mode(header), n_lanes)
        data = frame(header, [block])
        assert decode(data) == production(data) == raw


# --- files that are not -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("header", [HEADERS["net"], pack_header(6, FLOAT), HEADERS["reference"], pack_header(7)])
def test_what_is_not_here_is_unsupported(fake_coder, header):
    block, raw = fake_coded(header, 100, coded_mode(header), 1)
    with pytest.raises(UnsupportedFile):
        decode(frame(header, [block], raw))


def test_a_model_that_no_one_names(fake_coder):
    raw = fake_decode_block(b"x", 100, 6, 1, None, context=0)
    data = frame(pack_header(6), [coded(raw, b"x", WITH_MODEL)], raw)
    with pytest.raises(DamagedFile, match="not named"):
        decode(data)
    assert outcome(production, data) == "damaged"


def test_a_block_without_the_model_in_a_frame_with_one(fake_coder):
    header = pack_header(6, TRANSFORMER, context=1)
    block, raw = fake_coded(header, 100, BASE, 128)
    assert decode(frame(header, [block], raw)) == raw, "the base has more lanes than a model of tokens"


@pytest.mark.parametrize("model", [replace(NET, kind=2), replace(TRANSFORMER, kind=1)], ids=["net", "transformer"])
def test_a_model_that_is_here_as_another_kind(model):
    data = stored_frame(pack_header(6, model), b"abc")
    with pytest.raises(UnsupportedFile, match="another kind"):
        decode(data)
    assert outcome(production, data) == "unsupported"


def test_weights_that_are_another_file():
    data = stored_frame(pack_header(4, KNOWN), b"abc")
    with pytest.raises(UnsupportedFile, match="another file"):
        container.decode(data, lambda digest: WEIGHTS)


def random_header(rng: random.Random) -> FrameHeader:
    """Return a header, often with something that is unknown or missing."""
    model = rng.choice([None, None, NET, NET, TRANSFORMER, TRANSFORMER, FLOAT, KNOWN, ModelRecord(1, bytes(32))])
    context = rng.choice([0, 0, 0, 1, 3]) if model and model.is_of_tokens else 0
    short = rng.random() < 0.5
    n_lanes = rng.choice([1, 1, 2, 8]) if short else 1
    packed = bytearray(
        pack_header(rng.choice([4, 6, 6, 6, 7]), model, context=context, short=short, n_lanes=n_lanes).packed
    )
    if rng.random() < 0.2:
        at = rng.choice([4, 5, 5, *range(6, len(packed))])
        packed[at] ^= 1 << rng.randrange(8)
    if packed[4] & 0x80:
        packed += bytes(32)
    return FrameHeader(bytes(packed))


def random_block(rng: random.Random, header: FrameHeader, last: bool) -> tuple[bytes, bytes, int]:
    """Return bytes of a block, its raw bytes and raw_size, with a sound head_check over fields that may be anything."""
    raw = rng.randbytes(rng.choice([0, 1, 5, 40]) if rng.random() < 0.3 else rng.randrange(1, 300))
    if not header.is_short and rng.random() < 0.2:
        return random_block_with_copies(rng, header, last)
    mode, payload, n_lanes = rng.choice([0, 0, 1, 2]), raw, 1
    if mode and len(raw) > 4 and header.profile in (4, 6):
        n_lanes = header.n_lanes if header.is_short else 1 << rng.randrange(8)
        mode = coded_mode(header) if header.is_short else mode
        if rng.random() < 0.95:
            (_, payload), raw = fake_coded(header, len(raw), mode, n_lanes, start=rng.choice([b"x", b"yz"]))
        else:
            payload = b"\xff"  # which is used up
    else:
        mode = 0
    raw_size, payload_size, check = len(raw), len(payload), data_check(mode, raw, payload)
    kind = mode | (n_lanes.bit_length() - 1) << 2 | 0x80 * last
    if rng.random() < 0.15:
        kind ^= 1 << rng.randrange(8)
    if rng.random() < 0.08:
        raw_size = rng.choice([0, raw_size + 1, max(0, raw_size - 1), 65535, 1 << 30, (1 << 30) + 1])
    if rng.random() < 0.08:
        payload_size = rng.choice([0, payload_size + 1, max(0, payload_size - 1), raw_size])
    if rng.random() < 0.05:
        check ^= 1
    if header.is_short:
        start = struct.pack("<HHI", raw_size & 0xFFFF, payload_size & 0xFFFF, check)
    else:
        start = struct.pack("<BIII", kind, raw_size, payload_size, check)
        start += struct.pack("<I", 5) if kind & 0x40 else b""
        start += struct.pack("<BBBBII", 1, 3, 8, 0, 4, 4) if kind & 0x20 else b""
    sealed = start + struct.pack("<I", zlib.crc32(header.packed + start))[: 2 if header.is_short else 4]
    return sealed + payload, raw, raw_size


def random_block_with_copies(rng: random.Random, header: FrameHeader, last: bool) -> tuple[bytes, bytes, int]:
    """Return as random_block does a stored block, which copies make of a few bytes, or do not."""
    copies = [(1, rng.randrange(40, 99), 1), (rng.choice([0, 2]), 50, rng.choice([0, 9])), (0, 7, rng.randrange(99))]
    body = bytes([len(copies), *(number for copy in copies for number in copy)]) + rng.randbytes(9)
    try:
        raw_size = sum(size for _, size, _ in copies) + 9
        raw = reference_copies.put_back_copies(body, raw_size)
    except DamagedFile:
        raw = bytes(raw_size)
    body_size, check = len(body), data_check(0, raw, body, has_copies=True)
    if rng.random() < 0.08:
        body_size = rng.choice([0, body_size + 1, raw_size, raw_size + 1])
    if rng.random() < 0.08:
        raw_size += rng.choice([-1, 1])
    start = struct.pack("<BIIII", 0x40 | 0x80 * last, raw_size, len(body), check, body_size)
    return start + struct.pack("<I", zlib.crc32(header.packed + start)) + body, raw, raw_size


def random_frame(rng: random.Random) -> bytes:
    """Return a frame that may be sound, unsupported or damaged in any field, its checks sound all the same."""
    header = random_header(rng)
    n_blocks = 1 if header.is_short else rng.choice([1, 1, 2, 3])
    data, content, table = bytearray(header.packed), b"", b""
    for i in range(n_blocks):
        packed, raw, raw_size = random_block(rng, header, i == n_blocks - 1)
        data += packed
        content += raw
        table += struct.pack("<II", raw_size, len(packed))
    if not header.is_short:
        if rng.random() < 0.05:
            content += b"?"
        end = table + hashlib.blake2b(content, digest_size=8).digest() + struct.pack("<H", n_blocks)
        data += end + struct.pack("<I", zlib.crc32(header.packed + end))
    return bytes(data)


def mutated(rng: random.Random, data: bytes) -> bytes:
    """Return the file as accidents leave it: cut, with a bit turned, bytes lost or added."""
    changed = bytearray(data)
    at = rng.randrange(len(data))
    kind = rng.randrange(12)
    if kind == 0:
        del changed[at:]
    elif kind == 1:
        changed[at] ^= 1 << rng.randrange(8)
    elif kind == 2:
        del changed[at : at + rng.randrange(1, 9)]
    elif kind == 3:
        changed += rng.choice([b"\0" * 9, b"\0x", b"x", b"\x89LM", b"\x89LMZ\x02"])
    return bytes(changed)


def test_both_decoders_agree_on_mutated_frames(fake_coder):
    """Content and classes of rejection, that is the order of the steps of FORMAT 1.2."""
    rng, seen = random.Random(20), Counter()
    for i in range(12_000):
        data = mutated(rng, b"".join(random_frame(rng) for _ in range(rng.choice([1, 1, 2]))))
        expected = outcome(production, data)
        assert outcome(decode, data) == expected, (i, data.hex())
        seen[expected if isinstance(expected, str) else "content"] += 1
    assert min(seen[name] for name in ("content", "damaged", "unsupported")) > 1500, seen


# --- what a payload stands for, and the command -----------------------------------------------------------------------


def test_a_coded_file():
    assert decode(CODED_FILE) == b"lmzip " * 10
    for bit in range(8 * len(CODED_FILE)):
        changed = bytearray(CODED_FILE)
        changed[bit // 8] ^= 1 << bit % 8
        with pytest.raises((DamagedFile, UnsupportedFile)):
            decode(bytes(changed))


@pytest.mark.parametrize(
    ("data", "status", "message"),
    [
        (stored_frame(LONG, b"ab", b"c"), 0, ""),
        (CODED_FILE, 0, ""),
        (CODED_FILE[:-1], 1, "damaged"),
        (b"\x89LMZ\x02", 3, "not supported"),
    ],
    ids=["stored", "coded", "damaged", "unsupported"],
)
def test_the_command_decodes_or_tells_why_not(tmp_path, data, status, message):
    path = tmp_path / "file.lmz"
    path.write_bytes(data)
    command = [sys.executable, "-m", "lmzip.reference", str(path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, check=False, timeout=60)
    assert done.returncode == status, done.stderr
    assert done.stdout == (decode(data) if not status else b"")
    assert message.encode() in done.stderr and bool(done.stderr) == bool(status)


def test_the_command_takes_weights(tmp_path):
    """A file that names a model needs its weights, wherever they are."""
    path, weights = tmp_path / "file.lmz", tmp_path / "weights"
    path.write_bytes(stored_frame(pack_header(4, NET), b"abc"))
    weights.write_bytes(WEIGHTS)
    command = [sys.executable, "-m", "lmzip.reference", str(path)]
    assert subprocess.run(command, cwd=ROOT, capture_output=True, check=False, timeout=60).returncode == 3
    done = subprocess.run([*command, "--weights", str(weights)], cwd=ROOT, capture_output=True, check=True, timeout=60)
    assert done.stdout == b"abc"
