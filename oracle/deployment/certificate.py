"""A certificate of our own for the loopback address, so that artifacts travel encrypted even on one machine."""

from __future__ import annotations

import datetime as dt
import ipaddress
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from oracle.deployment.places import write_private

YEARS = 10


def kept(certificate: Path, key: Path, now: dt.datetime) -> None:
    """Make certificate and key where they are missing."""
    if certificate.exists() and key.exists():
        return
    own = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "equine-oracle s3")])
    signed = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(own.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=365 * YEARS))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(own, hashes.SHA256())
    )
    form, plain = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    write_private(key, own.private_bytes(serialization.Encoding.PEM, form, plain).decode())
    write_private(certificate, signed.public_bytes(serialization.Encoding.PEM).decode())
