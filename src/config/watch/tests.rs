use std::fs;
use std::os::unix::fs::symlink;

use serde_json::{Value, json};

use super::*;
use crate::config::{FilePath, load};
use crate::keys::settings::KeySettings;

const SEEDS: [&str; 2] =
    ["AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=", "HBscHRwbHB0cGxwdHBscHRwbHB0cGxwdHBscHRwbHB0="];

/// Two folders as Kubernetes mounts them: `application.json` → `..data/application.json`, `..data` → `..1/`.
struct Mounts(tempfile::TempDir);

impl Mounts {
    fn new(secret: &Value) -> Self {
        let mounts = Self(tempfile::tempdir().unwrap());
        for (folder, value) in [("config", &json!({})), ("secret", secret)] {
            let folder = mounts.folder(folder);
            fs::create_dir_all(folder.join("..1")).unwrap();
            fs::write(folder.join("..1/application.json"), value.to_string()).unwrap();
            symlink("..1", folder.join("..data")).unwrap();
            symlink("..data/application.json", folder.join("application.json")).unwrap();
        }
        mounts
    }

    fn folder(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// Replaces the Secret as the kubelet does: a new folder, and one rename of the link.
    fn swap(&self, version: u32, text: &str) {
        let folder = self.folder("secret");
        let target = format!("..{version}");
        fs::create_dir(folder.join(&target)).unwrap();
        fs::write(folder.join(&target).join("application.json"), text).unwrap();
        symlink(&target, folder.join("..data_tmp")).unwrap();
        fs::rename(folder.join("..data_tmp"), folder.join("..data")).unwrap();
        fs::remove_dir_all(folder.join(format!("..{}", version - 1))).unwrap();
    }

    fn paths(&self) -> Paths {
        let file = |name: &str| FilePath { path: self.folder(name).join("application.json"), is_named: true };
        Paths { config: file("config"), secret: file("secret") }
    }

    fn load(&self) -> Loaded {
        load(&self.paths(), &|_| None).unwrap()
    }

    fn watcher(&self) -> Watcher {
        let mut watcher = Watcher::new(self.paths(), Arc::new(|_| None), &self.load());
        assert!(watcher.watched.len() >= 2, "nothing is watched");
        // so that only a hint can be what tells
        watcher.poll_period = Duration::from_hours(1);
        watcher
    }

    fn poller(&self, period: Duration) -> Watcher {
        Watcher::polling(self.paths(), Arc::new(|_| None), &self.load(), period)
    }
}

fn single(seed: &str) -> Value {
    json!({"crypto": {"key_seed": seed}})
}

async fn next(watcher: &mut Watcher) -> Loaded {
    tokio::time::timeout(Duration::from_secs(30), watcher.changed()).await.expect("nothing was told")
}

/// Whether the configuration holds this seed; derived, because a seed is not shown.
fn has_seed(loaded: &Loaded, seed: &str) -> bool {
    let key = |settings: &KeySettings| {
        let ring = settings.first_ring(None, std::time::UNIX_EPOCH).ring;
        let tenant = crate::tenant::TenantId::default_tenant();
        ring.tenant(&tenant).unwrap().primary().key_id()
    };
    let mounts = Mounts::new(&single(seed));
    key(&loaded.config.keys) == key(&mounts.load().config.keys)
}

#[tokio::test]
async fn a_swapped_link_is_noticed_each_time() {
    let mounts = Mounts::new(&single(SEEDS[0]));
    let mut watcher = mounts.watcher();
    for (version, seed) in [(2, SEEDS[1]), (3, SEEDS[0])] {
        mounts.swap(version, &single(seed).to_string());
        assert!(has_seed(&next(&mut watcher).await, seed));
    }
    assert_eq!((watcher.counts().reloaded(), watcher.counts().refused()), (2, 0));
}

#[tokio::test]
async fn a_file_that_is_replaced_is_noticed() {
    let mounts = Mounts::new(&single(SEEDS[0]));
    let mut watcher = mounts.watcher();
    let file = mounts.folder("secret").join("application.json");
    fs::write(file.with_extension("new"), single(SEEDS[1]).to_string()).unwrap();
    fs::rename(file.with_extension("new"), &file).unwrap();
    assert!(has_seed(&next(&mut watcher).await, SEEDS[1]));
}

#[tokio::test]
async fn without_any_event_polling_notices() {
    let mounts = Mounts::new(&single(SEEDS[0]));
    let mut watcher = mounts.poller(Duration::from_millis(1));
    mounts.swap(2, &single(SEEDS[1]).to_string());
    assert!(has_seed(&next(&mut watcher).await, SEEDS[1]));
}

#[tokio::test]
async fn the_last_good_configuration_stays_while_the_file_is_bad() {
    let mounts = Mounts::new(&single(SEEDS[0]));
    let mut watcher = mounts.poller(Duration::from_millis(1));
    for (version, bad) in [(2, "{\"crypto\""), (3, "{\"crypto\": {\"mode\": \"x\"}}")] {
        mounts.swap(version, bad);
        assert!(watcher.look().await.is_none());
        assert!(watcher.look().await.is_none());
    }
    assert_eq!((watcher.counts().reloaded(), watcher.counts().refused()), (0, 2));
    mounts.swap(4, &single(SEEDS[1]).to_string());
    assert!(has_seed(&watcher.look().await.unwrap(), SEEDS[1]));
}

#[tokio::test]
async fn an_event_without_a_change_is_not_told() {
    let mounts = Mounts::new(&single(SEEDS[0]));
    let mut watcher = mounts.poller(Duration::from_millis(1));
    mounts.swap(2, &single(SEEDS[0]).to_string());
    assert!(watcher.look().await.is_none());
    assert_eq!((watcher.counts().reloaded(), watcher.counts().refused()), (0, 0));
}

#[tokio::test]
async fn a_file_that_vanishes_is_a_mistake_and_not_an_empty_configuration() {
    let mounts = Mounts::new(&single(SEEDS[0]));
    let mut watcher = mounts.poller(Duration::from_millis(1));
    watcher.paths.secret.is_named = false;
    fs::remove_file(mounts.folder("secret").join("application.json")).unwrap();
    assert!(watcher.look().await.is_none());
    assert_eq!(watcher.counts().refused(), 1);
}

#[tokio::test]
async fn what_needs_a_restart_is_named() {
    let mounts = Mounts::new(&single(SEEDS[0]));
    let running = mounts.load().config.fixed();
    let local = json!({
        "crypto": {
            "mode": "local-multi-keys", "update_period": "1h", "tenant_keys": {"a": SEEDS[1]}, "record_version": 2
        },
        "listen": {"s3": "127.0.0.1:9"}, "backend": {"path": "elsewhere"}, "tenants": [],
        "auth": {"allow_sse_c": true}, "limits": {"connections_max": 9}
    });
    mounts.swap(2, &local.to_string());
    let changed = mounts.load().config.fixed();
    let waiting = ["backend", "listen", "limits", "auth", "crypto.mode", "crypto.record_version", "tenants"];
    assert_eq!(running.changes(&changed), waiting);
    assert!(changed.changes(&changed).is_empty());
}
