//! Whether a KMS can be asked: connection, TLS and protocol of each of its addresses, without anybody's key.

use std::time::SystemTime;

use rustls::pki_types::CertificateDer;

use super::{Client, random_name};
use crate::kmip::config::Address;
use crate::kmip::error::{KmsError, TransportError};
use crate::kmip::lookup::Canary;
use crate::kmip::messages;

/// What came of asking at one address.
#[derive(Debug)]
pub struct Probe {
    /// host and port
    pub address: String,
    /// who answered, or why nobody did
    pub outcome: Result<Answering, KmsError>,
}

/// A KMS that answers.
#[derive(Debug)]
pub struct Answering {
    /// `TLSv1.3` or `TLSv1.2`
    pub tls: &'static str,
    /// the certificates that it shows, its own first
    pub certificates: Vec<CertificateDer<'static>>,
    /// what its clock says, if it says so
    pub clock: Option<SystemTime>,
}

impl Client {
    /// Asks at every address, the later ones too, for a name that no object has.
    pub async fn probe(&self) -> Vec<Probe> {
        let mut probes = Vec::new();
        for address in self.connector.addresses.iter() {
            let outcome = self.probe_at(address).await;
            probes.push(Probe { address: format!("{}:{}", address.host, address.port), outcome });
        }
        probes
    }

    async fn probe_at(&self, address: &Address) -> Result<Answering, KmsError> {
        let connected = self.connector.connect_address(address).await;
        let mut connection = connected.map_err(|reason| KmsError::Write(TransportError::Unreachable(reason)))?;
        let (canary, request) = Canary::start(&random_name()?);
        let answer = connection.exchange(&request, self.answer_timeout).await?;
        let clock = messages::time_stamp(answer);
        match canary.answer(answer) {
            Err(KmsError::Refused(refusal)) if refusal.is_no_such_object() => {}
            answered => answered?,
        }
        let answering =
            Answering { tls: connection.tls_version(), certificates: connection.certificates().to_vec(), clock };
        connection.close().await;
        Ok(answering)
    }
}
