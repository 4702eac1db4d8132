"""Certificates for the tests of the Coordinator, valid for a month: NAME.crt and NAME.key in the folder given.

An authority, a server for 127.0.0.1, a client with a URI, and a client of the same names from another authority.
"""

import datetime
import ipaddress
import pathlib
import sys

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

DAY = datetime.timedelta(days=1)


def issue(folder, name, issuer=None, names=()):
    """Writes a certificate and its key; gives both."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.datetime.now(datetime.timezone.utc)
    issuer_name, issuer_key = issuer or (subject, key)
    builder = x509.CertificateBuilder(issuer_name, subject, key.public_key(), x509.random_serial_number())
    builder = builder.not_valid_before(now - DAY).not_valid_after(now + 30 * DAY)
    builder = builder.add_extension(x509.BasicConstraints(ca=issuer is None, path_length=None), critical=True)
    if names:
        builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
    certificate = builder.sign(issuer_key, hashes.SHA256())
    (folder / f"{name}.crt").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    private = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    (folder / f"{name}.key").write_bytes(key.private_bytes(serialization.Encoding.PEM, *private))
    return subject, key


folder = pathlib.Path(sys.argv[1])
authority = issue(folder, "ca")
stranger = issue(folder, "stranger-ca")
uri = [x509.UniformResourceIdentifier("spiffe://example/gateway")]
issue(folder, "server", authority, [x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
issue(folder, "client", authority, uri)
issue(folder, "stranger", stranger, uri)
