"""The node: pods that run as local processes, the rolling update of Deployments, and what names of Services mean.

What pods mount is written into folders, and those stand for the paths of the mounts in arguments, environment and
mounted files. A container whose image is called sealgate is the program, at free ports; others run their command with
what this machine has, one after the other, and find Services by way of an HTTP proxy.
"""
import base64
import contextlib
import copy
import http.client
import json
import os
import pathlib
import re
import secrets
import subprocess
import sys
import threading

from objects import changed, events, objects, owner, remove, store

FOLDER, SEALGATE = pathlib.Path(sys.argv[1]), sys.argv[2]
addresses = {}   # name of a pod: {name of a port: address}
logs = {}        # name of a pod: what it printed


def mounts(pod, folder):
    """The folders that stand for the mounts of the first container with some: (path, folder), files written."""
    namespace, pairs = pod["metadata"]["namespace"], []
    for container in pod["spec"]["containers"]:
        for mount in container.get("volumeMounts", []):
            pairs.append((mount["mountPath"], str(folder / mount["name"])))
    for volume in pod["spec"].get("volumes", []):
        place = folder / volume["name"]
        place.mkdir(parents=True, exist_ok=True)
        parts = volume["projected"]["sources"] if "projected" in volume else [volume]
        for source in parts:
            for name, data in files(source, namespace).items():
                if not isinstance(data, bytes):
                    paths = "|".join(map(re.escape, dict(pairs)))
                    data = re.sub(f'"({paths})(?=[/"])', lambda found: f'"{dict(pairs)[found[1]]}', data).encode()
                (place / name).write_bytes(data)
    return pairs


def files(source, namespace):
    """The files of a volume; texts are those in which paths are replaced."""
    if "configMap" in source:
        return objects["configmaps", namespace, source["configMap"]["name"]]["data"]
    if "serviceAccountToken" in source:
        return {source["serviceAccountToken"]["path"]: secrets.token_urlsafe(32).encode()}
    if "secret" not in source:
        return {}
    secret = source["secret"]
    data = objects["secrets", namespace, secret.get("secretName", secret.get("name"))]["data"]
    names = {item["key"]: item["path"] for item in secret.get("items", [])} or {name: name for name in data}
    return {path: base64.b64decode(data[name]) for name, path in names.items()}


def start(pod, container, proxy):
    """Starts a container; KeyError if something that it needs is not there yet."""
    namespace, name = pod["metadata"]["namespace"], pod["metadata"]["name"]
    folder = FOLDER / "pods" / name
    pairs = mounts(pod, folder)

    def local(text):
        return next((text.replace(path, place, 1) for path, place in pairs if (text + "/").startswith(path + "/")), text)
    env = {"PATH": os.environ["PATH"], "AWS_EC2_METADATA_DISABLED": "true", "http_proxy": proxy, "HTTP_PROXY": proxy}
    for source in container.get("envFrom", []):
        for field, value in objects["secrets", namespace, source["secretRef"]["name"]]["data"].items():
            env[field] = base64.b64decode(value).decode()
    env.update({entry["name"]: local(entry.get("value", "")) for entry in container.get("env", [])})
    command = container.get("command", []) + container.get("args", [])
    if container["image"].split("@")[0].rsplit(":", 1)[0].endswith("sealgate"):
        command = [SEALGATE, *command, "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0"]
        env = {field: value for field, value in env.items() if "proxy" not in field.lower()}
        env.update({"SEALGATE_CONFIG": local("/opt/config/application.json"),
                    "SEALGATE_SECRET": local("/opt/secret/application.json")})
    folder.mkdir(parents=True, exist_ok=True)
    with open(folder / "errors", "ab") as errors:
        return subprocess.Popen(command, env=env, cwd=folder, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                stderr=errors)


def set_status(key, status):
    with changed:
        if key in objects:
            store(key, {**copy.deepcopy(objects[key]), "status": status}, objects[key])


def serve(key, pod, proxy):
    """Runs a pod of a Deployment until it is deleted: ready once its readiness probe is answered well."""
    container = pod["spec"]["containers"][0]
    probe = container["readinessProbe"]["httpGet"]
    while key in objects:
        with changed:
            try:
                process = start(pod, container, proxy)
            except KeyError:
                changed.wait()
                continue
        line = process.stdout.readline().decode()
        addresses[key[2]] = dict(zip(("s3", "admin"), re.findall(r"//([\d.]+:\d+)", line)))
        while process.poll() is None and key in objects:
            ready = is_well(addresses[key[2]].get(probe["port"]), probe["path"])
            set_status(key, {"phase": "Running", "conditions": [{"type": "Ready", "status": str(ready)}]})
            with changed:
                changed.wait(0.2)
        process.terminate()
        process.wait()
        with changed:
            changed.wait(0.2)


def is_well(address, path):
    if address is None:
        return False
    with contextlib.suppress(OSError):
        asked = http.client.HTTPConnection(address, timeout=5)
        asked.request("GET", path)
        return asked.getresponse().status == 200
    return False


def complete(key, pod, proxy):
    """Runs the containers of a pod once, one after the other."""
    phase, states = "Succeeded", []
    for container in pod["spec"]["containers"]:
        with changed:
            process = start(pod, container, proxy)
        printed = process.communicate()[0].decode()
        logs[key[2]] = logs.get(key[2], "") + printed + (FOLDER / "pods" / key[2] / "errors").read_text()
        states.append({"name": container["name"], "image": container["image"], "imageID": "", "ready": False,
                       "restartCount": 0, "state": {"terminated": {"exitCode": process.returncode}}})
        if process.returncode:
            phase = "Failed"
    set_status(key, {"phase": phase, "containerStatuses": states})


def is_ready(pod):
    return any(one == {"type": "Ready", "status": "True"} for one in pod.get("status", {}).get("conditions", []))


def deploy(key):
    """One step of a rolling update: pods of the template up to `replicas`, others away once these are ready."""
    deployment, namespace = objects[key], key[1]
    spec, meta = deployment["spec"], deployment["metadata"]
    sign = f"{abs(hash(json.dumps(spec['template'], sort_keys=True))):x}"[:10]
    pods = {other: item for other, item in objects.items() if other[0] == "pods" and owner(item) == meta["uid"]}
    label = "pod-template-hash"
    fresh = {other: item for other, item in pods.items() if item["metadata"]["labels"][label] == sign}
    ready = [other for other, item in fresh.items() if is_ready(item)]
    wanted = spec.get("replicas", 1)
    for number in range(wanted - len(fresh)):
        pod = copy.deepcopy(spec["template"])
        name = f"{meta['name']}-{sign}-{secrets.token_hex(3)}"
        pod["metadata"]["labels"][label] = sign
        pod["metadata"]["ownerReferences"] = [{"apiVersion": "apps/v1", "kind": "Deployment", "name": meta["name"],
                                               "uid": meta["uid"]}]
        store(("pods", namespace, name), {"apiVersion": "v1", "kind": "Pod", **pod})
    old = [other for other in pods if other not in fresh]
    for other in (old if len(ready) >= wanted else []) + list(fresh)[wanted:]:
        remove(other)
    well = len(ready) + sum(is_ready(pods[other]) for other in old if other in objects)
    status = {"observedGeneration": meta["generation"], "replicas": sum(other in objects for other in pods),
              "updatedReplicas": min(len(fresh), wanted), "readyReplicas": well, "availableReplicas": well,
              "unavailableReplicas": max(wanted - well, 0), "conditions": [
                  {"type": "Available", "status": str(well >= wanted)},
                  {"type": "Progressing", "status": "True", "reason": "NewReplicaSetAvailable"}]}
    if deployment.get("status") != status:
        store(key, {**copy.deepcopy(deployment), "status": status}, deployment)


def run(proxy):
    """Starts what was created and is not running; each pod has a thread."""
    started = set()
    with changed:
        while True:
            before = len(events)
            for key in [key for key in objects if key[0] == "deployments"]:
                deploy(key)
            for key, pod in list(objects.items()):
                if key[0] == "pods" and pod["metadata"]["uid"] not in started:
                    started.add(pod["metadata"]["uid"])
                    how = serve if owner(pod) else complete
                    threading.Thread(target=how, args=(key, copy.deepcopy(pod), proxy), daemon=True).start()
            if len(events) == before:
                changed.wait()


def address_of(host):
    """Where a ready pod of a Service listens; KeyError if there is none."""
    name, port = host.split(":")
    service = objects["services", "default", name.split(".")[0]]["spec"]
    target = next(entry["targetPort"] for entry in service["ports"] if entry["port"] == int(port))
    for (resource, _, name), pod in objects.items():
        labels = pod["metadata"].get("labels", {}).items()
        if resource == "pods" and service["selector"].items() <= labels and is_ready(pod):
            return addresses[name][target]
    raise KeyError(host)
