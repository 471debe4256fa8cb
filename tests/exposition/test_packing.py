"""Compressed pieces join into one gzip file that any reader takes."""

import gzip
import zlib

from hypothesis import given
from hypothesis import strategies as st

from exporter.exposition.packing import gzip_file, join, pack, store

texts = st.lists(st.binary(max_size=300) | st.builds(lambda n: b"ab" * n, st.integers(0, 70_000)))


@given(texts)
def test_the_file_holds_the_pieces_text(pieces: list[bytes]) -> None:
    """Unpacking gives the texts one after the other; size and checksum hold."""
    assert gzip.decompress(gzip_file(map(pack, pieces))) == b"".join(pieces)


@given(texts)
def test_stored_pieces_stand_among_compressed_ones(pieces: list[bytes]) -> None:
    """What is kept as it is needs no other reader."""
    mixed = [one for text in pieces for one in (store(text), pack(text))]
    assert gzip.decompress(gzip_file(mixed)) == b"".join(text + text for text in pieces)


@given(texts, texts)
def test_pieces_may_be_joined_beforehand(left: list[bytes], right: list[bytes]) -> None:
    """How pieces were grouped makes no difference to the file."""
    grouped = [join(map(pack, left)), join(map(pack, right))]
    assert gzip_file(grouped) == gzip_file(map(pack, left + right))


@given(texts)
def test_it_is_one_member(pieces: list[bytes]) -> None:
    """A reader that stops after the first member, as browsers and curl do, has read everything."""
    reader = zlib.decompressobj(wbits=31)
    assert reader.decompress(gzip_file(map(pack, pieces))) == b"".join(pieces)
    assert reader.eof
    assert reader.unused_data == b""
