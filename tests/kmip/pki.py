"""Certificates for the KMS tests, valid for a month.

Each is NAME.crt, with NAME.key in PKCS#8. The client also has its key in the form of OpenSSL's older tools (PKCS#1 for
RSA, SEC1 for the others): client.traditional.key.
"""

import datetime
import ipaddress
import pathlib

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

KINDS = {
    "rsa": lambda: rsa.generate_private_key(65537, 2048),
    "p256": lambda: ec.generate_private_key(ec.SECP256R1()),
    "p384": lambda: ec.generate_private_key(ec.SECP384R1()),
    "p521": lambda: ec.generate_private_key(ec.SECP521R1()),
}
SERVER, CLIENT = ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH
LOCAL = [x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
ELSEWHERE = [x509.DNSName("kms.example.com")]
DAY = datetime.timedelta(days=1)


def common_name(text):
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def write(folder, name, certificate, key):
    private = serialization.PrivateFormat
    forms = {"key": private.PKCS8} | ({"traditional.key": private.TraditionalOpenSSL} if name == "client" else {})
    for ending, form in forms.items():
        pem = key.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption())
        (folder / f"{name}.{ending}").write_bytes(pem)
    (folder / f"{name}.crt").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))


def certificate(subject, key, issuer, issuer_key, days, extensions):
    now = datetime.datetime.now(datetime.timezone.utc)
    builder = x509.CertificateBuilder(issuer, subject, key.public_key(), x509.random_serial_number())
    builder = builder.not_valid_before(now - 3 * DAY).not_valid_after(now + days * DAY)
    for extension in extensions:
        builder = builder.add_extension(extension, critical=isinstance(extension, x509.BasicConstraints))
    return builder.sign(issuer_key, hashes.SHA256())


def authority(folder, name, new_key):
    subject, key = common_name(name), new_key()
    extensions = [x509.BasicConstraints(True, None), x509.SubjectKeyIdentifier.from_public_key(key.public_key())]
    write(folder, name, certificate(subject, key, subject, key, 30, extensions), key)
    return subject, key


def make(folder, kind):
    """Fills a new folder with keys of this kind."""
    folder = pathlib.Path(folder)
    folder.mkdir()
    new_key = KINDS[kind]
    ours, other = authority(folder, "ca", new_key), authority(folder, "other-ca", new_key)

    def leaf(name, subject, usage, names=None, days=30, signed_by=ours):
        key = new_key()
        extensions = [x509.BasicConstraints(False, None)]
        extensions += [x509.ExtendedKeyUsage([usage])] if usage else []
        extensions += [x509.SubjectAlternativeName(names)] if names else []
        write(folder, name, certificate(subject, key, *signed_by, days, extensions), key)

    leaf("server", common_name("localhost"), SERVER, LOCAL)
    leaf("server-expired", common_name("localhost"), SERVER, LOCAL, days=-1)
    leaf("server-elsewhere", common_name("kms.example.com"), SERVER, ELSEWHERE)
    leaf("client", common_name("gateway"), CLIENT)
    leaf("client-second", common_name("somebody else"), CLIENT)
    leaf("client-stranger", common_name("gateway"), CLIENT, signed_by=other)
    leaf("client-expired", common_name("gateway"), CLIENT, days=-1)
    leaf("client-no-usage", common_name("gateway"), None)
    leaf("client-nameless", x509.Name([x509.NameAttribute(NameOID.ORGANIZATION_NAME, "nobody")]), CLIENT)
