"""What must hold of what the chart brings for Prometheus and Grafana. For chart.py."""
import json
import re
import subprocess
import sys
import tempfile

import yaml

from rendered import CHART, TOGGLES, container, merged, pod, render

PROMTOOL, METRICS = sys.argv[4:6]


def both_monitors_scrape_the_same_way():
    settings = {"enabled": True, "labels": {"release": "p"}, "interval": "15s", "scrapeTimeout": "5s",
                "metricsSecret": {"name": "scrape"}, "relabelings": [{"action": "labeldrop", "regex": "pod"}],
                "metricRelabelings": [{"action": "drop", "regex": "a", "sourceLabels": ["b"]}]}
    insecure = {"insecureSkipVerify": True}
    for values, tls in (({}, None),
                        (TOGGLES["tls"], {"serverName": "demo-sealgate-admin.storage.svc",
                                          "ca": {"secret": {"name": "certificate", "key": "ca.crt"}}}),
                        (TOGGLES["self-signed"], insecure)):
        own = {**settings, **(insecure if tls == insecure else {})}
        service = render(merged(values, {"serviceMonitor": own}))["ServiceMonitor", "demo-sealgate"]
        pods = render(merged(values, {"podMonitor": own}))["PodMonitor", "demo-sealgate"]
        assert service["metadata"] == pods["metadata"] and pods["metadata"]["labels"]["release"] == "p"
        endpoint, = service["spec"]["endpoints"]
        assert [endpoint] == pods["spec"]["podMetricsEndpoints"]
        expected = {"port": "admin", "path": "/metrics", "scheme": "https" if tls else "http", "interval": "15s",
                    "scrapeTimeout": "5s", "relabelings": own["relabelings"],
                    "metricRelabelings": own["metricRelabelings"],
                    "authorization": {"type": "Bearer", "credentials": {"name": "scrape",
                                                                        "key": "metrics-secret-header-value"}},
                    **({"tlsConfig": tls} if tls else {})}
        assert endpoint == expected, endpoint
    objects = render(TOGGLES["pod-monitor"])
    monitor = objects["PodMonitor", "demo-sealgate"]["spec"]
    labels = pod(objects)["metadata"]["labels"]
    assert monitor["selector"]["matchLabels"].items() <= labels.items() and monitor["jobLabel"] in labels
    assert monitor["podMetricsEndpoints"][0]["port"] in {port["name"] for port in container(objects)["ports"]}
    assert ("Service", "demo-sealgate-admin") not in objects
    service = render(TOGGLES["monitor"])
    selector = service["ServiceMonitor", "demo-sealgate"]["spec"]["selector"]["matchLabels"].items()
    assert [name for (kind, name), item in service.items() if kind == "Service"
            and selector <= item["metadata"]["labels"].items()] == ["demo-sealgate-admin"]


def names_of_metrics(text):
    return set(re.findall(r"\bsealgate_[a-z0-9_]+", text))


def known_metrics():
    return set(open(METRICS).read().split())


def alerts_are_sound():
    rules = render(TOGGLES["rules"])["PrometheusRule", "demo-sealgate"]["spec"]
    names = {rule["alert"] for rule in rules["groups"][0]["rules"]}
    expected = {f"Sealgate{what}{level}" for what in ("Memory", "Cpu") for level in (70, 80, 90)}
    assert expected | {"SealgateKeysStale", "SealgateIntegrityFailure", "SealgateConfigDrift"} <= names
    for rule in rules["groups"][0]["rules"]:
        assert rule["labels"]["team"] == "storage" and rule["annotations"]["description"]
        unknown = names_of_metrics(rule["expr"]) - known_metrics()
        assert not unknown, f"{rule['alert']} reads metrics that do not exist: {unknown}"
    disabled = render(merged(TOGGLES["rules"], {"prometheusRule": {"disabled": ["SealgateMemory70"]}}))
    left = disabled["PrometheusRule", "demo-sealgate"]["spec"]["groups"][0]["rules"]
    assert "SealgateMemory70" not in {rule["alert"] for rule in left}
    with tempfile.TemporaryDirectory() as folder:
        with open(f"{folder}/alerts.yaml", "w") as file:
            yaml.safe_dump(rules, file)
        scenes = open(f"{CHART}/../../tests/helm/alerts.yaml").read()
        with open(f"{folder}/scenes.yaml", "w") as file:
            file.write(scenes)
        for arguments in (["check", "rules", "alerts.yaml"], ["test", "rules", "scenes.yaml"]):
            done = subprocess.run([PROMTOOL, *arguments], cwd=folder, capture_output=True, text=True)
            assert done.returncode == 0, done.stdout + done.stderr
        tested = {alert["alertname"] for test in yaml.safe_load(scenes)["tests"]
                  for alert in test["alert_rule_test"] if alert.get("exp_alerts")}
        assert tested == names, f"alerts without a scene in which they fire: {names - tested}"


def the_dashboard_shows_metrics_that_exist():
    text = render(TOGGLES["dashboard"])["ConfigMap", "demo-sealgate-dashboard"]["data"]["sealgate.json"]
    board = json.loads(text)
    for panel in board["panels"]:
        for target in panel["targets"]:
            shown = {re.sub(r"_bucket$", "", name) for name in names_of_metrics(target["expr"])}
            assert shown and not shown - known_metrics(), f"{panel['title']}: {shown - known_metrics()}"
    shown = {re.sub(r"_bucket$", "", name) for name in names_of_metrics(text)}
    # what is measured of upstreams and caches is shown; the histogram tells more than the last duration
    kinds = ("backend", "coordinator", "kms", "cache")
    measured = {name for name in known_metrics() if re.match(rf"sealgate_({'|'.join(kinds)})_", name)}
    missing = measured - shown - {"sealgate_kms_last_request_duration_seconds"}
    assert not missing, f"no panel shows {missing}"
    with tempfile.NamedTemporaryFile("w", suffix=".yaml") as file:
        queries = [target["expr"] for panel in board["panels"] for target in panel["targets"]]
        known = [query.replace("$__rate_interval", "5m").replace("$namespace", "storage") for query in queries]
        yaml.safe_dump({"groups": [{"name": "dashboard", "rules": [
            {"record": f"panel:{number}", "expr": query} for number, query in enumerate(known)]}]}, file)
        file.flush()
        done = subprocess.run([PROMTOOL, "check", "rules", file.name], capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr
    ids = [panel["id"] for panel in board["panels"]]
    assert len(ids) == len(set(ids))
    places = [(panel["gridPos"]["x"], panel["gridPos"]["y"]) for panel in board["panels"]]
    assert len(places) == len(set(places))
