//! What stands beside the bytes: the key ring of a million tenants, one page of a listing, KMIP's encoding, and a reload of
//! the configuration. `cargo bench --bench control`.
#![allow(clippy::unwrap_used, missing_docs, reason = "a bench stops at the first surprise")]

#[path = "gateway/sign.rs"]
mod sign;

use std::fs;
use std::path::Path;
use std::sync::{Arc, LazyLock};

use aws_credential_types::Credentials;
use divan::counter::ItemsCount;
use divan::{Bencher, black_box};
use http::{Method, Request, Uri};
use http_body_util::BodyExt as _;
use s3s::Body;
use sealgate::auth::{Guarded, Rules, guard};
use sealgate::backend::local::LocalStore;
use sealgate::backend::{Backend, BucketName};
use sealgate::config::{FilePath, Paths, load};
use sealgate::keys::Keys;
use sealgate::keys::access::LiveAccessKeys;
use sealgate::keys::cluster::LiveClusterKeys;
use sealgate::keys::ring::build::RingBuilder;
use sealgate::keys::ring::{KeyRing, SourceKind, TenantKeys};
use sealgate::kmip::{ANSWER_LIMITS, ttlv};
use sealgate::s3::Gateway;
use sealgate::seal::{ClusterKey, ClusterKeys, Seed, TenantKey};
use sealgate::tenant::TenantId;
use tempfile::TempDir;

/// What can go wrong in a bench.
type Failure = Box<dyn std::error::Error + Send + Sync>;

fn main() {
    divan::main();
}

const TENANTS: u32 = 1_000_000;
const SECRET: &str = "the secret of the benches";
const KEYS_OF_A_PAGE: usize = 1_000;

fn tenant(number: u32) -> TenantId {
    let spread = u64::from(number) * 2_654_435_761 % (1 << 48);
    TenantId::new(&format!("{number:08x}-5eed-4000-8000-{spread:012x}")).unwrap()
}

/// The tenants share a few keys: deriving a million takes half a minute, and neither place nor length depends on them.
static RING: LazyLock<Arc<KeyRing>> = LazyLock::new(|| {
    let keys: Vec<_> = (0..64).map(|_| Arc::new(TenantKey::from_seed(&Seed::generate().unwrap()))).collect();
    let mut builder = RingBuilder::new(Arc::new(KeyRing::empty()), 8);
    for number in 0..TENANTS {
        let keys = TenantKeys::new(Arc::clone(&keys[number as usize % keys.len()]), []);
        builder.found(&tenant(number), keys, SourceKind::Coordinator, number);
    }
    Arc::new(builder.finish(&KeyRing::empty()).ring)
});

/// So many tenants in turn, one look-up an iteration: few, as requests come, or more than any cache of a processor holds.
#[divan::bench(name = "ring/lookup/1M_tenants", args = [1_000, 200_000], sample_count = 200, sample_size = 5_000)]
fn ring_lookup(bencher: Bencher, tenants: u32) {
    let ring = Arc::clone(&RING);
    let asked: Vec<_> = (0..tenants).map(|n| tenant(n.wrapping_mul(2_654_435_761) % TENANTS)).collect();
    let mut next = asked.iter().cycle();
    bencher.bench_local(|| ring.tenant(black_box(next.next().unwrap())).is_some());
}

/// The next ring after a refresh told of every tenant.
#[divan::bench(name = "ring/refresh/1M_tenants", sample_count = 3, sample_size = 1)]
fn ring_refresh(bencher: Bencher) {
    let ring = Arc::clone(&RING);
    let tenants: Vec<_> = (0..TENANTS).map(tenant).collect();
    bencher.counter(ItemsCount::new(TENANTS)).bench_local(|| {
        let mut builder = RingBuilder::new(Arc::clone(&ring), 8);
        for tenant in &tenants {
            builder.found(tenant, ring.tenant(tenant).unwrap().clone(), SourceKind::Coordinator, 1);
        }
        builder.finish(&ring).ring.len()
    });
}

/// A gateway over a local store of its own.
struct Served {
    runtime: tokio::runtime::Runtime,
    service: Guarded,
    _folder: TempDir,
}

impl Served {
    fn new() -> Self {
        let folder = TempDir::new().unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let mut config = load(&configuration(folder.path(), 1), &|_| None).unwrap().config;
        let access_keys = Arc::new(LiveAccessKeys::new(config.access_keys.take().unwrap()));
        let key = TenantKeys::new(Arc::new(TenantKey::from_seed(&Seed::generate().unwrap())), []);
        let store: Arc<dyn Backend> = Arc::new(LocalStore::open(&folder.path().join("store")).unwrap());
        let staging = BucketName::new("sealgate-staging");
        runtime.block_on(store.create_bucket(&staging)).unwrap();
        let cluster_keys = LiveClusterKeys::new(Arc::new(ClusterKeys::one(ClusterKey::generate().unwrap())));
        let gateway = Gateway::new(store, Arc::new(Keys::new(KeyRing::one_key(key))), cluster_keys, staging);
        let forward = gateway.forward();
        Self { service: guard(gateway, forward, access_keys, Rules::default()), runtime, _folder: folder }
    }

    /// Sends a request through authentication; gives the length of the answer.
    fn asks(&self, method: Method, target: &str, body: &'static str) -> usize {
        let uri: Uri = format!("http://127.0.0.1{target}").parse().unwrap();
        let mut request = Request::builder().method(method).uri(&uri).header("host", "127.0.0.1");
        if !body.is_empty() {
            request = request.header("content-length", body.len());
        }
        let mut request = request.body(Body::from(body.to_owned())).unwrap();
        let credentials = Credentials::new("AKIA0", SECRET, None, None, "bench");
        let signed = sign::sign(request.method(), &uri, request.headers(), &credentials).unwrap();
        request.headers_mut().extend(signed);
        self.runtime.block_on(async {
            let answer = self.service.call(request).await.unwrap();
            assert!(answer.status().is_success(), "{target}: {}", answer.status());
            answer.into_body().collect().await.unwrap().to_bytes().len()
        })
    }
}

/// One page of 1,000 keys, from a signed request to its XML: the range scan, plain sizes, the document.
#[divan::bench(name = "list/1000_keys", sample_count = 100, sample_size = 1)]
fn list(bencher: Bencher) {
    let served = Served::new();
    served.asks(Method::PUT, "/bucket", "");
    for number in 0..KEYS_OF_A_PAGE {
        served.asks(Method::PUT, &format!("/bucket/folder/object-{number:05}"), "plain");
    }
    bencher
        .counter(ItemsCount::new(KEYS_OF_A_PAGE))
        .bench_local(|| served.asks(Method::GET, "/bucket?list-type=2", ""));
}

/// Every recorded answer of a KMS, decoded item by item.
#[divan::bench(name = "ttlv/decode")]
fn ttlv_decode(bencher: Bencher) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/kmip");
    let text: String =
        ["oasis.txt", "pykmip.txt", "cosmian.txt"].map(|name| fs::read_to_string(folder.join(name)).unwrap()).concat();
    let messages: Vec<_> = text.lines().filter_map(|line| Some(bytes(line.strip_prefix("< ")?))).collect();
    bencher.counter(ItemsCount::new(messages.len())).bench_local(|| {
        messages.iter().filter(|message| ttlv::decode(black_box(message), &ANSWER_LIMITS).is_ok()).count()
    });
}

fn bytes(hex: &str) -> Vec<u8> {
    let digits: Vec<_> = hex.trim().bytes().collect();
    let pairs = digits.chunks_exact(2);
    pairs.map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap()).collect()
}

/// Reading and checking both files, with a seed and an access key for each tenant.
#[divan::bench(name = "config/reload", args = [1, 100, 10_000], sample_count = 20, sample_size = 1)]
fn config_reload(bencher: Bencher, tenants: u32) {
    let folder = TempDir::new().unwrap();
    let paths = configuration(folder.path(), tenants);
    bencher.counter(ItemsCount::new(tenants)).bench_local(|| load(&paths, &|_| None).unwrap().files.len());
}

/// The two files for so many tenants.
fn configuration(folder: &Path, tenants: u32) -> Paths {
    let (mut keys, mut entries) = (serde_json::Map::new(), Vec::new());
    for number in 0..tenants {
        let id = tenant(number);
        keys.insert(id.as_str().to_owned(), Seed::generate().unwrap().to_base64().as_str().into());
        entries.push(serde_json::json!({
            "id": id.as_str(),
            "bucket_prefix": if tenants == 1 { String::new() } else { format!("t{number:08}-") },
            "access_keys": [{ "id": format!("AKIA{number}"), "secret": SECRET }],
        }));
    }
    let plain = serde_json::json!({
        "crypto": { "mode": "local-multi-keys", "update_period": "1h" },
        "backend": { "type": "local", "path": folder.join("store") },
    });
    let secret = serde_json::json!({ "crypto": { "tenant_keys": keys }, "tenants": entries });
    let write = |name: &str, value: &serde_json::Value| {
        let file = folder.join(name);
        fs::write(&file, value.to_string()).unwrap();
        Some(file)
    };
    let paths = (write("application.json", &plain), write("secret.json", &secret));
    Paths { config: FilePath::named_or(paths.0, ""), secret: FilePath::named_or(paths.1, "") }
}
