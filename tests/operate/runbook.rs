//! The runbook of the README, run as it stands there: every command of its blocks, in order, in one shell.
//!
//! What is the reader's to replace is replaced: addresses by those of a SeaweedFS, a PyKMIP and free ports. `kubectl` and
//! `helm` find no cluster: the first is checked for the files it names, the second renders the chart.

use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpListener;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use tempfile::TempDir;

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
    folder: TempDir,
    process: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
    blocks: usize,
}

impl Shell {
    fn start() -> Self {
        let folder = tempfile::Builder::new().prefix("runbook").tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let bin = folder.path().join(".bin");
        fs::create_dir(&bin).unwrap();
        fs::create_dir(folder.path().join(".home")).unwrap();
        symlink(env!("CARGO_BIN_EXE_sealgate"), bin.join("sealgate")).unwrap();
        symlink(root.join("helm"), folder.path().join("helm")).unwrap();
        program(&bin.join("kubectl"), KUBECTL);
        program(&bin.join("helm"), &HELM_SHIM.replace("HELM4", HELM.join("helm4").to_str().unwrap()));
        let path = format!("{}:{}:/usr/local/bin:/usr/bin:/bin", bin.display(), PYTHON_BIN.display());
        let mut process = Command::new("bash")
            .args(["-eE", "-o", "pipefail"])
            .env_clear()
            .env("PATH", path)
            .env("HOME", folder.path().join(".home"))
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
        Self { folder, process, input, output, blocks: 0 }
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
        let log = |name: &&str| fs::read_to_string(self.folder.path().join(name)).unwrap_or_default();
        ["coordinator.log", "gateway.log", "next.log"]
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

fn program(path: &Path, text: &str) {
    fs::write(path, text).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
}

#[test]
fn every_command_of_the_runbook_works() {
    let (store, mut kms, mut shell) = (RealStore::start(), Server::start(), Shell::start());
    kms.register(PRIVATE, &seed_text(3));
    for name in ["client.key", "client.crt", "ca.crt"] {
        fs::write(shell.folder.path().join(name), kms.pem(name)).unwrap();
    }
    let free: Vec<TcpListener> = (0..3).map(|_| TcpListener::bind("127.0.0.1:0").unwrap()).collect();
    let free = free.into_iter().map(|listener| listener.local_addr().unwrap().to_string()).collect::<Vec<_>>();
    let (key, secret) = store.keys();
    let own = |text: &str| {
        let own = [
            ("\"endpoint\": \"https://store.example.com\"", format!("\"endpoint\": \"{}\"", store.endpoint())),
            ("STOREKEY", key.to_owned()),
            ("STORESECRET", secret.to_owned()),
            ("kms.example.com:5696", kms.address()),
            ("127.0.0.1:8000", free[0].clone()),
            ("127.0.0.1:8001", free[1].clone()),
            ("127.0.0.1:8002", free[2].clone()),
        ];
        own.into_iter().fold(text.to_owned(), |text, (example, own)| text.replace(example, &own))
    };
    let blocks = blocks(README, "Runbook\n");
    let own: Vec<(String, String)> =
        blocks.iter().map(|block| (block.heading.clone(), own(&format!("{SERVED_AT}{}", block.commands)))).collect();
    let headings = ["Install", "First tenant", "Rotate a key", "KMS outage", "Restore", "Upgrade"];
    assert!(headings.iter().all(|title| own.iter().any(|(heading, _)| heading == title)), "{blocks:?}");
    let mut said = String::new();
    let mut is_out = false;
    for (heading, commands) in &own {
        if heading == "KMS outage" {
            // the first block is about the outage, the second about its end
            if is_out {
                kms.restart();
            } else {
                kms.end();
            }
            is_out = !is_out;
        }
        said += &shell.run(commands);
    }
    assert!(!is_out);
    assert_eq!(said.matches("a cat\n").count(), 5, "{said}");
    for told in ["a sealed object went there and back", "FAIL kms", "\"name\":\"kms\",\"ok\":false", "acme"] {
        assert!(said.contains(told), "{told} in\n{said}");
    }
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
const KUBECTL: &str = r#"#!/bin/sh
case "$*" in
    "create secret generic gateway --from-file=application.json="*) test -s "${5#*=*=}" && test -s "${6#*=*=}" ;;
    *) echo "kubectl $*: not known to the test" >&2; exit 1 ;;
esac
"#;
const HELM_SHIM: &str = r#"#!/bin/sh -e
verb=$1
shift
case "$verb" in
    install | upgrade) exec HELM4 template "$@" ;;
    test | rollback) test "$1" = gateway ;;
    *) echo "helm $verb: not known to the test" >&2; exit 1 ;;
esac
"#;
