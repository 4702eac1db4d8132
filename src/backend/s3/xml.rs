//! XML as S3 speaks it: answers read into a small tree, requests written element by element.
//!
//! A tree rather than typed shapes, because stores differ in the order of elements and in what they leave out, and
//! because the order of entries of different names (versions and delete markers) counts. Namespaces are ignored.

use std::borrow::Cow;
use std::fmt::Write as _;
use std::time::SystemTime;

use quick_xml::Reader;
use quick_xml::escape::{escape, resolve_predefined_entity};
use quick_xml::events::{BytesRef, Event};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// An element with its text and what is in it.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Element {
    pub(super) name: Cow<'static, str>,
    pub(super) children: Vec<Element>,
    text: String,
}

/// Not the XML that was expected; the store is at fault.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("an answer that is not the XML it should be")]
pub(super) struct XmlError;

impl Element {
    /// Reads a document: its root element.
    pub(super) fn parse(document: &str) -> Result<Self, XmlError> {
        let mut reader = Reader::from_str(document);
        let mut open: Vec<Self> = Vec::new();
        loop {
            match reader.read_event().map_err(|_| XmlError)? {
                Event::Start(start) => {
                    if open.len() >= DEPTH_MAX {
                        return Err(XmlError);
                    }
                    open.push(Self { name: local_name(start.name().as_ref()), ..Self::default() });
                }
                Event::Empty(empty) => {
                    let element = Self { name: local_name(empty.name().as_ref()), ..Self::default() };
                    match open.last_mut() {
                        Some(parent) => parent.children.push(element),
                        None => return Ok(element),
                    }
                }
                Event::End(_) => {
                    let element = open.pop().ok_or(XmlError)?;
                    match open.last_mut() {
                        Some(parent) => parent.children.push(element),
                        None => return Ok(element),
                    }
                }
                Event::Text(text) => append(&mut open, &text.xml10_content()),
                Event::CData(text) => append(&mut open, &text.xml10_content()),
                Event::GeneralRef(reference) => append(&mut open, &resolved(&reference)?),
                Event::Eof => return Err(XmlError),
                Event::Comment(_) | Event::Decl(_) | Event::PI(_) | Event::DocType(_) => {}
            }
        }
    }

    /// All children of this name, in order.
    pub(super) fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a Self> {
        self.children.iter().filter(move |child| child.name == name)
    }

    /// The first child of this name.
    pub(super) fn child(&self, name: &str) -> Option<&Self> {
        self.children.iter().find(|child| child.name == name)
    }

    /// The text of the element, as it stands.
    pub(super) fn own_text(&self) -> &str {
        &self.text
    }

    /// The text of the first child of this name.
    pub(super) fn text(&self, name: &str) -> Option<&str> {
        self.child(name).map(Self::own_text)
    }

    /// As [`Self::text`]; an empty one counts as absent.
    pub(super) fn filled(&self, name: &str) -> Option<&str> {
        self.text(name).filter(|text| !text.is_empty())
    }

    /// The text of a child that must be there.
    pub(super) fn required(&self, name: &str) -> Result<&str, XmlError> {
        self.text(name).ok_or(XmlError)
    }

    /// A whole number.
    pub(super) fn number(&self, name: &str) -> Result<u64, XmlError> {
        self.required(name)?.trim().parse().map_err(|_| XmlError)
    }

    /// `true`, or anything else.
    pub(super) fn is_true(&self, name: &str) -> bool {
        self.text(name).is_some_and(|text| text.trim() == "true")
    }

    /// A time.
    pub(super) fn time(&self, name: &str) -> Result<SystemTime, XmlError> {
        let time = OffsetDateTime::parse(self.required(name)?.trim(), &Rfc3339).map_err(|_| XmlError)?;
        Ok(time.into())
    }
}

fn append(open: &mut [Element], text: &str) {
    if let Some(element) = open.last_mut() {
        element.text.push_str(text);
    }
}

fn resolved(reference: &BytesRef<'_>) -> Result<Cow<'static, str>, XmlError> {
    if let Some(character) = reference.resolve_char_ref().map_err(|_| XmlError)? {
        return Ok(Cow::Owned(character.to_string()));
    }
    resolve_predefined_entity(reference.as_ref()).map(Cow::Borrowed).ok_or(XmlError)
}

/// The name without its namespace; those of which a page of a listing has thousands take no memory of their own.
fn local_name(name: &str) -> Cow<'static, str> {
    let local = name.rsplit(':').next().unwrap_or(name);
    let common = COMMON_NAMES.iter().find(|common| **common == local);
    common.map_or_else(|| Cow::Owned(local.to_owned()), |common| Cow::Borrowed(*common))
}

/// Writes a document.
pub(super) struct Writer(String);

impl Writer {
    /// A document whose root is filled by `fill`.
    pub(super) fn document(root: &str, fill: impl FnOnce(&mut Self)) -> String {
        let mut writer = Self(String::new());
        // writing to a text does not fail
        write!(writer.0, "<{root} xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">").unwrap_or_default();
        fill(&mut writer);
        write!(writer.0, "</{root}>").unwrap_or_default();
        writer.0
    }

    /// An element with text.
    pub(super) fn text(&mut self, name: &str, text: &str) {
        write!(self.0, "<{name}>{}</{name}>", escape(text)).unwrap_or_default();
    }

    /// An element that is filled by `fill`.
    pub(super) fn element(&mut self, name: &str, fill: impl FnOnce(&mut Self)) {
        write!(self.0, "<{name}>").unwrap_or_default();
        fill(self);
        write!(self.0, "</{name}>").unwrap_or_default();
    }
}

/// The elements of an entry in a listing.
const COMMON_NAMES: &[&str] = &[
    "Key",
    "LastModified",
    "ETag",
    "Size",
    "StorageClass",
    "Contents",
    "Prefix",
    "CommonPrefixes",
    "Owner",
    "ID",
    "DisplayName",
    "VersionId",
    "IsLatest",
    "Version",
    "DeleteMarker",
];
/// S3's own answers are four deep.
const DEPTH_MAX: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_of_different_names_keep_their_order() {
        let document = "<?xml version=\"1.0\"?><L xmlns=\"u\"><A><K>a&amp;b&#x4e;</K></A><B/><A><K> c </K></A></L>";
        let root = Element::parse(document).unwrap();
        let names: Vec<_> = root.children.iter().map(|child| &*child.name).collect();
        assert_eq!(names, ["A", "B", "A"]);
        let keys: Vec<_> = root.all("A").map(|entry| entry.text("K").unwrap()).collect();
        assert_eq!(keys, ["a&bN", " c "]);
    }

    #[test]
    fn what_is_not_xml_is_refused_and_never_panics() {
        for document in
            ["", "<A>", "</A>", "<A></B>", "<A>&nope;</A>", "text", &"<A>".repeat(1_000), "<A", "<A>&#xFFFFFFFF;</A>"]
        {
            assert_eq!(Element::parse(document), Err(XmlError), "{document:.20}");
        }
    }

    #[test]
    fn what_is_written_is_read_back() {
        let document = Writer::document("Delete", |writer| {
            writer.element("Object", |object| object.text("Key", "<a> & \"b\"'\u{e9}"));
        });
        let root = Element::parse(&document).unwrap();
        assert_eq!(root.child("Object").unwrap().text("Key").unwrap(), "<a> & \"b\"'\u{e9}");
    }
}
