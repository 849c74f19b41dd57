"""Every codec from bytes assembled by hand or written by Spark's own classes, whole and damaged."""

import gzip
import struct
import zlib
from pathlib import Path

import cramjam
import lz4.block
import pytest
import xxhash
import zstandard
from fsspec.implementations.local import LocalFileSystem
from fsspec.implementations.memory import MemoryFileSystem
from hypothesis import given, settings, strategies as st

from overwatch_assets.sources.event_logs.codecs import Codec, LogStream, StreamError, codec_of, open_stream

SPARK = Path(__file__).parent / "written_by_spark"
TEXT = b"".join(b'{"Event":"SparkListenerTaskEnd","Stage ID":%d,"x":"%d"}\n' % (i, i * i * 7919) for i in range(400))


def lz4_block(data: bytes, *, stored: bool = False) -> bytes:
    body = data if stored else lz4.block.compress(data, store_size=False)
    checksum = xxhash.xxh32_intdigest(data, seed=0x9747B28C) & 0x0FFFFFFF
    token = (0x10 if stored else 0x20) | 5  # blocks of at most 32 KiB
    return b"LZ4Block" + bytes([token]) + struct.pack("<iiI", len(body), len(data), checksum) + body


LZ4_END = b"LZ4Block" + bytes([0x15]) + bytes(12)
SNAPPY_HEAD = bytes.fromhex("82534e4150505900") + struct.pack(">ii", 1, 1)


def snappy_chunk(data: bytes) -> bytes:
    body = bytes(cramjam.snappy.compress_raw(data))
    return struct.pack(">i", len(body)) + body


def lzf_stored(data: bytes) -> bytes:
    return b"ZV\0" + struct.pack(">H", len(data)) + data


def zstd_frame(data: bytes) -> bytes:
    return zstandard.ZstdCompressor(level=1, write_checksum=True).compress(data)


def written(codec: Codec) -> bytes:
    """Two streams of two blocks each, as far as the codec has blocks."""
    a, b, c, d = TEXT[:3000], TEXT[3000:9000], TEXT[9000:9001], TEXT[9001:]
    return {
        Codec.PLAIN: TEXT,
        Codec.GZ: gzip.compress(a + b) + gzip.compress(c + d),
        Codec.ZSTD: zstd_frame(a + b) + zstd_frame(c) + zstd_frame(d),
        Codec.LZ4: lz4_block(a) + lz4_block(b) + LZ4_END + lz4_block(c, stored=True) + lz4_block(d) + LZ4_END,
        Codec.SNAPPY: SNAPPY_HEAD + snappy_chunk(a) + snappy_chunk(b) + SNAPPY_HEAD + snappy_chunk(c) + snappy_chunk(d),
        Codec.LZF: b"".join(map(lzf_stored, (a, b, c, d))),
    }[codec]


def opened(data: bytes, name: str = "/log", codec: Codec | None = None) -> LogStream:
    fs = MemoryFileSystem()
    fs.pipe(name, data)
    return open_stream(fs, name, codec)


def read_all(stream: LogStream, size: int = 1000) -> tuple[bytes, StreamError | None]:
    out = b""
    try:
        while piece := stream.read(size):
            assert len(piece) <= size
            out += piece
    except StreamError as error:
        return out, error
    return out, None


@pytest.mark.parametrize("codec", list(Codec))
@pytest.mark.parametrize("size", [1 << 20, 1000, 7])
def test_every_codec_gives_the_bytes_back(codec: Codec, size: int) -> None:
    suffix = "" if codec is Codec.PLAIN else f".{codec}"
    for name in (f"/app{suffix}", f"/app{suffix}.inprogress", "/app-named-plain"):
        assert read_all(opened(written(codec), name), size) == (TEXT, None)


@pytest.mark.parametrize("codec", ["lz4", "lzf", "snappy", "zstd"])
def test_files_written_by_spark(codec: str) -> None:
    plain = (SPARK / "plain").read_bytes()
    fs = LocalFileSystem()
    for name in (codec, f"{codec}.joined"):
        with open_stream(fs, str(SPARK / name), codec) as stream:
            assert read_all(stream) == (plain, None)


@pytest.mark.parametrize("codec", ["snappy", "zstd"])
def test_a_file_that_spark_is_still_writing(codec: str) -> None:
    """What was flushed can be read, to the line that was written last."""
    plain = (SPARK / "plain").read_bytes()
    lines = plain.splitlines(keepends=True)
    with open_stream(LocalFileSystem(), str(SPARK / f"{codec}.open"), codec) as stream:
        got, error = read_all(stream)
    assert got == b"".join(lines[: len(lines) // 2 + 1])
    assert error is None or error.truncated


@pytest.mark.parametrize("codec", [Codec.GZ, Codec.ZSTD, Codec.LZ4, Codec.SNAPPY, Codec.LZF])
def test_cut_anywhere_it_gives_what_is_whole_and_says_truncated(codec: Codec) -> None:
    data = written(codec)
    seen = 0
    for cut in [*range(1, 40), *range(40, len(data), 97), len(data) - 1]:
        got, error = read_all(opened(data[:cut], codec=codec))
        assert TEXT.startswith(got)
        assert len(got) >= seen
        seen = len(got)
        if error is None:  # only between two blocks, where a file may as well end
            assert codec is not Codec.GZ or got == gzip.decompress(data[:cut])
        else:
            assert error.truncated
            assert error.offset < cut
    assert seen > 9001 - 3000


def test_a_cut_gzip_gives_every_byte_that_zlib_can_decode() -> None:
    data = gzip.compress(TEXT)
    for cut in range(20, len(data), 331):
        got, error = read_all(opened(data[:cut], "/log.gz"))
        assert got == zlib.decompressobj(31).decompress(data[:cut])
        assert error is not None
        assert error.reason == "truncated gz stream at compressed byte 0: the file ends within it"


def test_damage_within_a_gzip_keeps_all_before_it() -> None:
    first, second = gzip.compress(TEXT), bytearray(gzip.compress(TEXT))
    second[len(second) // 2] ^= 0xFF
    got, error = read_all(opened(first + bytes(second), "/log.gz"))
    assert error is not None
    assert (error.truncated, error.offset) == (False, len(first))
    # zlib's answer, one byte at a time
    decoder, expected, failed = zlib.decompressobj(31), b"", False
    for byte in bytes(second):
        try:
            expected += decoder.decompress(bytes([byte]))
        except zlib.error:
            failed = True
            break
    assert failed
    assert got == TEXT + expected
    assert len(expected) > 1000


def test_wrong_gzip_checksum_comes_after_all_bytes() -> None:
    data = bytearray(gzip.compress(TEXT))
    data[-8] ^= 1
    got, error = read_all(opened(bytes(data), "/log.gz"))
    assert got == TEXT
    assert error is not None
    assert not error.truncated


def test_zeros_after_a_gzip_are_padding_and_junk_is_not() -> None:
    assert read_all(opened(gzip.compress(TEXT) + bytes(100_000), "/log.gz")) == (TEXT, None)
    assert read_all(opened(gzip.compress(TEXT) + bytes(700) + gzip.compress(b"x\n"), "/log.gz")) == (
        TEXT + b"x\n",
        None,
    )
    got, error = read_all(opened(gzip.compress(TEXT) + b"junk", "/log.gz"))
    assert got == TEXT
    assert error is not None
    assert error.reason.endswith("no gzip header")


def test_zstd_skippable_frames_are_skipped() -> None:
    skippable = b"\x5a\x2a\x4d\x18" + struct.pack("<I", 5) + b"hello"
    assert read_all(opened(zstd_frame(b"a") + skippable + zstd_frame(b"b"), "/log.zstd")) == (b"ab", None)


def test_damaged_zstd_keeps_the_frames_before() -> None:
    second = bytearray(zstd_frame(TEXT))
    second[-1] ^= 1  # its checksum
    got, error = read_all(opened(zstd_frame(b"first\n") + bytes(second), "/log.zstd"))
    assert got == b"first\n" + TEXT
    assert error is not None
    assert (error.truncated, error.offset) == (False, len(zstd_frame(b"first\n")))


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (lambda block: block[:21] + bytes([block[21] ^ 0xFF]) + block[22:], None),  # the data
        (lambda block: block[:17] + bytes([block[17] ^ 1]) + block[18:], "wrong checksum"),
        (lambda block: b"LZ5" + block[3:], "no LZ4Block header"),
        (lambda block: block[:9] + struct.pack("<i", -5) + block[13:], "impossible block header"),
        (lambda block: block[:13] + struct.pack("<i", 1 << 20) + block[17:], "impossible block header"),
    ],
)
def test_damaged_lz4_keeps_the_blocks_before(damage: object, reason: str | None) -> None:
    good = lz4_block(TEXT[:500])
    got, error = read_all(opened(good + damage(lz4_block(TEXT[500:])), "/log.lz4"))  # type: ignore[operator]  # a lambda
    assert got == TEXT[:500]
    assert error is not None
    assert (error.truncated, error.offset) == (False, len(good))
    assert reason is None or error.reason.endswith(reason)


def test_damaged_snappy_keeps_the_chunks_before() -> None:
    good = SNAPPY_HEAD + snappy_chunk(TEXT[:500])
    for bad in (struct.pack(">i", 3) + b"\xff\xff\xff", struct.pack(">i", -7)):
        got, error = read_all(opened(good + bad, "/log.snappy"))
        assert got == TEXT[:500]
        assert error is not None
        assert (error.truncated, error.offset) == (False, len(good))


def test_lzf_literals_and_references() -> None:
    # literal "abc", then 9 bytes from 3 back (long form 7+0+2: overlapping), then 3 bytes from 1 back
    packed = b"\x02abc" + bytes([0xE0, 0, 2]) + bytes([0x20, 0])
    chunk = b"ZV\1" + struct.pack(">HH", len(packed), 15) + packed
    assert read_all(opened(chunk, "/log.lzf")) == (b"abcabcabcabcccc", None)
    outside = b"ZV\1" + struct.pack(">HH", 2, 3) + bytes([0x20, 9])
    got, error = read_all(opened(chunk + outside, "/log.lzf"))
    assert got == b"abcabcabcabcccc"
    assert error is not None
    assert error.reason.endswith("a chunk points outside itself")


@pytest.mark.parametrize("suffix", ["gz", "zstd", "lz4", "snappy", "lzf"])
def test_junk_under_a_codecs_name(suffix: str) -> None:
    got, error = read_all(opened(b"\xde\xad\xbe\xef" * 9, f"/log.{suffix}"))
    assert got == b""
    assert error is not None
    assert (error.offset, error.truncated) == (0, False)


def test_a_decompressed_log_that_kept_its_name() -> None:
    assert read_all(opened(TEXT, "/log.gz")) == (TEXT, None)


@pytest.mark.parametrize("codec", list(Codec))
def test_skip_and_unread(codec: Codec) -> None:
    stream = opened(written(codec), codec=codec)
    stream.skip_to(8990)
    data = stream.read(20)
    assert data == TEXT[8990:9010]
    stream.unread(data[5:])
    assert stream.offset == 8995
    assert stream.read(30) == TEXT[8995:9025]
    assert stream.offset == 9025
    stream.skip_to(len(TEXT) + 1000)
    assert stream.read(10) == b""


@pytest.mark.parametrize("codec", list(Codec))
def test_empty_file(codec: Codec) -> None:
    assert read_all(opened(b"", codec=codec)) == (b"", None)


@given(data=st.binary(max_size=300), suffix=st.sampled_from(["gz", "zstd", "lz4", "snappy", "lzf"]), at=st.integers(0))
@settings(max_examples=300)
def test_no_bytes_raise_anything_but_a_stream_error(data: bytes, suffix: str, at: int) -> None:
    good = written(Codec(suffix))
    at %= len(good)
    read_all(opened(good[:at] + data + good[at + len(data) :], f"/log.{suffix}"))
    read_all(opened(data, f"/log.{suffix}"))


def test_codec_of_names() -> None:
    names = {
        "app-1": "plain",
        "app-1.inprogress": "plain",
        "app-1.lz4": "lz4",
        "app-1.zstd.inprogress": "zstd",
        "events_2_app-1.zstd.compact": "zstd",
        "app.zst": "zstd",
        "app.snappy": "snappy",
        "app.lzf": "lzf",
        "eventlog-2024-05-02--13-00.gz": "gz",
        "gz": "plain",
    }
    assert {name: codec_of(name) for name in names} == names
