//! Random sequences of operations, beside a map that does the same.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use tokio::runtime::Handle;

use super::listing::by_token;
use super::{Bucket, Feature, Subject, assert_refused};
use crate::backend::{BackendError, ListRequest};

#[derive(Clone, Debug)]
enum Step {
    Put(String, Vec<u8>),
    Delete(String),
    Copy(String, String),
    List { prefix: String, delimiter: Option<String>, max: u32 },
}

/// `delimiter` is of one character, so that it is found wherever it stands.
fn step(key: &'static str, [prefix, delimiter]: [&'static str; 2]) -> impl Strategy<Value = Step> {
    let bytes = prop_oneof![
        prop::collection::vec(any::<u8>(), 0..40),
        (any::<u8>(), 9_000..9_100_usize).prop_map(|(byte, length)| vec![byte; length]),
    ];
    prop_oneof![
        4 => (key, bytes).prop_map(|(key, bytes)| Step::Put(key, bytes)),
        2 => key.prop_map(Step::Delete),
        1 => (key, key).prop_map(|(from, to)| Step::Copy(from, to)),
        1 => (prefix, prop::option::of(delimiter), 1..5_u32)
            .prop_map(|(prefix, delimiter, max)| Step::List { prefix, delimiter, max }),
    ]
}

type Model = BTreeMap<String, Vec<u8>>;

async fn take(bucket: &Bucket<'_>, model: &mut Model, step: Step) {
    match step {
        Step::Put(key, bytes) => {
            bucket.put(&key, &bytes).await;
            model.insert(key, bytes);
        }
        Step::Delete(key) => {
            bucket.delete(&key).await;
            model.remove(&key);
        }
        Step::Copy(from, to) => match model.get(&from).cloned() {
            None => assert_refused!(bucket.copy(&from, &to).await, BackendError::NoSuchKey { .. }),
            Some(bytes) => {
                bucket.copy(&from, &to).await.unwrap();
                model.insert(to, bytes);
            }
        },
        Step::List { prefix, delimiter, max } => {
            let expected = listed(model, &prefix, delimiter.as_deref());
            let request = ListRequest { prefix, delimiter, ..bucket.list_request() };
            assert_eq!(by_token(bucket, &request, max).await, expected, "{request:?}");
        }
    }
}

/// What a listing of the map shows, common prefixes marked with a star.
fn listed(model: &Model, prefix: &str, delimiter: Option<&str>) -> Vec<String> {
    let mut entries = BTreeSet::new();
    for key in model.keys().filter(|key| key.starts_with(prefix)) {
        let rest = &key[prefix.len()..];
        match delimiter.and_then(|delimiter| rest.split_once(delimiter).map(|(under, _)| (under, delimiter))) {
            Some((under, delimiter)) => entries.insert((format!("{prefix}{under}{delimiter}"), "*")),
            None => entries.insert((key.clone(), "")),
        };
    }
    entries.into_iter().map(|(name, mark)| format!("{name}{mark}")).collect()
}

pub(crate) async fn random_operations_agree_with_a_map(subject: &Subject) {
    let run = |steps: Vec<Step>| async {
        let bucket = subject.bucket().await;
        let mut model = Model::new();
        for step in steps {
            take(&bucket, &mut model, step).await;
        }
        assert_eq!(bucket.keys().await, model.keys().cloned().collect::<Vec<_>>());
        for (key, bytes) in model {
            assert!(bucket.get(&key).await.unwrap() == bytes, "{key:?}");
        }
    };
    // without keys under keys there are folders, and no other delimiter than theirs
    let (key, parts) = if subject.has(Feature::KeysUnderKeys) {
        ("[ab/é]{1,4}", ["[ab/]{0,2}", "[/b]"])
    } else {
        ("[abcé]{1,4}", ["[ab]{0,2}", "/"])
    };
    let config = Config { cases: 40, failure_persistence: None, ..Config::default() };
    let steps = prop::collection::vec(step(key, parts), 1..60);
    tokio::task::block_in_place(|| {
        TestRunner::new(config)
            .run(&steps, |steps| {
                Handle::current().block_on(run(steps));
                Ok(())
            })
            .unwrap();
    });
}
