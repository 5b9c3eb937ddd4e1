"""The master keys: read from the setting or from a file that only its owner reads; the first seals, all of them open.

A key is a line `oak1.` with 43 letters behind it. Keys never stand in an error, in a log, or on a command line: they
are named by their ids.
"""

from __future__ import annotations

import base64
import binascii
import os
import re
import stat
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from oracle.artifacts.envelope import SECRET, Key
from oracle.errors import BadSetting, Refused
from oracle.settings import Settings, load

PREFIX = "oak1."
FILE = "artifact.keys"
"""Name of the file under home where no setting names another."""
_HEAD = "# Keys of the sealed artifacts, newest first. Without them the artifacts are lost: keep a copy elsewhere.\n"


@dataclass(frozen=True, slots=True)
class Keyring(Mapping[str, Key]):
    """Keys by their ids, in the order they were given."""

    keys_: tuple[Key, ...]
    source: str
    """Where they come from, in words."""

    def __getitem__(self, key_id: str) -> Key:
        for key in self.keys_:
            if key.id == key_id:
                return key
        raise KeyError(key_id)

    def __iter__(self) -> Iterator[str]:
        return (key.id for key in self.keys_)

    def __len__(self) -> int:
        return len(self.keys_)

    @property
    def sealing(self) -> Key:
        """The key that seals.

        Raises:
            Refused: there is none, and nothing is written in the clear instead.
        """
        if not self.keys_:
            raise Refused(
                "there is no key to seal artifacts with",
                value=self.source,
                allowed="artifacts.key (ORACLE_ARTIFACTS__KEY), or a file of keys (artifacts.key_file)",
                next_step="oracle artifacts key --new makes one",
            )
        return self.keys_[0]


def written(key: Key) -> str:
    """Return the line of a key."""
    return PREFIX + base64.urlsafe_b64encode(key.secret).decode("ascii").rstrip("=")


def parse(text: str, source: str) -> tuple[Key, ...]:
    """Return the keys of a text: one a line, or with commas or spaces between; `#` begins a comment.

    Raises:
        BadSetting: a word is no key. It is not repeated: it may be one with a typing error.
    """
    words = re.split(r"[\s,]+", re.sub(r"#.*", "", text).strip())
    keys = [_key(word, number, source) for number, word in enumerate(words, 1) if word]
    return tuple(dict.fromkeys(keys))


def _key(word: str, number: int, source: str) -> Key:
    body = word.removeprefix(PREFIX)
    try:
        secret = base64.b64decode(body + "=" * (-len(body) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        secret = b""
    if not word.startswith(PREFIX) or len(secret) != SECRET:
        raise BadSetting(
            f"key {number} of {source} is not a key of artifacts",
            allowed=f"{PREFIX} and 43 letters, digits, - or _",
            next_step="oracle artifacts key --new makes one",
        )
    return Key(secret)


def file_of(settings: Settings) -> Path:
    """Return the file that keys are kept in."""
    named = settings.artifacts.key_file
    return named.expanduser().absolute() if named else settings.root / FILE


def of(settings: Settings) -> Keyring:
    """Return the keys that the settings name; an empty ring where there are none.

    Raises:
        BadSetting: a key is none, or a file that was named is not there.
        Refused: others than its owner may read the file.
    """
    found: tuple[Key, ...] = ()
    if settings.artifacts.key:
        found += parse(settings.artifacts.key.get_secret_value(), "artifacts.key")
    file = file_of(settings)
    if settings.artifacts.key_file or file.exists():
        found += read(file)
    return Keyring(tuple(dict.fromkeys(found)), f"artifacts.key and {file}")


_ANNOUNCED: dict[str, Settings] = {}


def announce(tracking_uri: str, settings: Settings) -> None:
    """Let MLflow's calls to a tracking store use the keys of these settings: MLflow hands on the address alone."""
    _ANNOUNCED[tracking_uri] = settings


def at(tracking_uri: str | None) -> Keyring:
    """Return the keys for a tracking store, read anew; in a process that announced none those of its environment."""
    return of(_ANNOUNCED.get(tracking_uri or "") or load())


def read(file: Path) -> tuple[Key, ...]:
    """Return the keys of a file, the one that seals first.

    Raises:
        BadSetting: the file cannot be read, or holds something else.
        Refused: others than its owner may read it.
    """
    try:
        with file.open(encoding="ascii", errors="replace") as stream:
            mode = stat.S_IMODE(os.fstat(stream.fileno()).st_mode)
            if mode & 0o077:
                raise Refused(
                    "others may read the file of the artifacts' keys",
                    value=f"{file} with mode {mode:04o}",
                    allowed="mode 0600",
                    next_step=f"chmod 600 {file}, and make a new key if somebody may have read it",
                )
            return parse(stream.read(), str(file))
    except OSError as error:
        raise BadSetting(
            f"the file of the artifacts' keys cannot be read: {error.strerror}",
            value=str(file),
            next_step="mend artifacts.key_file, or make the file: oracle artifacts key --new",
        ) from error


def add(file: Path, secret: bytes) -> Key:
    """Put a new key before those of a file, which is made where there is none, and return the key.

    The file is exchanged whole: a process killed in between leaves the old one.
    """
    old = read(file) if file.exists() else ()
    new = Key(secret)
    file.parent.mkdir(parents=True, exist_ok=True)
    half = file.with_name(f".{file.name}.half")
    half.unlink(missing_ok=True)
    with open(half, "x", encoding="ascii", opener=lambda path, flags: os.open(path, flags, 0o600)) as out:
        out.write(_HEAD + "".join(f"{written(key)}  # {key.id}\n" for key in (new, *old)))
        out.flush()
        os.fsync(out.fileno())
    half.replace(file)
    return new
