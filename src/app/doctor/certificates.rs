//! Certificates: that they can be used, and when they end.

use std::path::Path;
use std::time::{Duration, SystemTime};

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;

use super::{Findings, State, causes};
use crate::config::{Config, Store};
use crate::edge::{Identity, TlsFiles, first_end};
use crate::keys::settings::KeySettings;

pub(super) fn examine(config: &Config, findings: &mut Findings) {
    if let Some(tls) = &config.listen.tls {
        let files = TlsFiles { cert: tls.cert.clone(), key: tls.key.clone(), client_ca: tls.client_ca.clone() };
        match Identity::open(files) {
            Err(error) => findings.fail("certificate", format!("listen.tls: {}", causes(&error))),
            Ok(identity) => ends("of the listeners", identity.not_after(), findings),
        }
        tls.client_ca.iter().for_each(|file| of_file("listen.tls.client_ca", file, findings));
    }
    if let Store::S3(settings) = &config.backend.store {
        settings.ca_file.iter().for_each(|file| of_file("backend.ca_file", file, findings));
    }
    if let KeySettings::RemoteMultiKeys(remote) = &config.keys {
        let coordinator = &remote.coordinator;
        coordinator.cert_file.iter().for_each(|file| of_file("coordinator.tls.cert", file, findings));
        coordinator.ca_file.iter().for_each(|file| of_file("coordinator.tls.ca", file, findings));
        of_text("crypto.kms_config.tls.cert", remote.kms.tls.cert.as_bytes(), findings);
        remote.kms.tls.ca.iter().for_each(|pem| of_text("crypto.kms_config.tls.ca", pem.as_bytes(), findings));
    }
}

fn of_file(place: &str, file: &Path, findings: &mut Findings) {
    match std::fs::read(file) {
        Ok(pem) => of_text(place, &pem, findings),
        Err(error) => findings.fail("certificate", format!("{place}: {}: {error}", file.display())),
    }
}

fn of_text(place: &str, pem: &[u8], findings: &mut Findings) {
    let chain = CertificateDer::pem_slice_iter(pem).collect::<Result<Vec<_>, _>>().unwrap_or_default();
    match first_end(&chain) {
        Some(end) => ends(place, end, findings),
        None => findings.fail("certificate", format!("{place} holds no certificate that can be read")),
    }
}

/// Tells when a certificate ends.
pub(super) fn ends(whose: &str, end: SystemTime, findings: &mut Findings) {
    let left = end.duration_since(SystemTime::now()).unwrap_or_default();
    let (state, detail) = match left {
        _ if left.is_zero() => (State::Fail, format!("{whose}: has expired")),
        _ => {
            let state = if left < EXPIRES_SOON { State::Warn } else { State::Ok };
            (state, format!("{whose}: expires in {} days", left.as_secs() / 86_400))
        }
    };
    findings.add("certificate", state, detail);
}

const EXPIRES_SOON: Duration = Duration::from_hours(24 * 30);

#[cfg(test)]
mod tests {
    use super::*;

    fn state(end: SystemTime) -> State {
        let mut findings = Findings(Vec::new());
        ends("of a test", end, &mut findings);
        findings.0[0].state
    }

    #[test]
    fn a_certificate_is_told_of_before_it_ends() {
        let now = SystemTime::now();
        assert_eq!(state(now - Duration::from_secs(1)), State::Fail);
        assert_eq!(state(now + Duration::from_hours(24 * 20)), State::Warn);
        assert_eq!(state(now + Duration::from_hours(24 * 90)), State::Ok);
    }
}
