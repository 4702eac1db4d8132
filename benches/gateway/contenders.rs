//! Who is measured: the stores, and what stands before them.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use aws_credential_types::Credentials;

use super::Failure;
use super::load::Target;
use super::process::{Process, free_port};

/// One way to store objects.
pub(super) struct Contender {
    pub(super) name: &'static str,
    /// what the target's address leads to; the process whose cost is told
    pub(super) process: Process,
    pub(super) target: Target,
    /// only a store: not compared as something in the middle
    pub(super) is_store: bool,
}

/// All of them, with the processes behind that nobody asks directly.
pub(super) struct Field {
    pub(super) contenders: Vec<Contender>,
    _behind: Vec<Process>,
}

/// Starts what this machine has: always the store in memory with proxy and gateway before it, and the gateway over its
/// local store; SeaweedFS and rclone if `programs` (the folder of `weed` and `rclone`) is given.
pub(super) fn start(folder: &Path, programs: Option<&Path>) -> Result<Field, Failure> {
    let mut start = Starter { folder, field: Field { contenders: Vec::new(), _behind: Vec::new() } };
    let memory = start.own("memory store", "store", "")?;
    start.contender("memory store", memory.1, memory.0, true);
    let proxy = start.own("proxy-memory", "proxy", &address(memory.0))?;
    start.contender("proxy → memory", proxy.1, proxy.0, false);
    let gateway = start.gateway("gateway-memory", Some(memory.0))?;
    start.contender("sealgate → memory", gateway.1, gateway.0, false);
    let local = start.gateway("gateway-local", None)?;
    start.contender("sealgate, local store", local.1, local.0, false);
    if let Some(programs) = programs {
        start.with_seaweedfs(programs)?;
    }
    Ok(start.field)
}

struct Starter<'a> {
    folder: &'a Path,
    field: Field,
}

impl Starter<'_> {
    fn with_seaweedfs(&mut self, programs: &Path) -> Result<(), Failure> {
        let weed = self.seaweedfs(&programs.join("weed"))?;
        self.contender("SeaweedFS", weed.1, weed.0, true);
        let proxy = self.own("proxy-seaweedfs", "proxy", &address(weed.0))?;
        self.contender("proxy → SeaweedFS", proxy.1, proxy.0, false);
        let gateway = self.gateway("gateway-seaweedfs", Some(weed.0))?;
        self.contender("sealgate → SeaweedFS", gateway.1, gateway.0, false);
        let rclone = self.rclone(&programs.join("rclone"), weed.0)?;
        self.contender("rclone crypt → SeaweedFS", rclone.1, rclone.0, false);
        Ok(())
    }

    fn contender(&mut self, name: &'static str, process: Process, port: u16, is_store: bool) {
        let bucket = format!("bench-{}", self.field.contenders.len());
        let target = Target { address: address(port), credentials: credentials(), bucket, upload_headers: Vec::new() };
        self.field.contenders.push(Contender { name, process, target, is_store });
    }

    /// A part of this program.
    fn own(&self, name: &str, role: &str, upstream: &str) -> Result<(u16, Process), Failure> {
        let port = free_port();
        let mut command = Command::new(std::env::current_exe()?);
        command.args([role, &port.to_string(), upstream]);
        Ok((port, Process::start(&mut command, name, self.folder, port)?))
    }

    /// The gateway over a store, or over its own.
    fn gateway(&self, name: &str, store: Option<u16>) -> Result<(u16, Process), Failure> {
        let port = free_port();
        let backend = match store {
            Some(port) => format!(
                r#"{{"type": "s3", "endpoint": "http://{}", "region": "us-east-1", "path_style": true,
                     "access_key_id": "{KEY}", "secret_access_key": "{SECRET}"}}"#,
                address(port)
            ),
            None => format!(r#"{{"type": "local", "path": "{}"}}"#, self.folder.join(name).display()),
        };
        let text = format!(
            r#"{{"crypto": {{"key_seed": "{SEED}"}}, "backend": {backend},
                "listen": {{"s3": "{}", "admin": "{}"}},
                "tenants": [{{"id": "bench", "access_keys": [{{"id": "{KEY}", "secret": "{SECRET}"}}]}}]}}"#,
            address(port),
            address(free_port())
        );
        let (config, secret) = (self.file(&format!("{name}.json"), &text)?, self.file("nothing.json", "{}")?);
        let mut command = Command::new(env!("CARGO_BIN_EXE_sealgate"));
        command.args(["serve", "--log", "warn", "--config"]).arg(config).arg("--secret").arg(secret);
        Ok((port, Process::start(&mut command, name, self.folder, port)?))
    }

    fn seaweedfs(&self, weed: &Path) -> Result<(u16, Process), Failure> {
        let port = free_port();
        let identities = format!(
            r#"{{"identities": [{{"name": "bench", "actions": ["Admin", "Read", "Write", "List", "Tagging"],
                "credentials": [{{"accessKey": "{KEY}", "secretKey": "{SECRET}"}}]}}]}}"#
        );
        let identities = self.file("seaweedfs.json", &identities)?;
        let data = self.folder.join("seaweedfs");
        fs::create_dir_all(&data)?;
        let mut command = Command::new(weed);
        command.args(["server", "-s3", "-ip=127.0.0.1", "-volume.max=100", "-master.volumeSizeLimitMB=1024"]);
        command.arg(format!("-dir={}", data.display())).arg(format!("-s3.config={}", identities.display()));
        for (name, port) in [("s3", port), ("master", free_port()), ("volume", free_port()), ("filer", free_port())] {
            command.arg(format!("-{name}.port={port}"));
        }
        Ok((port, Process::start(&mut command, "seaweedfs", self.folder, port)?))
    }

    /// rclone as a gateway over a crypt remote on the store, as its users run it.
    fn rclone(&self, rclone: &Path, store: u16) -> Result<(u16, Process), Failure> {
        let port = free_port();
        let obscured = Command::new(rclone).args(["obscure", SEED]).output()?;
        let mut command = Command::new(rclone);
        command.args(["serve", "s3", "crypt:", "--addr", &address(port), "--auth-key", &format!("{KEY},{SECRET}")]);
        command.args(["--vfs-cache-mode", "writes", "--cache-dir"]).arg(self.folder.join("rclone"));
        for (name, value) in [
            ("STORE_TYPE", "s3"),
            ("STORE_PROVIDER", "SeaweedFS"),
            ("STORE_ENDPOINT", &format!("http://{}", address(store))),
            ("STORE_ACCESS_KEY_ID", KEY),
            ("STORE_SECRET_ACCESS_KEY", SECRET),
            ("CRYPT_TYPE", "crypt"),
            ("CRYPT_REMOTE", "store:rclone"),
            ("CRYPT_PASSWORD", String::from_utf8(obscured.stdout)?.trim()),
        ] {
            command.env(format!("RCLONE_CONFIG_{name}"), value);
        }
        Ok((port, Process::start(&mut command, "rclone", self.folder, port)?))
    }

    fn file(&self, name: &str, text: &str) -> Result<PathBuf, Failure> {
        let path = self.folder.join(name);
        fs::write(&path, text)?;
        Ok(path)
    }
}

/// Everybody's credentials.
pub(super) fn credentials() -> Credentials {
    Credentials::new(KEY, SECRET, None, None, "bench")
}

fn address(port: u16) -> String {
    format!("127.0.0.1:{port}")
}

const KEY: &str = "AKIABENCH";
const SECRET: &str = "the secret of the benches";
const SEED: &str = "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=";
