"""Files that run the gateway outside of Kubernetes, read with the tools' own parsers. Usage: deploy.py ROOT FOLDER

The Dockerfile must say what an image needs in production; the compose file must name what it uses. What the compose file
would mount into the gateway is written into FOLDER, for the program to be started with.
"""
import fnmatch
import json
import pathlib
import re
import subprocess
import sys

import dockerfile
import yaml

ROOT, FOLDER = map(pathlib.Path, sys.argv[1:3])


def is_shell(script):
    checked = subprocess.run(["sh", "-n", "-c", script], capture_output=True, text=True)
    assert checked.returncode == 0, checked.stderr


def is_pinned(image):
    tag = image.rsplit("/", 1)[-1].partition(":")[2]
    assert tag and tag != "latest", f"{image} has no version"


def is_in_the_context(source):
    """.dockerignore leaves all out and names what comes in."""
    lines = (ROOT / ".dockerignore").read_text().split()
    assert lines[0] == "**", "everything is left out first"
    inside = [line[1:] for line in lines if line.startswith("!")]
    assert (ROOT / source).exists(), f"{source} is not there"
    assert any(fnmatch.fnmatch(source, name) for name in inside), f"{source} is not in the build's context"


def the_dockerfile():
    steps = dockerfile.parse_file(str(ROOT / "Dockerfile"))
    stages = [step for step in steps if step.cmd.upper() == "FROM"]
    for stage in stages:
        is_pinned(stage.value[0])
    assert len(stages) == 2 and "distroless" in stages[-1].value[0]
    of_last = [step for step in steps if step.start_line > stages[-1].start_line]
    last = {step.cmd.upper(): step for step in of_last}
    assert "RUN" not in last, "there is no shell"
    assert re.fullmatch(r"[1-9]\d*:[1-9]\d*", last["USER"].value[0]), "a user by its number, not root"
    assert last["ENTRYPOINT"].json and last["ENTRYPOINT"].value == ("/usr/local/bin/sealgate",)
    assert last["CMD"].json and last["CMD"].value == ("serve",)
    assert set(last["EXPOSE"].value) == {"8000", "8001"}
    for step in steps:
        if step.cmd.upper() == "COPY" and not any(flag.startswith("--from") for flag in step.flags):
            for source in step.value[:-1]:
                is_in_the_context(source)
        if step.cmd.upper() == "RUN":
            is_shell(step.value[0])
        if step.cmd.upper() == "RUN" and "apt-get install" in step.value[0]:
            assert "--no-install-recommends" in step.value[0] and "rm -rf /var/lib/apt/lists" in step.value[0]
    built = next(step.value[0] for step in steps if step.cmd.upper() == "RUN" and "cargo build" in step.value[0])
    assert "--release" in built and "--locked" in built


def the_compose_file():
    compose = yaml.safe_load((ROOT / "deploy/compose.yaml").read_text())
    services, configs = compose["services"], compose["configs"]
    assert {"seaweedfs", "kms", "sealgate"} <= services.keys()
    for service in services.values():
        assert ("image" in service) != ("build" in service), service
        if "image" in service:
            is_pinned(service["image"])
        for config in service.get("configs", []):
            assert config["source"] in configs, config
        for volume in service.get("volumes", []):
            assert volume.partition(":")[0] in compose["volumes"], volume
        for other in service.get("depends_on", {}):
            assert other in services
        if isinstance(service.get("build"), dict):
            inline = dockerfile.parse_string(service["build"]["dockerfile_inline"])
            is_pinned(inline[0].value[0])
    assert all(port.startswith("127.0.0.1:") for port in services["sealgate"]["ports"]), "for this machine alone"
    assert services["sealgate"]["read_only"] and services["sealgate"]["cap_drop"] == ["ALL"]
    # a dollar is written twice there
    script = services["kms"]["command"][-1].replace("$$", "$")
    is_shell(script)
    (FOLDER / "kms.sh").write_text(script)
    for name, file in (("gateway", "application.json"), ("gateway-secret", "secret.json")):
        content = json.loads(configs[name]["content"])
        (FOLDER / file).write_text(json.dumps(content))
    (FOLDER / "metrics-secret-header-value").write_text(configs["gateway-metrics-secret"]["content"])
    beside = {pathlib.PurePath(config["target"]).name for config in services["sealgate"]["configs"]}
    assert beside == {"application.json", "secret.json", "metrics-secret-header-value"}, beside


the_dockerfile()
the_compose_file()
