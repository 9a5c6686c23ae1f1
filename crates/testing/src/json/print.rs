//! The forms in which a value is written.

use std::fmt::Write as _;

use super::{Json, Object};

/// What distinguishes one written form from another.
#[derive(Debug, Clone, Copy)]
pub(super) struct Printer {
    comma: &'static str,
    colon: &'static str,
    alphabet: Alphabet,
    members: Members,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Alphabet {
    Unicode,
    Ascii,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Members {
    AsTheyCome,
    Sorted,
}

impl Printer {
    pub(super) const COMPACT: Self = Self {
        comma: ",",
        colon: ":",
        alphabet: Alphabet::Unicode,
        members: Members::AsTheyCome,
    };
    pub(super) const SPACED: Self = Self {
        comma: ", ",
        colon: ": ",
        ..Self::COMPACT
    };
    pub(super) const ASCII: Self = Self {
        alphabet: Alphabet::Ascii,
        ..Self::SPACED
    };
    pub(super) const SORT_KEY: Self = Self {
        members: Members::Sorted,
        ..Self::ASCII
    };

    pub(super) fn print(self, value: &Json) -> String {
        let mut out = String::new();
        self.value(&mut out, value);
        out
    }

    fn value(self, out: &mut String, value: &Json) {
        match value {
            Json::Null => out.push_str("null"),
            Json::Bool(true) => out.push_str("true"),
            Json::Bool(false) => out.push_str("false"),
            Json::Number(number) => out.push_str(number.as_str()),
            Json::String(text) => self.string(out, text),
            Json::Array(elements) => {
                out.push('[');
                for (index, element) in elements.iter().enumerate() {
                    if index > 0 {
                        out.push_str(self.comma);
                    }
                    self.value(out, element);
                }
                out.push(']');
            }
            Json::Object(members) => self.object(out, members),
        }
    }

    fn object(self, out: &mut String, object: &Object) {
        let mut members: Vec<_> = object.iter().collect();
        if self.members == Members::Sorted {
            members.sort_by_key(|(name, _)| name.as_str());
        }
        out.push('{');
        for (index, (name, value)) in members.into_iter().enumerate() {
            if index > 0 {
                out.push_str(self.comma);
            }
            self.string(out, name);
            out.push_str(self.colon);
            self.value(out, value);
        }
        out.push('}');
    }

    fn string(self, out: &mut String, text: &str) {
        out.push('"');
        for character in text.chars() {
            match character {
                '"' => out.push_str("\\\""),
                '\\' => out.push_str("\\\\"),
                '\n' => out.push_str("\\n"),
                '\r' => out.push_str("\\r"),
                '\t' => out.push_str("\\t"),
                '\u{8}' => out.push_str("\\b"),
                '\u{c}' => out.push_str("\\f"),
                '\0'..'\u{20}' => escape(out, character),
                '\u{7f}'.. if self.alphabet == Alphabet::Ascii => escape(out, character),
                _ => out.push(character),
            }
        }
        out.push('"');
    }
}

/// Writes a character as one `\uXXXX`, or two beyond the basic plane.
fn escape(out: &mut String, character: char) {
    for unit in character.encode_utf16(&mut [0; 2]) {
        // Writing to a string cannot fail.
        let _ = write!(out, "\\u{unit:04x}");
    }
}
