//! The runbook of the README, run as it stands there: every command of its blocks, in order, in one shell.
//!
//! What is the reader's to replace is replaced: addresses by those of a SeaweedFS, a PyKMIP and free ports. `kubectl` and
//! `helm` are the real ones, and what they do is asserted by what the cluster has afterwards. The cluster is small: an API
//! that keeps objects, and pods that are processes of this machine, whatever their image is called. The pods of `helm test`
//! run their own commands against those of the Deployment, by the name of its Service.

use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpListener;
use std::os::unix::fs::symlink;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use tempfile::TempDir;

use crate::cluster::Cluster;
use crate::install::PYTHON_BIN;
use crate::real_store::RealStore;
use crate::server::{Server, seed_text};
use crate::tools::HELM;

const README: &str = include_str!("../../README.md");
const PRIVATE: &str = "67f1adf3-08e5-4eea-94e3-e611f263c87b";

/// A block of commands, and the heading that it stands under.
#[derive(Debug, PartialEq, Eq)]
struct Block {
    heading: String,
    commands: String,
}

/// The blocks of a section: lines after `$ ` begin a command, lines after `> ` go on with it, others are what it says.
fn blocks(text: &str, section: &str) -> Vec<Block> {
    let section = text.split("\n## ").find(|part| part.starts_with(section)).expect("the section is there");
    let (mut blocks, mut heading, mut inside) = (Vec::new(), String::new(), false);
    for line in section.lines() {
        match line {
            "```console" => {
                inside = true;
                blocks.push(Block { heading: heading.clone(), commands: String::new() });
            }
            "```" => inside = false,
            _ if inside => {
                let command = line.strip_prefix("$ ").or_else(|| line.strip_prefix("> "));
                let commands = &mut blocks.last_mut().unwrap().commands;
                if let Some(command) = command {
                    commands.extend([command, "\n"]);
                }
            }
            _ => {
                if let Some(title) = line.strip_prefix("### ") {
                    title.clone_into(&mut heading);
                }
            }
        }
    }
    blocks
}

/// A shell that runs blocks; it ends, with all that it started, when this is dropped.
struct Shell {
    _cluster: Cluster,
    folder: TempDir,
    process: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
    blocks: usize,
}

impl Shell {
    /// With Helm of this major version.
    fn start(helm: &str) -> Self {
        let folder = tempfile::Builder::new().prefix("runbook").tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let bin = folder.path().join(".bin");
        fs::create_dir(&bin).unwrap();
        fs::create_dir(folder.path().join(".home")).unwrap();
        symlink(env!("CARGO_BIN_EXE_sealgate"), bin.join("sealgate")).unwrap();
        Command::new("cp").arg("-r").arg(root.join("helm")).arg(folder.path()).status().unwrap();
        for name in ["kubectl", "helm"] {
            symlink(HELM.join(format!("{name}{helm}")), bin.join(name)).unwrap();
        }
        let nodes = folder.path().join(".cluster");
        fs::create_dir(&nodes).unwrap();
        let cluster = Cluster::start(&nodes);
        let path = format!("{}:{}:/usr/local/bin:/usr/bin:/bin", bin.display(), PYTHON_BIN.display());
        let mut process = Command::new("bash")
            .args(["-eE", "-o", "pipefail"])
            .env_clear()
            .env("PATH", path)
            .env("HOME", folder.path().join(".home"))
            .env("KUBECONFIG", cluster.kubeconfig())
            .env("NO_PROXY", "*")
            .env("AWS_EC2_METADATA_DISABLED", "true")
            .current_dir(folder.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .process_group(0)
            .spawn()
            .unwrap();
        let mut input = process.stdin.take().unwrap();
        input.write_all(PRELUDE.as_bytes()).unwrap();
        let output = BufReader::new(process.stdout.take().unwrap());
        Self { _cluster: cluster, folder, process, input, output, blocks: 0 }
    }

    /// Runs commands as one script; gives what they printed.
    #[track_caller]
    fn run(&mut self, commands: &str) -> String {
        self.blocks += 1;
        let name = format!(".block-{}", self.blocks);
        fs::write(self.folder.path().join(&name), commands).unwrap();
        writeln!(self.input, ". ./{name} 2>&1 </dev/null\necho; echo '---- done'").unwrap();
        let mut said = String::new();
        loop {
            let before = said.len();
            let read = self.output.read_line(&mut said).unwrap();
            assert!(read > 0, "the shell ended in\n{commands}\nafter it said\n{said}\n{}", self.logs());
            if said[before..].starts_with("---- done") {
                return said;
            }
        }
    }

    fn logs(&self) -> String {
        Command::new("sh")
            .args(["-c", "cat .cluster/pods/*/errors > pods.log"])
            .current_dir(self.folder.path())
            .status()
            .ok();
        let log = |name: &&str| fs::read_to_string(self.folder.path().join(name)).unwrap_or_default();
        ["coordinator.log", "gateway.log", "next.log", "pods.log"]
            .iter()
            .map(|name| format!("---- {name}\n{}\n", log(name)))
            .collect()
    }
}

impl Drop for Shell {
    fn drop(&mut self) {
        let all = format!("kill -KILL -- -{}", self.process.id());
        Command::new("bash").args(["-c", &all]).status().ok();
        self.process.wait().ok();
    }
}

/// Runs the blocks that are wanted, with Helm of a major version; gives what they said, and the shell.
fn run(helm: &str, is_wanted: impl Fn(&Block) -> bool) -> (String, Shell) {
    let (store, mut kms, mut shell) = (RealStore::start(), Server::start(), Shell::start(helm));
    kms.register(PRIVATE, &seed_text(3));
    for name in ["client.key", "client.crt", "ca.crt"] {
        fs::write(shell.folder.path().join(name), kms.pem(name)).unwrap();
    }
    let free: Vec<TcpListener> = (0..3).map(|_| TcpListener::bind("127.0.0.1:0").unwrap()).collect();
    let free = free.into_iter().map(|listener| listener.local_addr().unwrap().to_string()).collect::<Vec<_>>();
    let (key, secret) = store.keys();
    let own = |text: &str| {
        let own = [
            ("https://store.example.com", store.endpoint().to_owned()),
            ("STOREKEY", key.to_owned()),
            ("STORESECRET", secret.to_owned()),
            ("kms.example.com:5696", kms.address()),
            ("https://coordinator.example.com", "http://127.0.0.1:8002".to_owned()),
            ("127.0.0.1:8000", free[0].clone()),
            ("127.0.0.1:8001", free[1].clone()),
            ("127.0.0.1:8002", free[2].clone()),
        ];
        own.into_iter().fold(text.to_owned(), |text, (example, own)| text.replace(example, &own))
    };
    let blocks: Vec<(Block, String)> = blocks(README, "Runbook\n")
        .into_iter()
        .filter(is_wanted)
        .map(|block| (own(&format!("{SERVED_AT}{}", block.commands)), block))
        .map(|(commands, block)| (block, commands))
        .collect();
    let mut said = String::new();
    let mut is_out = false;
    for (block, commands) in &blocks {
        if block.heading == "KMS outage" {
            // the first block is about the outage, the second about its end
            if is_out {
                kms.restart();
            } else {
                kms.end();
            }
            is_out = !is_out;
        }
        if block.heading == "Upgrade" && commands.contains("helm upgrade") {
            shell.release_a_chart();
        }
        said += &shell.run(commands);
        shell.check_cluster(commands);
    }
    assert!(!is_out);
    (said, shell)
}

impl Shell {
    /// The chart of a newer version, in place of the one that was installed.
    fn release_a_chart(&self) {
        let file = self.folder.path().join("helm/sealgate/Chart.yaml");
        let line =
            |line: &str| if line.starts_with("appVersion:") { "appVersion: 99.0.0" } else { line }.to_owned() + "\n";
        let text: String = fs::read_to_string(&file).unwrap().lines().map(line).collect();
        fs::write(file, text).unwrap();
    }

    /// What the cluster has after commands that change it.
    fn check_cluster(&mut self, commands: &str) {
        let deployed = |shell: &mut Self| {
            let path = "{.spec.template.spec.containers[0].image} {.spec.replicas} {.status.readyReplicas}";
            shell.run(&format!("kubectl get deployment gateway-sealgate -o jsonpath='{path}'\n"))
        };
        let old = format!("sealgate:{} 2 2", env!("CARGO_PKG_VERSION"));
        if commands.contains("create secret generic gateway") {
            for (key, file) in [("application\\.json", "secret.json"), ("token", "gateway.token")] {
                let kept = format!("kubectl get secret gateway -o jsonpath='{{.data.{key}}}' | base64 -d");
                self.run(&format!("{kept} | cmp - {file}\n"));
            }
        }
        if commands.contains("helm install") {
            assert!(deployed(self).starts_with(&old));
            let config = self.run("kubectl get configmap gateway-sealgate-config -o jsonpath='{.data}'\n");
            assert!(config.contains("remote-multi-keys"), "{config}");
        }
        if commands.contains("helm upgrade") && commands.contains("rollout") {
            assert!(deployed(self).starts_with("sealgate:99.0.0 2 2"));
        }
        if commands.contains("helm rollback") {
            assert!(deployed(self).starts_with(&old));
            let history = self.run("helm history gateway\n");
            assert_eq!(history.matches("superseded").count(), 3, "{history}");
            assert!(history.contains("deployed") && history.contains("Rollback to 2"), "{history}");
        }
    }
}

#[test]
fn every_command_of_the_runbook_works() {
    let headings: Vec<String> = blocks(README, "Runbook\n").into_iter().map(|block| block.heading).collect();
    let expected = [
        "Install",
        "First tenant",
        "Rotate a key",
        "Rotate the key of the cluster",
        "KMS outage",
        "Restore",
        "Upgrade",
    ];
    assert!(expected.iter().all(|title| headings.iter().any(|heading| heading == title)), "{headings:?}");
    let (said, _shell) = run("4", |_| true);
    assert_eq!(said.matches("a cat\n").count(), 6, "{said}");
    assert_eq!(said.matches("Succeeded").count(), 2, "{said}");
    for told in ["a sealed object went there and back", "FAIL kms", "\"name\":\"kms\",\"ok\":false", "acme"] {
        assert!(said.contains(told), "{told} in\n{said}");
    }
}

#[test]
fn helm_3_understands_the_runbook_and_its_test_fails_without_a_gateway() {
    let is_wanted = |block: &Block| {
        ["Install", "First tenant"].contains(&block.heading.as_str()) || block.commands.contains("gateway-sealgate")
    };
    let (said, mut shell) = run("3", is_wanted);
    assert_eq!(said.matches("Succeeded").count(), 2, "{said}");
    let said = shell.run("kubectl delete deployment gateway-sealgate\n! helm test gateway\n");
    assert!(said.contains("Failed"), "{said}");
}

#[test]
fn commands_are_found_in_a_text() {
    let text = "# a\n## Runbook\n### One\ntext\n```console\n$ first <<E\n> more\n> E\nsaid\n$ second\n```\n## Other\n";
    let expected = Block { heading: "One".to_owned(), commands: "first <<E\nmore\nE\nsecond\n".to_owned() };
    assert_eq!(blocks(text, "Runbook\n"), [expected]);
}

/// Waiting has an end here.
const PRELUDE: &str = "sleep() { waited=$((${waited:-0} + 1)); test $waited -lt 300; command sleep 0.2; }\n";
/// The commands of administrators find the Coordinator at the port of the test.
const SERVED_AT: &str =
    "export SEALGATE_COORDINATOR_LISTEN=127.0.0.1:8002 SEALGATE_COORDINATOR_URL=http://127.0.0.1:8002\n";
