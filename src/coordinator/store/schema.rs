//! The tables, the same in both databases but for the names of types.
//!
//! `coordinator` has one row: where the database stands. `tenants` has the tenants and their tombstones (no document);
//! its index by revision makes a poll cost what has changed, whatever there is. `access_keys` keeps ids unique.

/// The newest schema, which this program makes.
pub(super) const SCHEMA_VERSION: i64 = 2;
/// The one before, in which rows have no tags. Its tables get the column, which coordinators of its time leave alone.
pub(super) const UNTAGGED: i64 = 1;
/// Makes tables of the schema before ready for tags.
pub(super) const ADD_TAG: &str = "ALTER TABLE tenants ADD COLUMN tag TEXT";

pub(super) const SQLITE: &str = "
CREATE TABLE coordinator (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    schema_version INTEGER NOT NULL,
    epoch TEXT NOT NULL,
    revision INTEGER NOT NULL,
    floor INTEGER NOT NULL,
    tombstones INTEGER NOT NULL,
    kek_check TEXT
) STRICT;
CREATE TABLE tenants (
    id TEXT PRIMARY KEY NOT NULL,
    revision INTEGER NOT NULL,
    document TEXT,
    bucket_prefix TEXT,
    tag TEXT
) STRICT;
CREATE UNIQUE INDEX tenants_by_revision ON tenants (revision);
CREATE INDEX tenants_by_prefix ON tenants (bucket_prefix) WHERE document IS NOT NULL;
CREATE INDEX tombstones ON tenants (revision) WHERE document IS NULL;
CREATE TABLE access_keys (id TEXT PRIMARY KEY NOT NULL, tenant TEXT NOT NULL) STRICT;
CREATE INDEX access_keys_by_tenant ON access_keys (tenant);
CREATE TABLE gateways (
    cluster TEXT NOT NULL,
    pod TEXT NOT NULL,
    seen_at INTEGER NOT NULL,
    status TEXT NOT NULL,
    PRIMARY KEY (cluster, pod)
) STRICT;
";

/// Text is compared byte by byte, as `SQLite` does: the order of a list must not depend on a locale.
pub(super) const POSTGRES: &str = "
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
    id TEXT COLLATE \"C\" PRIMARY KEY,
    revision BIGINT NOT NULL,
    document TEXT,
    bucket_prefix TEXT COLLATE \"C\",
    tag TEXT
);
CREATE UNIQUE INDEX tenants_by_revision ON tenants (revision);
CREATE INDEX tenants_by_prefix ON tenants (bucket_prefix) WHERE document IS NOT NULL;
CREATE INDEX tombstones ON tenants (revision) WHERE document IS NULL;
CREATE TABLE access_keys (id TEXT COLLATE \"C\" PRIMARY KEY, tenant TEXT COLLATE \"C\" NOT NULL);
CREATE INDEX access_keys_by_tenant ON access_keys (tenant);
CREATE TABLE gateways (
    cluster TEXT COLLATE \"C\" NOT NULL,
    pod TEXT COLLATE \"C\" NOT NULL,
    seen_at BIGINT NOT NULL,
    status TEXT NOT NULL,
    PRIMARY KEY (cluster, pod)
);
";

/// What both databases understand alike. Parameters are `$1`, `$2`, … in the order in which they first appear, for to
/// SQLite these are names, which it numbers as it meets them.
pub(super) mod sql {
    pub(crate) const STATE: &str = "SELECT epoch, revision, floor, schema_version FROM coordinator";
    pub(crate) const FOUND: &str = "INSERT INTO coordinator (one, schema_version, epoch, revision, floor, tombstones) \
         VALUES (1, $1, $2, 0, 0, 0)";
    pub(crate) const TENANT: &str = "SELECT id, revision, document, bucket_prefix, tag FROM tenants \
         WHERE id = $1 AND document IS NOT NULL";
    pub(crate) const ALL: &str = "SELECT id, revision, document, bucket_prefix, tag FROM tenants \
         WHERE id > $1 ORDER BY id LIMIT $2";
    pub(crate) const RETAG: &str = "UPDATE tenants SET tag = $1 WHERE id = $2 AND revision = $3";
    pub(crate) const SET_SCHEMA: &str = "UPDATE coordinator SET schema_version = $1";
    pub(crate) const LIST: &str = "SELECT id, revision, document, bucket_prefix, tag FROM tenants \
         WHERE id > $1 AND document IS NOT NULL ORDER BY id LIMIT $2";
    pub(crate) const CHANGES: &str =
        "SELECT id, revision, document, bucket_prefix, tag FROM tenants WHERE revision > $1 ORDER BY revision LIMIT $2";
    pub(crate) const NEXT_REVISION: &str = "UPDATE coordinator SET revision = revision + 1 RETURNING revision";
    pub(crate) const CURRENT: &str = "SELECT revision, document IS NULL FROM tenants WHERE id = $1";
    pub(crate) const LONGER_PREFIX: &str = "SELECT id FROM tenants \
         WHERE document IS NOT NULL AND bucket_prefix >= $1 AND bucket_prefix < $2 LIMIT 1";
    pub(crate) const SAME_PREFIX: &str =
        "SELECT id FROM tenants WHERE document IS NOT NULL AND bucket_prefix = $1 LIMIT 1";
    pub(crate) const PUT: &str = "INSERT INTO tenants (id, revision, document, bucket_prefix, tag) \
         VALUES ($1, $2, $3, $4, $5) \
         ON CONFLICT (id) DO UPDATE SET revision = excluded.revision, document = excluded.document, \
         bucket_prefix = excluded.bucket_prefix, tag = excluded.tag";
    pub(crate) const FORGET_KEYS: &str = "DELETE FROM access_keys WHERE tenant = $1";
    pub(crate) const ADD_KEY: &str = "INSERT INTO access_keys (id, tenant) VALUES ($1, $2) ON CONFLICT (id) DO NOTHING";
    pub(crate) const COUNT_TOMBSTONES: &str =
        "UPDATE coordinator SET tombstones = tombstones + $1 RETURNING tombstones";
    pub(crate) const OLD_TOMBSTONE: &str =
        "SELECT revision FROM tenants WHERE document IS NULL ORDER BY revision LIMIT 1 OFFSET $1";
    pub(crate) const COMPACT: &str = "DELETE FROM tenants WHERE document IS NULL AND revision <= $1";
    pub(crate) const RAISE_FLOOR: &str = "UPDATE coordinator SET floor = $1, tombstones = tombstones - $2";
    pub(crate) const RESEAL: &str =
        "UPDATE tenants SET document = $1, tag = $2 WHERE id = $3 AND revision = $4 AND document IS NOT NULL";
    pub(crate) const SET_CHECK: &str = "UPDATE coordinator SET kek_check = coalesce(kek_check, $1) RETURNING kek_check";
    pub(crate) const RENEW_CHECK: &str = "UPDATE coordinator SET kek_check = $1";
    pub(crate) const RENEW_EPOCH: &str = "UPDATE coordinator SET epoch = $1";
    pub(crate) const COUNT_GATEWAYS: &str = "SELECT count(*) FROM gateways WHERE NOT (cluster = $1 AND pod = $2)";
    pub(crate) const REPORT: &str = "INSERT INTO gateways (cluster, pod, seen_at, status) VALUES ($1, $2, $3, $4) \
         ON CONFLICT (cluster, pod) DO UPDATE SET seen_at = excluded.seen_at, status = excluded.status";
    pub(crate) const DROP_SILENT: &str = "DELETE FROM gateways WHERE seen_at < $1";
    pub(crate) const GATEWAYS: &str =
        "SELECT cluster, pod, seen_at, status FROM gateways WHERE seen_at >= $1 ORDER BY cluster, pod";
}
