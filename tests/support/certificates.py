"""TLS for tests' own servers."""

import ipaddress
import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec


def server_context(folder: Path, host: str) -> tuple[ssl.SSLContext, Path]:
    """A server's TLS for `host`, a name or an address, and the file that makes a client trust it."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "look-alike")])
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(datetime.now(UTC) - timedelta(days=1))
        .not_valid_after(datetime.now(UTC) + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([_named(host)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem = folder / "certificate.pem"
    secret = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    pem.write_bytes(certificate.public_bytes(serialization.Encoding.PEM) + secret)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem)
    return context, pem


def _named(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        return x509.DNSName(host)


def signed(folder: Path, host: str) -> tuple[Path, Path, Path]:
    """The files of an authority of its own, and of the certificate and key that it signed for `host`, a name or an address."""
    own, its = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    above = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "the tests' authority")])
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, host)])
    authority = _lasting(x509.CertificateBuilder(above, above, own.public_key(), x509.random_serial_number()), ca=True)
    certificate = _lasting(x509.CertificateBuilder(above, name, its.public_key(), x509.random_serial_number()), ca=False)
    certificate = certificate.add_extension(x509.SubjectAlternativeName([_named(host)]), critical=False)
    files = (folder / "authority.pem", folder / "certificate.pem", folder / "key.pem")
    files[0].write_bytes(authority.sign(own, hashes.SHA256()).public_bytes(serialization.Encoding.PEM))
    files[1].write_bytes(certificate.sign(own, hashes.SHA256()).public_bytes(serialization.Encoding.PEM))
    pkcs8 = serialization.PrivateFormat.PKCS8
    files[2].write_bytes(its.private_bytes(serialization.Encoding.PEM, pkcs8, serialization.NoEncryption()))
    return files


def _lasting(builder: x509.CertificateBuilder, *, ca: bool) -> x509.CertificateBuilder:
    now = datetime.now(UTC)
    builder = builder.not_valid_before(now - timedelta(days=1)).not_valid_after(now + timedelta(days=1))
    return builder.add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
