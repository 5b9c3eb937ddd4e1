"""Makes golden.json, sealed files whose every byte is fixed: `python tests/artifacts/golden.py` after a new format.

The bytes are computed here a second time from the primitives, by the layout in words, not by the code that is tested.
"""

from __future__ import annotations

import hashlib
import json
import struct
from pathlib import Path

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

FILE = Path(__file__).with_name("golden.json")
SECRET = bytes(range(32))
NAME = "s3://bucket/1/run/artifacts/model.bin"


def gcm(key: bytes, nonce: bytes, plain: bytes, bound: bytes) -> bytes:
    made = Cipher(algorithms.AES(key), modes.GCM(nonce)).encryptor()
    made.authenticate_additional_data(bound)
    return made.update(plain) + made.finalize() + made.tag


def by_hand(plain: bytes, frame: int, chance: bytes) -> bytes:
    own, nonce, magic = chance[:32], chance[32:], b"oracle-sealed-1\n"
    key_id = hashlib.sha256(b"equine-oracle artifact key\0" + SECRET).hexdigest()[:16].encode()
    bound = magic + struct.pack(">I", frame) + key_id + NAME.encode()
    out = magic + struct.pack(">I", frame) + key_id + nonce + gcm(SECRET, nonce, own, bound)
    frames = [plain[i : i + frame] for i in range(0, len(plain), frame)] or [b""]
    for number, each in enumerate(frames):
        last = bytes([number == len(frames) - 1])
        out += gcm(own, number.to_bytes(11, "big") + last, each, b"")
    return out


def vectors() -> list[dict[str, object]]:
    """Return an empty file, one of two full frames, one with a shorter last frame."""
    made: list[dict[str, object]] = []
    for number, plain in enumerate((b"", b"0123456789abcdef", b"0123456789abcdefghi")):
        chance = hashlib.sha512(bytes([number])).digest()[:44]
        sealed = by_hand(plain, 8, chance)
        made.append({"plain": plain.hex(), "frame": 8, "chance": chance.hex(), "sealed": sealed.hex()})
    return made


if __name__ == "__main__":
    FILE.write_text(json.dumps({"secret": SECRET.hex(), "name": NAME, "files": vectors()}, indent=1) + "\n")
