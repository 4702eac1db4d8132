use serde_json::json;

use super::*;

fn converted(names: [&str; 2]) -> (AccessKeys, Vec<String>) {
    let tenants = json!([
        {"id": "acme", "bucket_prefix": "acme-", "public_read_buckets": [names[0]]},
        {"id": "globex", "bucket_prefix": "globex-", "public_read_buckets": [names[1]]},
    ]);
    let mut problems = Vec::new();
    let keys = convert(serde_json::from_value(tenants).unwrap(), &mut problems);
    (keys, problems.iter().map(ToString::to_string).collect())
}

#[test]
fn a_public_bucket_is_found_by_the_name_that_clients_say() {
    let (keys, problems) = converted(["pictures", "papers"]);
    assert_eq!(problems, [""; 0]);
    assert_eq!(keys.public_bucket("papers").unwrap().tenant.as_str(), "globex");
    assert!(keys.public_bucket("globex-papers").is_none());
}

#[test]
fn a_bucket_is_public_for_one_tenant_alone() {
    let (_, problems) = converted(["pictures", "pictures"]);
    let message = "`tenants[1].public_read_buckets[0]`: bucket `pictures` is public for tenant `acme` too";
    assert_eq!(problems, [message]);
}

#[test]
fn a_public_bucket_must_have_a_name_that_buckets_can_have() {
    let (_, problems) = converted(["pictures", "NO"]);
    assert_eq!(problems, ["`tenants[1].public_read_buckets[0]`: not a valid bucket name"]);
}
