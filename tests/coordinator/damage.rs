//! Records that somebody changed in the database, and databases of the first version.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::postgres;
use crate::service::{Service, Start, done, folder, is_refused, kek, program};

/// Runs statements in a database whose Coordinator stands.
fn change(file: &Path, statements: &str) {
    rusqlite::Connection::open(file).unwrap().execute_batch(statements).unwrap();
}

/// Two tenants in a file, and the Coordinator stopped.
fn two_tenants() -> Service {
    let mut service = Service::start(Start::on_sqlite());
    let key = json!({"id": "AKIA1", "secret": "a-secret-of-16-and-more", "allowed_cidrs": ["192.0.2.0/24"], "disabled": true});
    done(service.create("t1", &json!({"bucket_prefix": "acme-", "access_keys": [key]})));
    done(service.create("t2", &json!({"bucket_prefix": "other-"})));
    done(service.change("PATCH", "/v1/tenants/t1", &json!({"status": "suspended"})));
    assert!(service.stop().success());
    service
}

fn items(service: &Service, path: &str) -> Vec<Value> {
    done(service.get(path))["items"].as_array().unwrap().clone()
}

/// The tenant is told of as damaged, and no more than that; the other one as it is.
#[track_caller]
fn is_damaged_alone(service: &Service, id: &str, other: &str, what: &str) {
    let epoch = done(service.get("/v1/tenants"))["epoch"].as_str().unwrap().to_owned();
    for path in ["/v1/tenants".to_owned(), format!("/v1/tenants?since=0&epoch={epoch}")] {
        let items = items(service, &path);
        let find = |id: &str| items.iter().find(|item| item["id"] == id).unwrap_or_else(|| panic!("{what}: {items:?}"));
        assert_eq!(find(id)["status"], "damaged", "{what} {path}");
        assert_eq!((&find(id)["keys"], &find(id)["access_keys"]), (&json!([]), &json!([])), "{what}");
        assert_eq!((&find(other)["status"], find(other)["keys"][0]["seed"].is_string()), (&json!("active"), true));
    }
    assert!(service.log().contains(&format!("the record of tenant {id} is damaged")), "{what}");
}

#[test]
fn a_record_of_which_any_column_was_changed_fails_alone_and_is_named() {
    let changed = [
        "UPDATE tenants SET document = replace(document, 'suspended', 'active') WHERE id = 't1'",
        "UPDATE tenants SET document = replace(document, '\"zero_knowledge\":false', '\"zero_knowledge\":true') WHERE id = 't1'",
        "UPDATE tenants SET document = replace(document, '192.0.2.0/24', '0.0.0.0/0') WHERE id = 't1'",
        "UPDATE tenants SET document = replace(document, '\"disabled\":true', '\"disabled\":false') WHERE id = 't1'",
        "UPDATE tenants SET document = replace(document, 'acme-', 'acmf-') WHERE id = 't1'",
        "UPDATE tenants SET document = replace(document, 'acme-', 'acmf-'), bucket_prefix = 'acmf-' WHERE id = 't1'",
        "UPDATE tenants SET bucket_prefix = 'acmf-' WHERE id = 't1'",
        "UPDATE tenants SET document = '{' WHERE id = 't1'",
        "UPDATE tenants SET document = CAST(x'ff00ff' AS TEXT) WHERE id = 't1'",
        "UPDATE tenants SET revision = 1 WHERE id = 't1'",
        "UPDATE tenants SET tag = NULL WHERE id = 't1'",
        "UPDATE tenants SET tag = (SELECT tag FROM tenants WHERE id = 't2') WHERE id = 't1'",
        "UPDATE tenants SET (document, bucket_prefix, tag) = \
            (SELECT document, bucket_prefix, tag FROM tenants WHERE id = 't2') WHERE id = 't1'",
    ];
    for statement in changed {
        let mut service = two_tenants();
        change(&service.path("tenants.db"), statement);
        service.restart();
        is_damaged_alone(&service, "t1", "t2", statement);
        is_refused(&service.get("/v1/tenants/t1"), 500, "tenant_damaged");
        is_refused(&service.change("POST", "/v1/tenants/t1/keys:rotate", &json!({})), 500, "tenant_damaged");
        is_refused(&service.change("PATCH", "/v1/tenants/t1", &json!({"status": "active"})), 500, "tenant_damaged");
    }
}

#[test]
fn a_deletion_that_nobody_asked_for_is_none() {
    let mut service = two_tenants();
    change(&service.path("tenants.db"), "UPDATE tenants SET document = NULL, bucket_prefix = NULL WHERE id = 't1'");
    service.restart();
    let epoch = done(service.get("/v1/tenants"))["epoch"].as_str().unwrap().to_owned();
    let items = items(&service, &format!("/v1/tenants?since=0&epoch={epoch}"));
    assert_eq!(items.iter().find(|item| item["id"] == "t1").unwrap()["status"], "damaged");
}

#[test]
fn a_damaged_tenant_can_be_deleted_and_made_again() {
    let mut service = two_tenants();
    change(&service.path("tenants.db"), "UPDATE tenants SET document = '{}' WHERE id = 't1'");
    service.restart();
    done(service.call("DELETE", "/v1/tenants/t1", &service.admin, &[("if-match", "*")], ""));
    done(service.create("t1", &json!({"bucket_prefix": "acme-"})));
    assert_eq!(items(&service, "/v1/tenants").iter().filter(|item| item["status"] == "active").count(), 2);
}

#[test]
fn tags_cannot_be_taken_out_of_force_in_the_database() {
    let mut service = two_tenants();
    let damage = "UPDATE tenants SET document = replace(document, 'suspended', 'active') WHERE id = 't1'";
    change(&service.path("tenants.db"), &format!("{damage}; UPDATE coordinator SET schema_version = 1"));
    service.restart();
    is_damaged_alone(&service, "t1", "t2", "schema");
    assert!(service.stop().success());
    // nor by having it migrated again
    assert!(migrate(&service, "tenants.db").0.starts_with("0 records tagged"));
    service.restart();
    is_damaged_alone(&service, "t1", "t2", "migrated");
}

#[test]
fn a_revision_from_elsewhere_does_not_lead_past_changes_to_come() {
    let mut service = two_tenants();
    change(&service.path("tenants.db"), "UPDATE tenants SET revision = 1000000 WHERE id = 't1'");
    service.restart();
    let list = done(service.get("/v1/tenants"));
    let changes = format!("/v1/tenants?since=0&epoch={}", list["epoch"].as_str().unwrap());
    assert_eq!(done(service.get(&changes))["revision"], list["revision"]);
}

/// Runs `migrate`; what it printed and what it complained of.
fn migrate(service: &Service, database: &str) -> (String, String) {
    let mut command = program();
    command.args(["coordinator", "migrate", "--database", database]).current_dir(service.path("."));
    let output = command.env("SEALGATE_COORDINATOR_KEK", kek(7)).output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (text(&output.stdout), text(&output.stderr))
}

/// A database that version 0.1 made: `acme`, a private tenant, and one that was deleted.
fn of_the_first_version() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/coordinator/0.1.db")
}

#[test]
fn a_database_of_the_first_version_is_served_and_migrated_once() {
    let folder = folder();
    fs::copy(of_the_first_version(), folder.path().join("tenants.db")).unwrap();
    let mut service = Service::start_in(folder, Start::on_sqlite());
    assert!(service.log().contains("run `sealgate coordinator migrate`"));
    let before = items(&service, "/v1/tenants");
    assert_eq!(before.len(), 2);
    assert_eq!(before[0]["access_keys"][0]["secret"], "secret-of-acme-1234");
    done(service.create("new", &json!({"bucket_prefix": "new-"})));
    let stated = json!({"keys": [{"version": 1, "seed": kek(9), "state": "deactivated"}]});
    is_refused(&service.create("stated", &stated), 400, "invalid_request");
    assert!(service.stop().success());
    let (printed, _) = migrate(&service, "tenants.db");
    assert_eq!(printed.lines().filter(|line| line.ends_with(": tagged as it stands")).count(), 3, "{printed}");
    assert!(printed.contains("acme: ") && printed.contains("private: ") && printed.contains("gone: "), "{printed}");
    assert!(printed.contains("3 records tagged"), "{printed}");
    assert!(migrate(&service, "tenants.db").0.starts_with("0 records tagged"));
    service.restart();
    assert_eq!(items(&service, "/v1/tenants")[0], before[0]);
    done(service.create("stated", &stated));
    assert_eq!(done(service.get("/v1/tenants/stated"))["keys"][0]["state"], "deactivated");
    assert!(service.stop().success());
    change(&service.path("tenants.db"), "UPDATE tenants SET bucket_prefix = 'x-' WHERE id = 'acme'");
    service.restart();
    is_damaged_alone(&service, "acme", "new", "after the migration");
}

#[test]
fn a_record_whose_secrets_do_not_open_is_left_as_it_is_and_named() {
    let folder = folder();
    fs::copy(of_the_first_version(), folder.path().join("tenants.db")).unwrap();
    let moved = "UPDATE tenants SET document = replace(document, '\"version\":1', '\"version\":2') WHERE id = 'acme'";
    change(&folder.path().join("tenants.db"), moved);
    let mut service = Service::start_in(folder, Start::on_sqlite());
    let statuses: Vec<_> = items(&service, "/v1/tenants").iter().map(|item| item["status"].clone()).collect();
    assert_eq!(statuses, ["damaged", "active"]);
    assert!(service.stop().success());
    let (printed, complaint) = migrate(&service, "tenants.db");
    assert!(printed.contains("2 records tagged") && complaint.contains("acme: "), "{printed} {complaint}");
    service.restart();
    is_refused(&service.get("/v1/tenants/acme"), 500, "tenant_damaged");
    assert_eq!(done(service.get("/v1/tenants/private"))["status"], "active");
}

#[test]
fn two_on_postgres_are_migrated_while_they_serve() {
    let url = postgres::database();
    copy_to_postgres(&of_the_first_version(), &url);
    let first = Service::start(Start { database: url.clone(), ..Start::on_sqlite() });
    let second = first.another();
    done(first.create("new", &json!({"bucket_prefix": "new-"})));
    let (printed, complaint) = migrate(&first, &url);
    assert!(printed.contains("3 records tagged"), "{printed} {complaint}");
    postgres::execute(&url, "UPDATE tenants SET bucket_prefix = 'x-' WHERE id = 'acme'");
    for service in [&first, &second] {
        is_damaged_alone(service, "acme", "new", "after the migration");
    }
}

/// The tables as version 0.1 made them, with what a file has.
fn copy_to_postgres(file: &Path, url: &str) {
    let text = |value: &Option<String>| match value {
        None => "NULL".to_owned(),
        Some(text) => format!("'{}'", text.replace('\'', "''")),
    };
    let from = rusqlite::Connection::open(file).unwrap();
    let state = from.query_row("SELECT epoch, revision, floor, tombstones, kek_check FROM coordinator", [], |row| {
        let numbers: [i64; 3] = [row.get(1)?, row.get(2)?, row.get(3)?];
        Ok(format!(
            "1, 1, {}, {}, {}, {}, {}",
            text(&row.get(0)?),
            numbers[0],
            numbers[1],
            numbers[2],
            text(&row.get(4)?)
        ))
    });
    let mut statements = format!("{FIRST_TABLES} INSERT INTO coordinator VALUES ({});", state.unwrap());
    let mut rows = from.prepare("SELECT id, revision, document, bucket_prefix FROM tenants").unwrap();
    let rows = rows.query_map([], |row| {
        let (id, revision): (Option<String>, i64) = (row.get(0)?, row.get(1)?);
        Ok(format!("({}, {revision}, {}, {})", text(&id), text(&row.get(2)?), text(&row.get(3)?)))
    });
    for row in rows.unwrap() {
        statements.extend(["INSERT INTO tenants VALUES ", row.unwrap().as_str(), ";"]);
    }
    statements += "INSERT INTO access_keys VALUES ('AKIA1', 'acme'), ('AKIA2', 'private');";
    postgres::execute(url, &statements);
}

const FIRST_TABLES: &str = r#"
CREATE TABLE coordinator (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    schema_version BIGINT NOT NULL,
    epoch TEXT NOT NULL,
    revision BIGINT NOT NULL,
    floor BIGINT NOT NULL,
    tombstones BIGINT NOT NULL,
    kek_check TEXT
);
CREATE TABLE tenants (
    id TEXT COLLATE "C" PRIMARY KEY,
    revision BIGINT NOT NULL,
    document TEXT,
    bucket_prefix TEXT COLLATE "C"
);
CREATE UNIQUE INDEX tenants_by_revision ON tenants (revision);
CREATE INDEX tenants_by_prefix ON tenants (bucket_prefix) WHERE document IS NOT NULL;
CREATE INDEX tombstones ON tenants (revision) WHERE document IS NULL;
CREATE TABLE access_keys (id TEXT COLLATE "C" PRIMARY KEY, tenant TEXT COLLATE "C" NOT NULL);
CREATE INDEX access_keys_by_tenant ON access_keys (tenant);
CREATE TABLE gateways (
    cluster TEXT COLLATE "C" NOT NULL,
    pod TEXT COLLATE "C" NOT NULL,
    seen_at BIGINT NOT NULL,
    status TEXT NOT NULL,
    PRIMARY KEY (cluster, pod)
);
"#;
