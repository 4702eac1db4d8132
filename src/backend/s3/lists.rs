//! Listings of objects and versions: one request for one page.
//!
//! Pages by key or token are `ListObjectsV2`. A page after an entry is `ListObjects`, whose marker skips all of a common
//! prefix, which `start-after` does not. A token of ours tells which of the two goes on.

use http::Method;

use super::S3Store;
use super::answer::{About, AnswerError, broken, unavailable};
use super::call::Call;
use super::headers::unquoted;
use super::outgoing::Outgoing;
use super::xml::{Element, XmlError};
use crate::backend::{
    ListPage, ListRequest, ListStart, ListVersionsRequest, ListedObject, ListedVersion, Result, StoredETag, VersionId,
    VersionsPage,
};

impl S3Store {
    pub(super) async fn objects_listed(&self, request: ListRequest) -> Result<ListPage> {
        if request.max == 0 {
            return Ok(ListPage::default());
        }
        let ListRequest { bucket, prefix, delimiter, start, max } = request;
        let call = Call::bucket(Method::GET, &bucket);
        let call = match &start {
            ListStart::Beginning => call.query("list-type", "2"),
            ListStart::AfterKey(key) => call.query("list-type", "2").query("start-after", key),
            ListStart::AfterEntry(marker) => call.query("marker", marker),
            ListStart::Token(token) => match token.strip_prefix(MARKER) {
                Some(marker) => call.query("marker", marker),
                None => call.query("list-type", "2").query("continuation-token", token.trim_start_matches(TOKEN)),
            },
        };
        let call = page_of(call, &prefix, delimiter.as_deref()).query("max-keys", &max.to_string());
        let document = self.xml(&call, &Outgoing::empty(), About::default()).await?;
        let page = objects_page(document.root()).map_err(broken)?;
        let keys = page.objects.iter().map(|object| object.key.as_str());
        check(&prefix, max, keys, &page.common_prefixes)?;
        let is_again = match &start {
            ListStart::Beginning | ListStart::AfterKey(_) => false,
            ListStart::AfterEntry(marker) => page.next_marker.as_ref() == Some(marker),
            ListStart::Token(token) => page.next_token.as_ref() == Some(token),
        };
        if is_again { Err(unavailable(AnswerError::Again)) } else { Ok(page) }
    }

    pub(super) async fn versions_listed(&self, request: ListVersionsRequest) -> Result<VersionsPage> {
        if request.max == 0 {
            return Ok(VersionsPage::default());
        }
        let ListVersionsRequest { bucket, prefix, delimiter, key_marker, version_id_marker, max } = request;
        let call = Call::bucket(Method::GET, &bucket).flag("versions");
        let call = page_of(call, &prefix, delimiter.as_deref())
            .query("max-keys", &max.to_string())
            .maybe_query("key-marker", key_marker.as_deref())
            .maybe_query("version-id-marker", version_id_marker.as_ref().map(VersionId::as_str));
        let document = self.xml(&call, &Outgoing::empty(), About::default()).await?;
        let page = versions_page(document.root()).map_err(broken)?;
        check(&prefix, max, page.versions.iter().map(|version| version.key.as_str()), &page.common_prefixes)?;
        let given = key_marker.map(|key| (key, version_id_marker));
        if page.next.is_some() && page.next == given { Err(unavailable(AnswerError::Again)) } else { Ok(page) }
    }
}

/// Refuses a page with more entries than were asked for, or with others: clients delete what a list gives them. The order is
/// the store's own: some list by folder.
fn check<'a>(
    prefix: &str,
    max: u32,
    mut keys: impl ExactSizeIterator<Item = &'a str>,
    rolled: &[String],
) -> Result<()> {
    if keys.len().saturating_add(rolled.len()) > usize::try_from(max).unwrap_or(usize::MAX) {
        return Err(unavailable(AnswerError::TooMany));
    }
    let is_asked_for = keys.all(|key| key.starts_with(prefix)) && rolled.iter().all(|name| name.starts_with(prefix));
    if is_asked_for { Ok(()) } else { Err(unavailable(AnswerError::Outside)) }
}

/// The parameters that all listings share.
pub(super) fn page_of(call: Call, prefix: &str, delimiter: Option<&str>) -> Call {
    let prefix = Some(prefix).filter(|prefix| !prefix.is_empty());
    call.query("encoding-type", "url").maybe_query("prefix", prefix).maybe_query("delimiter", delimiter)
}

fn objects_page(root: Element<'_>) -> std::result::Result<ListPage, XmlError> {
    let names = Names::of(root);
    let mut objects = Vec::new();
    for entry in root.all("Contents") {
        objects.push(listed(&names, entry)?);
    }
    let common_prefixes = common_prefixes(&names, root)?;
    let is_truncated = root.is_true("IsTruncated");
    let last = objects.last().map(|object| &object.key).max(common_prefixes.last()).cloned();
    let given = root.filled("NextMarker").map(|text| names.plain(text));
    let next_marker = given.or(last).filter(|_| is_truncated);
    let token = root.filled("NextContinuationToken").map(|token| format!("{TOKEN}{token}"));
    let next_token = token.or_else(|| Some(format!("{MARKER}{}", next_marker.as_ref()?)));
    Ok(ListPage { objects, common_prefixes, next_token: next_token.filter(|_| is_truncated), next_marker })
}

fn versions_page(root: Element<'_>) -> std::result::Result<VersionsPage, XmlError> {
    let names = Names::of(root);
    let mut versions = Vec::new();
    for entry in root.children().filter(|entry| matches!(entry.name(), "Version" | "DeleteMarker")) {
        versions.push(ListedVersion {
            key: names.plain(entry.required("Key")?),
            version_id: VersionId::new(entry.filled("VersionId").unwrap_or("null")),
            is_latest: entry.is_true("IsLatest"),
            last_modified: entry.time("LastModified")?,
            object: if entry.name() == "Version" { Some(listed(&names, entry)?) } else { None },
        });
    }
    let next = root
        .filled("NextKeyMarker")
        .filter(|_| root.is_true("IsTruncated"))
        .map(|key| (names.plain(key), root.filled("NextVersionIdMarker").map(VersionId::new)));
    Ok(VersionsPage { versions, common_prefixes: common_prefixes(&names, root)?, next })
}

fn listed(names: &Names, entry: Element<'_>) -> std::result::Result<ListedObject, XmlError> {
    Ok(ListedObject {
        key: names.plain(entry.required("Key")?),
        etag: StoredETag::new(unquoted(entry.required("ETag")?)),
        stored_bytes: entry.number("Size")?,
        last_modified: entry.time("LastModified")?,
        storage_class: entry.filled("StorageClass").filter(|class| *class != "STANDARD").map(str::to_owned),
    })
}

/// The common prefixes of a page.
pub(super) fn common_prefixes(names: &Names, root: Element<'_>) -> std::result::Result<Vec<String>, XmlError> {
    root.all("CommonPrefixes").map(|entry| Ok(names.plain(entry.required("Prefix")?))).collect()
}

/// How a page writes names.
pub(super) struct Names {
    is_encoded: bool,
}

impl Names {
    /// As the page says.
    pub(super) fn of(root: Element<'_>) -> Self {
        Self { is_encoded: root.text("EncodingType").is_some_and(|kind| kind.trim() == "url") }
    }

    /// A name as it is.
    pub(super) fn plain(&self, name: &str) -> String {
        if self.is_encoded { decoded(name) } else { name.to_owned() }
    }
}

/// Undoes URL encoding, in which `+` is a space.
fn decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, tail @ ..] = rest {
        rest = tail;
        match (first, tail) {
            (b'%', [high, low, tail @ ..]) => match (digit(*high), digit(*low)) {
                (Some(high), Some(low)) => {
                    bytes.push(high << 4 | low);
                    rest = tail;
                }
                _ => bytes.push(b'%'),
            },
            (b'+', _) => bytes.push(b' '),
            (byte, _) => bytes.push(*byte),
        }
    }
    String::from_utf8(bytes).unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned())
}

fn digit(byte: u8) -> Option<u8> {
    char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok())
}

/// What a token of ours starts with: a token of the store follows, or a marker.
const TOKEN: &str = "t:";
const MARKER: &str = "m:";

#[cfg(test)]
mod tests {
    use super::super::xml::Document;
    use super::*;

    #[test]
    fn encoded_names_are_decoded() {
        assert_eq!(decoded("a+b%2Bc%20d/%C3%A4%"), "a b+c d/ä%");
        assert_eq!(decoded("%zz%4"), "%zz%4");
    }

    #[test]
    fn a_page_goes_on_after_its_last_entry() {
        let document = Document::parse(
            "<R><IsTruncated>true</IsTruncated><EncodingType>url</EncodingType><Contents><Key>a+b</Key>\
             <ETag>&quot;e&quot;</ETag><Size>5</Size><LastModified>2026-01-01T00:00:00.000Z</LastModified></Contents>\
             <CommonPrefixes><Prefix>c/</Prefix></CommonPrefixes></R>"
                .to_owned(),
        )
        .unwrap();
        let page = objects_page(document.root()).unwrap();
        assert_eq!((page.objects[0].key.as_str(), page.objects[0].etag.as_str()), ("a b", "e"));
        assert_eq!((page.next_marker.as_deref(), page.next_token.as_deref()), (Some("c/"), Some("m:c/")));
    }

    #[test]
    fn versions_and_markers_stay_in_order() {
        let entry = |name: &str, id: &str| {
            format!(
                "<{name}><Key>k</Key><VersionId>{id}</VersionId><IsLatest>false</IsLatest><ETag>e</ETag><Size>1</Size>\
                 <LastModified>2026-01-01T00:00:00Z</LastModified></{name}>"
            )
        };
        let text = format!("<R>{}{}{}</R>", entry("Version", "3"), entry("DeleteMarker", "2"), entry("Version", "1"));
        let page = versions_page(Document::parse(text).unwrap().root()).unwrap();
        let shown: Vec<_> =
            page.versions.iter().map(|version| (version.version_id.as_str(), version.object.is_some())).collect();
        assert_eq!(shown, [("3", true), ("2", false), ("1", true)]);
    }
}
