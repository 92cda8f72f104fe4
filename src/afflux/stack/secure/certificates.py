"""The certificates of a secured stack: an authority of its own, and a certificate for each server.

ca.pem      whom clients trust; ca.key, the authority's own, never leaves the state folder
ca.p12      the same as ca.pem, for Java programs that read no PEM
NAME.crt, NAME.key, NAME.pem    a server's certificate, its key, and both in one file

Keys are readable by their owner alone.
"""

import ipaddress
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import pkcs12
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from afflux.stack.ports import HOST

AUTHORITY_LIVES = timedelta(days=3650)
LIVES = timedelta(days=397)
"""How long a server's certificate is good for, unless it is said: the most that browsers take."""
_SLACK = timedelta(minutes=5)
"""Clocks differ: a certificate is good a little before it is made."""


class Authority:
    """Makes certificates, in a folder of its own.

    Args:
        folder: where they lie; made with the first use.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @property
    def trusted(self) -> Path:
        """The authority's certificate, PEM."""
        return self.folder / "ca.pem"

    @property
    def java_trusted(self) -> Path:
        """The authority's certificate in Java's own form, PKCS 12, without a password: nothing in it is secret."""
        return self.folder / "ca.p12"

    def certificate(self, name: str) -> Path:
        """Return where a server's certificate is."""
        return self.folder / f"{name}.crt"

    def key(self, name: str) -> Path:
        """Return where a server's key is, PKCS 8 without a password."""
        return self.folder / f"{name}.key"

    def both(self, name: str) -> Path:
        """Return where a server's key and certificate are in one file, as Kafka wants them."""
        return self.folder / f"{name}.pem"

    def open(self) -> None:
        """Make the authority, if there is none."""
        self.folder.mkdir(mode=0o755, exist_ok=True)
        if self.java_trusted.exists():
            return
        key = ec.generate_private_key(ec.SECP256R1())
        name = _named("afflux local stack")
        usage = x509.KeyUsage(
            digital_signature=True,
            content_commitment=False,
            key_encipherment=False,
            data_encipherment=False,
            key_agreement=False,
            key_cert_sign=True,
            crl_sign=True,
            encipher_only=False,
            decipher_only=False,
        )
        certificate = (
            _begun(name, name, key.public_key(), AUTHORITY_LIVES)
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(usage, critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
            .sign(key, hashes.SHA256())
        )
        _write(self.folder / "ca.key", _pem(key), secret=True)
        _write(self.trusted, certificate.public_bytes(serialization.Encoding.PEM))
        entry = pkcs12.PKCS12Certificate(certificate, b"afflux")
        _write(self.java_trusted, pkcs12.serialize_java_truststore([entry], serialization.NoEncryption()))

    def issue(self, name: str, lives: timedelta = LIVES) -> x509.Certificate:
        """Make a new key and certificate for a server on this machine, over those it has.

        Args:
            name: the server's, which is also what it calls itself to others (`CN`).
            lives: for how long from now; a negative time makes one that has expired.
        """
        authority = x509.load_pem_x509_certificate(self.trusted.read_bytes())
        signer = serialization.load_pem_private_key((self.folder / "ca.key").read_bytes(), None)
        assert isinstance(signer, ec.EllipticCurvePrivateKey), "open() made it"  # noqa: S101 - its promise
        key = ec.generate_private_key(ec.SECP256R1())
        places = [x509.IPAddress(ipaddress.ip_address(HOST)), x509.DNSName("localhost")]
        certificate = (
            _begun(_named(name), authority.subject, key.public_key(), lives)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(x509.SubjectAlternativeName(places), critical=False)
            .add_extension(
                x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]),
                critical=False,
            )
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key()),
                critical=False,
            )
            .sign(signer, hashes.SHA256())
        )
        shown = certificate.public_bytes(serialization.Encoding.PEM)
        _write(self.key(name), _pem(key), secret=True)
        _write(self.certificate(name), shown)
        _write(self.both(name), _pem(key) + shown, secret=True)
        return certificate

    def ensure(self, name: str) -> None:
        """Make a server's certificate, if it has none."""
        if not self.both(name).exists():
            self.issue(name)

    def keystore(self, name: str, password: str) -> bytes:
        """Return a server's key and certificate as Java's own form, PKCS 12, for programs that read no PEM."""
        key = serialization.load_pem_private_key(self.key(name).read_bytes(), None)
        assert isinstance(key, ec.EllipticCurvePrivateKey), "issue() made it"  # noqa: S101 - its promise
        sealed = serialization.BestAvailableEncryption(password.encode())
        return pkcs12.serialize_key_and_certificates(name.encode(), key, self.current(name), None, sealed)

    def current(self, name: str) -> x509.Certificate:
        """Read the certificate that a server has, or will have taken up."""
        return x509.load_pem_x509_certificate(self.certificate(name).read_bytes())


def _named(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])


def _begun(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey, lives: timedelta
) -> x509.CertificateBuilder:
    now = datetime.now(UTC)
    since, until = min(now, now + lives) - _SLACK, now + lives
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(since)
        .not_valid_after(until)
    )


def _pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def _write(path: Path, content: bytes, *, secret: bool = False) -> None:
    """Write a file whole or not at all."""
    making = path.with_name(f"{path.name}.part")
    making.unlink(missing_ok=True)
    handle = os.open(making, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600 if secret else 0o644)
    with os.fdopen(handle, "wb") as file:
        file.write(content)
    making.replace(path)
