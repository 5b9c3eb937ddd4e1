r"""A sealed file: AES-256-GCM in frames, under a key of its own that a master key wraps. Pure, the one door to AES.

    header   16 bytes  `oracle-sealed-1\n`
              4 bytes  size of a frame's plaintext
             16 bytes  id of the master key, hexadecimal
             12 bytes  nonce of the wrapping
             48 bytes  the file's own key, wrapped
    frames   each as long as the header says, the last as long or shorter, never missing; behind each 16 bytes of tag

The own key is used for one file only, so the nonce of a frame is its number and whether it is the last: a frame that
was changed, moved, left out, added, or comes from another file does not open. The wrapping is bound to the name of the
file (its whole address) and to the size of a frame: two files exchanged do not open either. Nothing but one frame is
held. Whoever opens must not use a byte before `finish` has returned: only the last frame proves the file to be whole.
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from oracle.errors import Unopened

MAGIC = b"oracle-sealed-1\n"
FRAME = 1 << 20
"""Plaintext bytes of a frame, as everything is sealed today."""
LARGEST_FRAME = 1 << 24
"""Whoever writes a header chooses how much memory a reader takes, up to here."""
TAG = 16
SECRET = 32
"""Bytes of a key, a file's own and a master key alike: AES-256."""
NONCE = 12
CHANCE = SECRET + NONCE
"""Random bytes that one sealing takes: never the same twice."""
_HEADER = struct.Struct(f">16sI16s{NONCE}s{SECRET + TAG}s")
HEADER = _HEADER.size


@dataclass(frozen=True, slots=True)
class Key:
    """A master key. It is shown by its id alone."""

    secret: bytes = field(repr=False)
    id: str = field(init=False)
    """16 hexadecimal digits that tell keys apart and say nothing of the key."""

    def __post_init__(self) -> None:
        if len(self.secret) != SECRET:
            raise ValueError(f"a key has {SECRET} bytes")
        object.__setattr__(self, "id", hashlib.sha256(b"equine-oracle artifact key\0" + self.secret).hexdigest()[:16])


@dataclass(frozen=True, slots=True)
class Header:
    """What the first bytes of a sealed file say; none of it is proven before the file's own key is unwrapped."""

    frame: int
    key_id: str
    nonce: bytes
    wrapped: bytes

    def __bytes__(self) -> bytes:
        return _HEADER.pack(MAGIC, self.frame, self.key_id.encode("ascii"), self.nonce, self.wrapped)

    @classmethod
    def read(cls, start: bytes) -> Header | None:
        """Return the header that a file begins with; None where the file is not a sealed one."""
        if len(start) < HEADER or not start.startswith(MAGIC):
            return None
        _, frame, key_id, nonce, wrapped = _HEADER.unpack(start[:HEADER])
        return cls(frame, key_id.decode("ascii", errors="replace"), nonce, wrapped)

    @classmethod
    def wrap(cls, own: bytes, key: Key, name: str, nonce: bytes, frame: int) -> Header:
        """Return the header of a file's own key under a master key."""
        return cls(frame, key.id, nonce, AESGCM(key.secret).encrypt(nonce, own, _bound(frame, key.id, name)))

    def unwrap(self, keys: Mapping[str, Key], name: str) -> bytes:
        """Return the file's own key.

        Raises:
            Unopened: the master key is not there, or this is not what was sealed under this name.
        """
        key = keys.get(self.key_id)
        if key is None:
            raise Unopened(
                f"the key {self.key_id} that the file is sealed with is not in the ring",
                value=name,
                allowed=", ".join(keys) or "no key: the ring is empty",
                next_step="put the key back into artifacts.key_file (oracle artifacts key lists what is there)",
            )
        if not 0 < self.frame <= LARGEST_FRAME:
            raise _broken("its header is not one that was ever written", name)
        try:
            return AESGCM(key.secret).decrypt(self.nonce, self.wrapped, _bound(self.frame, self.key_id, name))
        except InvalidTag:
            raise _broken("its header was changed, or the file belongs to another place", name) from None


def _bound(frame: int, key_id: str, name: str) -> bytes:
    return MAGIC + frame.to_bytes(4, "big") + key_id.encode("ascii") + name.encode("utf-8")


def _broken(why: str, name: str) -> Unopened:
    return Unopened(
        f"the sealed file is not what was sealed: {why}",
        value=name,
        next_step="find out who changed the store, and bring the file back from a copy or by a new training",
    )


def _nonce(number: int, *, last: bool) -> bytes:
    return number.to_bytes(NONCE - 1, "big") + bytes([last])


def _cut(held: bytes, piece: bytes, size: int) -> tuple[list[bytes | memoryview], bytes]:
    """Return the full frames at the beginning, and the rest: never empty, unless there is nothing at all."""
    if len(held) == size and len(piece) == size:  # what a reader in steps of a frame brings: nothing is copied
        return [held], piece
    whole = held + piece if held else piece
    full = max(0, (len(whole) - 1) // size)
    seen = memoryview(whole)
    return [seen[i * size : (i + 1) * size] for i in range(full)], whole[full * size :]


class Sealer:
    """Seals one file, piece by piece. Pieces may have any length.

    Args:
        key: The master key.
        name: Address of the file: it opens under this name only.
        chance: `CHANCE` random bytes, used for this file and never again.
        frame: Plaintext bytes of a frame.
    """

    def __init__(self, key: Key, name: str, chance: bytes, frame: int = FRAME) -> None:
        if len(chance) != CHANCE:
            raise ValueError(f"sealing takes {CHANCE} random bytes")
        if not 0 < frame <= LARGEST_FRAME:
            raise ValueError("a frame has 1 byte to 16 MiB")
        own, nonce = chance[:SECRET], chance[SECRET:]
        self._aes, self._frame = AESGCM(own), frame
        self._ready = bytes(Header.wrap(own, key, name, nonce, frame))
        self._held, self._number = b"", 0

    def update(self, piece: bytes) -> bytes:
        """Return what is sealed by now of the pieces so far; the last full frame waits for what follows it."""
        out, self._ready = [self._ready] if self._ready else [], b""
        frames, self._held = _cut(self._held, piece, self._frame)
        out += [self._sealed(frame, last=False) for frame in frames]
        return out[0] if len(out) == 1 else b"".join(out)

    def finish(self) -> bytes:
        """Return the rest, which says that it is the last."""
        return self.update(b"") + self._sealed(self._held, last=True)

    def _sealed(self, plain: bytes | memoryview, *, last: bool) -> bytes:
        nonce = _nonce(self._number, last=last)
        self._number += 1
        return self._aes.encrypt(nonce, plain, None)


class Opener:
    """Opens one file, piece by piece. What `update` returns is proven to be of the file, but not yet to be all of it.

    Args:
        keys: The master keys by their ids.
        name: Address of the file.
    """

    def __init__(self, keys: Mapping[str, Key], name: str) -> None:
        self._keys, self._name = keys, name
        self._held, self._number, self._size = b"", 0, 0
        self._aes: AESGCM | None = None

    def update(self, piece: bytes) -> bytes:
        """Return what can be opened by now.

        Raises:
            Unopened: it is no sealed file, no key fits, or it was changed.
        """
        if self._aes is None:
            self._held, piece = self._held + piece, b""
            if len(self._held) < HEADER:
                return b""
            self._begin()
        frames, self._held = _cut(self._held, piece, self._size)
        out = [self._opened(frame, last=False) for frame in frames]
        return out[0] if len(out) == 1 else b"".join(out)

    def finish(self) -> bytes:
        """Return the rest; from now on what was returned is the file that was sealed, whole.

        Raises:
            Unopened: the end is missing, or it was changed.
        """
        if self._aes is None:
            self._begin()
        return self._opened(self._held, last=True)

    def _begin(self) -> None:
        header = Header.read(self._held)
        if header is None:
            raise Unopened(
                "the file is not sealed, and this store takes nothing else",
                value=self._name,
                next_step="if it is yours: oracle artifacts rotate --plain-too seals it where it is",
            )
        self._aes, self._size = AESGCM(header.unwrap(self._keys, self._name)), header.frame + TAG
        self._held = self._held[HEADER:]

    def _opened(self, sealed: bytes | memoryview, *, last: bool) -> bytes:
        assert self._aes is not None
        try:
            plain = self._aes.decrypt(_nonce(self._number, last=last), sealed, None)
        except (InvalidTag, ValueError):
            where = "its end is missing or" if last else "it"
            raise _broken(f"{where} was changed in frame {self._number}", self._name) from None
        self._number += 1
        return plain


def sealed(pieces: Iterable[bytes], sealer: Sealer) -> Iterator[bytes]:
    """Return the sealed form of some bytes, piece by piece."""
    for piece in pieces:
        yield sealer.update(piece)
    yield sealer.finish()


def opened(pieces: Iterable[bytes], opener: Opener) -> Iterator[bytes]:
    """Return what was sealed, piece by piece; to be believed once the iterator has ended and not before."""
    for piece in pieces:
        yield opener.update(piece)
    yield opener.finish()


def rewrapped(start: bytes, keys: Mapping[str, Key], key: Key, names: tuple[str, str], nonce: bytes) -> bytes:
    """Return a new header under another master key; the frames behind it stay as they are.

    Args:
        start: The first bytes of the sealed file.
        keys: The master keys by their ids.
        key: The new one.
        names: Address under which it was sealed, and the one under which it is to open.
        nonce: 12 random bytes.

    Raises:
        Unopened: it is no sealed file, its key is not there, or it was changed.
    """
    header = Header.read(start)
    if header is None:
        raise _broken("it has no header", names[0])
    return bytes(Header.wrap(header.unwrap(keys, names[0]), key, names[1], nonce, header.frame))


def plain_size(size: int, frame: int = FRAME) -> int:
    """Return how long the plaintext of a sealed file is, by its length alone.

    >>> plain_size(HEADER + TAG), plain_size(HEADER + FRAME + TAG), plain_size(HEADER + FRAME + TAG + 5 + TAG)
    (0, 1048576, 1048581)
    """
    body = size - HEADER
    return size if body < TAG else body - TAG * -(-body // (frame + TAG))
