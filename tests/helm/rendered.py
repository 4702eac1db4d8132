"""The chart's objects as two majors of Helm render them, and the values that are tried. For chart.py."""
import copy
import json
import subprocess
import sys
import tempfile

import yaml

CHART, HELM3, HELM4 = sys.argv[1:4]
HELMS = [HELM3, HELM4]
# base64 of 32 bytes
CLUSTER_KEY = "Y2x1c3Rlci1rZXktY2x1c3Rlci1rZXktY2x1c3Rlci0="
LOCAL = {"replicaCount": 1, "config": {"backend": {"type": "local"}}}

# Each alone, and where it makes sense all at once.
TOGGLES = {
    "autoscaling": {"autoscaling": {"enabled": True}},
    "budget": {"podDisruptionBudget": {"enabled": True}},
    "policy": {"networkPolicy": {"enabled": True}},
    "unguarded": {"networkPolicy": {"guardAdmin": False}},
    "monitor": {"serviceMonitor": {"enabled": True, "labels": {"release": "p"},
                                   "metricsSecret": {"name": "scrape"}}},
    "pod-monitor": {"podMonitor": {"enabled": True, "labels": {"release": "p"}}, "adminService": {"enabled": False}},
    "rules": {"prometheusRule": {"enabled": True, "ruleLabels": {"team": "storage"}}},
    "dashboard": {"dashboard": {"enabled": True}},
    "ingress": {"ingress": {"enabled": True, "className": "nginx"}},
    "route": {"httpRoute": {"enabled": True}},
    "tls": {"tls": {"enabled": True, "existingSecret": "certificate", "clientCertificates": True}},
    "issued": {"tls": {"enabled": True, "certManager": {"enabled": True, "issuerRef": {"name": "ca"}}}},
    "self-signed": {"tls": {"enabled": True, "selfSigned": {"enabled": True}}},
    "fragments": {"crypto": {"customerFragmentsExistingSecret": "gateway-customer-fragments"}},
    "fragments-global": {"globalConfig": {"customerFragmentsExistingSecret": "gateway-customer-fragments"}},
    "cluster-keys": {"clusterKeys": {"existingSecret": "gateway-cluster"}},
    "openshift": {"openshift": {"enabled": True}},
    "roll": {"rollOnConfigChange": True},
    "tested": {"tests": {"accessKeySecret": "access-key"}},
    "inline": {"secretConfig": {"crypto": {"key_seed": "c2VlZA=="}, "tenants": [], "cluster": {"keys": [CLUSTER_KEY]}}},
    "existing": {"existingSecret": "sealgate-secret", "existingConfigMap": "sealgate-config"},
    "local": LOCAL,
    "volume": {**LOCAL, "persistence": {"enabled": True}},
    "remote": {"existingSecret": "sealgate-secret",
               "config": {"crypto": {"mode": "remote-multi-keys", "update_period": "1h"},
                          "coordinator": {"url": "https://coordinator"}}},
    "tenants": {"existingSecret": "sealgate-secret",
                "config": {"crypto": {"mode": "local-multi-keys", "update_period": "1h"}}},
    "image": {"global": {"imageRegistry": "registry.local"}, "image": {"digest": "sha256:" + "a" * 64}},
    "balancer": {"service": {"type": "LoadBalancer", "trafficDistribution": "PreferClose",
                             "ipFamilyPolicy": "PreferDualStack", "externalTrafficPolicy": "Local"}},
    "ports": {"service": {"extraPorts": [{"name": "web", "port": 80, "targetPort": "web"}, {"name": "raw", "port": 9000}]},
              "headlessService": {"enabled": True}},
    "proxy": {"proxy": {"https": "http://proxy:3128", "noProxy": ".svc,10.0.0.0/8"}},
    "tokens": {"serviceAccount": {"tokens": [{"audience": "coordinator", "file": "coordinator", "expirationSeconds": 600}]},
               "webIdentity": {"roleArn": "arn:aws:iam::000000000000:role/gateway", "stsEndpoint": "https://store:9000"}},
    "account": {"serviceAccount": {"create": False, "name": "own", "automountToken": True}},
    "placing": {"podAntiAffinityPreset": "hard", "priorityClassName": "high", "nodeSelector": {"disk": "ssd"},
                "tolerations": [{"operator": "Exists"}], "hostAliases": [{"ip": "10.0.0.1", "hostnames": ["kms"]}]},
    "extras": {"extraArgs": ["--log", "debug"], "extraEnv": [{"name": "A", "value": "b"}],
               "extraEnvFrom": [{"secretRef": {"name": "aws"}}],
               "extraVolumes": [{"name": "v", "emptyDir": {}}],
               "extraVolumeMounts": [{"name": "v", "mountPath": "/v"}],
               "extraContainers": [{"name": "side", "image": "busybox:1.36"}],
               "initContainers": [{"name": "wait", "image": "busybox:1.36"}],
               "extraObjects": [{"apiVersion": "v1", "kind": "ConfigMap",
                                 "metadata": {"name": "{{ .Release.Name }}-more"}}]},
    **{f"size-{size}": {"sizing": {"preset": size}}
       for size in "production 1k 10k 20k 30k 50k 100k 500k 1m 2m".split()},
}
ALONE = {"local", "volume", "inline", "existing", "tenants", "issued", "self-signed", "pod-monitor", "openshift", "account"}


def merged(*parts):
    result = {}
    for part in parts:
        for key, value in copy.deepcopy(part).items():
            both = isinstance(value, dict) and isinstance(result.get(key), dict)
            result[key] = merged(result[key], value) if both else value
    return result


def run(helm, values, *arguments, chart=CHART):
    with tempfile.NamedTemporaryFile("w", suffix=".yaml") as file:
        yaml.safe_dump(values, file)
        file.flush()
        return subprocess.run([helm, *arguments, chart, "-f", file.name], capture_output=True, text=True)


def template(values, helm=HELM4, kubernetes="1.37.0", chart=CHART):
    done = run(helm, values, "template", "demo", "--namespace", "storage", "--kube-version", kubernetes, chart=chart)
    assert done.returncode == 0, (values, done.stderr)
    return done.stdout


def render(values, **how):
    # the loader in C takes a tenth of the time
    objects = [item for item in yaml.load_all(template(values, **how), Loader=yaml.CSafeLoader) if item]
    return {(item["kind"], item["metadata"]["name"]): item for item in objects}


def pod(objects):
    return objects["Deployment", "demo-sealgate"]["spec"]["template"]


def container(objects):
    return pod(objects)["spec"]["containers"][0]


def application(objects):
    return json.loads(objects["ConfigMap", "demo-sealgate-config"]["data"]["application.json"])


def all_values():
    together = merged(*[value for name, value in TOGGLES.items() if name not in ALONE])
    return {"defaults": {}, "all": together, **TOGGLES}
