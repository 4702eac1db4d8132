"""A Kubernetes API for kubectl and Helm, and a node whose pods are local processes. Usage: api.py FOLDER SEALGATE

It keeps any object of the kinds below: created, read, listed, watched, replaced, patched (merge, strategic merge,
server-side apply), deleted; Kubernetes' own kinds are checked against their schema. It serves plain HTTP at a free port
of loopback, writes FOLDER/kubeconfig and then prints the port. Not here: images, users, limits, policies, other nodes.
"""
import base64
import contextlib
import copy
import http.client
import http.server
import json
import re
import secrets
import threading
import time
import urllib.parse

import yaml

import node
from objects import Refused, changed, events, objects, patched, remove, selects, store

VERSION = {"major": "1", "minor": "35", "gitVersion": "v1.35.0"}
# group/version: plural and kind; what is not in a namespace has a capital letter in front
KINDS = {
    "v1": "Nnamespaces:Namespace pods:Pod services:Service configmaps:ConfigMap secrets:Secret events:Event "
          "serviceaccounts:ServiceAccount persistentvolumeclaims:PersistentVolumeClaim",
    "apps/v1": "deployments:Deployment",
    "autoscaling/v2": "horizontalpodautoscalers:HorizontalPodAutoscaler",
    "policy/v1": "poddisruptionbudgets:PodDisruptionBudget",
    "networking.k8s.io/v1": "networkpolicies:NetworkPolicy ingresses:Ingress",
    "monitoring.coreos.com/v1": "servicemonitors:ServiceMonitor prometheusrules:PrometheusRule",
    "cert-manager.io/v1": "certificates:Certificate",
    "gateway.networking.k8s.io/v1": "httproutes:HTTPRoute",
}
VERBS = ["create", "delete", "get", "list", "patch", "update", "watch"]


def resources(version):
    for entry in KINDS[version].split():
        plural, kind = entry.split(":")
        yield plural.lstrip("N"), kind, not plural.startswith("N")


def protobuf(data):
    """The fields of a message: their numbers and values, bytes or a number."""
    place = 0

    def number():
        nonlocal place
        value = shift = 0
        while True:
            byte = data[place]
            value, shift, place = value | (byte & 127) << shift, shift + 7, place + 1
            if byte < 128:
                return value
    while place < len(data):
        field, kind = divmod(number(), 8)
        value = number()
        if kind == 2:
            value, place = data[place:place + value], place + value
        yield field, value


def secret_of(body):
    """A Secret in protobuf, which clients prefer for what they make themselves; nothing of other messages."""
    unknown = dict(protobuf(body[4:]))
    if dict(protobuf(unknown[1])).get(2) != b"Secret":
        return {}
    fields = list(protobuf(unknown[2]))

    def pairs(message, wanted):
        entries = [dict(protobuf(value)) for field, value in message if field == wanted]
        return {entry[1].decode(): entry.get(2, b"") for entry in entries}
    meta = list(protobuf(dict(fields)[1]))
    labels, annotations = ({name: value.decode() for name, value in pairs(meta, field).items()} for field in (11, 12))
    known = dict(meta)
    told = {"resourceVersion": known[6].decode()} if known.get(6) else {}
    return {"apiVersion": "v1", "kind": "Secret", "type": dict(fields).get(3, b"Opaque").decode() or "Opaque",
            "metadata": {"name": known[1].decode(), "labels": labels, "annotations": annotations, **told},
            "data": {name: base64.b64encode(value).decode() for name, value in pairs(fields, 2).items()}}


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def answer(self, code, value):
        body = json.dumps(value).encode() if not isinstance(value, bytes) else value
        self.send_response(code)
        self.send_header("Content-Type", "application/json" if not isinstance(value, bytes) else "text/plain")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def handle_any(self):
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if self.path.startswith("http://"):
            return self.proxy(body)
        url = urllib.parse.urlsplit(self.path)
        query = dict(urllib.parse.parse_qsl(url.query))
        try:
            found = discovery(url.path)
            if found is not None:
                return self.answer(200, found)
            return self.resource(url.path, query, body)
        except Refused as error:
            self.answer(error.code, {"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": error.code,
                                     "reason": error.reason, "message": str(error)})

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = do_HEAD = handle_any

    def proxy(self, body):
        url = urllib.parse.urlsplit(self.path)
        try:
            with changed:
                address = node.address_of(url.netloc)
        except (KeyError, StopIteration):
            return self.answer(503, b"no such service, or none of its pods is ready")
        upstream = http.client.HTTPConnection(address)
        headers = {name: value for name, value in self.headers.items() if name.lower() != "expect"}
        upstream.request(self.command, urllib.parse.urlunsplit(("", "", *url[2:])), body or None, headers)
        answer = upstream.getresponse()
        content = answer.read()
        self.send_response(answer.status)
        for name, value in answer.getheaders():
            if name.lower() not in ("connection", "content-length", "transfer-encoding", "date", "server"):
                self.send_header(name, value)
        length = answer.getheader("Content-Length") if self.command == "HEAD" else len(content)
        self.send_header("Content-Length", str(length or 0))
        self.end_headers()
        self.wfile.write(content)

    def resource(self, path, query, body):
        matched = re.fullmatch(r"/(?:api|apis)/((?:[\w.]+/)?v\d\w*?)(?:/namespaces/([^/]+)(?=/))?/(\w+)(?:/([^/]+))?"
                               r"(?:/(\w+))?", path)
        version, namespace, resource, name, part = matched.groups() if matched else (None,) * 5
        known = {plural: kind for plural, kind, _ in resources(version)} if version in KINDS else {}
        if resource not in known:
            raise Refused(404, "NotFound", "the server could not find the requested resource")
        kind, method = known[resource], self.command
        if method == "GET" and query.get("watch") in ("true", "1"):
            return self.watch(resource, namespace, query)
        sent = secret_of(body) if body.startswith(b"k8s\0") else yaml.safe_load(body) if body else {}
        with changed:
            if method == "POST":
                name = sent["metadata"].get("name") or sent["metadata"]["generateName"] + secrets.token_hex(3)
            key = resource, namespace or "", name
            if name is None:
                items = [item for (other, space, _), item in objects.items()
                         if other == resource and namespace in (None, space) and selects(query, item)]
                if method == "DELETE":
                    for item in items:
                        remove((resource, item["metadata"].get("namespace", ""), item["metadata"]["name"]))
                return self.answer(200, {"kind": f"{kind}List", "apiVersion": version, "items": items,
                                         "metadata": {"resourceVersion": str(len(events))}})
            old = objects.get(key)
            if old is None and not (method == "POST" or method == "PATCH" and "apply" in self.headers["Content-Type"]):
                raise Refused(404, "NotFound", f'{resource} "{name}" not found')
            if method == "POST" and old is not None:
                raise Refused(409, "AlreadyExists", f'{resource} "{name}" already exists')
            if part == "log":
                return self.answer(200, node.logs.get(name, "").encode())
            if method == "GET":
                return self.answer(200, old)
            if method == "DELETE":
                return self.answer(200, remove(key))
            new = patched(key, self.headers["Content-Type"], sent, query) if method == "PATCH" else sent
            new.update(apiVersion=version, kind=kind)
            return self.answer(200 if old else 201, store(key, new, old))

    def watch(self, resource, namespace, query):
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()

        def send(kind, item):
            line = json.dumps({"type": kind, "object": item}).encode() + b"\n"
            self.wfile.write(b"%x\r\n%s\r\n" % (len(line), line))
            self.wfile.flush()
        version, end = query.get("resourceVersion", ""), time.monotonic() + int(query.get("timeoutSeconds", 300))
        with changed:
            sent = int(version) if version not in ("", "0") else len(events)
            first = [item for key, item in objects.items() if key[0] == resource] if version in ("", "0") else []
            news = [(0, "ADDED", resource, copy.deepcopy(item)) for item in first]
            bookmark = {"kind": kind_of(resource)[1], "apiVersion": kind_of(resource)[0], "metadata": {
                "resourceVersion": str(sent), "annotations": {"k8s.io/initial-events-end": "true"}}}
        self.close_connection = True
        with contextlib.suppress(OSError):
            while time.monotonic() < end:
                for _, kind, other, item in news:
                    inside = namespace in (None, item["metadata"].get("namespace"))
                    if other == resource and inside and selects(query, item):
                        send(kind, item)
                if query.pop("sendInitialEvents", "") == "true":
                    send("BOOKMARK", bookmark)
                with changed:
                    if len(events) == sent:
                        changed.wait(end - time.monotonic())
                    news, sent = events[sent:], len(events)
            self.wfile.write(b"0\r\n\r\n")


def kind_of(resource):
    return next((version, kind) for version in KINDS for plural, kind, _ in resources(version) if plural == resource)


def discovery(path):
    groups = {}
    for version in KINDS:
        if "/" in version:
            groups.setdefault(version.split("/")[0], []).append(
                {"groupVersion": version, "version": version.split("/")[1]})
    place = path.strip("/").split("/", 1)
    if path == "/version":
        return VERSION
    if path == "/api":
        return {"kind": "APIVersions", "versions": ["v1"]}
    if path == "/apis":
        return {"kind": "APIGroupList", "apiVersion": "v1", "groups": [
            {"name": name, "versions": versions, "preferredVersion": versions[0]} for name, versions in groups.items()]}
    if path == "/openapi/v3":
        return {"paths": {f"{'apis' if '/' in version else 'api'}/{version}": {
            "serverRelativeURL": f"/openapi/v3/apis/{version}"} for version in KINDS}}
    if path.startswith("/openapi/v3/apis/"):
        return schema(path.removeprefix("/openapi/v3/apis/"))
    if place[0] in ("api", "apis") and len(place) == 2 and place[1] in KINDS:
        listed = [{"name": plural, "singularName": kind.lower(), "namespaced": spaced, "kind": kind, "verbs": VERBS}
                  for plural, kind, spaced in resources(place[1])]
        return {"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": place[1], "resources": listed}
    return None


def schema(version):
    """What clients look for in the schema: that the server itself checks fields."""
    group, _, number = version.rpartition("/")
    paths = {}
    for plural, kind, _ in resources(version):
        names = [{"name": "fieldValidation", "in": "query", "schema": {"type": "string"}}]
        named = {"group": group, "kind": kind, "version": number}
        paths[f"/{plural}/{{name}}"] = {"patch": {"x-kubernetes-group-version-kind": named, "parameters": names,
                                                  "responses": {}}}
    return {"openapi": "3.0.0", "info": {"title": "Kubernetes", "version": "1"}, "paths": paths}


SERVER = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
SERVER.daemon_threads = True


def main():
    with changed:
        store(("namespaces", "", "default"), {"apiVersion": "v1", "kind": "Namespace", "metadata": {}})
    (node.FOLDER / "kubeconfig").write_text(json.dumps({
        "apiVersion": "v1", "kind": "Config", "current-context": "test", "users": [{"name": "test", "user": {}}],
        "clusters": [{"name": "test", "cluster": {"server": f"http://127.0.0.1:{SERVER.server_address[1]}"}}],
        "contexts": [{"name": "test", "context": {"cluster": "test", "user": "test"}}]}))
    threading.Thread(target=node.run, args=(f"http://127.0.0.1:{SERVER.server_address[1]}",), daemon=True).start()
    print(SERVER.server_address[1], flush=True)
    SERVER.serve_forever()


if __name__ == "__main__":
    main()
