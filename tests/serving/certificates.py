"""Certificates made for a test, by an authority made for it."""

import datetime
import ipaddress

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec


class Authority:
    """Signs certificates, and writes them as files."""

    def __init__(self, folder, name):
        self._folder, self._name = (
            folder,
            x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)]),
        )
        self._key = ec.generate_private_key(ec.SECP256R1())
        certificate = self._sign(self._name, self._key, is_authority=True)
        self.root = self._write(f"{name}.pem", _pem(certificate))

    def issue(self, name, password=None):
        """Paths of a certificate for 127.0.0.1 and of its key."""
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
        certificate = self._sign(subject, key, is_authority=False)
        encryption = serialization.NoEncryption()
        if password:
            encryption = serialization.BestAvailableEncryption(password)
        key_text = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, encryption
        )
        return (
            self._write(f"{name}.crt", _pem(certificate)),
            self._write(f"{name}.key", key_text),
        )

    def _sign(self, subject, key, *, is_authority):
        now = datetime.datetime.now(datetime.UTC)
        day = datetime.timedelta(days=1)
        names = x509.SubjectAlternativeName(
            [x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
        )
        # Signs messages, and certificates if it is an authority; nothing else.
        usage = x509.KeyUsage(
            True, False, False, False, False, is_authority, is_authority, False, False
        )
        issuer = self._key.public_key()
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - day)
            .not_valid_after(now + day)
            .add_extension(x509.BasicConstraints(is_authority, None), critical=True)
            .add_extension(usage, critical=True)
            .add_extension(names, critical=False)
            .add_extension(
                x509.SubjectKeyIdentifier.from_public_key(key.public_key()), False
            )
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer), False
            )
            .sign(self._key, hashes.SHA256())
        )

    def _write(self, name, content):
        path = self._folder / name
        path.write_bytes(content)
        return path


def _pem(certificate):
    return certificate.public_bytes(serialization.Encoding.PEM)
