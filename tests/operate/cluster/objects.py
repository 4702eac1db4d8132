"""What the API keeps: objects of any kind, the ways to change them, and the events that watches tell of.

Whoever reads or changes something holds the lock of `changed`.
"""
import base64
import copy
import re
import threading
import time
import uuid

import kubernetes_validate

OF_OTHERS = ("monitoring.coreos.com", "cert-manager.io", "gateway.networking.k8s.io")
# lists that a strategic merge patch takes as maps, by the field that is the key
KEYS = {"containers": "name", "initContainers": "name", "volumes": "name", "env": "name", "imagePullSecrets": "name",
        "volumeMounts": "mountPath", "ports": "port containerPort", "hostAliases": "ip",
        "topologySpreadConstraints": "topologyKey", "ownerReferences": "uid", "conditions": "type"}

changed = threading.Condition()
objects = {}     # (resource, namespace, name): object
applied = {}     # the same with the manager: what it applied last
events = []      # (version, ADDED and so on, resource, object)


class Refused(Exception):
    def __init__(self, code, reason, message):
        super().__init__(message)
        self.code, self.reason = code, reason


def record(kind, resource, item):
    item["metadata"]["resourceVersion"] = str(len(events) + 1)
    events.append((len(events) + 1, kind, resource, copy.deepcopy(item)))
    changed.notify_all()


def store(key, item, old=None):
    """Checks an object, fills in what the server knows, and keeps it."""
    resource, namespace, name = key
    meta = item.setdefault("metadata", {})
    meta.pop("managedFields", None)
    if old and meta.get("resourceVersion", old["metadata"]["resourceVersion"]) != old["metadata"]["resourceVersion"]:
        raise Refused(409, "Conflict", f"{name} has been modified; please apply your changes to the latest version")
    for field, text in item.pop("stringData", {}).items():
        item.setdefault("data", {})[field] = base64.b64encode(text.encode()).decode()
    if old and resource == "deployments" and old["spec"]["selector"] != item["spec"]["selector"]:
        raise Refused(422, "Invalid", "spec.selector: field is immutable")
    if not item["apiVersion"].startswith(OF_OTHERS):
        try:
            kubernetes_validate.validate(item, "1.35", strict=True)
        except kubernetes_validate.ValidationError as error:
            raise Refused(422, "Invalid", f"{item['kind']} {name}: {error.message}") from error
    known = old["metadata"] if old else {"uid": str(uuid.uuid4()), "generation": 0,
                                         "creationTimestamp": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())}
    meta.update({"name": name, **({"namespace": namespace} if namespace else {})},
                **{field: known[field] for field in ("uid", "generation", "creationTimestamp")})
    if old and {**item, "metadata": 0} == {**old, "metadata": 0} and meta == old["metadata"]:
        return old
    meta["generation"] += not old or old.get("spec") != item.get("spec")
    objects[key] = item
    record("MODIFIED" if old else "ADDED", resource, item)
    return item


def remove(key):
    item = objects.pop(key)
    record("DELETED", key[0], item)
    for pod in [other for other in objects if other[0] == "pods" and owner(objects[other]) == item["metadata"]["uid"]]:
        remove(pod)
    return item


def owner(item):
    return next((entry["uid"] for entry in item["metadata"].get("ownerReferences", [])), None)


def merge(old, patch):
    """RFC 7386."""
    if not isinstance(patch, dict):
        return patch
    result = dict(old) if isinstance(old, dict) else {}
    for field, value in patch.items():
        if value is None:
            result.pop(field, None)
        else:
            result[field] = merge(result.get(field), value)
    return result


def strategic(old, patch, name=""):
    """A merge in which lists of KEYS are maps."""
    if isinstance(patch, list):
        key = next((key for key in KEYS.get(name, "").split() if any(key in one for one in patch)), None)
        if key is None:
            return patch
        result = [] if any(one.get("$patch") == "replace" for one in patch) else list(old or [])
        for one in (one for one in patch if key in one):
            place = next((i for i, other in enumerate(result) if other.get(key) == one[key]), len(result))
            there = result[place] if place < len(result) else {}
            result[place:place + 1] = [] if one.get("$patch") == "delete" else [strategic(there, one)]
        return result
    if not isinstance(patch, dict):
        return patch
    result = dict(old) if isinstance(old, dict) and patch.get("$patch") != "replace" else {}
    for field, value in patch.items():
        if field == "$retainKeys":
            result = {kept: there for kept, there in result.items() if kept in value}
        elif field.startswith("$deleteFromPrimitiveList/"):
            result[field.split("/")[1]] = [one for one in result.get(field.split("/")[1], []) if one not in value]
        elif value is None:
            result.pop(field, None)
        elif not field.startswith("$"):
            result[field] = strategic(result.get(field), value, field)
    for field, order in ((field.split("/")[1], order) for field, order in patch.items() if "$setElementOrder" in field):
        key = next((key for key in KEYS.get(field, "").split() if all(key in one for one in order)), None)
        if key and field in result:
            places = [one[key] for one in order]
            result[field].sort(key=lambda one: places.index(one[key]) if one[key] in places else len(places))
    return result


def without(old, before, now):
    """An object without what its manager applied before and does not apply now."""
    if not all(isinstance(one, dict) for one in (old, before, now)):
        return old
    return {field: without(value, before.get(field), now.get(field)) if field in now else value
            for field, value in old.items() if field in now or field not in before}


def patched(key, kind, patch, query):
    old = objects.get(key)
    if "apply" in kind:
        manager = (*key, query.get("fieldManager"))
        now = without(copy.deepcopy(old) or {}, applied.get(manager, {}), patch)
        applied[manager] = copy.deepcopy(patch)
        return merge(now, patch)
    if old is None:
        raise Refused(404, "NotFound", f'{key[0]} "{key[2]}" not found')
    return (strategic if "strategic" in kind else merge)(copy.deepcopy(old), patch)


def selects(query, item):
    labels = item["metadata"].get("labels", {})
    for term in filter(None, re.split(r",(?![^(]*\))", query.get("labelSelector", ""))):
        name, compare, value = re.fullmatch(r"(!?[\w./-]+)\s*(=|==|!=|in|notin)?\s*(.*)", term).groups()
        values = re.findall(r"[\w.-]+", value)
        if compare is None:
            holds = (name.lstrip("!") in labels) != name.startswith("!")
        else:
            holds = (labels.get(name) in values) != (compare in ("!=", "notin"))
        if not holds:
            return False
    fields = dict(term.split("=", 1) for term in query.get("fieldSelector", "").replace("==", "=").split(",") if term)
    return fields.get("metadata.name", item["metadata"]["name"]) == item["metadata"]["name"]
