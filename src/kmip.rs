//! A KMIP 1.4 client that asks a key management system (KMS) for tenants' seeds, and nothing else.
//!
//! ```text
//! Config ─► Client ── lookup(tenant) ─► seed and state | NoSuchKey | KmsError
//!             │  client      which connection, how many, when again
//!             │  lookup      what is asked next, and what is refused (no IO)
//!             │  messages    Locate, Get Attributes, Get and their answers (no IO)
//!             │  ttlv        the encoding, bounded before it is read (no IO)
//!             └  connection  TLS (tls), one request at a time, deadlines
//! ```
//!
//! An object is a Secret Data whose Name is the tenant's id and whose Key Value is the base64 text of the seed. What
//! the server says is bounded and verified before it is believed; see [`lookup`] for the order and [`error`] for what
//! can come of it.
//!
//! Specification: OASIS Key Management Interoperability Protocol 1.4.

mod client;
mod config;
mod connection;
pub mod error;
mod fields;
pub mod lookup;
mod messages;
#[cfg(test)]
mod testing;
mod tls;
pub mod ttlv;

pub use client::{Answering, Client, PARALLEL_LOOKUPS_MAX, Probe};
pub use config::{AddressError, Addresses, Config, PrivateKeyPem, TIMEOUT_DEFAULT, TlsConfig};
pub use error::{KmsError, LookupError, NoSuchKey};
pub use lookup::Found;
pub use messages::{ANSWER_LIMITS, Lifecycle, Operation, UniqueId, answer_bytes};
pub use tls::TlsError;
