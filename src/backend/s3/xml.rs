//! XML as S3 speaks it: answers read into a small tree, requests written element by element.
//!
//! A tree rather than typed shapes, because stores differ in the order of elements and in what they leave out, and
//! because the order of entries of different names (versions and delete markers) counts. Namespaces are ignored. The tree
//! of a document is one list of places in its text: a page of a listing has thousands of elements.

use std::borrow::Cow;
use std::fmt::Write as _;
use std::time::SystemTime;

use quick_xml::Reader;
use quick_xml::escape::{escape, resolve_predefined_entity};
use quick_xml::events::{BytesRef, Event};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// A document that was read.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Document {
    text: String,
    tree: Tree,
}

#[derive(Debug, PartialEq, Eq)]
struct Tree {
    /// every element, each before those in it; never empty
    nodes: Vec<Node>,
    /// texts that were put together from several pieces
    composed: Vec<String>,
}

#[derive(Debug, PartialEq, Eq)]
struct Node {
    /// of the document's text
    name: Place,
    content: Content,
    /// behind the last element in it
    end: u32,
}

/// The text that stands in an element itself.
#[derive(Debug, PartialEq, Eq)]
enum Content {
    /// of the document's text
    There(Place),
    /// the tree has it
    Composed(u32),
}

/// Where a piece lies in a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Place {
    start: u32,
    end: u32,
}

/// An element of a [`Document`].
#[derive(Clone, Copy, Debug)]
pub(super) struct Element<'a> {
    document: &'a Document,
    at: usize,
}

/// Not the XML that was expected; the store is at fault.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("an answer that is not the XML it should be")]
pub(super) struct XmlError;

impl Document {
    /// Reads a document with one root element.
    pub(super) fn parse(text: String) -> Result<Self, XmlError> {
        let tree = Tree::of(&text)?;
        Ok(Self { text, tree })
    }

    /// The element that holds all others.
    pub(super) fn root(&self) -> Element<'_> {
        Element { document: self, at: 0 }
    }
}

impl<'a> Element<'a> {
    fn node(self) -> &'a Node {
        &self.document.tree.nodes[self.at]
    }

    /// The name without its namespace.
    pub(super) fn name(self) -> &'a str {
        self.node().name.of(&self.document.text)
    }

    /// What is in it, in order.
    pub(super) fn children(self) -> impl Iterator<Item = Self> {
        let (document, end) = (self.document, self.node().end as usize);
        let mut next = self.at + 1;
        std::iter::from_fn(move || {
            let child = Self { document, at: next };
            (next < end).then(|| {
                next = child.node().end as usize;
                child
            })
        })
    }

    /// All children of this name, in order.
    pub(super) fn all(self, name: &'static str) -> impl Iterator<Item = Self> {
        self.children().filter(move |child| child.name() == name)
    }

    /// The first child of this name.
    pub(super) fn child(self, name: &str) -> Option<Self> {
        self.children().find(|child| child.name() == name)
    }

    /// The text of the element, as it stands.
    pub(super) fn own_text(self) -> &'a str {
        match &self.node().content {
            Content::There(place) => place.of(&self.document.text),
            Content::Composed(number) => &self.document.tree.composed[*number as usize],
        }
    }

    /// The text of the first child of this name.
    pub(super) fn text(self, name: &str) -> Option<&'a str> {
        self.child(name).map(Self::own_text)
    }

    /// As [`Self::text`]; an empty one counts as absent.
    pub(super) fn filled(self, name: &str) -> Option<&'a str> {
        self.text(name).filter(|text| !text.is_empty())
    }

    /// The text of a child that must be there.
    pub(super) fn required(self, name: &str) -> Result<&'a str, XmlError> {
        self.text(name).ok_or(XmlError)
    }

    /// A whole number.
    pub(super) fn number(self, name: &str) -> Result<u64, XmlError> {
        self.required(name)?.trim().parse().map_err(|_| XmlError)
    }

    /// `true`, or anything else.
    pub(super) fn is_true(self, name: &str) -> bool {
        self.text(name).is_some_and(|text| text.trim() == "true")
    }

    /// A time.
    pub(super) fn time(self, name: &str) -> Result<SystemTime, XmlError> {
        let time = OffsetDateTime::parse(self.required(name)?.trim(), &Rfc3339).map_err(|_| XmlError)?;
        Ok(time.into())
    }
}

impl Tree {
    fn of(text: &str) -> Result<Self, XmlError> {
        let mut reader = Reader::from_str(text);
        let expected = (text.len() / BYTES_OF_AN_ELEMENT).min(ELEMENTS_MAX);
        let mut tree = Self { nodes: Vec::with_capacity(expected), composed: Vec::new() };
        // those that have begun and not ended
        let mut open: Vec<usize> = Vec::new();
        loop {
            if tree.nodes.len() > ELEMENTS_MAX {
                return Err(XmlError);
            }
            match reader.read_event().map_err(|_| XmlError)? {
                Event::Start(start) => {
                    if open.len() >= DEPTH_MAX {
                        return Err(XmlError);
                    }
                    open.push(tree.nodes.len());
                    tree.nodes.push(Node::new(text, start.name().as_ref())?);
                }
                Event::Empty(empty) => {
                    tree.nodes.push(Node::new(text, empty.name().as_ref())?);
                    tree.end(tree.nodes.len() - 1)?;
                    if open.is_empty() {
                        return Ok(tree);
                    }
                }
                Event::End(_) => {
                    tree.end(open.pop().ok_or(XmlError)?)?;
                    if open.is_empty() {
                        return Ok(tree);
                    }
                }
                Event::Text(piece) => tree.append(&open, text, &piece.xml10_content())?,
                Event::CData(piece) => tree.append(&open, text, &piece.xml10_content())?,
                Event::GeneralRef(reference) => tree.append(&open, text, &resolved(&reference)?)?,
                Event::Eof => return Err(XmlError),
                Event::Comment(_) | Event::Decl(_) | Event::PI(_) | Event::DocType(_) => {}
            }
        }
    }

    /// The element that began there has ended.
    fn end(&mut self, at: usize) -> Result<(), XmlError> {
        let end = u32::try_from(self.nodes.len()).map_err(|_| XmlError)?;
        self.nodes.get_mut(at).ok_or(XmlError)?.end = end;
        Ok(())
    }

    /// Adds text to the innermost open element.
    fn append(&mut self, open: &[usize], text: &str, piece: &str) -> Result<(), XmlError> {
        let Some(node) = open.last().and_then(|at| self.nodes.get_mut(*at)) else { return Ok(()) };
        match (&mut node.content, Place::find(text, piece)) {
            (Content::There(there), Some(place)) if there.start == there.end => *there = place,
            (Content::There(there), _) => {
                let mut composed = String::with_capacity(COMPOSED_BYTES);
                composed.push_str(there.of(text));
                composed.push_str(piece);
                node.content = Content::Composed(u32::try_from(self.composed.len()).map_err(|_| XmlError)?);
                self.composed.push(composed);
            }
            (Content::Composed(number), _) => self.composed[*number as usize].push_str(piece),
        }
        Ok(())
    }
}

impl Node {
    fn new(text: &str, name: &str) -> Result<Self, XmlError> {
        let local = name.rsplit(':').next().unwrap_or(name);
        let name = Place::find(text, local).ok_or(XmlError)?;
        Ok(Self { content: Content::There(Place { start: name.end, ..name }), name, end: 0 })
    }
}

impl Place {
    /// Where a piece of a text lies in it, if it is one.
    fn find(text: &str, piece: &str) -> Option<Self> {
        let start = piece.as_ptr().addr().checked_sub(text.as_ptr().addr())?;
        let end = start.checked_add(piece.len()).filter(|end| *end <= text.len())?;
        Some(Self { start: start.try_into().ok()?, end: end.try_into().ok()? })
    }

    fn of(self, text: &str) -> &str {
        &text[self.start as usize..self.end as usize]
    }
}

fn resolved(reference: &BytesRef<'_>) -> Result<Cow<'static, str>, XmlError> {
    if let Some(character) = reference.resolve_char_ref().map_err(|_| XmlError)? {
        return Ok(Cow::Owned(character.to_string()));
    }
    resolve_predefined_entity(reference.as_ref()).map(Cow::Borrowed).ok_or(XmlError)
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

/// S3's own answers are four deep.
const DEPTH_MAX: usize = 16;
/// A list of 10,000 buckets has some 50,000.
const ELEMENTS_MAX: usize = 200_000;
/// A guess from which memory for a tree is taken.
const BYTES_OF_AN_ELEMENT: usize = 40;
/// A text with a reference in it is an entity tag in most cases.
const COMPOSED_BYTES: usize = 48;

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> Result<Document, XmlError> {
        Document::parse(text.to_owned())
    }

    #[test]
    fn entries_of_different_names_keep_their_order() {
        let document = "<?xml version=\"1.0\"?><L xmlns=\"u\"><A><K>a&amp;b&#x4e;</K></A><B/><A><K> c </K></A></L>";
        let document = parsed(document).unwrap();
        let root = document.root();
        let names: Vec<_> = root.children().map(Element::name).collect();
        assert_eq!(names, ["A", "B", "A"]);
        let keys: Vec<_> = root.all("A").map(|entry| entry.text("K").unwrap()).collect();
        assert_eq!(keys, ["a&bN", " c "]);
        assert_eq!(root.child("B").unwrap().children().count(), 0);
    }

    #[test]
    fn a_store_may_send_white_space_before_it_knows_what_to_say() {
        let document = parsed(" \r\n\n<?xml version=\"1.0\"?>\n<s:R>\n  <s:K>k</s:K>\n</s:R>").unwrap();
        assert_eq!((document.root().name(), document.root().text("K")), ("R", Some("k")));
    }

    #[test]
    fn what_is_not_xml_is_refused_and_never_panics() {
        for document in
            ["", "<A>", "</A>", "<A></B>", "<A>&nope;</A>", "text", &"<A>".repeat(1_000), "<A", "<A>&#xFFFFFFFF;</A>"]
        {
            assert_eq!(parsed(document), Err(XmlError), "{document:.20}");
        }
    }

    #[test]
    fn what_is_written_is_read_back() {
        let document = Writer::document("Delete", |writer| {
            writer.element("Object", |object| object.text("Key", "<a> & \"b\"'\u{e9}"));
        });
        let document = parsed(&document).unwrap();
        assert_eq!(document.root().child("Object").unwrap().text("Key").unwrap(), "<a> & \"b\"'\u{e9}");
    }
}
