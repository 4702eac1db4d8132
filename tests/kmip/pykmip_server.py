"""A KMS for tests: the engine and the sessions of PyKMIP behind an accept loop of our own.

PyKMIP's own server program offers TLS 1.2 only, with suites that rustls does not have for RSA certificates, and takes
seconds to start and to end. All that speaks KMIP here is PyKMIP.

Prints {"port": N} when it listens, then one JSON line per JSON line read from stdin:
    {"op": "register", "name": .., "value": .., "policy": ..?, "client": ..?}   {"uid": ..}
    {"op": "activate", "uid": ..}   {"op": "revoke", "uid": .., "reason": ..}   {"op": "destroy", "uid": ..}
    {"op": "connections"}           {"connections": how many came so far}
    {"op": "drop"}                  ends all connections, as a server does with idle ones
The end of stdin ends it, so that it never outlives its test.
"""

import argparse
import contextlib
import json
import logging
import os
import socket
import ssl
import sys
import threading
import warnings

warnings.filterwarnings("ignore")

from kmip.core import enums, policy  # noqa: E402
from kmip.pie import client as pie, exceptions as pie_exceptions, objects  # noqa: E402
from kmip.services.server import engine as engines, session as sessions  # noqa: E402

import pki  # noqa: E402

READ, NONE = enums.Policy.ALLOW_ALL, enums.Policy.DISALLOW_ALL
LOCATE, GET, ATTRIBUTES = enums.Operation.LOCATE, enums.Operation.GET, enums.Operation.GET_ATTRIBUTES
ACTIVATE = enums.Operation.ACTIVATE


def preset(**allowed):
    operations = {LOCATE: allowed["locate"], ATTRIBUTES: allowed["attributes"], GET: allowed["get"], ACTIVATE: READ}
    return {"preset": {enums.ObjectType.SECRET_DATA: operations}}


POLICIES = {
    "no-get": preset(locate=READ, attributes=READ, get=NONE),
    "no-attributes": preset(locate=READ, attributes=NONE, get=READ),
}

arguments = argparse.ArgumentParser()
arguments.add_argument("--pki", required=True, help="the folder of certificates; made if it is not there")
arguments.add_argument("--kind", choices=pki.KINDS, default="p256", help="the kind of keys to make")
arguments.add_argument("--database", required=True, help="an SQLite file")
arguments.add_argument("--server", default="server", help="the certificate to show")
arguments.add_argument("--tls", choices=["1.2", "1.3", "any"], default="any")
arguments.add_argument("--ciphers", help="the TLS 1.2 suites by OpenSSL's names")
arguments.add_argument("--port", type=int, default=0)
given = arguments.parse_args()

if not os.path.exists(given.pki):
    pki.make(given.pki, given.kind)

logging.disable(logging.CRITICAL)
engine = engines.KmipEngine(policies=policy.policies | POLICIES, database_path=os.path.abspath(given.database))

context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
if given.tls == "1.3":
    context.minimum_version = ssl.TLSVersion.TLSv1_3
if given.tls == "1.2":
    context.maximum_version = ssl.TLSVersion.TLSv1_2
if given.ciphers:
    context.set_ciphers(given.ciphers)
context.verify_mode = ssl.CERT_REQUIRED
context.load_verify_locations(f"{given.pki}/ca.crt")
context.load_cert_chain(f"{given.pki}/{given.server}.crt", f"{given.pki}/{given.server}.key")

listener = socket.create_server(("127.0.0.1", given.port), backlog=64)
port = listener.getsockname()[1]
connections = []


def accept():
    while True:
        raw, address = listener.accept()
        raw.settimeout(10)
        connection = context.wrap_socket(raw, server_side=True, do_handshake_on_connect=False)
        connections.append(connection)
        session = sessions.KmipSession(engine, connection, address, enable_tls_client_auth=True)
        session.daemon = True
        session.start()


def drop():
    for connection in connections:
        try:
            connection.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
    return {}


def administer(command):
    name = command.get("client", "client")
    client = pie.ProxyKmipClient(
        hostname="127.0.0.1",
        port=port,
        cert=f"{given.pki}/{name}.crt",
        key=f"{given.pki}/{name}.key",
        ca=f"{given.pki}/ca.crt",
        kmip_version=enums.KMIPVersion.KMIP_1_4,
    )
    with client:
        match command["op"]:
            case "register":
                secret = objects.SecretData(command["value"].encode(), enums.SecretDataType.PASSWORD, name=command["name"])
                if command.get("policy"):
                    secret.operation_policy_name = command["policy"]
                return {"uid": client.register(secret)}
            case "activate":
                client.activate(command["uid"])
            case "revoke":
                client.revoke(enums.RevocationReasonCode[command["reason"]], command["uid"])
            case "destroy":
                # an active key is not destroyed, and one that is not active not revoked
                with contextlib.suppress(pie_exceptions.KmipOperationFailure):
                    client.revoke(enums.RevocationReasonCode.CESSATION_OF_OPERATION, command["uid"])
                client.destroy(command["uid"])
    return {}


def answer(command):
    match command["op"]:
        case "connections":
            return {"connections": len(connections)}
        case "drop":
            return drop()
        case _:
            return administer(command)


threading.Thread(target=accept, daemon=True).start()
print(json.dumps({"port": port}), flush=True)
for line in sys.stdin:
    try:
        told = answer(json.loads(line))
    except Exception as error:  # the test shows it
        told = {"error": f"{type(error).__name__}: {error}"}
    print(json.dumps(told), flush=True)
os._exit(0)
