//! The text of a vector: `name: value` lines, some names more than once. Only `std` is needed to read one.

use std::{collections::BTreeMap, fmt::Write as _, fs, path::Path};

/// One vector's lines in order.
#[derive(Clone, Default)]
pub(super) struct VectorFile(Vec<(String, String)>);

impl VectorFile {
    pub(super) fn parse(text: &str) -> Self {
        let line = |line: &str| line.split_once(": ").map(|(name, value)| (name.to_owned(), value.to_owned()));
        Self(text.lines().map(|text| line(text).unwrap_or_else(|| panic!("not a field: {text}"))).collect())
    }

    pub(super) fn find(&self, name: &str) -> Option<&str> {
        self.all(name).next()
    }

    pub(super) fn field(&self, name: &str) -> &str {
        self.find(name).unwrap_or_else(|| panic!("no field {name}"))
    }

    pub(super) fn number<T: std::str::FromStr>(&self, name: &str) -> T {
        self.field(name).parse().unwrap_or_else(|_| panic!("{name} is no number"))
    }

    pub(super) fn all(&self, name: &str) -> impl Iterator<Item = &str> {
        self.0.iter().filter(move |line| line.0 == name).map(|line| line.1.as_str())
    }

    /// The stored body: the pieces one behind the other, then the changes.
    pub(super) fn body(&self, dir: &Path) -> Vec<u8> {
        let (mut files, mut body) = (BTreeMap::new(), Vec::new());
        for piece in self.all("piece") {
            let words: Vec<_> = piece.split(' ').collect();
            let number = |at: usize| words[at].parse::<usize>().unwrap();
            if words[0] == "zeros" {
                body.resize(body.len() + number(1), 0);
            } else {
                let file = files.entry(words[0].to_owned()).or_insert_with(|| fs::read(dir.join(words[0])).unwrap());
                body.extend_from_slice(&file[number(1)..number(1) + number(2)]);
            }
        }
        for change in self.all("xor") {
            let (offset, mask) = change.split_once(' ').unwrap();
            body[offset.parse::<usize>().unwrap()] ^= u8::from_str_radix(mask, 16).unwrap();
        }
        body
    }
}

impl VectorFile {
    /// Puts this line where the first of that name stood, and drops the others; appends it where there was none.
    pub(super) fn with(self, name: &str, value: impl ToString) -> Self {
        let at = self.0.iter().position(|line| line.0 == name).unwrap_or(self.0.len());
        let mut vector = self.without(name).and(name, value);
        vector.0[at..].rotate_right(1);
        vector
    }

    pub(super) fn without(mut self, name: &str) -> Self {
        self.0.retain(|line| line.0 != name);
        self
    }

    /// Appends a line.
    #[expect(clippy::needless_pass_by_value, reason = "texts and numbers alike, as they stand")]
    pub(super) fn and(mut self, name: &str, value: impl ToString) -> Self {
        self.0.push((name.to_owned(), value.to_string()));
        self
    }

    pub(super) fn to_text(&self) -> String {
        self.0.iter().fold(String::new(), |mut text, (name, value)| {
            writeln!(text, "{name}: {value}").unwrap();
            text
        })
    }
}
