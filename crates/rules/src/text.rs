//! Text from a module or a candidate, made safe to show.
//!
//! The author of a module controls names, panic messages and log lines. When they are shown in a terminal, a log or a
//! node's answer, they must be short enough to read, and characters that cannot be seen must not change the display.

use std::fmt;

/// Most bytes of a name within a message.
const NAME_BYTES: usize = 100;

/// `text` with nothing in it that a terminal would obey or a reader not see, in at most about `most` bytes: what is cut
/// off is replaced by a note of the full length.
///
/// Control characters, including line ends, and other invisible characters are escaped as in Rust's strings.
///
/// ```
/// use pvf_rules::visible;
///
/// assert_eq!(visible("a name", 100), "a name");
/// assert_eq!(visible("\x1b[2J\n\u{202e}", 100), r"\u{1b}[2J\n\u{202e}");
/// assert_eq!(visible("abcdef", 3), "abc… (6 bytes)");
/// ```
pub fn visible(text: &str, most: usize) -> String {
    let mut shown = String::with_capacity(text.len().min(most));
    for c in text.chars() {
        let before = shown.len();
        match c {
            ' '..='~' => shown.push(c),
            _ => shown.extend(c.escape_debug()),
        }
        if shown.len() > most {
            shown.truncate(before);
            shown.push_str(&format!("… ({} bytes)", text.len()));
            break;
        }
    }
    shown
}

/// A name from a module, for messages: [`visible`], and cut so short that the rest of the message remains readable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Name<'a>(pub &'a str);

impl fmt::Display for Name<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&visible(self.0, NAME_BYTES))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_character_is_seen() {
        let all: String = (0..=0x10_ffff).filter_map(char::from_u32).collect();
        let shown = visible(&all, usize::MAX);
        let hidden = |c: &char| c.is_control() || ('\u{2028}'..='\u{202e}').contains(c);
        assert_eq!(shown.chars().find(hidden), None);
        assert!(shown.contains("aäあ") || shown.contains('ä'));
        assert!(shown.contains('\'') && shown.contains('"') && shown.contains('\\'));
    }

    #[test]
    fn printable_ascii_is_shown_as_it_is() {
        let printable: String = (' '..='~').collect();
        assert_eq!(visible(&printable, 100), printable);
    }

    #[test]
    fn long_text_is_cut_between_characters() {
        for most in 0..20 {
            let shown = visible("ää\x1bää\u{202e}", most);
            let note = shown.find('…').unwrap_or(shown.len());
            assert!(note <= most, "{most}: {shown}");
            assert_eq!(shown.contains("(12 bytes)"), most < 22);
        }
        assert_eq!(
            Name(&"A".repeat(99_000)).to_string().len(),
            100 + "… (99000 bytes)".len()
        );
    }
}
