//! What is known of a request by its end, gathered on its way by whoever learns it.

use std::sync::{Arc, OnceLock};
use std::time::SystemTime;

/// What authentication and the framework learnt of one request. Shared by the request's extensions and its answer.
#[derive(Clone, Debug, Default)]
pub struct Facts(Arc<Learnt>);

#[derive(Debug, Default)]
struct Learnt {
    operation: OnceLock<String>,
    principal: OnceLock<Principal>,
    target: OnceLock<(String, String)>,
}

/// Who asks, once the signature is verified.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Principal {
    /// the access key's id
    pub access_key: String,
    /// the tenant
    pub tenant: String,
}

impl Facts {
    /// The S3 operation, a name of the API.
    pub fn set_operation(&self, operation: &str) {
        let _known = self.0.operation.set(operation.to_owned());
    }

    /// Who asks.
    pub fn set_principal(&self, access_key: &str, tenant: &str) {
        let principal = Principal { access_key: access_key.to_owned(), tenant: tenant.to_owned() };
        let _known = self.0.principal.set(principal);
    }

    /// Bucket and key, as the client names them; empty if there is none.
    pub fn set_target(&self, bucket: &str, key: &str) {
        let _known = self.0.target.set((bucket.to_owned(), key.to_owned()));
    }

    /// The operation, or `Unknown` for a request that did not come so far.
    #[must_use]
    pub fn operation(&self) -> &str {
        self.0.operation.get().map_or("Unknown", String::as_str)
    }

    /// Who asked, if that is certain.
    #[must_use]
    pub fn principal(&self) -> Option<&Principal> {
        self.0.principal.get()
    }

    /// Bucket and key.
    #[must_use]
    pub fn target(&self) -> Option<(&str, &str)> {
        self.0.target.get().map(|(bucket, key)| (bucket.as_str(), key.as_str()))
    }
}

/// A request that has ended: answered, cut short, or left by its client.
#[derive(Clone, Debug)]
pub struct Ended {
    /// the request's id
    pub id: String,
    /// when its head was there
    pub began_at: SystemTime,
    /// who asked, for what
    pub facts: Facts,
    /// the client's address
    pub peer: String,
    /// the HTTP method
    pub method: String,
    /// the path, without the query
    pub path: String,
    /// what the client calls itself
    pub user_agent: String,
    /// the TLS version, if there is one
    pub tls: Option<&'static str>,
    /// the answer's status
    pub status: u16,
    /// the S3 error code, if it is an error
    pub error_code: Option<String>,
    /// bytes of the request's body that were read
    pub received_bytes: u64,
    /// bytes of the answer's body that were sent
    pub sent_bytes: u64,
    /// until the answer's head, microseconds
    pub first_byte_micros: u64,
    /// until the answer's end, microseconds
    pub total_micros: u64,
    /// whether the answer ended as announced
    pub is_whole: bool,
}

impl Ended {
    /// A request that begins now: nothing is known but its id.
    #[must_use]
    pub fn of(id: &str) -> Self {
        Self {
            id: id.to_owned(),
            began_at: SystemTime::now(),
            facts: Facts::default(),
            peer: String::new(),
            method: String::new(),
            path: String::new(),
            user_agent: String::new(),
            tls: None,
            status: 0,
            error_code: None,
            received_bytes: 0,
            sent_bytes: 0,
            first_byte_micros: 0,
            total_micros: 0,
            is_whole: false,
        }
    }
}
