"""Photos: known by their content, kept without what they tell beside the picture, refused when they are none."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dispatch.tickets.images import clean_picture
from hoistway.errors import BadInput
from hoistway.limits import PHOTO_BYTES
from tests.support import pictures

KINDS = {
    "jpeg": (pictures.jpeg(), "image/jpeg", (4, 3)),
    "jpeg-little-endian": (pictures.jpeg(order="<"), "image/jpeg", (4, 3)),
    "png": (pictures.png(), "image/png", (2, 2)),
    "webp": (pictures.webp(), "image/webp", (5, 7)),
    "webp-lossless": (pictures.webp(lossless=True, extended=False), "image/webp", (5, 7)),
    "webp-plain": (pictures.webp(extended=False), "image/webp", (5, 7)),
}
each_kind = pytest.mark.parametrize("name", KINDS)


@each_kind
def test_the_picture_is_kept_and_nothing_beside_it(name: str) -> None:
    """Place, author, time, profile, thumbnail and what follows the picture are gone; size and type are the picture's own."""
    data, media_type, size = KINDS[name]
    found = clean_picture(data)
    assert (found.media_type, (found.width, found.height)) == (media_type, size)
    assert b"GPS" not in found.content
    assert b"ICC_PROFILE" not in found.content
    assert len(found.content) <= len(data)


@each_kind
def test_what_is_clean_stays_as_it_is(name: str) -> None:
    """Cleaning a second time changes nothing: the result is a whole picture."""
    once = clean_picture(KINDS[name][0])
    assert clean_picture(once.content) == once


@pytest.mark.parametrize("order", [">", "<"])
def test_which_way_is_up_is_kept(order: str) -> None:
    """Telephones store a turned picture with a note; the note is all that stays of the metadata, and none where it says nothing."""
    turned = clean_picture(pictures.jpeg(orientation=6, order=order)).content
    note = turned[turned.index(b"Exif\x00\x00") + 6 :]
    assert struct.unpack_from(">HHIH", note, 10) == (0x0112, 3, 1, 6)
    assert b"Exif" not in clean_picture(pictures.jpeg(orientation=1, order=order)).content
    assert b"Exif" not in clean_picture(pictures.jpeg(orientation=77, order=order)).content


def test_the_scan_is_kept_with_its_stuffed_bytes_and_restarts() -> None:
    """Entropy-coded bytes are not mistaken for segments."""
    assert b"\x12\xff\x00\x34\xff\xd0\x56\xff\xd9" in clean_picture(pictures.jpeg()).content


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "begins with"),
        (b"GIF89a" + bytes(40), "begins with"),
        (b"<svg onload='alert(1)'>", "begins with"),
        (b"\x00\x00\x00\x18ftypheic" + bytes(40), "begins with"),
        (b"\xff\xd8\xff", "ends too early"),
        (b"\xff\xd8\xff\xd9", "no picture"),
        (pictures.jpeg()[:120], "broken"),
        (pictures.jpeg(width=0), "pixels"),
        (pictures.jpeg(width=60_000, height=60_000), "pixels"),
        (pictures.png()[:60], "broken"),
        (pictures.png().replace(b"IDAT", b"IDAX"), "not whole"),
        (pictures.png(width=0), "pixels"),
        (pictures.webp(moving=True), "moving"),
        (b"RIFF\x10\x00\x00\x00WEBPEXIF\x04\x00\x00\x00abcd", "no picture"),
        (pictures.webp()[:40], "not whole"),
        (b"\xff\xd8" + pictures.segment(0xFE, b"") * 10_001, "segments"),
        (pictures.png()[:8] + pictures.chunk(b"tEXt", b"") * 10_001, "chunks"),
        (b"RIFF\xff\xff\xff\x00WEBP" + b"EXIF\x00\x00\x00\x00" * 10_001, "chunks"),
        (bytes(PHOTO_BYTES + 1), "at most"),
    ],
)
def test_what_is_no_picture_is_refused(data: bytes, words: str) -> None:
    """Named for what it is, with what was expected."""
    with pytest.raises(BadInput, match=words):
        clean_picture(data)


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_broken_pictures_are_refused_and_never_a_crash(data: st.DataObject) -> None:
    """Whatever byte is changed or cut off: a picture or a refusal, and never a secret."""
    name = data.draw(st.sampled_from(sorted(KINDS)))
    broken = bytearray(KINDS[name][0])
    for _ in range(data.draw(st.integers(1, 4))):
        broken[data.draw(st.integers(0, len(broken) - 1))] = data.draw(st.integers(0, 255))
    cut = bytes(broken[: data.draw(st.integers(0, len(broken)))])
    try:
        found = clean_picture(cut)
    except BadInput:
        return
    assert found.width * found.height > 0
