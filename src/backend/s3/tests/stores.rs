//! What real stores do in their own way: each entry is proven by the contract, run over that store.

use std::fmt::Write as _;

use crate::backend::contract::Feature;
use crate::backend::s3::Features;

/// A store and what is known of it.
pub(super) struct Known {
    /// of its script, `tests/stores/NAME.py`
    name: &'static str,
    /// its name and the version that was tested
    title: &'static str,
    /// anything else that a user should know
    remark: &'static str,
    /// what the gateway finds out at its start that it lacks
    pub(super) not_found: &'static [&'static str],
    /// what it does not have at all
    pub(super) lacks: &'static [Feature],
    /// cases that it fails, and what it does
    pub(super) deviations: &'static [(&'static str, &'static str)],
}

/// The store of this name.
pub(super) fn known(name: &str) -> &'static Known {
    let known = STORES.iter().find(|store| store.name == name);
    known.unwrap_or_else(|| panic!("SEALGATE_TEST_STORE: {name} is none of the stores that are known"))
}

const STORES: &[Known] = &[
    Known {
        name: "seaweedfs",
        title: "SeaweedFS 4.48",
        remark: "Run by every `cargo tests`.",
        not_found: &[],
        lacks: &[Feature::KeysUnderKeys],
        deviations: SEAWEEDFS,
    },
    Known {
        name: "garage",
        title: "Garage 2.5.0",
        remark: "Run on request: `tests/stores/run.sh garage`.",
        not_found: &[
            "conditional_puts",
            "conditional_completes",
            "conditional_copies",
            "conditional_deletes",
            "versioning",
            "object_lock",
            "tags",
            "trailer_checksums",
        ],
        lacks: NO_VERSIONS,
        deviations: GARAGE,
    },
    Known {
        name: "ceph",
        title: "Ceph RGW 16.2.15",
        remark: "Run on request: `tests/stores/run.sh ceph`; the version is that of Debian 12.",
        not_found: &[
            "conditional_completes",
            "conditional_copies",
            "conditional_deletes",
            "quoted_tags",
            "trailer_checksums",
        ],
        lacks: &[Feature::ConditionalDeletes],
        deviations: CEPH,
    },
    Known {
        name: "rclone",
        title: "rclone serve s3 1.75.2",
        remark: RCLONE_REMARK,
        not_found: &[
            "conditional_puts",
            "conditional_completes",
            "conditional_copies",
            "conditional_deletes",
            "part_counts",
            "part_copies",
            "settings",
            "versioning",
            "object_lock",
            "tags",
            "trailer_checksums",
        ],
        lacks: POOR,
        deviations: RCLONE,
    },
];

const SEAWEEDFS: &[(&str, &str)] = &[
    ("a_bucket_with_a_delete_marker_is_not_deleted", "a bucket that holds delete markers only is deleted"),
    ("an_absent_bucket_is_named_as_the_cause", "a write to an absent bucket creates it"),
    ("a_delimiter_rolls_up", "a key cannot lie under another key"),
    ("a_page_starts_after_a_key", "a key cannot lie under another key"),
    ("keys_come_in_order_of_utf8", "keys are listed by folder: a/b before a-b"),
    ("pages_by_marker_join_to_the_whole", "a key cannot lie under another key"),
    ("pages_by_token_join_to_the_whole", "a key cannot lie under another key"),
    ("unusual_keys_are_all_distinct", "a key cannot lie under another key; dots and slashes are cleaned"),
    ("the_last_upload_of_a_part_counts", "an upload completes with the entity tag of a replaced part"),
    ("uploads_are_listed_in_pages", "markers of open uploads are not those of S3"),
    ("uploads_under_a_prefix_are_rolled_up", "open uploads are not rolled up"),
    ("a_delete_lays_a_marker", "an answer for a deleted object does not name the delete marker"),
    ("a_marker_cannot_be_read", "a delete marker that is read by its version is NoSuchKey"),
    ("a_suspended_delete_replaces_the_null_version", "the null version is listed last whenever it was written"),
    ("suspended_writes_replace_the_null_version", "the null version is listed last whenever it was written"),
    ("tags_belong_to_a_version", "answers about tags do not name the version"),
];

const NO_VERSIONS: &[Feature] =
    &[Feature::Versioning, Feature::Tags, Feature::BucketTags, Feature::ConditionalWrites, Feature::ConditionalDeletes];

const GARAGE: &[(&str, &str)] = &[
    ("a_page_starts_after_a_key", "a page that starts before all keys of its prefix is empty"),
    ("pages_by_marker_join_to_the_whole", "a common prefix is listed again behind its own marker"),
    ("unusual_keys_are_all_distinct", "a key of a slash alone is taken for the bucket"),
    ("random_operations_agree_with_a_map", "a key of a slash alone is taken for the bucket"),
    ("a_part_is_copied_from_a_range", "a range that ends behind its source is cut, not refused"),
    ("uploads_are_listed_in_pages", "open uploads are not listed in order of keys"),
];

const CEPH: &[(&str, &str)] = &[
    ("a_read_holds_to_if_none_match", "an answer 304 does not name the entity tag"),
    ("a_copy_holds_to_conditions_of_the_target", "conditions on the target of a copy are ignored"),
    ("a_completed_upload_holds_to_conditions", "conditions on the end of an upload are ignored"),
    ("tags_are_copied_or_replaced", "tags are not copied beside new metadata"),
    ("an_aborted_upload_is_gone", "ending an aborted upload is an error of the server"),
    ("an_upload_keeps_metadata_and_tags", "tags of an upload are dropped"),
    ("parts_not_named_are_dropped", "an upload completes only with all of its parts"),
    ("uploads_under_a_prefix_are_rolled_up", "open uploads are not rolled up"),
    ("a_delete_lays_a_marker", "an answer for a deleted object does not name the delete marker"),
    ("a_marker_cannot_be_read", "a delete marker that is read by its version is NoSuchVersion"),
    ("a_bucket_is_emptied_page_by_page", "a page behind a version that is gone misses some"),
    ("tags_belong_to_a_version", "answers about tags do not name the version"),
];

const RCLONE_REMARK: &str = "\
Run on request: `tests/stores/run.sh rclone`. It keeps metadata in memory, so what the gateway stores is lost when it \
restarts: for trials only. Requests that it does not know, a bucket's settings or an object's tags, it would take for writes \
of the bucket or the object itself: the gateway refuses them.";

const POOR: &[Feature] = &[
    Feature::Versioning,
    Feature::Tags,
    Feature::BucketTags,
    Feature::ConditionalWrites,
    Feature::ConditionalDeletes,
    Feature::KeysUnderKeys,
];

const RCLONE: &[(&str, &str)] = &[
    ("a_read_holds_to_if_match", "If-Match and the conditions on times are ignored by reads"),
    ("a_read_holds_to_times", "If-Match and the conditions on times are ignored by reads"),
    ("a_copy_holds_to_conditions_of_the_source", "conditions on the source of a copy are ignored"),
    ("a_copy_has_the_bytes_and_its_own_metadata", "a copy gets an entry `mtime` among its metadata"),
    ("an_object_is_copied_onto_itself", "an object cannot be copied onto itself"),
    ("a_delimiter_of_many_characters_rolls_up", "no delimiter but a slash rolls up"),
    ("a_delimiter_rolls_up", "a key cannot lie under another key"),
    ("a_page_starts_after_a_key", "a key cannot lie under another key"),
    ("keys_come_in_order_of_utf8", "a key cannot lie under another key"),
    ("a_prefix_selects", "a key cannot lie under another key"),
    ("pages_by_marker_join_to_the_whole", "a key cannot lie under another key"),
    ("pages_by_token_join_to_the_whole", "a key cannot lie under another key"),
    ("unusual_keys_are_all_distinct", "a key is a path of a file"),
    ("random_operations_agree_with_a_map", "an object cannot be copied onto itself"),
    ("metadata_and_tags_are_kept", "not all content headers are kept"),
    (
        "ranges_are_cut_as_s3_does",
        "a range that ends far behind the object is not cut, a suffix that is longer is refused",
    ),
    ("a_part_is_copied_from_a_range", "parts cannot be copied"),
    ("a_copied_part_outlives_its_source", "parts cannot be copied"),
    ("a_wrong_part_is_refused", "an upload that was refused once is gone"),
    ("parts_are_listed_in_pages", "parts are given all at once"),
    ("parts_in_any_order_become_an_object", "an upload completes only with consecutive parts"),
    ("parts_not_named_are_dropped", "an upload completes only with all of its parts"),
    ("the_last_upload_of_a_part_counts", "a part cannot be sent again"),
];

/// The table of what stores lack, as it is published: made of what the cases prove.
pub(super) fn table(cases: &[&str]) -> String {
    let mut text = String::from(INTRODUCTION);
    text.push_str("\n| feature |");
    for store in STORES {
        write!(text, " {} |", store.title).unwrap();
    }
    writeln!(text, "\n|---|{}", "---|".repeat(STORES.len())).unwrap();
    for (feature, _) in Features::every(true).named() {
        write!(text, "| `{feature}` |").unwrap();
        for store in STORES {
            text.push_str(if store.not_found.contains(&feature) { " no |" } else { " yes |" });
        }
        text.push('\n');
    }
    text.push_str(CONTRACT);
    text.push_str("\n| store | cases that fail | what it does not have |\n|---|---|---|\n");
    for store in STORES {
        let Known { title, lacks, deviations, .. } = store;
        let lacking = lacks.iter().map(|feature| named(*feature)).collect::<Vec<_>>().join(", ");
        writeln!(text, "| {title} | {} of {} | {lacking} |", deviations.len(), cases.len()).unwrap();
    }
    for Known { title, remark, deviations, .. } in STORES {
        writeln!(text, "\n## {title}\n").unwrap();
        if !remark.is_empty() {
            writeln!(text, "{remark}\n").unwrap();
        }
        text.push_str("| case | what it does |\n|---|---|\n");
        for (case, what) in *deviations {
            assert!(cases.contains(case), "{case}");
            writeln!(text, "| {} | {what} |", case.replace('_', " ")).unwrap();
        }
    }
    text
}

fn named(feature: Feature) -> &'static str {
    match feature {
        Feature::Versioning => "versions",
        Feature::Tags => "tags of objects",
        Feature::BucketTags => "tags of buckets",
        Feature::ConditionalWrites => "conditions on writes",
        Feature::ConditionalDeletes => "conditions on deletes",
        Feature::KeysUnderKeys => "a key under another, `a` and `a/b`",
    }
}

const INTRODUCTION: &str = "\
# What stores do in their own way

Made by the tests. `tests/stores/run.sh NAME` starts a real store and runs two things over it: the contract of a backend
(`src/backend/contract`), and the running gateway with real clients (`tests/stores`), which serves all of them.

What a gateway finds out of each store at its start; what the names mean stands in `config/README.md` under
`backend.features`, where a feature can also be stated, and `sealgate doctor` tells what it found of the store that is
configured. What a store lacks is refused or done without, as the log says at the start.
";

const CONTRACT: &str = "
## The contract of a backend

A case that is named here fails over that store, and must: when a store learns it, the test turns red and the entry goes.
All other cases hold, but for those about what a store does not have at all: they are left out.
";
