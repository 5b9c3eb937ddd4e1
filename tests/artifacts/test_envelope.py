"""What is sealed opens to the same bytes under the same name and key, and to nothing at all otherwise."""

from __future__ import annotations

import json
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oracle.artifacts.envelope import (
    CHANCE,
    FRAME,
    HEADER,
    TAG,
    Header,
    Key,
    Opener,
    Sealer,
    opened,
    plain_size,
    rewrapped,
    sealed,
)
from oracle.errors import Unopened
from tests.artifacts import golden

KEY, OTHER = Key(bytes(range(32))), Key(bytes(reversed(range(32))))
RING = {KEY.id: KEY}
NAME = "file:///srv/artifacts/1/run/model.bin"
CHANCES = bytes(range(CHANCE)), bytes(range(1, CHANCE + 1))


def seal(plain: bytes, name: str = NAME, key: Key = KEY, chance: bytes = CHANCES[0], frame: int = 8) -> bytes:
    return b"".join(sealed([plain], Sealer(key, name, chance, frame)))


def unseal(content: bytes, name: str = NAME, ring: dict[str, Key] = RING) -> bytes:
    return b"".join(opened([content], Opener(ring, name)))


def refused(content: bytes, name: str = NAME, ring: dict[str, Key] = RING) -> str:
    with pytest.raises(Unopened) as error:
        unseal(content, name, ring)
    return str(error.value)


@given(plain=st.binary(max_size=60), frame=st.integers(1, 20), cuts=st.lists(st.integers(0, 300), max_size=8))
def test_any_bytes_come_back_however_they_are_cut(plain: bytes, frame: int, cuts: list[int]) -> None:
    def cut(whole: bytes) -> list[bytes]:
        return [whole[a:b] for a, b in pairwise([0, *sorted(cuts), max(len(whole), *cuts, 0)])]

    content = b"".join(sealed(cut(plain), Sealer(KEY, NAME, CHANCES[0], frame)))
    assert b"".join(opened(cut(content), Opener(RING, NAME))) == plain
    assert plain_size(len(content), frame) == len(plain)


def test_what_is_sealed_is_what_the_layout_says_byte_by_byte() -> None:
    kept = json.loads(golden.FILE.read_text())
    assert kept["files"] == golden.vectors()
    key = Key(bytes.fromhex(kept["secret"]))
    for each in kept["files"]:
        plain, chance, content = (bytes.fromhex(each[k]) for k in ("plain", "chance", "sealed"))
        assert seal(plain, kept["name"], key, chance, each["frame"]) == content
        assert unseal(content, kept["name"], {key.id: key}) == plain


@pytest.mark.parametrize("length", [0, 7, 8, 20])
def test_every_flipped_bit_is_found(length: int) -> None:
    content = seal(bytes(range(length)))
    for place in range(len(content)):
        for bit in range(8):
            changed = bytearray(content)
            changed[place] ^= 1 << bit
            refused(bytes(changed))


@pytest.mark.parametrize("length", [0, 8, 16, 20])
def test_every_shortening_is_found(length: int) -> None:
    content = seal(bytes(length))
    for size in range(len(content)):
        refused(content[:size])


@given(added=st.binary(min_size=1, max_size=40), length=st.integers(0, 24))
def test_appended_bytes_are_found(added: bytes, length: int) -> None:
    refused(seal(bytes(length)) + added)


def frames(content: bytes, frame: int = 8) -> list[bytes]:
    step = frame + TAG
    return [content[i : i + step] for i in range(HEADER, len(content), step)]


def test_frames_that_are_moved_left_out_or_repeated_are_found() -> None:
    content = seal(bytes(range(32)))
    head, (a, b, c, d) = content[:HEADER], frames(content)
    for order in ((b, a, c, d), (a, c, d), (a, b, c), (a, a, b, c, d), (d,), (a, b, d, c), (a, b, c, d, d), ()):
        refused(head + b"".join(order))
    assert unseal(head + a + b + c + d) == bytes(range(32))


def test_a_frame_or_a_header_of_another_file_is_found() -> None:
    one, two = seal(b"a" * 16), seal(b"b" * 16, chance=CHANCES[1])
    refused(one[:HEADER] + frames(two)[0] + frames(one)[1])
    refused(two[:HEADER] + one[HEADER:])


def test_two_files_exchanged_do_not_open() -> None:
    assert "another place" in refused(seal(b"ranker", name=NAME + ".old"))


def test_a_file_under_another_key_names_the_missing_key_and_no_secret() -> None:
    told = refused(seal(b"ranker", key=OTHER))
    assert OTHER.id in told
    assert not any(secret in told for secret in (OTHER.secret.hex(), KEY.secret.hex(), repr(KEY.secret)))


def test_a_wrong_key_behind_the_right_id_does_not_open() -> None:
    refused(seal(b"ranker"), ring={KEY.id: OTHER})


def test_a_file_that_is_not_sealed_is_refused_and_not_passed_on() -> None:
    for plain in (b"", b"x", b"plain text " * 50, b"oracle-sealed-1\n"):
        assert "not sealed" in refused(plain)


def test_a_header_cannot_make_a_reader_take_all_memory() -> None:
    huge = bytes(Header.wrap(bytes(32), KEY, NAME, bytes(12), 1 << 30))
    assert "ever written" in refused(huge + bytes(100))


def test_an_id_that_is_no_text_is_refused_as_any_other() -> None:
    content = bytearray(seal(b"x"))
    content[20:36] = bytes(range(200, 216))
    refused(bytes(content))


def test_a_new_master_key_changes_the_header_alone() -> None:
    content = seal(b"ranker" * 9)
    both = {**RING, OTHER.id: OTHER}
    new = rewrapped(content[:HEADER], both, OTHER, (NAME, NAME), bytes(12)) + content[HEADER:]
    assert unseal(new, ring={OTHER.id: OTHER}) == b"ranker" * 9
    assert KEY.id in refused(content, ring={OTHER.id: OTHER})
    with pytest.raises(Unopened):
        rewrapped(content[:HEADER], both, OTHER, (NAME + "2", NAME), bytes(12))


def test_a_file_may_be_bound_to_a_new_address() -> None:
    content = seal(b"ranker")
    moved = rewrapped(content[:HEADER], RING, KEY, (NAME, NAME + "2"), bytes(12)) + content[HEADER:]
    assert unseal(moved, NAME + "2") == b"ranker"
    refused(moved, NAME)


def test_a_key_shows_its_id_and_not_its_secret() -> None:
    assert repr(KEY) == f"Key(id='{KEY.id}')"
    with pytest.raises(ValueError, match="32 bytes"):
        Key(b"short")


def test_a_reader_holds_one_frame_however_long_the_file_is() -> None:
    sealer, opener = Sealer(KEY, NAME, CHANCES[0]), Opener(RING, NAME)
    piece, most = bytes(FRAME // 2), 0
    for _ in range(12):
        opener.update(sealer.update(piece))
        most = max(most, len(sealer._held), len(opener._held))
    opener.update(sealer.finish())
    opener.finish()
    assert most <= FRAME + TAG
