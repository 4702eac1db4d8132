//! What a browser keeps in place of the secret: a cookie that this process alone can make, for half a day at most.
//!
//! It is bound to the secret of its time, so a new secret ends all sessions, and it does not let the secret be guessed: its
//! MAC is under a key that never leaves the process.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use axum::http::header::COOKIE;
use axum::http::{HeaderMap, HeaderValue};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;
use zeroize::Zeroizing;

/// Makes and knows sessions.
#[derive(Clone)]
pub(super) struct Sessions(Arc<Zeroizing<[u8; 32]>>);

impl Sessions {
    /// With a fresh key.
    pub(super) fn new() -> Result<Self, getrandom::Error> {
        let mut key = Zeroizing::new([0; 32]);
        getrandom::fill(&mut *key)?;
        Ok(Self(Arc::new(key)))
    }

    /// The cookie of a browser whose user knows the secret.
    pub(super) fn cookie(&self, secret: &[u8], now: SystemTime, is_tls: bool) -> Option<HeaderValue> {
        let until = seconds(now + LIFE);
        let mac = URL_SAFE_NO_PAD.encode(self.mac(secret, until)?.finalize().into_bytes());
        let secure = if is_tls { "; Secure" } else { "" };
        let text = format!("{NAME}={until}.{mac}; Path=/; HttpOnly; SameSite=Strict{secure}");
        HeaderValue::from_str(&text).ok()
    }

    /// Whether a request carries such a cookie.
    pub(super) fn admit(&self, headers: &HeaderMap, secret: &[u8], now: SystemTime) -> bool {
        let all = headers.get_all(COOKIE).iter().filter_map(|value| value.to_str().ok());
        let ours = all.flat_map(|value| value.split(';')).filter_map(|one| one.trim().split_once('='));
        let mut ours = ours.filter(|(name, _)| *name == NAME).map(|(_, value)| value);
        ours.any(|value| self.is_good(value, secret, now))
    }

    fn is_good(&self, value: &str, secret: &[u8], now: SystemTime) -> bool {
        let Some((until, mac)) = value.split_once('.') else { return false };
        let Ok(until) = until.parse::<u64>() else { return false };
        let Ok(mac) = URL_SAFE_NO_PAD.decode(mac) else { return false };
        let is_made_here = self.mac(secret, until).is_some_and(|expected| expected.verify_slice(&mac).is_ok());
        is_made_here && seconds(now) < until
    }

    fn mac(&self, secret: &[u8], until: u64) -> Option<Hmac<Sha256>> {
        let mut mac = Hmac::<Sha256>::new_from_slice(self.0.as_slice()).ok()?;
        mac.update(&until.to_be_bytes());
        mac.update(secret);
        Some(mac)
    }
}

fn seconds(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}

const NAME: &str = "sealgate-status";
const LIFE: Duration = Duration::from_hours(12);

#[cfg(test)]
mod tests {
    use super::*;

    fn sent(cookie: &HeaderValue) -> HeaderMap {
        let value = cookie.to_str().unwrap().split(';').next().unwrap().to_owned();
        HeaderMap::from_iter([(COOKIE, format!("other=1; {value}").parse().unwrap())])
    }

    #[test]
    fn a_session_ends_with_its_time_its_secret_and_its_process() {
        let (sessions, now) = (Sessions::new().unwrap(), SystemTime::now());
        let headers = sent(&sessions.cookie(b"secret", now, false).unwrap());
        assert!(sessions.admit(&headers, b"secret", now));
        assert!(!sessions.admit(&headers, b"secret", now + LIFE));
        assert!(!sessions.admit(&headers, b"another", now));
        assert!(!Sessions::new().unwrap().admit(&headers, b"secret", now));
    }

    #[test]
    fn a_session_cannot_be_made_longer() {
        let (sessions, now) = (Sessions::new().unwrap(), SystemTime::now());
        let cookie = sessions.cookie(b"secret", now, false).unwrap();
        let (until, mac) = cookie.to_str().unwrap().split_once('=').unwrap().1.split_once('.').unwrap();
        let longer = format!("{NAME}={}.{mac}", until.parse::<u64>().unwrap() + 1);
        for forged in [longer.as_str(), "sealgate-status=", "sealgate-status=1", "sealgate-status=99999999999.", "x"] {
            let headers = HeaderMap::from_iter([(COOKIE, forged.parse().unwrap())]);
            assert!(!sessions.admit(&headers, b"secret", now), "{forged}");
        }
    }

    #[test]
    fn no_script_and_no_other_site_gets_at_the_cookie() {
        let sessions = Sessions::new().unwrap();
        let cookie = |is_tls| sessions.cookie(b"secret", SystemTime::now(), is_tls).unwrap();
        let text = cookie(true).to_str().unwrap().to_owned();
        assert!(text.ends_with("; HttpOnly; SameSite=Strict; Secure") && !text.contains("Max-Age"), "{text}");
        assert!(!cookie(false).to_str().unwrap().contains("Secure"), "a browser drops such a cookie over plain HTTP");
    }
}
