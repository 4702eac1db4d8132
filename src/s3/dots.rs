//! Names that a store of files may take for a way to another place: segments `.` and `..`.
//!
//! S3 takes any text for a key. Programs between here and a store, and stores that keep objects as files, make `a/../b`
//! into `b`, and `../c/k` into a key of another bucket. A backslash counts as a slash: it is one to some of them.

/// Whether a segment of a key is `.` or `..`.
pub(crate) fn in_key(key: &str) -> bool {
    segments(key).any(is_dots)
}

/// The same for the start of keys: its last segment may go on.
pub(crate) fn in_prefix(prefix: &str) -> bool {
    let whole = prefix.rfind(SEPARATORS).map_or("", |end| &prefix[..end]);
    segments(whole).any(is_dots)
}

/// Whether a key, made shorter in that way, leaves its bucket.
pub(crate) fn lead_out(key: &str) -> bool {
    let mut depth = 0_usize;
    for segment in segments(key) {
        match segment {
            "" | "." => {}
            ".." if depth == 0 => return true,
            ".." => depth -= 1,
            _ => depth += 1,
        }
    }
    false
}

/// Whether an id that a client gives back can be one that a store gave.
pub(crate) fn are_in_id(id: &str) -> bool {
    in_key(id) || id.chars().any(char::is_control)
}

fn segments(text: &str) -> impl Iterator<Item = &str> {
    text.split(SEPARATORS)
}

fn is_dots(segment: &str) -> bool {
    matches!(segment, "." | "..")
}

const SEPARATORS: [char; 2] = ['/', '\\'];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn segments_of_dots_are_found_wherever_they_stand() {
        for key in ["..", ".", "../k", "a/../k", "a/..", "a/./k", "./k", "a/.", r"a\..\k", r"..\k", "/../k", "a//../k"]
        {
            assert!(in_key(key), "{key}");
        }
        for key in ["", "k", "...", "a/...", ".k", "..k", "a/.k/b", "a/k..", "a//b", "/", "%2e%2e/k", "a..b/c.d"] {
            assert!(!in_key(key), "{key}");
        }
    }

    #[test]
    fn the_last_segment_of_a_prefix_may_go_on() {
        for (prefix, refused) in
            [("..", false), (".", false), ("a/..", false), ("../", true), ("a/./b", true), ("", false)]
        {
            assert_eq!(in_prefix(prefix), refused, "{prefix}");
        }
    }

    #[test]
    fn a_key_leads_out_if_more_goes_up_than_down() {
        for (key, out) in
            [("..", true), ("a/../..", true), ("a/../b", false), ("/../k", true), ("./..", true), ("a/./b", false)]
        {
            assert_eq!(lead_out(key), out, "{key}");
        }
    }
}
