//! The store that lies: an honest one ([`World`]), and what a test makes of its answers.

use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};

use super::support::Gateway;
use super::wire::{Answer, Asked};
use super::world::World;

/// What becomes of an honest answer.
pub(crate) type Lie = Arc<dyn Fn(&Asked, Answer, &World) -> Answer + Send + Sync>;

/// A store in this process. It serves until the process ends.
#[derive(Clone)]
pub(crate) struct Liar {
    address: SocketAddr,
    inner: Arc<Mutex<Inner>>,
}

#[derive(Default)]
struct Inner {
    world: World,
    lie: Option<Lie>,
    requests: u64,
}

impl Liar {
    pub(crate) fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let liar = Self { address: listener.local_addr().unwrap(), inner: Arc::default() };
        let served = liar.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let served = served.clone();
                std::thread::spawn(move || served.serve(&mut stream.unwrap()));
            }
        });
        liar
    }

    fn serve(&self, stream: &mut TcpStream) {
        let Some(asked) = Asked::read(stream) else { return };
        let answer = {
            let mut inner = self.inner.lock().unwrap();
            inner.requests += 1;
            let honest = inner.world.answer(&asked);
            match inner.lie.clone() {
                Some(lie) => lie(&asked, honest, &inner.world),
                None => honest,
            }
        };
        answer.send(stream, asked.method == "HEAD").ok();
    }

    /// Lies from now on.
    pub(crate) fn lies(&self, lie: &Lie) {
        self.inner.lock().unwrap().lie = Some(Arc::clone(lie));
    }

    /// Tells the truth from now on; gives the lie that it told until now.
    pub(crate) fn is_honest(&self) -> Option<Lie> {
        self.inner.lock().unwrap().lie.take()
    }

    /// Goes on as before.
    pub(crate) fn lies_again(&self, lie: Option<Lie>) {
        self.inner.lock().unwrap().lie = lie;
    }

    /// How often it was asked.
    pub(crate) fn requests(&self) -> u64 {
        self.inner.lock().unwrap().requests
    }

    /// All that it has.
    pub(crate) fn world(&self) -> World {
        self.inner.lock().unwrap().world.clone()
    }

    /// Puts all of this in place of what it has.
    pub(crate) fn show(&self, world: &World) {
        self.inner.lock().unwrap().world = world.clone();
    }

    /// A gateway over it. All of them have the same keys.
    pub(crate) fn gateway(&self) -> Gateway {
        self.gateway_with(&json!({"key_seed": SEEDS[0]}))
    }

    /// A gateway that seals with one of two keys, and opens with both.
    pub(crate) fn gateway_sealing_with(&self, primary: usize) -> Gateway {
        let key = |(number, seed): (usize, &&str)| {
            let mut key = json!({"version": number + 1, "seed": seed});
            if number == primary {
                key["primary"] = json!(true);
            }
            key
        };
        let keys: Vec<_> = SEEDS.iter().enumerate().map(key).collect();
        self.gateway_with(
            &json!({"mode": "local-multi-keys", "update_period": "1h", "tenant_keys": {"default": {"keys": keys}}}),
        )
    }

    fn gateway_with(&self, crypto: &Value) -> Gateway {
        let features: Value = FEATURES.iter().map(|(name, is_there)| ((*name).to_owned(), json!(is_there))).collect();
        let backend = json!({
            "type": "s3", "endpoint": format!("http://{}", self.address), "access_key_id": "id",
            "secret_access_key": "secret", "staging_bucket": STAGING, "features": features, "attempts_max": 1,
            "timeouts": {"first_byte": "2s", "idle": "1s", "copy": "2s"},
        });
        let sections = json!({"backend": backend, "auth": {"allow_sse_c": true}, "crypto": crypto});
        Gateway::with_tenant(&sections, &json!({}))
    }
}

const SEEDS: [&str; 2] =
    ["AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=", "ICEiIyQlJicoKSorLC0uLzAxMjM0NTY3ODk6Ozw9Pj8="];
pub(crate) const STAGING: &str = "the-staging";
const FEATURES: [(&str, bool); 13] = [
    ("conditional_puts", false),
    ("conditional_completes", false),
    ("conditional_copies", false),
    ("conditional_deletes", false),
    ("quoted_tags", true),
    ("part_counts", true),
    ("part_copies", true),
    ("settings", true),
    ("versioning", true),
    ("object_lock", false),
    ("tags", true),
    ("trailer_checksums", false),
    ("expect_continue", false),
];
