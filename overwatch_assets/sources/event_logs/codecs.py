"""Event-log files as streams of decompressed bytes, whatever codec Spark or Databricks wrote them with.

Each decoder hands over every byte that it could decode before it reports a fault, so that a damaged file loses only
what is damaged. Formats: gzip is RFC 1952, zstd is RFC 8878; lz4, snappy and lzf are the block streams of the Java
libraries that Spark writes with (lz4-java's `LZ4BlockOutputStream`, snappy-java's `SnappyOutputStream`, compress-lzf).
"""

import re
import struct
import zlib
from collections.abc import Callable, Iterator
from enum import StrEnum
from types import TracebackType
from typing import Any, BinaryIO, Self, cast

import cramjam
import lz4.block
import xxhash
import zstandard
from fsspec import AbstractFileSystem
from isal import isal_zlib
from isal.igzip_lib import IsalError


class Codec(StrEnum):
    """How the bytes of a file are compressed."""

    PLAIN = "plain"
    GZ = "gz"
    ZSTD = "zstd"
    LZ4 = "lz4"
    SNAPPY = "snappy"
    LZF = "lzf"


class StreamError(Exception):
    """A compressed file cannot be decoded further.

    `offset` is the byte of the compressed file where the damaged member, frame or block begins; `truncated` says that
    the file ends too early, which a file that is still being written does between two writes.
    """

    def __init__(self, codec: Codec, offset: int, reason: str, *, truncated: bool = False) -> None:
        self.offset = offset
        self.reason = f"{'truncated' if truncated else 'corrupt'} {codec} stream at compressed byte {offset}: {reason}"
        self.truncated = truncated
        super().__init__(self.reason)


_SUFFIXES = {
    ".gz": Codec.GZ,
    ".zstd": Codec.ZSTD,
    ".zst": Codec.ZSTD,
    ".lz4": Codec.LZ4,
    ".snappy": Codec.SNAPPY,
    ".lzf": Codec.LZF,
}
_SNAPPY_MAGIC = b"\x82SNAPPY\0"
_LZ4_MAGIC = b"LZ4Block"
_MAGICS = {
    b"\x1f\x8b\x08": Codec.GZ,
    b"\x28\xb5\x2f\xfd": Codec.ZSTD,
    _LZ4_MAGIC: Codec.LZ4,
    _SNAPPY_MAGIC: Codec.SNAPPY,
    b"ZV\0": Codec.LZF,
    b"ZV\1": Codec.LZF,
}
# isal's stub takes its error class for an instance
_DAMAGE = (cast("type[Exception]", IsalError), zlib.error, zstandard.ZstdError)
_FETCH = 4 << 20  # compressed bytes asked of the file system at a time: one request on an object store
_SLICE = 32 << 10  # compressed bytes given to a decoder at a time, which bounds what one call returns
_PIECE = 4 << 20  # decompressed bytes that one call of the gzip decoder may return


def codec_of(name: str) -> Codec:
    """Return the codec that a file name promises; Spark's `.inprogress` and `.compact` endings are looked through."""
    stem = re.sub(r"(\.inprogress|\.compact)+$", "", name)
    return next((codec for suffix, codec in _SUFFIXES.items() if stem.endswith(suffix)), Codec.PLAIN)


def codec_of_magic(head: bytes) -> Codec | None:
    """Return the codec whose magic bytes a file begins with, or None."""
    return next((codec for magic, codec in _MAGICS.items() if head.startswith(magic)), None)


class _Source:
    """The bytes of the file as stored, forward only, with the offset of the next one; can be re-read for salvage."""

    def __init__(self, fs: AbstractFileSystem, path: str) -> None:
        self._fs, self._path = fs, path
        self._file = _open(fs, path)
        self._buffer = b""
        self._at = 0
        self.offset = 0

    def take(self, size: int) -> bytes:
        """Return `size` bytes, or fewer only where the file ends."""
        if size >= _FETCH and size > len(self._buffer) - self._at:  # large enough to be read as it is asked for
            held, self._buffer, self._at = self._buffer[self._at :], b"", 0
            more = self._file.read(size - len(held))
            taken = held + more if held else more
            self.offset += len(taken)
            return taken
        while len(self._buffer) - self._at < size:
            more = self._file.read(max(_FETCH, size - (len(self._buffer) - self._at)))
            if not more:
                break
            self._buffer = self._buffer[self._at :] + more
            self._at = 0
        taken = self._buffer[self._at : self._at + size]
        self._at += len(taken)
        self.offset += len(taken)
        return taken

    def give_back(self, data: bytes) -> None:
        """Put bytes back that the last `take` returned too many."""
        self._at -= len(data)
        self.offset -= len(data)

    def seek(self, offset: int) -> None:
        """Go to a byte of the file."""
        if self.offset <= offset <= self.offset + len(self._buffer) - self._at:
            self._at += offset - self.offset
            self.offset = offset
            return
        self._file.seek(offset)
        self._buffer, self._at, self.offset = b"", 0, offset

    def again(self, start: int) -> "_Source":
        """Open the file a second time, at `start`."""
        other = _Source(self._fs, self._path)
        other.seek(start)
        return other

    def close(self) -> None:
        self._file.close()


def _open(fs: AbstractFileSystem, path: str) -> BinaryIO:
    # No cache: the file is read front to back in large pieces, and each piece is then one request.
    return fs.open(path, "rb", cache_type="none")  # type: ignore[no-any-return]  # fsspec has no types


class LogStream:
    """A forward reader of the decompressed bytes of one log."""

    def __init__(self, source: _Source, codec: Codec) -> None:
        self.codec = codec
        self._source = source
        self._pieces = _DECODERS[codec](source) if codec is not Codec.PLAIN else None
        self._ready: list[bytes] = []  # decoded and not yet read
        self._fault: StreamError | None = None
        self.offset = 0  # of the next decompressed byte

    def read(self, size: int) -> bytes:
        """Return `size` bytes, fewer only at the end of the log or before a fault, b"" at the end.

        Raises: StreamError once all bytes before it have been returned.
        """
        if self._pieces is None and not self._ready:
            data = self._source.take(size)
            self.offset += len(data)
            return data
        held = sum(map(len, self._ready))
        while held < size and self._fault is None:
            try:
                piece = next(self._pieces, b"") if self._pieces is not None else self._source.take(size - held)
            except StreamError as fault:
                self._fault = fault
                break
            if not piece:
                break
            self._ready.append(piece)
            held += len(piece)
        data = b"".join(self._ready) if len(self._ready) != 1 else self._ready[0]
        self._ready = [data[size:]] if held > size else []
        data = data[:size] if held > size else data
        if not data and self._fault is not None:
            raise self._fault
        self.offset += len(data)
        return data

    def unread(self, data: bytes) -> None:
        """Put bytes back so that the next `read` returns them first."""
        if data:
            self._ready.insert(0, data)
            self.offset -= len(data)

    def skip_to(self, offset: int) -> None:
        """Go forward to a decompressed offset, or to the end of a log that is shorter.

        Raises: StreamError if the stream cannot be decoded up to there.
        """
        if self._pieces is None and not self._ready:
            self._source.seek(offset)
            self.offset = offset
            return
        while self.offset < offset and self.read(min(_PIECE, offset - self.offset)):
            pass

    def close(self) -> None:
        """Close the file."""
        self._source.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def open_stream(fs: AbstractFileSystem, path: str, codec: Codec | str | None = None) -> LogStream:
    """Open one log for reading its decompressed bytes.

    The name (or `codec`) says how the file is compressed; where the first bytes are another codec's magic, or a plain
    JSON object under a compressed name, the bytes are believed.

    Raises: OSError if the file cannot be opened.
    """
    codec = Codec(codec) if codec is not None else codec_of(path)
    source = _Source(fs, path)
    try:
        head = source.take(len(_LZ4_MAGIC))
        source.give_back(head)
        if head.startswith(b'{"'):
            codec = Codec.PLAIN
        return LogStream(source, codec_of_magic(head) or codec)
    except BaseException:
        source.close()
        raise


def _gzip(source: _Source) -> Iterator[bytes]:
    while True:
        start = source.offset
        head = source.take(_SLICE)
        if start and not head.strip(b"\0"):  # padding after the last member is allowed
            if not head:
                return
            continue
        if not head:
            return
        if start and head[:1] == b"\0":
            source.give_back(head.lstrip(b"\0"))
            continue
        if not b"\x1f\x8b".startswith(head[:2]):
            raise StreamError(Codec.GZ, start, "no gzip header")
        source.give_back(head)
        yield from _member(Codec.GZ, source, isal_zlib.decompressobj(31), lambda: zlib.decompressobj(31))


def _zstd(source: _Source) -> Iterator[bytes]:
    decompressor = zstandard.ZstdDecompressor(max_window_size=1 << 31)
    while True:
        start = source.offset
        head = source.take(4)
        if not head:
            return
        skippable = len(head) == 4 and head[0] & 0xF0 == 0x50 and head[1:] == b"\x2a\x4d\x18"
        if not skippable and not b"\x28\xb5\x2f\xfd".startswith(head):
            raise StreamError(Codec.ZSTD, start, "no zstd frame header")
        source.give_back(head)
        yield from _member(Codec.ZSTD, source, decompressor.decompressobj(), decompressor.decompressobj)


def _member(codec: Codec, source: _Source, decoder: Any, fresh: Callable[[], Any]) -> Iterator[bytes]:
    """Decode one gzip member or zstd frame, and leave `source` at the byte after it."""
    start, delivered = source.offset, 0
    while not decoder.eof:
        data = source.take(_SLICE)
        if not data:
            if codec is Codec.GZ:  # isal keeps the last symbols back where the input ends early; zlib does not
                yield from _salvage(source, start, source.offset, fresh(), delivered)
            raise StreamError(codec, start, "the file ends within it", truncated=True)
        try:
            for piece in _decode(codec, decoder, data):
                delivered += len(piece)
                yield piece
        except _DAMAGE as fault:
            yield from _salvage(source, start, source.offset - len(data), fresh(), delivered)
            raise StreamError(codec, start, str(fault)) from fault
    if decoder.unused_data:
        source.give_back(decoder.unused_data)


def _decode(codec: Codec, decoder: Any, data: bytes) -> Iterator[bytes]:
    if codec is Codec.ZSTD:
        if piece := decoder.decompress(data):
            yield piece
        return
    while True:  # a full piece may leave more within the decoder, even with no input left
        piece = decoder.decompress(data, _PIECE)
        if piece:
            yield piece
        data = decoder.unconsumed_tail
        if decoder.eof or (not data and len(piece) < _PIECE):
            return


def _salvage(source: _Source, start: int, certain: int, decoder: Any, delivered: int) -> Iterator[bytes]:
    """Decode a damaged member once more, byte by byte from `certain` on, for what the failed call threw away."""
    again = source.again(start)
    seen = 0
    try:
        while again.offset < source.offset and not decoder.eof:
            data = again.take(min(_SLICE, certain - again.offset) if again.offset < certain else 1)
            piece = decoder.decompress(data)
            seen += len(piece)
            if seen > delivered:
                yield piece[max(0, len(piece) - (seen - delivered)) :]
                delivered = seen
    except _DAMAGE:
        return
    finally:
        again.close()


def _exactly(source: _Source, size: int, codec: Codec, start: int) -> bytes:
    data = source.take(size)
    if len(data) < size:
        raise StreamError(codec, start, f"a block needs {size} bytes and {len(data)} are left", truncated=True)
    return data


def _lz4(source: _Source) -> Iterator[bytes]:
    """Decode blocks of magic, token, stored and decompressed length, checksum; an empty block ends one stream."""
    while True:
        start = source.offset
        head = source.take(21)
        if not head:
            return
        if not _LZ4_MAGIC.startswith(head[:8]):
            raise StreamError(Codec.LZ4, start, "no LZ4Block header")
        if len(head) < 21:
            raise StreamError(Codec.LZ4, start, "the file ends within a block header", truncated=True)
        token, stored, size, checksum = struct.unpack("<BiiI", head[8:])
        method, limit = token & 0xF0, 1 << (10 + (token & 0x0F))
        sound = 0 <= size <= limit and (method == 0x20 and stored > 0) | (method == 0x10 and stored == size)
        if not sound or (size == 0) != (stored == 0):
            raise StreamError(Codec.LZ4, start, "impossible block header")
        if size == 0:
            continue
        data = _exactly(source, stored, Codec.LZ4, start)
        if method == 0x20:
            try:
                data = lz4.block.decompress(data, uncompressed_size=size)
            except lz4.block.LZ4BlockError as error:
                raise StreamError(Codec.LZ4, start, str(error)) from error
        if len(data) != size:
            raise StreamError(Codec.LZ4, start, f"a block of {size} bytes has {len(data)}")
        if xxhash.xxh32_intdigest(data, 0x9747B28C) & 0x0FFFFFFF != checksum:
            raise StreamError(Codec.LZ4, start, "wrong checksum")
        yield data


def _snappy(source: _Source) -> Iterator[bytes]:
    """Decode a header, then raw snappy chunks behind big-endian lengths; a joined stream repeats the header."""
    while True:
        start = source.offset
        length = source.take(4)
        if not length:
            return
        if start == 0 or length == _SNAPPY_MAGIC[:4]:
            head = length + source.take(12)
            if not _SNAPPY_MAGIC.startswith(head[:8]):
                raise StreamError(Codec.SNAPPY, start, "no snappy-java header")
            if len(head) < 16:
                raise StreamError(Codec.SNAPPY, start, "the file ends within the header", truncated=True)
            continue
        if len(length) < 4:
            raise StreamError(Codec.SNAPPY, start, "the file ends within a chunk length", truncated=True)
        size = int.from_bytes(length, "big", signed=True)
        if size < 0:
            raise StreamError(Codec.SNAPPY, start, f"impossible chunk length {size}")
        try:
            # The declared length is checked against the file's end before anything of that size is asked for.
            data = bytes(cramjam.snappy.decompress_raw(_exactly(source, size, Codec.SNAPPY, start)))
        except cramjam.DecompressionError as error:
            raise StreamError(Codec.SNAPPY, start, str(error)) from error
        if data:
            yield data


def _lzf(source: _Source) -> Iterator[bytes]:
    """Decode chunks of `ZV`, 0 (stored) or 1 (compressed), and their big-endian lengths of two bytes."""
    while True:
        start = source.offset
        head = source.take(5)
        if not head:
            return
        if not b"ZV".startswith(head[:2]) or head[2:3] not in {b"", b"\0", b"\1"}:
            raise StreamError(Codec.LZF, start, "no LZF chunk header")
        if len(head) < 5:
            raise StreamError(Codec.LZF, start, "the file ends within a chunk header", truncated=True)
        stored = int.from_bytes(head[3:], "big")
        if head[2] == 0:
            data = _exactly(source, stored, Codec.LZF, start)
        else:
            size = int.from_bytes(_exactly(source, 2, Codec.LZF, start), "big")
            try:
                data = _unlzf(_exactly(source, stored, Codec.LZF, start))
            except IndexError as error:
                raise StreamError(Codec.LZF, start, "a chunk points outside itself") from error
            if len(data) != size:
                raise StreamError(Codec.LZF, start, f"a chunk of {size} bytes has {len(data)}")
        if data:
            yield data


def _unlzf(data: bytes) -> bytes:
    out = bytearray()
    at = 0
    while at < len(data):
        control = data[at]
        at += 1
        if control < 32:  # a run of literals
            if at + control + 1 > len(data):
                raise IndexError
            out += data[at : at + control + 1]
            at += control + 1
            continue
        length = control >> 5
        if length == 7:
            length += data[at]
            at += 1
        length += 2
        back = (control & 31) << 8 | data[at]
        at += 1
        begin = len(out) - back - 1
        if begin < 0:
            raise IndexError
        repeated = out[begin : begin + length]
        out += (repeated * (length // len(repeated) + 1))[:length]  # what is copied may overlap what it is copied to
    return bytes(out)


_DECODERS: dict[Codec, Callable[[_Source], Iterator[bytes]]] = {
    Codec.GZ: _gzip,
    Codec.ZSTD: _zstd,
    Codec.LZ4: _lz4,
    Codec.SNAPPY: _snappy,
    Codec.LZF: _lzf,
}
