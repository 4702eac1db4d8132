"""What must hold of the chart. Usage: chart.py CHART HELM3 HELM4 PROMTOOL METRICS CHECK

METRICS is the file of the names of all metrics, one a line. Each CHECK is a function below; what does not hold is an
AssertionError with the values that were given.
"""
import functools
import itertools
import json
import os
import pathlib
import re
import shutil
import ssl
import subprocess
import sys
import tempfile

import jsonschema
import kubernetes_validate
import yaml

import readme
from monitoring import alerts_are_sound, both_monitors_scrape_the_same_way, the_dashboard_shows_metrics_that_exist
from rendered import (CHART, CLUSTER_KEY, HELM3, HELM4, HELMS, LOCAL, TOGGLES, all_values, application, container, merged, pod, render,
                      run, template)

CHECK = sys.argv[6]
KUBERNETES = [f"1.{minor}.0" for minor in range(25, 38)]
NOT_OF_KUBERNETES = {"ServiceMonitor", "PodMonitor", "PrometheusRule", "HTTPRoute", "Certificate", "ExternalSecret",
                     "SecretProviderClass"}
TENANT = "67f1adf3-08e5-4eea-94e3-e611f263c87b"


def validate(objects, kubernetes):
    for item in objects.values():
        if item["kind"] not in NOT_OF_KUBERNETES:
            kubernetes_validate.validate(item, kubernetes.rsplit(".", 1)[0], strict=True)


def every_toggle_renders_valid_manifests_with_both_helms():
    for (name, values), helm in itertools.product(all_values().items(), HELMS):
        versions = KUBERNETES if name == "all" else [KUBERNETES[0], KUBERNETES[-1]]
        if helm == HELM3:
            versions = versions[-1:]
        for kubernetes in versions:
            try:
                validate(render(values, helm=helm, kubernetes=kubernetes), kubernetes)
            except Exception as error:
                raise AssertionError(f"{name} on {kubernetes} with {helm}: {error}") from error


def two_renders_are_the_same_and_both_helms_agree():
    for values in ({}, all_values()["all"]):
        first = template(values)
        assert first == template(values), "a render is not deterministic"
        assert render(values) == render(values, helm=HELM3), "the two Helms differ"


def lint_is_strict_and_silent():
    for helm in HELMS:
        for values in ({}, all_values()["all"]):
            done = run(helm, values, "lint", "--strict")
            assert done.returncode == 0 and "WARNING" not in done.stdout, done.stdout


def pods_are_restricted():
    for name, values in all_values().items():
        objects = render(values)
        spec = pod(objects)["spec"]
        assert spec["securityContext"]["runAsNonRoot"] is True
        assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        assert spec["securityContext"]["fsGroupChangePolicy"] == "OnRootMismatch", "files of mode 0600 stay so"
        assert ("runAsUser" in spec["securityContext"]) == (name != "openshift"), name
        for field in ("hostNetwork", "hostPID", "hostIPC"):
            assert field not in spec
        own = [container(objects), *objects["Pod", "demo-sealgate-test"]["spec"]["containers"],
               *(one for one in spec.get("initContainers", []) if one["name"] == "certificate")]
        for one in own:
            context = one["securityContext"]
            assert context["allowPrivilegeEscalation"] is False and context["readOnlyRootFilesystem"] is True, one
            assert context["capabilities"] == {"drop": ["ALL"]} and context["runAsNonRoot"] is True, one
        assert spec["enableServiceLinks"] is False
        assert spec["automountServiceAccountToken"] == (name in ("account",))
        kinds = {kind for kind, _ in objects}
        assert not kinds & {"Role", "ClusterRole", "RoleBinding", "ClusterRoleBinding"}, "no rights are needed"


def what_is_mounted_is_a_folder():
    objects = render(merged(TOGGLES["fragments"], TOGGLES["tls"]))
    mounts = {mount["name"]: mount for mount in container(objects)["volumeMounts"]}
    assert mounts["config"]["mountPath"] == "/opt/config" and mounts["secret"]["mountPath"] == "/opt/secret"
    assert mounts["customer-fragments"]["mountPath"] == "/opt/fragments" and mounts["tls"]["mountPath"] == "/opt/tls"
    assert all("subPath" not in mount for mount in mounts.values()), "a subPath never sees a change"
    volumes = {volume["name"]: volume for volume in pod(objects)["spec"]["volumes"]}
    assert volumes["secret"]["secret"] == {"secretName": "demo-sealgate", "defaultMode": 0o440}
    for values in (TOGGLES["fragments"], TOGGLES["fragments-global"]):
        of = {volume["name"]: volume for volume in pod(render(values))["spec"]["volumes"]}
        secret = of["customer-fragments"]["secret"]
        assert secret["secretName"] == "gateway-customer-fragments"
        assert secret["items"] == [{"key": "customer-fragments", "path": "customer_fragments.json"}]


def keys_of_the_cluster_are_mounted_and_named():
    objects = render(TOGGLES["cluster-keys"])
    mounts = {mount["name"]: mount for mount in container(objects)["volumeMounts"]}
    volumes = {volume["name"]: volume for volume in pod(objects)["spec"]["volumes"]}
    assert volumes["cluster-keys"]["secret"] == {"secretName": "gateway-cluster", "defaultMode": 0o440,
                                                 "items": [{"key": "cluster-keys", "path": "keys"}]}
    assert mounts["cluster-keys"] == {"name": "cluster-keys", "mountPath": "/opt/cluster", "readOnly": True}
    assert application(objects)["cluster"] == {"name": "sealgate", "keys_file": "/opt/cluster/keys"}
    assert "keys_file" not in application(render({}))["cluster"] and "keys_file" not in application(render(LOCAL))["cluster"]
    # where a Secret that is there may have them, and where a local store makes its own
    for values in ({"existingSecret": "gateway"}, {"config": {"cluster": {"keys_file": "/opt/secret/cluster-keys"}}},
                   merged(LOCAL, {"secretConfig": {"crypto": {"key_seed": "c2VlZA=="}}})):
        assert "cluster-keys" not in {volume["name"] for volume in pod(render(values))["spec"]["volumes"]}


def pods_make_certificates_for_development():
    objects = render(TOGGLES["self-signed"])
    maker, = pod(objects)["spec"]["initContainers"]
    volumes = {volume["name"]: volume for volume in pod(objects)["spec"]["volumes"]}
    assert volumes["tls"] == {"name": "tls", "emptyDir": {"medium": "Memory", "sizeLimit": "1Mi"}}, volumes["tls"]
    assert maker["volumeMounts"] == [{"name": "tls", "mountPath": "/opt/tls"}]
    mounts = {mount["name"]: mount for mount in container(objects)["volumeMounts"]}
    assert mounts["tls"] == {"name": "tls", "mountPath": "/opt/tls", "readOnly": True}
    with tempfile.TemporaryDirectory() as folder:
        command = [part.replace("/opt/tls", folder) for part in maker["command"] + maker["args"]]
        subprocess.run(command, check=True, capture_output=True)
        # as the kubelet does when it starts a pod's containers anew
        subprocess.run(command, check=True, capture_output=True)
        files = {"cert": f"{folder}/tls.crt", "key": f"{folder}/tls.key"}
        assert application(objects)["listen"]["tls"] == {kind: file.replace(folder, "/opt/tls")
                                                         for kind, file in files.items()}
        assert os.stat(files["key"]).st_mode & 0o077 == 0
        # refused if key and certificate are not of each other
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(files["cert"], files["key"])
        for host in ("demo-sealgate", "demo-sealgate.storage.svc", "demo-sealgate-admin.storage.svc"):
            said = subprocess.run(["openssl", "x509", "-in", files["cert"], "-noout", "-checkhost", host],
                                  check=True, capture_output=True, text=True).stdout
            assert "does match" in said, said
    own = render(merged(TOGGLES["self-signed"], {"initContainers": [{"name": "wait", "image": "busybox:1.36"}]}))
    assert [one["name"] for one in pod(own)["spec"]["initContainers"]] == ["certificate", "wait"]


def existing_objects_are_used_and_not_written():
    objects = render(TOGGLES["existing"])
    assert not any(kind in ("ConfigMap", "Secret") for kind, _ in objects)
    volumes = {volume["name"]: volume for volume in pod(objects)["spec"]["volumes"]}
    assert volumes["config"]["configMap"]["name"] == "sealgate-config"
    assert volumes["secret"]["secret"]["secretName"] == "sealgate-secret"


def the_free_map_becomes_json():
    config = {"crypto": {"mode": "local-multi-keys", "update_period": "1h"}, "cache": {"any": [1, True, None]},
              "limits": {"in_flight_requests_max": 2000000}, "listen": {"s3": "[::]:8000"}}
    written = application(render({"config": config, "existingSecret": "sealgate-secret"}))
    assert written["crypto"] == config["crypto"] and written["cache"] == {"any": [1, True, None]}, written
    assert written["limits"]["in_flight_requests_max"] == 2000000, "numbers stay numbers"
    service = "demo-sealgate-admin.storage"
    names = [service, f"{service}.svc", f"{service}.svc.cluster.local"]
    assert written["listen"] == {"s3": "[::]:8000", "admin": "0.0.0.0:8001", "allow_plain_http": True, "admin_hosts": names}
    own = {"config": {"listen": {"admin_hosts": ["status.example.com"]}}}
    assert application(render(own))["listen"]["admin_hosts"] == [*names, "status.example.com"]
    assert "admin_hosts" not in application(render({"adminService": {"enabled": False}}))["listen"]
    tls = application(render(TOGGLES["tls"]))["listen"]
    assert "allow_plain_http" not in tls
    assert tls["tls"] == {"cert": "/opt/tls/tls.crt", "key": "/opt/tls/tls.key", "client_ca": "/opt/tls/ca.crt"}
    assert application(render({}, kubernetes="1.28.0"))["limits"]["shutdown_delay"] == "10s"
    assert "shutdown_delay" not in application(render({}))["limits"]


def tokens_of_the_account_are_for_others_than_kubernetes():
    objects = render(TOGGLES["tokens"])
    volume = next(one for one in pod(objects)["spec"]["volumes"] if one["name"] == "tokens")["projected"]
    tokens = [source["serviceAccountToken"] for source in volume["sources"]]
    assert tokens == [{"audience": "coordinator", "path": "coordinator", "expirationSeconds": 600},
                      {"audience": "sts.amazonaws.com", "path": "web-identity", "expirationSeconds": 3600}], tokens
    assert pod(objects)["spec"]["automountServiceAccountToken"] is False
    env = {entry["name"]: entry["value"] for entry in container(objects)["env"]}
    mounts = {mount["name"]: mount["mountPath"] for mount in container(objects)["volumeMounts"]}
    assert env["AWS_WEB_IDENTITY_TOKEN_FILE"] == f"{mounts['tokens']}/web-identity"
    assert env["AWS_ROLE_ARN"].endswith("/gateway") and env["AWS_ENDPOINT_URL_STS"] == "https://store:9000"
    assert "tokens" not in {one["name"] for one in pod(render({}))["spec"]["volumes"]}


def pods_roll_for_what_counts_after_a_restart_only():
    def checksum(config):
        values = {"rollOnConfigChange": True, "existingSecret": "sealgate-secret", "config": config}
        return pod(render(values))["metadata"]["annotations"]["checksum/config"]
    before = checksum({})
    assert before == checksum({"crypto": {"snapshot_file": "/tmp/keys"}})
    assert before != checksum({"auth": {"allow_sse_c": True}})
    assert before != checksum({"limits": {"connections_max": 9}})
    assert before != checksum({"backend": {"endpoint": "https://other"}})
    assert before != checksum({"crypto": {"mode": "local-multi-keys", "update_period": "1h"}})
    assert "checksum/config" not in pod(render({}))["metadata"]["annotations"]


def the_chart_can_be_signed_and_verified():
    text = (pathlib.Path(CHART) / "README.md").read_text()
    block = next(block for block in re.findall("^```console\n(.*?)^```", text, re.M | re.S) if "--sign" in block)
    commands = "\n".join(line.removeprefix("$ ") for line in block.splitlines())
    for helm in HELMS:
        with tempfile.TemporaryDirectory() as folder:
            env = {"PATH": f"{folder}/bin:/usr/bin:/bin", "HOME": folder, "GNUPGHOME": folder}
            def sh(script):
                return subprocess.run(["sh", "-euc", script], cwd=folder, env=env, capture_output=True, text=True)
            os.mkdir(f"{folder}/bin")
            os.symlink(helm, f"{folder}/bin/helm")
            shutil.copytree(CHART, f"{folder}/helm/sealgate")
            made = sh("gpg --batch --quiet --passphrase '' --quick-generate-key you@example.com rsa2048 sign never")
            assert made.returncode == 0, made.stderr
            done = sh(commands)
            assert done.returncode == 0 and "Signed by: you@example.com" in done.stdout, done.stderr
            done = sh("echo >> sealgate-0.2.0.tgz; helm verify --keyring pubring.gpg sealgate-0.2.0.tgz")
            assert done.returncode != 0 and "does not match" in done.stderr, done.stdout
            sh("gpgconf --kill all")


def names_of_services_are_not_too_long():
    for values in ({"fullnameOverride": "s" * 63}, {"nameOverride": "s" * 63}, {"nameOverride": "s" * 56 + "-gateway"}):
        objects = render(values)
        names = [name for kind, name in objects if kind == "Service"]
        assert len(names) > 1 and all(re.fullmatch("[a-z]([a-z0-9-]{0,61}[a-z0-9])?", name) for name in names), names
        labels = [item["metadata"]["labels"]["app.kubernetes.io/name"] for item in objects.values()]
        assert all(len(label) <= 63 for label in labels) and len(set(labels)) == 2, labels


def the_chart_says_what_it_is():
    chart = yaml.safe_load(open(f"{CHART}/Chart.yaml"))
    assert chart["apiVersion"] == "v2" and chart["kubeVersion"] and chart["maintainers"]
    assert chart["icon"].startswith("data:image/svg+xml;base64,")
    images = yaml.safe_load(chart["annotations"]["artifacthub.io/images"])
    default = container(render({}))["image"]
    assert [image["image"] for image in images] == [default] == [f"sealgate:{chart['appVersion']}"]
    assert yaml.safe_load(chart["annotations"]["artifacthub.io/changes"])


def probes_and_the_way_out():
    for values, scheme in (({}, "HTTP"), (TOGGLES["tls"], "HTTPS")):
        one = container(render(values))
        paths = {"startupProbe": "startup", "livenessProbe": "live", "readinessProbe": "ready"}
        for probe, path in paths.items():
            assert one[probe]["httpGet"] == {"path": f"/health/{path}", "port": "admin", "scheme": scheme}
    objects = render({"preStopSeconds": 7, "drainSeconds": 100})
    assert container(objects)["lifecycle"] == {"preStop": {"sleep": {"seconds": 7}}}
    assert pod(objects)["spec"]["terminationGracePeriodSeconds"] == 117
    assert application(objects)["limits"]["drain_timeout"] == "100s"
    strategy = objects["Deployment", "demo-sealgate"]["spec"]["strategy"]
    assert strategy["rollingUpdate"] == {"maxSurge": 1, "maxUnavailable": 0}
    assert "lifecycle" not in container(render({}, kubernetes="1.29.0"))


def scaling_and_disruption():
    objects = render(TOGGLES["autoscaling"])
    assert "replicas" not in objects["Deployment", "demo-sealgate"]["spec"]
    scaler = objects["HorizontalPodAutoscaler", "demo-sealgate"]
    assert scaler["apiVersion"] == "autoscaling/v2" and scaler["spec"]["behavior"]["scaleDown"]
    assert {metric["resource"]["name"] for metric in scaler["spec"]["metrics"]} == {"cpu", "memory"}
    only = render(merged(TOGGLES["autoscaling"], {"resources": {"limits": {"memory": "1Gi"}},
                                                  "autoscaling": {"targetCPUUtilizationPercentage": 0}}))
    metric, = only["HorizontalPodAutoscaler", "demo-sealgate"]["spec"]["metrics"]
    assert metric["resource"]["name"] == "memory"
    assert ("PodDisruptionBudget", "demo-sealgate") in render(TOGGLES["budget"])
    assert ("PodDisruptionBudget", "demo-sealgate") not in render(merged(TOGGLES["budget"], {"replicaCount": 1}))
    keys = [spread["topologyKey"] for spread in pod(objects)["spec"]["topologySpreadConstraints"]]
    assert keys == ["topology.kubernetes.io/zone", "kubernetes.io/hostname"]
    spread = pod(objects)["spec"]["topologySpreadConstraints"][0]
    assert spread["matchLabelKeys"] == ["pod-template-hash"]
    assert "matchLabelKeys" not in pod(render({}, kubernetes="1.26.0"))["spec"]["topologySpreadConstraints"][0]


def the_network_policy_names_every_port_both_ways():
    spec = render(TOGGLES["policy"])["NetworkPolicy", "demo-sealgate"]["spec"]
    assert spec["policyTypes"] == ["Ingress", "Egress"]
    allowed = {port["port"] for rule in spec["ingress"] for port in rule["ports"]}
    assert allowed == {port["name"] for port in container(render({}))["ports"]}
    assert all(rule.get("from") for rule in spec["ingress"])
    assert {port["port"] for rule in spec["egress"] for port in rule["ports"]} == {53, 443, 5696}
    peers = {"networkPolicy": {"s3From": [{"podSelector": {"matchLabels": {"app": "client"}}}]}}
    rules = render(merged(TOGGLES["policy"], TOGGLES["ports"], peers))["NetworkPolicy", "demo-sealgate"]["spec"]["ingress"]
    ports = {tuple(port["port"] for port in rule["ports"]): rule["from"] for rule in rules}
    assert ports == {("admin",): [{"podSelector": {}}], ("s3", "web", 9000): peers["networkPolicy"]["s3From"]}, ports


def the_admin_port_is_closed_to_other_namespaces_by_default():
    monitoring = [{"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "monitoring"}}}]
    for values, admin_from in (({}, [{"podSelector": {}}]), (TOGGLES["ports"], [{"podSelector": {}}]),
                               ({"networkPolicy": {"adminFrom": monitoring}}, monitoring)):
        objects = render(values)
        spec = objects["NetworkPolicy", "demo-sealgate"]["spec"]
        assert spec["policyTypes"] == ["Ingress"] and "egress" not in spec, spec
        admin, others = spec["ingress"]
        assert admin == {"ports": [{"port": "admin", "protocol": "TCP"}], "from": admin_from}, admin
        assert "from" not in others
        open_to_all = {number for port in others["ports"] if port["protocol"] == "TCP" and isinstance(port["port"], int)
                       for number in range(port["port"], port.get("endPort", port["port"]) + 1)}
        own = {port["name"]: port["containerPort"] for port in container(objects)["ports"]}
        assert open_to_all == set(range(1, 65536)) - {own["admin"]}, "nothing else is closed"
        assert {"port": "s3", "protocol": "TCP"} in others["ports"] and {"protocol": "UDP"} in others["ports"]
    assert ("NetworkPolicy", "demo-sealgate") not in render({"networkPolicy": {"guardAdmin": False}})
    assert {"port": 9000, "protocol": "TCP"} in render(TOGGLES["ports"])["NetworkPolicy", "demo-sealgate"]["spec"][
        "ingress"][1]["ports"]


def services_have_further_ports_and_a_headless_one():
    objects = render(merged(TOGGLES["ports"], TOGGLES["self-signed"]))
    ports = objects["Service", "demo-sealgate"]["spec"]["ports"]
    assert [(port["name"], port["port"], port.get("targetPort")) for port in ports] == [
        ("s3", 8000, "s3"), ("web", 80, "web"), ("raw", 9000, None)], ports
    headless = objects["Service", "demo-sealgate-pods"]["spec"]
    assert headless["clusterIP"] == "None" and headless["selector"].items() <= pod(objects)["metadata"]["labels"].items()
    own = {port["name"]: port["containerPort"] for port in container(objects)["ports"]}
    assert [(port["targetPort"], port["port"]) for port in headless["ports"]] == [("s3", own["s3"])]
    assert "DNS:demo-sealgate-pods.storage.svc" in " ".join(pod(objects)["spec"]["initContainers"][0]["args"])
    assert [name for kind, name in render({}) if kind == "Service"] == ["demo-sealgate", "demo-sealgate-admin"]


def a_proxy_is_told_to_the_gateway():
    def proxies(values):
        return {entry["name"]: entry["value"] for entry in container(render(values))["env"] if "PROXY" in entry["name"]}
    assert proxies(TOGGLES["proxy"]) == {"HTTPS_PROXY": "http://proxy:3128", "NO_PROXY": ".svc,10.0.0.0/8"}
    assert proxies({"proxy": {"https": "http://proxy:3128"}}) == {"HTTPS_PROXY": "http://proxy:3128"}
    assert proxies({}) == {}


def every_example_of_the_readme_renders():
    examples = re.findall("^```yaml\n(.*?)^```", (pathlib.Path(CHART) / "README.md").read_text(), re.M | re.S)
    assert len(examples) > 2
    for example, helm in itertools.product(examples, HELMS):
        validate(render(yaml.safe_load(example), helm=helm), KUBERNETES[-1])


def resources_follow_the_sizing_table():
    table = {"production": ("1", None, "2Gi", "2Gi"), "1k": ("500m", "500m", "128Mi", "512Mi"),
             "1m": ("1", "3", "896Mi", "3584Mi"), "2m": ("1500m", "3500m", "1280Mi", "5Gi")}
    for size, (request, limit, memory, most) in table.items():
        resources = container(render({"sizing": {"preset": size}}))["resources"]
        assert resources["requests"] == {"cpu": request, "memory": memory}, (size, resources)
        assert resources["limits"].get("cpu") == limit and resources["limits"]["memory"] == most
    own = {"requests": {"cpu": "3"}}
    assert container(render({"resources": own}))["resources"] == own


def wrong_values_are_refused_in_plain_words():
    cases = [
        ({"replicas": 3}, "replicas"),
        ({"image": {"tag": "latest"}}, "tag"),
        ({"config": {"crypto": {"mode": "local-multi-keys"}}}, "update_period"),
        ({"config": {"crypto": {"mode": "remote-multi-keys", "update_period": "1h"}}}, "coordinator"),
        ({"config": {"crypto": {"mode": "many"}}}, "mode"),
        ({"config": {"crypto": {"record_version": 3}}}, "record_version"),
        ({"config": {"crypto": {"key_seed": "c2VjcmV0"}}}, "put it into the Secret"),
        ({"config": {"crypto": None}}, "seeds of their own"),
        *((merged(TOGGLES[mode], {"existingSecret": ""}), "kubectl -n default create secret generic NAME")
          for mode in ("tenants", "remote")),
        (merged(TOGGLES["tenants"], {"existingSecret": "", "secretConfig": {"tenants": []}}), "tenant_keys is missing"),
        ({"secretConfig": {"crypto": {"mode": "local-multi-keys"}}}, "crypto.tenant_keys is missing"),
        ({"secretConfig": {"crypto": {"mode": "single-key"}}}, "secretConfig.crypto.key_seed is missing"),
        (merged(TOGGLES["tenants"], {"config": {"crypto": {"tenant_keys": {TENANT: "a"}}}}), "put them into the Secret"),
        ({"config": {"cluster": {"keys": [CLUSTER_KEY]}}}, "put them into the Secret"),
        ({"secretConfig": {"crypto": {"key_seed": "c2VlZA=="}}}, "sealgate keygen --cluster > cluster-keys; kubectl -n default"),
        (merged(TOGGLES["inline"], TOGGLES["cluster-keys"]), "from one place"),
        (merged(TOGGLES["cluster-keys"], {"config": {"cluster": {"keys_file": "/opt/secret/cluster-keys"}}}), "from one place"),
        ({"clusterKeys": {"existing": "a"}}, "existing"),
        ({"config": {"backend": {"type": "local"}}}, "set replicaCount to 1"),
        ({"config": {"cluster": None}}, "cluster"),
        ({"config": {"cluster": {"name": ""}}}, "name"),
        ({"webIdentity": {"roleArn": "gateway"}}, "roleArn"),
        ({"proxy": {"https": "proxy:3128"}}, "^(http://.+)?$"),
        ({"proxy": {"https": "http://me:secret@proxy:3128"}}, "put it into a Secret as HTTPS_PROXY"),
        ({"service": {"extraPorts": [{"name": "s3", "port": 9000}]}}, "extraPorts"),
        ({"service": {"extraPorts": [{"name": "web", "port": 9000, "targetPort": 70000}]}}, "targetPort"),
        ({"serviceAccount": {"tokens": [{"audience": "coordinator"}]}}, "file"),
        ({"sizing": {"preset": "3k"}}, "preset"),
        ({"tls": {"allowPlainHttp": False}}, "allowPlainHttp"),
        ({"tls": {"enabled": True, "certManager": {"enabled": True}}}, "issuerRef"),
        (merged(TOGGLES["self-signed"], TOGGLES["tls"]), "set one of tls.selfSigned.enabled"),
        (merged(TOGGLES["self-signed"], TOGGLES["issued"]), "set one of tls.selfSigned.enabled"),
        (merged(TOGGLES["self-signed"], {"tls": {"clientCertificates": True}}), "tls.selfSigned has none"),
        (merged(TOGGLES["self-signed"], TOGGLES["monitor"]), "set serviceMonitor.insecureSkipVerify"),
        (merged(TOGGLES["self-signed"], TOGGLES["pod-monitor"]), "set podMonitor.insecureSkipVerify"),
        (merged(TOGGLES["monitor"], {"podMonitor": {"enabled": True}}), "scraped twice"),
        (merged(TOGGLES["monitor"], {"adminService": {"enabled": False}}), "adminService.enabled"),
        ({"secretConfig": {"a": 1}, "existingSecret": "b"}, "either existingSecret or secretConfig"),
        ({"autoscaling": {"enabled": True, "minReplicas": 5, "maxReplicas": 2}}, "minReplicas"),
        *(({"autoscaling": {"enabled": True}, "resources": {"requests": {other: "1"}}}, f"resources.requests.{name}")
          for name, other in (("cpu", "memory"), ("memory", "cpu"))),
        ({"autoscaling": {"enabled": True, **{f"target{what}UtilizationPercentage": 0 for what in ("CPU", "Memory")}}},
         "nothing to go by"),
    ]
    for (values, word), helm in itertools.product(cases, HELMS):
        done = run(helm, values, "template", "demo")
        assert done.returncode != 0 and word in done.stderr, (values, done.stderr)


def defaults_hold_no_secret():
    text = template({})
    assert "kind: Secret" not in text
    assert not re.search(r"(?i)(key_seed|BEGIN .*PRIVATE KEY|secret_access_key)", text)
    # without a Secret nothing starts, so nothing is generated
    volumes = {volume["name"]: volume for volume in pod(render({}))["spec"]["volumes"]}
    assert "optional" not in volumes["secret"]["secret"]
    secret = {"secretConfig": {"crypto": {"key_seed": "c2VjcmV0"}, "cluster": {"keys": [CLUSTER_KEY]}}}
    notes = run(HELM4, secret, "install", "demo", "--dry-run=client")
    assert notes.returncode == 0, notes.stderr
    assert all(text not in notes.stdout.split("NOTES:")[1] for text in ("c2VjcmV0", CLUSTER_KEY))


def notes_warn():
    def notes(values):
        done = run(HELM4, values, "install", "demo", "--dry-run=client")
        assert done.returncode == 0, done.stderr
        return done.stdout.split("NOTES:")[1]
    assert "TLS is off" in notes({}) and "one replica" not in notes({}) and "still the example" in notes({})
    assert "TLS is off" not in notes(TOGGLES["tls"]) and "nobody can verify" not in notes(TOGGLES["tls"])
    assert "nobody can verify" in notes(TOGGLES["self-signed"])
    assert "one replica" in notes(LOCAL) and "go with the pod" in notes(LOCAL)
    assert "in clear" in notes(TOGGLES["inline"]) and "wait for the Secret" not in notes(TOGGLES["inline"])
    assert "wait for the Secret demo-sealgate" in notes({})
    command = "sealgate keygen --cluster > cluster-keys"
    assert command in notes({}) and command in notes({"existingSecret": "gateway"})
    for values in (TOGGLES["cluster-keys"], TOGGLES["inline"], LOCAL):
        assert command not in notes(values), values
    insecure = {"config": {"crypto": {"kms_config": {"tls": {"insecure_skip_verify": True}}}}}
    unguarded = {"networkPolicy": {"guardAdmin": False}}
    assert "guardAdmin is off" in notes(unguarded) and "guardAdmin is off" not in notes({})
    assert "networkPolicy.adminFrom" in notes(TOGGLES["monitor"]) and "networkPolicy.adminFrom" not in notes({})
    named = merged(TOGGLES["monitor"], {"networkPolicy": {"adminFrom": [{"podSelector": {}}]}})
    assert "networkPolicy.adminFrom" not in notes(named)
    assert "insecure_skip_verify" in notes(insecure) and "insecure_skip_verify" not in notes({})


def the_schema_is_draft_7_and_strict():
    schema = json.load(open(f"{CHART}/values.schema.json"))
    jsonschema.Draft7Validator.check_schema(schema)
    assert schema["$schema"].startswith("http://json-schema.org/draft-07") and schema["additionalProperties"] is False

    def strict(path, values, known):
        if "properties" in known and path[:1] not in (["config"], ["global"]):
            assert known["additionalProperties"] is False, path
            assert set(values) == set(known["properties"]), path
            for key, value in values.items():
                strict([*path, key], value, known["properties"][key])
    strict([], yaml.safe_load(open(f"{CHART}/values.yaml")), schema)


def the_test_pod_is_one_of_helm_test():
    item = render({})["Pod", "demo-sealgate-test"]
    assert item["metadata"]["annotations"]["helm.sh/hook"] == "test"
    assert len(item["spec"]["containers"]) == 1
    # it would be an endpoint of the Service, counted by the budget, and kept from the gateway by the policy
    selected = render(merged(TOGGLES["policy"], TOGGLES["budget"]))
    for kind, where in (("Service", ["selector"]), ("NetworkPolicy", ["podSelector", "matchLabels"]),
                        ("PodDisruptionBudget", ["selector", "matchLabels"])):
        selector = functools.reduce(dict.get, where, selected[kind, "demo-sealgate"]["spec"])
        assert selector.items() <= pod(selected)["metadata"]["labels"].items()
        assert not selector.items() <= selected["Pod", "demo-sealgate-test"]["metadata"]["labels"].items(), kind
    for values in ({}, TOGGLES["tested"], merged(TOGGLES["tested"], TOGGLES["tls"])):
        for one in render(values)["Pod", "demo-sealgate-test"]["spec"]["containers"]:
            checked = subprocess.run(["sh", "-n", "-c", one["args"][0]], capture_output=True, text=True)
            assert checked.returncode == 0, checked.stderr


def the_readme_is_made_of_the_values():
    chart = pathlib.Path(CHART)
    made, silent = readme.readme(chart)
    assert not silent, f"values without a description: {silent}"
    assert made == (chart / "README.md").read_text(), "run tests/helm/readme.py helm/sealgate"


def an_upgrade_may_reuse_the_values_of_released_versions():
    """`helm upgrade --reuse-values`: the defaults of an older chart in place of this one's, and what was set then."""
    for file in released():
        old = yaml.safe_load(file.read_text())
        with tempfile.TemporaryDirectory() as folder:
            chart = shutil.copytree(CHART, f"{folder}/sealgate")
            shutil.copy(file, f"{chart}/values.yaml")
            named = {"config": {"cluster": {"name": "sealgate"}}}
            known = {name: values for name, values in all_values().items() if is_within(values, old)}
            assert {"defaults", "tls", "monitor", "volume"} <= known.keys()
            for name, values in known.items():
                assert render(merged(named, values), chart=chart) == render(values), (file.stem, name)
            assert render(named, helm=HELM3, chart=chart) == render({}, helm=HELM3), file.stem


def is_within(values, old):
    return all(key in old and (not isinstance(value, dict) or not old[key] or is_within(value, old[key]))
               for key, value in values.items())


def released():
    files = sorted((pathlib.Path(__file__).parent / "released").glob("*.yaml"))
    assert files
    return files


def values_of_released_versions_render_and_what_cannot_change_does_not():
    now = {helm: render({}, helm=helm) for helm in HELMS}
    for file, helm in itertools.product(released(), HELMS):
        old = render(yaml.safe_load(file.read_text()), helm=helm)
        assert old.keys() <= now[helm].keys(), f"{file.stem}: {old.keys() - now[helm].keys()} would be deleted"
    for values in all_values().values():
        objects = render(values)
        labels = {"app.kubernetes.io/name": "sealgate", "app.kubernetes.io/instance": "demo"}
        # Kubernetes refuses an update of these
        assert objects["Deployment", "demo-sealgate"]["spec"]["selector"] == {"matchLabels": labels}
        assert labels.items() <= pod(objects)["metadata"]["labels"].items()
        assert objects["Service", "demo-sealgate"]["spec"]["selector"] == labels
    claim = render(TOGGLES["volume"])["PersistentVolumeClaim", "demo-sealgate-data"]["spec"]
    assert claim["accessModes"] == ["ReadWriteOnce"], claim


def render_for_a_start(folder):
    """Writes what the pod would find: the files of its mounts. The gateway is started with them by the caller."""
    seed = "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDEyMzQ1Njc4OTAxMjM0NTY3"
    for name, config, secret in (
        ("single", {"crypto": {"mode": "single-key"}}, {"crypto": {"key_seed": seed}}),
        ("many", {"crypto": {"mode": "local-multi-keys", "update_period": "1h"}},
         {"crypto": {"tenant_keys": {TENANT: seed}}}),
    ):
        tenant = TENANT if name == "many" else "default"
        secret["tenants"] = [{"id": tenant, "bucket_prefix": "acme-",
                              "access_keys": [{"id": "AKIDHELM", "secret": "helm-test-secret"}]}]
        objects = render(merged(LOCAL, {"config": config, "secretConfig": secret}))
        with open(f"{folder}/{name}-application.json", "w") as file:
            file.write(objects["ConfigMap", "demo-sealgate-config"]["data"]["application.json"])
        with open(f"{folder}/{name}-secret.json", "w") as file:
            file.write(objects["Secret", "demo-sealgate"]["stringData"]["application.json"])
    tested = render(TOGGLES["tested"])["Pod", "demo-sealgate-test"]["spec"]["containers"]
    with open(f"{folder}/there-and-back.sh", "w") as file:
        file.write(next(one for one in tested if one["name"] == "there-and-back")["args"][0])


if CHECK == "render_for_a_start":
    render_for_a_start(sys.argv[7])
else:
    globals()[CHECK]()
