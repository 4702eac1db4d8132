//! XML of a client or of a store, made plain: one encoding, no references, no sections, no comments, no attributes.
//!
//! Two programs that read one document must read the same. So a document is read here to its end, by a full reader, and
//! what goes on to the types is written anew from what was read. Whatever can make two readers disagree is refused: other
//! encodings than UTF-8, document types, processing instructions, names with a namespace's prefix, text between elements.

use quick_xml::Reader;
use quick_xml::escape::{escape, resolve_predefined_entity};
use quick_xml::events::{BytesDecl, Event};

/// A document made plain.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Plain<'a> {
    /// elements and text, nothing else
    pub(super) text: String,
    /// every element in order of its end: name, and the text of one that has no other in it
    pub(super) elements: Vec<(&'a str, String)>,
}

/// Why a document is not read.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub(super) enum XmlError {
    #[error("is not encoded in UTF-8")]
    Encoding,
    #[error("is not well-formed")]
    Form,
    #[error("has a document type or a processing instruction")]
    Instruction,
    #[error("has a name with a namespace prefix")]
    Prefix,
    #[error("has a character that XML does not allow here")]
    Character,
    #[error("has text between elements")]
    Mixed,
    #[error("is too deep or has too many elements")]
    Size,
}

/// Makes a document plain.
pub(super) fn plain(document: &[u8]) -> Result<Plain<'_>, XmlError> {
    let text = std::str::from_utf8(document).map_err(|_| XmlError::Encoding)?;
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut reader = Reader::from_str(text);
    let mut made = Making::default();
    loop {
        match reader.read_event().map_err(|_| XmlError::Form)? {
            Event::Start(start) => made.start(within(text, start.name().as_ref())?)?,
            Event::Empty(empty) => {
                made.start(within(text, empty.name().as_ref())?)?;
                made.end()?;
            }
            Event::End(_) => made.end()?,
            Event::Text(piece) => made.append(&piece.xml10_content())?,
            Event::CData(piece) if made.is_open() => made.append(&piece.xml10_content())?,
            Event::GeneralRef(reference) if made.is_open() => {
                match reference.resolve_char_ref().map_err(|_| XmlError::Character)? {
                    Some(character) => made.append(character.encode_utf8(&mut [0; 4]))?,
                    None => made.append(resolve_predefined_entity(reference.as_ref()).ok_or(XmlError::Form)?)?,
                }
            }
            Event::Comment(_) => {}
            Event::Decl(declared) if made.is_before_all() => is_utf8(&declared)?,
            Event::CData(_) | Event::GeneralRef(_) | Event::Decl(_) => return Err(XmlError::Form),
            Event::PI(_) | Event::DocType(_) => return Err(XmlError::Instruction),
            Event::Eof => return made.whole(),
        }
    }
}

#[derive(Default)]
struct Making<'a> {
    written: String,
    elements: Vec<(&'a str, String)>,
    /// names of the elements that have begun, and whether there is another one in each
    open: Vec<(&'a str, bool)>,
    /// what stands in the innermost one
    text: String,
    begun: usize,
}

impl<'a> Making<'a> {
    fn is_open(&self) -> bool {
        !self.open.is_empty()
    }

    fn is_before_all(&self) -> bool {
        self.begun == 0
    }

    fn start(&mut self, name: &'a str) -> Result<(), XmlError> {
        if self.open.is_empty() && self.begun > 0 {
            return Err(XmlError::Form);
        }
        if name.contains(':') {
            return Err(XmlError::Prefix);
        }
        self.begun += 1;
        if self.open.len() >= DEPTH_MAX || self.begun > ELEMENTS_MAX {
            return Err(XmlError::Size);
        }
        self.between()?;
        if let Some((_, has_element)) = self.open.last_mut() {
            *has_element = true;
        }
        self.open.push((name, false));
        self.tag("<", name);
        Ok(())
    }

    fn end(&mut self) -> Result<(), XmlError> {
        let (name, has_element) = self.open.pop().ok_or(XmlError::Form)?;
        if has_element {
            self.between()?;
        } else {
            self.written.push_str(&escape(self.text.as_str()));
        }
        self.elements.push((name, std::mem::take(&mut self.text)));
        self.tag("</", name);
        Ok(())
    }

    fn append(&mut self, text: &str) -> Result<(), XmlError> {
        if !text.chars().all(is_allowed) {
            return Err(XmlError::Character);
        }
        self.text.push_str(text);
        if self.open.is_empty() { self.between() } else { Ok(()) }
    }

    /// Takes the text before or behind an element in another: space.
    fn between(&mut self) -> Result<(), XmlError> {
        if !self.text.trim_ascii().is_empty() {
            return Err(XmlError::Mixed);
        }
        self.text.clear();
        Ok(())
    }

    fn tag(&mut self, mark: &str, name: &str) {
        self.written.push_str(mark);
        self.written.push_str(name);
        self.written.push('>');
    }

    fn whole(self) -> Result<Plain<'a>, XmlError> {
        if self.is_open() || self.begun == 0 {
            return Err(XmlError::Form);
        }
        Ok(Plain { text: self.written, elements: self.elements })
    }
}

/// A piece of a text, as part of it.
fn within<'a>(text: &'a str, piece: &str) -> Result<&'a str, XmlError> {
    let start = piece.as_ptr().addr().checked_sub(text.as_ptr().addr()).ok_or(XmlError::Form)?;
    text.get(start..start.saturating_add(piece.len())).ok_or(XmlError::Form)
}

fn is_utf8(declared: &BytesDecl<'_>) -> Result<(), XmlError> {
    match declared.encoding() {
        None => Ok(()),
        Some(Ok(name)) if name.eq_ignore_ascii_case("utf-8") || name.eq_ignore_ascii_case("us-ascii") => Ok(()),
        Some(_) => Err(XmlError::Encoding),
    }
}

/// Those of XML 1.0 but for carriage return, which no two writers keep alike.
fn is_allowed(character: char) -> bool {
    matches!(character, '\t' | '\n' | ' '..='\u{d7ff}' | '\u{e000}'..='\u{fffd}' | '\u{10000}'..)
}

/// The deepest of the documents here is six deep.
const DEPTH_MAX: usize = 16;
/// A lifecycle of 1,000 rules with ten elements each, and as many again.
const ELEMENTS_MAX: usize = 40_000;
