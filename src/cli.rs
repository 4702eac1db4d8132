//! The command line: one file per command. Exit codes: 0 done, 1 failed (the reason is on standard error), 2 wrong usage.

mod access_key;
mod config_check;
mod coordinator;
mod coordinator_client;
mod doctor;
mod fragment;
mod inspect;
mod keygen;
mod open;
mod serve;
mod tenant;

use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};

/// An S3-compatible encrypting gateway: plain S3 in, sealed objects on storage you do not trust.
///
/// Without a command it serves, and without any configuration it stores into ./sealgate-data under a key and an access key
/// that it makes at its first start.
#[derive(Debug, Parser)]
#[command(version, max_term_width = 100)]
pub struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    serve: serve::Serve,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Serve S3 (the default command)
    Serve(serve::Serve),
    /// Print a fresh key seed, or a key of the cluster: 32 random bytes as base64
    Keygen(keygen::Keygen),
    /// Open a sealed object without a gateway: its stored body in a file, and its envelope
    Open(open::Open),
    /// Tell what a sealed object says of itself: kind, key id, sizes, parts. Needs no key
    Inspect(inspect::Inspect),
    /// Customer fragments: make one, compare copies
    #[command(subcommand)]
    Fragment(fragment::FragmentCommand),
    /// Serve tenants to gateways, and let administrators change them
    Coordinator(coordinator::Coordinator),
    /// Tenants of a Coordinator: make, list, rotate, suspend, delete
    Tenant(tenant::TenantCommand),
    /// Access keys of a Coordinator's tenants: make, list, delete
    AccessKey(access_key::AccessKeyCommand),
    /// Look at everything that a start needs, and at what production should have
    Doctor(doctor::Doctor),
    /// Check the configuration
    #[command(subcommand)]
    Config(ConfigCommand),
    /// Print completions for a shell
    Completions {
        /// which shell
        shell: clap_complete::Shell,
    },
}

#[derive(Debug, Subcommand)]
enum ConfigCommand {
    /// Read the configuration, say what is in force and what is wrong; exit code 1 if anything is
    Check(config_check::Check),
    /// Print the JSON Schema of the configuration
    Schema,
}

/// Where the configuration is.
#[derive(Clone, Debug, Args)]
struct ConfigFiles {
    /// Configuration without secrets, JSON [default: /opt/config/application.json, may be absent]
    #[arg(long, env = "SEALGATE_CONFIG", value_name = "FILE")]
    config: Option<PathBuf>,
    /// Configuration with secrets, JSON, merged over the other [default: /opt/secret/application.json, may be absent]
    #[arg(long, env = "SEALGATE_SECRET", value_name = "FILE")]
    secret: Option<PathBuf>,
}

impl ConfigFiles {
    fn paths(self) -> crate::config::Paths {
        crate::config::Paths::new(self.config, self.secret)
    }
}

/// Runs one command.
#[must_use]
pub fn run(cli: Cli) -> ExitCode {
    let done = match cli.command {
        None => cli.serve.run(),
        Some(Command::Serve(serve)) => serve.run(),
        Some(Command::Keygen(keygen)) => keygen.run(),
        Some(Command::Open(open)) => open.run(),
        Some(Command::Inspect(inspect)) => inspect.run(),
        Some(Command::Fragment(fragment)) => fragment.run(),
        Some(Command::Coordinator(coordinator)) => coordinator.run(),
        Some(Command::Tenant(tenant)) => tenant.run(),
        Some(Command::AccessKey(access_key)) => access_key.run(),
        Some(Command::Doctor(doctor)) => doctor.run(),
        Some(Command::Config(ConfigCommand::Check(check))) => check.run(),
        Some(Command::Config(ConfigCommand::Schema)) => config_check::print_schema(),
        Some(Command::Completions { shell }) => {
            let mut command = <Cli as clap::CommandFactory>::command();
            clap_complete::generate(shell, &mut command, "sealgate", &mut std::io::stdout());
            Ok(())
        }
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Nothing is left to tell if standard error is closed.
            let _closed = writeln!(std::io::stderr(), "sealgate: {error:#}");
            ExitCode::FAILURE
        }
    }
}
