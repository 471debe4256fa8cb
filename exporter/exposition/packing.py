"""Text compressed in pieces that join into one gzip file, so that what is unchanged stays packed.

A gzip file of several members would be simpler, and Go reads it; but browsers and curl show only
the first member. So the pieces are raw deflate blocks that end on a byte (RFC 1951), joined between
one header and one trailer (RFC 1952); the trailer's checksum is reckoned from those of the pieces.
"""

import struct
import zlib
from collections.abc import Iterable
from dataclasses import dataclass

_LEVEL = 1
"""Measured on an exposition: to 3 % of its size; level 6 takes three times as long for 1 % more."""

_RAW_DEFLATE = -15
_HEADER = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x04\xff"
_LONGEST_STORED = 0xFFFF
_LAST_BLOCK = b"\x03\x00"
_POLYNOMIAL = 0xEDB88320
_ONE = 1 << 31
"""CRC-32 writes polynomials with their lowest term in the highest bit."""


@dataclass(frozen=True, slots=True)
class Piece:
    """Compressed text, with the checksum and the size in bytes of what it was."""

    data: bytes
    crc: int
    size: int


def pack(text: bytes) -> Piece:
    """Compress one piece."""
    deflate = zlib.compressobj(_LEVEL, zlib.DEFLATED, _RAW_DEFLATE)
    data = deflate.compress(text) + deflate.flush(zlib.Z_FULL_FLUSH)
    return Piece(data, zlib.crc32(text), len(text))


def store(text: bytes) -> Piece:
    """Take one piece as it is, in stored blocks: for what is small and changes at every scrape.

    To set up a compressor costs more than it saves then, and a thread that compresses has to get
    the interpreter back from the pollers each time.
    """
    blocks = [
        struct.pack("<BHH", 0, size := len(part), size ^ 0xFFFF) + part
        for at in range(0, len(text), _LONGEST_STORED)
        if (part := text[at : at + _LONGEST_STORED])
    ]
    return Piece(b"".join(blocks), zlib.crc32(text), len(text))


def join(pieces: Iterable[Piece]) -> Piece:
    """Make one piece of many, without a look at their text."""
    pieces = tuple(pieces)
    crc = 0
    for piece in pieces:
        crc = _times(_shift(piece.size), crc) ^ piece.crc
    return Piece(b"".join([piece.data for piece in pieces]), crc, sum(p.size for p in pieces))


def gzip_file(pieces: Iterable[Piece]) -> bytes:
    """Give the gzip file that holds the pieces' text, one after the other."""
    whole = join(pieces)
    trailer = struct.pack("<LL", whole.crc, whole.size & 0xFFFFFFFF)
    return b"".join((_HEADER, whole.data, _LAST_BLOCK, trailer))


def _times(a: int, b: int) -> int:
    """Multiply two polynomials modulo CRC-32's, as zlib's crc32_combine does."""
    product = 0
    while a:
        if a & _ONE:
            product ^= b
        a = (a << 1) & 0xFFFFFFFF
        b = (b >> 1) ^ (_POLYNOMIAL if b & 1 else 0)
    return product


def _squares() -> tuple[int, ...]:
    """Give x to the powers of 8, 16, 32, …: what a byte, two, four, … shift a checksum by."""
    power = _ONE >> 8
    squares = []
    for _ in range(64):
        squares.append(power)
        power = _times(power, power)
    return tuple(squares)


_SQUARES = _squares()


def _shift(size: int) -> int:
    """Give the polynomial that a checksum is multiplied by when so many bytes follow."""
    shift = _ONE
    for bit in range(size.bit_length()):
        if size >> bit & 1:
            shift = _times(_SQUARES[bit], shift)
    return shift
