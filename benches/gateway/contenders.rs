//! Who is measured: the stores, and what stands before them.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use aws_credential_types::Credentials;

use super::Failure;
use super::attack::GREEDY;
use super::load::Target;
use super::process::{Process, free_port};

/// One way to store objects.
#[derive(Clone)]
pub(super) struct Contender {
    pub(super) name: &'static str,
    /// what the target's address leads to; the process whose cost is told
    pub(super) process: Arc<Process>,
    /// the store behind it; none if it is the store
    pub(super) store: Option<Arc<Process>>,
    pub(super) target: Target,
}

impl Contender {
    /// Others may fail under load: they have no figure then. What is measured here must not.
    pub(super) fn failed(&self, workload: &str, error: &Failure) -> Result<(), Failure> {
        let told = format!("{}, {workload}: {error}", self.name);
        if self.name.contains("sealgate") {
            return Err(told.into());
        }
        eprintln!("{told}");
        Ok(())
    }
}

/// All of them.
pub(super) struct Field {
    pub(super) contenders: Vec<Contender>,
}

impl Field {
    /// Those whose name has a word.
    pub(super) fn named<'a>(&'a self, word: &'a str) -> impl Iterator<Item = &'a Contender> {
        self.contenders.iter().filter(move |contender| contender.name.contains(word))
    }

    /// Those with SeaweedFS at their end that can read what the gateway stored there, each on the gateway's bucket.
    pub(super) fn on_sealed(&self) -> Vec<Contender> {
        let Some(gateway) = self.named("sealgate → SeaweedFS").next() else { return Vec::new() };
        let others = ["SeaweedFS", "proxy → SeaweedFS", gateway.name];
        let mut found: Vec<_> = self.contenders.iter().filter(|other| others.contains(&other.name)).cloned().collect();
        for other in &mut found {
            other.target.bucket.clone_from(&gateway.target.bucket);
        }
        found
    }
}

/// Starts what this machine has: always the store in memory with proxy and gateway before it, and the gateway over its
/// local store; SeaweedFS and rclone if `programs` (the folder of `weed` and `rclone`) is given.
///
/// `earlier` is another build of the gateway to compare with, before the store in memory. With `is_apart` SeaweedFS has the
/// first processor to itself, as if it were another machine; what else runs here inherits this process's processors.
pub(super) fn start(
    folder: &Path,
    programs: Option<&Path>,
    earlier: Option<&str>,
    is_apart: bool,
) -> Result<Field, Failure> {
    let mut start = Starter::new(folder);
    let memory = start.own("memory store", "store", "")?;
    start.contender("memory store", &memory, None);
    start.before(&memory, ["proxy → memory", "sealgate → memory"])?;
    if let Some(program) = earlier {
        let start_it = Starter { program, ..Starter::new(folder) };
        let process = start_it.gateway("gateway-earlier", Some(memory.0))?;
        start.contender("earlier sealgate → memory", &process, Some(&memory));
    }
    let local = start.gateway("gateway-local", None)?;
    start.contender("sealgate, local store", &local, None);
    if let Some(programs) = programs {
        let weed = start.seaweedfs(&programs.join("weed"), is_apart)?;
        start.contender("SeaweedFS", &weed, None);
        start.contender(SSE, &weed, None);
        start.before(&weed, ["proxy → SeaweedFS", "sealgate → SeaweedFS"])?;
        let rclone = start.rclone(&programs.join("rclone"), weed.0)?;
        start.contender("rclone crypt → SeaweedFS", &rclone, Some(&weed));
    }
    Ok(start.field)
}

/// A gateway that follows a Coordinator with many tenants.
pub(super) struct Followed {
    pub(super) gateway: Arc<Process>,
    /// `127.0.0.1:port`
    pub(super) gateway_address: String,
    coordinator_address: String,
    _others: [Arc<Process>; 2],
}

impl Followed {
    /// Starts both, and a store in memory behind.
    pub(super) fn start(folder: &Path, tenants: u64) -> Result<Self, Failure> {
        let start = Starter::new(folder);
        let (memory, store) = start.own("memory store", "store", "")?;
        let (port, coordinator) = start.own("coordinator", "coordinator", &tenants.to_string())?;
        let coordinator_address = address(port);
        // no tenant is private, so nobody asks this KMS
        let pki = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/kmip/pki");
        let pem = |name: &str| Ok::<_, Failure>(serde_json::to_string(&fs::read_to_string(pki.join(name))?)?);
        let (key, cert) = (pem("client-p256.pkcs8.key")?, pem("client-p256.crt")?);
        let keys = format!(
            r#""crypto": {{"mode": "remote-multi-keys", "update_period": "1h", "kms_config": {{
                   "kmip": {{"address": "127.0.0.1:1", "major_version": 1, "minor_version": 4}},
                   "tls": {{"key": {key}, "cert": {cert}, "insecure_skip_verify": true}}}}}},
               "coordinator": {{"url": "http://{coordinator_address}"}},
               "tenants": [{{"id": "bench", "bucket_prefix": "bench-",
                             "access_keys": [{{"id": "{KEY}", "secret": "{SECRET}"}}]}}]"#
        );
        let (port, gateway) = start.gateway_with("gateway-tenants", Some(memory), &keys)?;
        Ok(Self { gateway, gateway_address: address(port), coordinator_address, _others: [store, coordinator] })
    }

    /// Makes the gateway read the whole list again.
    pub(super) async fn begin_epoch(&self) -> Result<(), Failure> {
        let target = Target {
            address: self.coordinator_address.clone(),
            credentials: credentials(),
            bucket: "epoch".to_owned(),
            upload_headers: Vec::new(),
        };
        target.create_bucket().await
    }
}

/// A gateway over its own store with two tenants: one that behaves, and one that does not.
pub(super) struct Attacked {
    pub(super) gateway: Arc<Process>,
    /// `127.0.0.1:port`
    pub(super) address: String,
}

impl Attacked {
    /// Starts it.
    pub(super) fn start(folder: &Path) -> Result<Self, Failure> {
        let keys = format!(
            r#""crypto": {{"key_seed": "{SEED}"}},
               "tenants": [{{"id": "calm", "bucket_prefix": "calm-",
                             "access_keys": [{{"id": "{KEY}", "secret": "{SECRET}"}}]}},
                           {{"id": "greedy", "bucket_prefix": "greedy-", "public_read_buckets": ["hall"],
                             "access_keys": [{{"id": "{GREEDY}", "secret": "{SECRET}"}}]}}]"#
        );
        let (port, gateway) = Starter::new(folder).gateway_with("gateway-attacked", None, &keys)?;
        Ok(Self { gateway, address: address(port) })
    }
}

/// A process and the port it listens on.
type Listening = (u16, Arc<Process>);

struct Starter<'a> {
    folder: &'a Path,
    /// the gateway
    program: &'a str,
    field: Field,
}

impl<'a> Starter<'a> {
    fn new(folder: &'a Path) -> Self {
        Self { folder, program: env!("CARGO_BIN_EXE_sealgate"), field: Field { contenders: Vec::new() } }
    }

    /// The bare proxy and the gateway before a store.
    fn before(&mut self, store: &Listening, names: [&'static str; 2]) -> Result<(), Failure> {
        let [proxy, gateway] = names;
        let process = self.own(proxy, "proxy", &address(store.0))?;
        self.contender(proxy, &process, Some(store));
        let process = self.gateway(gateway, Some(store.0))?;
        self.contender(gateway, &process, Some(store));
        Ok(())
    }

    fn contender(&mut self, name: &'static str, (port, process): &Listening, store: Option<&Listening>) {
        let bucket = format!("bench-{}", self.field.contenders.len());
        let sse = ("x-amz-server-side-encryption", "AES256".to_owned());
        let upload_headers = if name == SSE { vec![sse] } else { Vec::new() };
        let target = Target { address: address(*port), credentials: credentials(), bucket, upload_headers };
        let (process, store) = (Arc::clone(process), store.map(|(_, store)| Arc::clone(store)));
        self.field.contenders.push(Contender { name, process, store, target });
    }

    /// A part of this program.
    fn own(&self, name: &str, role: &str, upstream: &str) -> Result<Listening, Failure> {
        let port = free_port();
        let mut command = Command::new(std::env::current_exe()?);
        command.args([role, &port.to_string(), upstream]);
        Ok((port, Arc::new(Process::start(&mut command, name, self.folder, port)?)))
    }

    /// The gateway over a store, or over its own.
    fn gateway(&self, name: &str, store: Option<u16>) -> Result<Listening, Failure> {
        let keys = format!(
            r#""crypto": {{"key_seed": "{SEED}"}},
               "tenants": [{{"id": "bench", "access_keys": [{{"id": "{KEY}", "secret": "{SECRET}"}}]}}]"#
        );
        self.gateway_with(name, store, &keys)
    }

    fn gateway_with(&self, name: &str, store: Option<u16>, keys: &str) -> Result<Listening, Failure> {
        let port = free_port();
        let backend = match store {
            // the store in memory is too simple to be asked what it can do
            Some(port) => format!(
                r#"{{"type": "s3", "endpoint": "http://{}", "region": "us-east-1", "path_style": true,
                     "access_key_id": "{STORE_KEY}", "secret_access_key": "{SECRET}",
                     "features": {{"conditional_puts": true, "conditional_completes": true, "conditional_copies": true,
                                   "conditional_deletes": true, "part_counts": true, "part_copies": true,
                                   "settings": true, "versioning": true, "object_lock": true, "tags": true,
                                   "trailer_checksums": false, "expect_continue": false}}}}"#,
                address(port)
            ),
            None => format!(r#"{{"type": "local", "path": "{}"}}"#, self.folder.join(name).display()),
        };
        let text = format!(
            r#"{{{keys}, "backend": {backend}, "listen": {{"s3": "{}", "admin": "{}"}}}}"#,
            address(port),
            address(free_port())
        );
        let (config, secret) = (self.file(&format!("{name}.json"), &text)?, self.file("nothing.json", "{}")?);
        let mut command = Command::new(self.program);
        command.args(["serve", "--log", "warn", "--config"]).arg(config).arg("--secret").arg(secret);
        // not in the files, which older programs read as well
        command.env("SEALGATE_CLUSTER_KEYS", CLUSTER_KEY);
        Ok((port, Arc::new(Process::start(&mut command, name, self.folder, port)?)))
    }

    fn seaweedfs(&self, weed: &Path, is_apart: bool) -> Result<Listening, Failure> {
        let port = free_port();
        let identities = format!(
            r#"{{"identities": [{{"name": "bench", "actions": ["Admin", "Read", "Write", "List", "Tagging"],
                "credentials": [{{"accessKey": "{KEY}", "secretKey": "{SECRET}"}},
                                {{"accessKey": "{STORE_KEY}", "secretKey": "{SECRET}"}}]}}]}}"#
        );
        let identities = self.file("seaweedfs.json", &identities)?;
        let data = self.folder.join("seaweedfs");
        fs::create_dir_all(&data)?;
        let mut command = if is_apart { Command::new("taskset") } else { Command::new(weed) };
        if is_apart {
            command.args(["--cpu-list", "0"]).arg(weed);
        }
        // the key of its own server-side encryption
        command.env("WEED_S3_SSE_KEK", "ab".repeat(32));
        command.args(["server", "-s3", "-ip=127.0.0.1", "-volume.max=100", "-master.volumeSizeLimitMB=1024"]);
        // ports that it would take beside the ones it is given
        command.args(["-s3.port.iceberg=0", "-s3.port.lance=0"]);
        command.arg(format!("-dir={}", data.display())).arg(format!("-s3.config={}", identities.display()));
        for (name, port) in [("s3", port), ("master", free_port()), ("volume", free_port()), ("filer", free_port())] {
            command.arg(format!("-{name}.port={port}"));
        }
        Ok((port, Arc::new(Process::start(&mut command, "seaweedfs", self.folder, port)?)))
    }

    /// rclone as a gateway over a crypt remote on the store, as its users run it.
    fn rclone(&self, rclone: &Path, store: u16) -> Result<Listening, Failure> {
        let port = free_port();
        let obscured = Command::new(rclone).args(["obscure", SEED]).output()?;
        let mut command = Command::new(rclone);
        command.args(["serve", "s3", "crypt:", "--addr", &address(port), "--auth-key", &format!("{KEY},{SECRET}")]);
        // without a cache of its own it answers once the store has the object, as everybody here does
        command.args(["--vfs-cache-mode", "off", "--cache-dir"]).arg(self.folder.join("rclone"));
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
        Ok((port, Arc::new(Process::start(&mut command, "rclone", self.folder, port)?)))
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

/// The store itself, asked to encrypt what it keeps.
const SSE: &str = "SeaweedFS, SSE-S3";
const KEY: &str = "AKIABENCH";
/// with which the gateway asks the store
const STORE_KEY: &str = "AKIASTORE";
pub(super) const SECRET: &str = "the secret of the benches";
const SEED: &str = "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=";
const CLUSTER_KEY: &str = "YmVuY2ggY2x1c3RlciBrZXkgb2YgMzIgYnl0ZXMuLi4=";
