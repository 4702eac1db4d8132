use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::sync::Arc;
use std::time::UNIX_EPOCH;

use super::record::Reading;
use super::*;
use crate::keys::access::{AccessKey, ToldList};
use crate::keys::cycle::causes;
use crate::keys::fragment::Fragment;
use crate::keys::ring::build::RingBuilder;
use crate::keys::ring::{KeyState, SourceKind, TenantKeys};
use crate::keys::secret::SecretText;
use crate::keys::testing::{seed, tenant};
use crate::tenant::BucketPrefix;

const COORDINATOR: &str = "https://coordinator.example.com";
const SECRET: &str = "a secret access key";
/// The time at which the Coordinator last told something.
const TOLD_AT: u64 = 2_000_000_000;

struct Kit {
    folder: tempfile::TempDir,
    settings: SnapshotSettings,
    fragment: Fragment,
}

fn kit() -> Kit {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("keys.snapshot");
    let settings = SnapshotSettings { file, key: seed(200), age_max: Duration::from_hours(1), cluster: "one".into() };
    Kit { folder, settings, fragment: Fragment::generate("n", "d").unwrap() }
}

fn key(number: u8) -> Arc<TenantKey> {
    Arc::new(TenantKey::from_seed(&seed(number)))
}

fn at(seconds: u64) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(seconds)
}

impl Kit {
    fn fragments(&self) -> Fragments {
        Fragments::parse("test", &self.fragment.to_file()).unwrap()
    }

    /// A rotated public tenant, a private one, one with a fragment, and one of the configuration.
    fn kept(&self) -> Kept {
        let mut ring = RingBuilder::new(Arc::new(KeyRing::empty()), 8);
        ring.found(&tenant("public"), TenantKeys::new(key(2), [key(1)]), SourceKind::Coordinator, 10);
        ring.found(&tenant("67f1adf3-08e5-4eea-94e3-e611f263c87b"), TenantKeys::new(key(3), []), SourceKind::Kms, 20);
        let joined = TenantKeys::new(key(4), []).with_fragment(Some(self.fragment.id()));
        ring.found(&tenant("joined"), joined, SourceKind::Coordinator, 30);
        ring.found(&tenant("configured"), TenantKeys::new(key(5), []), SourceKind::File, 40);
        ring.withhold(&tenant("refused"));
        let (id, prefix) = (tenant("public"), BucketPrefix::new("acme-").unwrap());
        let plain = AccessKey::new(id.clone(), prefix.clone(), "AKPLAIN", SecretText::new(SECRET.into()));
        let conditional = AccessKey::new(id.clone(), prefix.clone(), "AKCOND", SecretText::new("another".into()));
        let conditional = AccessKey {
            expires_at: Some(at(TOLD_AT)),
            not_before: Some(at(5)),
            allowed_cidrs: vec!["192.0.2.0/24".parse().unwrap(), "2001:db8::/32".parse().unwrap()],
            disabled: true,
            ..conditional
        };
        let mut access_keys = ToldList::default();
        access_keys.tenant(&id, &prefix, &[plain, conditional]);
        let mut noted = Noted::default();
        noted.private.insert(tenant("67f1adf3-08e5-4eea-94e3-e611f263c87b"), None);
        noted.fragmented.insert(tenant("joined"), self.fragment.id().to_owned());
        Kept {
            position: Position { epoch: "first".into(), revision: 7 },
            told_at: TOLD_AT,
            ring: ring.finish(&KeyRing::empty()).ring,
            access_keys: access_keys.finish(),
            noted,
        }
    }

    fn written(&self) -> Vec<u8> {
        write(&self.settings, COORDINATOR, &self.kept(), &self.fragments()).unwrap();
        fs::read(&self.settings.file).unwrap()
    }

    fn read(&self) -> Result<Option<Kept>, SnapshotError> {
        read(&self.settings, COORDINATOR, &self.fragments(), at(TOLD_AT + 60))
    }

    #[track_caller]
    fn refused(&self) -> String {
        causes(&self.read().err().expect("it was taken"))
    }

    #[track_caller]
    fn refused_with(&self, bytes: &[u8]) -> String {
        fs::write(&self.settings.file, bytes).unwrap();
        self.refused()
    }
}

fn key_ids(kept: &Kept, id: &str) -> Option<Vec<KeyId>> {
    kept.ring.tenant(&tenant(id)).map(|keys| keys.key_ids().collect())
}

#[test]
fn what_was_written_is_read_again() {
    let kit = kit();
    kit.written();
    let kept = kit.read().unwrap().unwrap();
    assert_eq!((&kept.position, kept.told_at), (&kit.kept().position, TOLD_AT));
    assert_eq!(key_ids(&kept, "public"), Some(vec![key(2).key_id(), key(1).key_id()]));
    assert_eq!(key_ids(&kept, "joined"), Some(vec![key(4).key_id()]));
    let status = kept.ring.status(&tenant("joined")).unwrap();
    assert_eq!(
        (status.source, status.fresh_at, status.fragment.as_deref()),
        (SourceKind::Snapshot, 30, Some(kit.fragment.id()))
    );
    assert_eq!((kept.noted.private, kept.noted.fragmented), (kit.kept().noted.private, kit.kept().noted.fragmented));
    let found = kept.access_keys.find("AKCOND").unwrap();
    assert_eq!((found.expires_at, found.not_before, found.disabled), (Some(at(TOLD_AT)), Some(at(5)), true));
    assert_eq!(format!("{:?}", found.allowed_cidrs), "[192.0.2.0/24, 2001:db8::/32]");
    let found = kept.access_keys.find("AKPLAIN").unwrap();
    assert_eq!((found.secret.expose(), found.principal.bucket_prefix.as_str()), (SECRET, "acme-"));
    assert!(kept.ring.withheld().any(|id| id.as_str() == "refused"));
}

#[test]
fn keys_of_the_configuration_are_not_kept() {
    let kit = kit();
    kit.written();
    assert_eq!(key_ids(&kit.read().unwrap().unwrap(), "configured"), None);
}

#[test]
fn nothing_of_it_is_readable_and_only_the_owner_may_try() {
    let kit = kit();
    let bytes = kit.written();
    let key = key(2);
    let plain: [&[u8]; 5] = [SECRET.as_bytes(), b"AKPLAIN", b"public", key.expose(), b"{\"head"];
    for text in plain {
        assert!(!bytes.windows(text.len()).any(|window| window == text));
    }
    let mode = fs::metadata(&kit.settings.file).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    fs::set_permissions(&kit.settings.file, fs::Permissions::from_mode(0o640)).unwrap();
    assert_eq!(kit.refused(), "its mode is 0640; only its owner may reach it (0600)");
}

#[test]
fn a_file_that_was_changed_anywhere_cut_or_grown_is_refused() {
    let kit = kit();
    let bytes = kit.written();
    for place in (0..bytes.len()).step_by(37).chain([bytes.len() - 1]) {
        let mut changed = bytes.clone();
        changed[place] ^= 1;
        // the copy of the envelope names the key
        let reason = kit.refused_with(&changed);
        assert!(reason.contains("damaged") || reason.contains("sealed under key"), "byte {place}: {reason}");
    }
    for length in [0, 1, 127, 128, 167, 200, bytes.len() - 1] {
        assert!(kit.refused_with(&bytes[..length]).contains("damaged"), "{length} bytes");
    }
    assert!(kit.refused_with(&[&bytes[..], b"x"].concat()).contains("damaged"));
    fs::write(&kit.settings.file, &bytes).unwrap();
    assert!(kit.read().unwrap().is_some());
}

#[test]
fn a_file_of_another_key_cluster_or_coordinator_is_refused() {
    let mut kit = kit();
    kit.written();
    let foreign = "it is damaged, or of another cluster or Coordinator: envelope tag mismatch";
    let other = read(&kit.settings, "https://elsewhere.example.com", &kit.fragments(), at(TOLD_AT));
    assert_eq!(causes(&other.err().unwrap()), foreign);
    assert!(read(&kit.settings, &format!("{COORDINATOR}/"), &kit.fragments(), at(TOLD_AT)).is_ok());
    kit.settings.cluster = "two".into();
    assert_eq!(kit.refused(), foreign);
    kit.settings.key = seed(201);
    let reason = kit.refused();
    assert!(reason.starts_with("it is sealed under key ") && reason.contains("crypto.snapshot_key"), "{reason}");
}

#[test]
fn a_file_that_is_too_old_or_from_the_future_is_refused() {
    let kit = kit();
    kit.written();
    let read_at =
        |seconds| read(&kit.settings, COORDINATOR, &kit.fragments(), at(seconds)).map_err(|error| causes(&error));
    assert!(read_at(TOLD_AT + 3600).unwrap().is_some());
    let stale = read_at(TOLD_AT + 3601).err().unwrap();
    assert_eq!(stale, "it is 3601 s old, older than crypto.snapshot_max_age");
    assert!(read_at(TOLD_AT - 301).err().unwrap().contains("is the clock right?"));
}

#[test]
fn keys_with_a_fragment_count_only_where_that_fragment_is() {
    let kit = kit();
    kit.written();
    let same_id = kit.fragment.to_file().replace(kit.fragment.id(), "other");
    let other = Fragment::generate("n", "d").unwrap();
    let other_value = other.to_file().replace(other.id(), kit.fragment.id());
    for fragments in [String::from("{\"customer_fragments\": []}"), same_id, other_value] {
        let fragments = Fragments::parse("test", &fragments).unwrap();
        let kept = read(&kit.settings, COORDINATOR, &fragments, at(TOLD_AT)).unwrap().unwrap();
        assert_eq!(key_ids(&kept, "joined"), None);
        assert!(kept.ring.withheld().any(|id| id.as_str() == "joined"));
        assert!(key_ids(&kept, "public").is_some());
    }
    // nor are they written where it is gone
    write(&kit.settings, COORDINATOR, &kit.kept(), &Fragments::default()).unwrap();
    assert_eq!(key_ids(&kit.read().unwrap().unwrap(), "joined"), None);
}

#[test]
fn a_file_replaces_the_one_before_and_what_a_crash_left() {
    let kit = kit();
    assert!(kit.read().unwrap().is_none());
    fs::write(kit.folder.path().join("keys.snapshot.new"), "half").unwrap();
    let first = kit.written();
    assert_ne!(first, kit.written());
    assert!(kit.read().unwrap().is_some());
    let names: Vec<_> = fs::read_dir(kit.folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(names, ["keys.snapshot"]);
}

#[test]
fn records_that_make_no_sense_are_refused_by_number() {
    let fragments = Fragments::default();
    let head = format!("{{\"head\":{{\"version\":1,\"epoch\":\"e\",\"revision\":1,\"told_at\":{TOLD_AT}}}}}");
    let refusal = |lines: &[&str]| {
        let mut reading = Reading::new(&fragments, at(TOLD_AT), Duration::from_hours(1));
        let refused = lines.iter().find_map(|line| reading.line(line.as_bytes()).err());
        refused.or_else(|| reading.finish().err()).map(|error| error.to_string())
    };
    assert_eq!(refusal(&[&head, "{\"withheld\":{\"tenant\":\"a\"}}"]), None);
    let second = Some("its record 2 is not understood; was it written by another version?".to_owned());
    for line in [
        "",
        "{}",
        "null",
        &head,
        "{\"withheld\":{\"tenant\":\"a/b\"}}",
        "{\"keys\":{\"tenant\":\"a\",\"fresh_at\":1,\"fragment\":null,\"keys\":[]}}",
        "{\"keys\":{\"tenant\":\"a\",\"fresh_at\":1,\"fragment\":null,\"keys\":[\"c2hvcnQ=\"]}}",
        "{\"later\":{\"tenant\":\"a\"}}",
    ] {
        assert_eq!(refusal(&[&head, line]), second, "{line}");
    }
    assert!(refusal(&["{\"withheld\":{\"tenant\":\"a\"}}"]).is_some());
    assert!(refusal(&[]).is_some());
}

#[test]
fn the_states_of_keys_survive_and_a_state_too_few_is_not_understood() {
    let kit = kit();
    let mut ring = RingBuilder::new(Arc::new(KeyRing::empty()), 8);
    let stated = TenantKeys::new(key(2), [key(1)]).with_states([(key(2).key_id(), KeyState::Compromised)]);
    ring.found(&tenant("stated"), stated, SourceKind::Kms, 10);
    let kept = Kept { ring: ring.finish(&KeyRing::empty()).ring, ..kit.kept() };
    write(&kit.settings, COORDINATOR, &kept, &kit.fragments()).unwrap();
    let read = read(&kit.settings, COORDINATOR, &kit.fragments(), at(TOLD_AT)).unwrap().unwrap();
    let keys = read.ring.tenant(&tenant("stated")).unwrap();
    let found = [1, 2].map(|number| keys.state(key(number).key_id()));
    assert_eq!(found, [KeyState::Active, KeyState::Compromised]);
    let fragments = kit.fragments();
    let mut reading = Reading::new(&fragments, at(TOLD_AT), Duration::from_hours(1));
    let head = format!(r#"{{"head":{{"version":1,"epoch":"e","revision":1,"told_at":{TOLD_AT}}}}}"#);
    reading.line(head.as_bytes()).unwrap();
    let keys = r#"{"keys":{"tenant":"a","fresh_at":1,"fragment":null,"keys":[],"states":["active"]}}"#;
    assert!(reading.line(keys.as_bytes()).is_err());
}
