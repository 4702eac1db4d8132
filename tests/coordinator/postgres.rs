//! PostgreSQL for the tests: one server for all of them, a database for each, on a port of its own.
//!
//! A shell keeps the server: it ends it, by its process id, when the pipe from the tests is closed, however they end.
//! PostgreSQL refuses to run as root: then it runs as `nobody`.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU32, Ordering};

use tempfile::TempDir;
use tokio_postgres::NoTls;

/// The URL of a new, empty database.
pub(crate) fn database() -> String {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let name = format!("test_{}", COUNT.fetch_add(1, Ordering::Relaxed));
    execute(&SERVER.url("postgres"), &format!("CREATE DATABASE {name}"));
    SERVER.url(&name)
}

/// Runs statements in a database.
pub(crate) fn execute(url: &str, statements: &str) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let (client, connection) = tokio_postgres::connect(url, NoTls).await.unwrap();
        let driving = tokio::spawn(connection);
        client.batch_execute(statements).await.unwrap();
        drop(client);
        driving.await.unwrap().unwrap();
    });
}

/// Does something while nobody else can touch the tables of a Coordinator.
pub(crate) fn while_locked(url: &str, work: impl FnOnce()) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let client = runtime.block_on(async {
        let (client, connection) = tokio_postgres::connect(url, NoTls).await.unwrap();
        tokio::spawn(connection);
        client.batch_execute("BEGIN; LOCK TABLE tenants, coordinator IN ACCESS EXCLUSIVE MODE").await.unwrap();
        client
    });
    work();
    runtime.block_on(client.batch_execute("COMMIT")).unwrap();
}

/// The lines of what a query gives, joined.
pub(crate) fn text(url: &str, query: &str) -> String {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let (client, connection) = tokio_postgres::connect(url, NoTls).await.unwrap();
        tokio::spawn(connection);
        let rows = client.query(query, &[]).await.unwrap();
        rows.iter().map(|row| row.get::<_, String>(0) + "\n").collect()
    })
}

/// A running server.
struct Server {
    _folder: TempDir,
    port: u16,
    /// its standard input keeps the server alive
    _keeper: Child,
}

static SERVER: LazyLock<Server> = LazyLock::new(start);

impl Server {
    fn url(&self, database: &str) -> String {
        format!("postgresql://tests:{PASSWORD}@127.0.0.1:{}/{database}?sslmode=disable", self.port)
    }
}

fn start() -> Server {
    let programs = programs();
    remove_leftovers();
    let folder = tempfile::Builder::new().prefix(FOLDER_PREFIX).tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let (data, password) = (folder.path().join("data"), folder.path().join("password"));
    fs::write(&password, PASSWORD).unwrap();
    if is_root() {
        run(Command::new("chown").args(["-R", "nobody"]).arg(folder.path()));
    }
    let mut founding = unprivileged(&programs.join("initdb"));
    founding.args(["--username=tests", "--auth=scram-sha-256", "--encoding=UTF8", "--no-sync", "--pgdata"]).arg(&data);
    run(founding.arg("--pwfile").arg(&password).current_dir(folder.path()));
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let mut server = unprivileged(&programs.join("postgres"));
    server.arg("-D").arg(&data).args(["-p", &port.to_string(), "-h", "127.0.0.1", "-k", "", "-F"]);
    let line: Vec<_> = std::iter::once(server.get_program()).chain(server.get_args()).collect();
    let mut keeper = Command::new("sh")
        .args(["-c", "\"$@\" & server=$!; cat > /dev/null; kill -QUIT $server; wait $server", "sh"])
        .args(line)
        .current_dir(folder.path())
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(keeper.stderr.take().unwrap()).lines();
    let mut said = String::new();
    loop {
        let Some(Ok(line)) = lines.next() else { panic!("PostgreSQL did not start:\n{said}") };
        said = said + &line + "\n";
        if line.contains("ready to accept connections") {
            break;
        }
    }
    std::thread::spawn(move || lines.for_each(drop));
    Server { _folder: folder, port, _keeper: keeper }
}

/// A static is not dropped: the folder of the run before is still there.
fn remove_leftovers() {
    for entry in fs::read_dir(env!("CARGO_TARGET_TMPDIR")).unwrap() {
        let path = entry.unwrap().path();
        let is_ours = path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(FOLDER_PREFIX));
        // one that is in use is of tests that run beside these
        if is_ours && !path.join("data/postmaster.pid").exists() {
            fs::remove_dir_all(&path).ok();
        }
    }
}

fn unprivileged(program: &Path) -> Command {
    if !is_root() {
        return Command::new(program);
    }
    let mut command = Command::new("setpriv");
    command.args(["--reuid=nobody", "--clear-groups", "--"]).arg(program);
    command
}

fn is_root() -> bool {
    fs::metadata("/proc/self").unwrap().uid() == 0
}

/// The folder of the newest server programs; they are not on the path in Debian.
fn programs() -> PathBuf {
    let versions = fs::read_dir("/usr/lib/postgresql").into_iter().flatten();
    let mut found: Vec<PathBuf> = versions.map(|entry| entry.unwrap().path().join("bin")).collect();
    found.extend(std::env::split_paths(&std::env::var_os("PATH").unwrap_or_default()));
    found.retain(|folder| folder.join("initdb").exists() && folder.join("postgres").exists());
    found.sort();
    found.pop().expect("PostgreSQL is not installed: apt-get install postgresql")
}

fn run(command: &mut Command) {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let said = String::from_utf8_lossy(&output.stderr);
    if !output.status.success() {
        std::io::stderr().write_all(&output.stdout).ok();
        panic!("{command:?}: {}\n{said}", output.status);
    }
}

const FOLDER_PREFIX: &str = "postgres-";
const PASSWORD: &str = "of-the-tests";
