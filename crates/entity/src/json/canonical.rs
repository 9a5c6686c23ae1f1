//! Reading JSON the way OpenWhisk's parser does.

use super::number::canonical_number;

/// Deepest nesting that is accepted.
const MAX_DEPTH: usize = 1000;
/// Longest number that is accepted, in characters.
const MAX_NUMBER: usize = 100;

/// Why a text is no JSON. The message has two parts: what is wrong, and the line with a caret below.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct SyntaxError(String);

/// Brings a JSON text into canonical form: no blanks, minimal escapes, numbers as OpenWhisk prints
/// them, U+FFFD for bytes that are not UTF-8.
///
/// # Errors
/// [`SyntaxError`] with the text of OpenWhisk's parser, for example ``Unexpected character '}' at
/// input index 7 (line 1, position 8), expected '"':`` and the line.
///
/// Source: recordings `actions-faults/json-*`, `auth/json-with-*`.
pub fn canonical(input: &[u8]) -> Result<String, SyntaxError> {
    let mut reader = Reader {
        input,
        at: 0,
        out: String::with_capacity(input.len()),
    };
    reader.blanks();
    reader.value(MAX_DEPTH)?;
    if reader.at < input.len() {
        return Err(reader.fail("end-of-input", reader.at));
    }
    Ok(reader.out)
}

struct Reader<'a> {
    input: &'a [u8],
    at: usize,
    out: String,
}

impl Reader<'_> {
    fn peek(&self) -> Option<u8> {
        self.input.get(self.at).copied()
    }

    fn take(&mut self, byte: u8) -> bool {
        let found = self.peek() == Some(byte);
        if found {
            self.at += 1;
        }
        found
    }

    fn blanks(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }

    fn require(&mut self, byte: u8) -> Result<(), SyntaxError> {
        if self.take(byte) {
            Ok(())
        } else {
            Err(self.fail(&format!("'{}'", char::from(byte)), self.at))
        }
    }

    fn value(&mut self, depth: usize) -> Result<(), SyntaxError> {
        if depth == 0 {
            return Err(SyntaxError(format!(
                "JSON input nested too deeply:JSON input was nested more deeply than the configured limit of maxNesting = {MAX_DEPTH}"
            )));
        }
        match self.peek() {
            Some(b'f') => self.literal("false"),
            Some(b'n') => self.literal("null"),
            Some(b't') => self.literal("true"),
            Some(b'{') => self.object(depth),
            Some(b'[') => self.array(depth),
            Some(b'0'..=b'9' | b'-') => self.number(),
            Some(b'"') => self.string(),
            _ => Err(self.fail("JSON Value", self.at)),
        }
    }

    /// A misspelt literal is reported at its start, with the first character that is wrong.
    fn literal(&mut self, word: &str) -> Result<(), SyntaxError> {
        let mark = self.at;
        for byte in word.bytes() {
            if !self.take(byte) {
                return Err(self.fail_with("JSON Value", mark, self.at));
            }
        }
        self.out.push_str(word);
        self.blanks();
        Ok(())
    }

    fn object(&mut self, depth: usize) -> Result<(), SyntaxError> {
        self.at += 1;
        self.out.push('{');
        self.blanks();
        if !self.take(b'}') {
            loop {
                self.string()?;
                self.require(b':')?;
                self.out.push(':');
                self.blanks();
                self.value(depth - 1)?;
                if !self.take(b',') {
                    break;
                }
                self.out.push(',');
                self.blanks();
            }
            self.require(b'}')?;
        }
        self.out.push('}');
        self.blanks();
        Ok(())
    }

    fn array(&mut self, depth: usize) -> Result<(), SyntaxError> {
        self.at += 1;
        self.out.push('[');
        self.blanks();
        if !self.take(b']') {
            loop {
                self.value(depth - 1)?;
                if !self.take(b',') {
                    break;
                }
                self.out.push(',');
                self.blanks();
            }
            self.require(b']')?;
        }
        self.out.push(']');
        self.blanks();
        Ok(())
    }

    fn number(&mut self) -> Result<(), SyntaxError> {
        let start = self.at;
        self.take(b'-');
        if !self.take(b'0') {
            self.digits()?;
        }
        if self.take(b'.') {
            self.digits()?;
        }
        if self.take(b'e') || self.take(b'E') {
            let _sign = self.take(b'-') || self.take(b'+');
            self.digits()?;
        }
        let text = self
            .input
            .get(start..self.at)
            .and_then(|bytes| std::str::from_utf8(bytes).ok())
            .unwrap_or("0");
        if text.len() > MAX_NUMBER {
            let shown: String = text.chars().take(20).collect();
            return Err(SyntaxError(format!(
                "Number too long:The number starting with '{shown}' had {} characters which is more than the allowed limit maxNumberCharacters = {MAX_NUMBER}. If this is legit input consider increasing the limit.",
                text.len()
            )));
        }
        canonical_number(text, &mut self.out);
        self.blanks();
        Ok(())
    }

    fn digits(&mut self) -> Result<(), SyntaxError> {
        let start = self.at;
        while matches!(self.peek(), Some(b'0'..=b'9')) {
            self.at += 1;
        }
        if self.at == start {
            Err(self.fail("DIGIT", self.at))
        } else {
            Ok(())
        }
    }

    fn string(&mut self) -> Result<(), SyntaxError> {
        self.require(b'"')?;
        self.out.push('"');
        loop {
            self.plain_run();
            match self.peek() {
                Some(b'\\') => self.escape()?,
                _ => break,
            }
        }
        self.require(b'"')?;
        self.out.push('"');
        self.blanks();
        Ok(())
    }

    /// Copies characters that need no escape.
    fn plain_run(&mut self) {
        let rest = self.input.get(self.at..).unwrap_or_default();
        let length = rest
            .iter()
            .position(|&b| b == b'"' || b == b'\\' || b < b' ')
            .unwrap_or(rest.len());
        let run = rest.get(..length).unwrap_or_default();
        match std::str::from_utf8(run) {
            Ok(text) => self.out.push_str(text),
            Err(_) => self.out.push_str(&String::from_utf8_lossy(run)),
        }
        self.at += length;
    }

    fn escape(&mut self) -> Result<(), SyntaxError> {
        self.at += 1;
        let plain = match self.peek() {
            Some(b'"') => '"',
            Some(b'\\') => '\\',
            Some(b'/') => '/',
            Some(b'b') => '\u{8}',
            Some(b'f') => '\u{c}',
            Some(b'n') => '\n',
            Some(b'r') => '\r',
            Some(b't') => '\t',
            Some(b'u') => return self.unicode_escape(),
            _ => return Err(self.fail("JSON escape sequence", self.at)),
        };
        self.at += 1;
        push_escaped(&mut self.out, plain);
        Ok(())
    }

    fn unicode_escape(&mut self) -> Result<(), SyntaxError> {
        self.at += 1;
        let unit = self.hex4()?;
        let is_lead = (0xd800..0xdc00).contains(&unit);
        if is_lead && self.input.get(self.at..self.at + 2) == Some(b"\\u") {
            let mark = self.at;
            self.at += 2;
            let trail = self.hex4()?;
            if (0xdc00..0xe000).contains(&trail) {
                let code = 0x10000 + ((unit - 0xd800) << 10) + (trail - 0xdc00);
                push_escaped(&mut self.out, char::from_u32(code).unwrap_or('\u{fffd}'));
                return Ok(());
            }
            self.at = mark;
        }
        // A lone surrogate has no UTF-8 form; the original's output encoder writes `?` for it.
        push_escaped(&mut self.out, char::from_u32(unit).unwrap_or('?'));
        Ok(())
    }

    fn hex4(&mut self) -> Result<u32, SyntaxError> {
        let mut value = 0;
        for _ in 0..4 {
            let digit = self.peek().and_then(|b| char::from(b).to_digit(16));
            value = (value << 4) + digit.ok_or_else(|| self.fail("hex digit", self.at))?;
            self.at += 1;
        }
        Ok(value)
    }

    fn fail(&self, expected: &str, at: usize) -> SyntaxError {
        self.fail_with(expected, at, at)
    }

    fn fail_with(&self, expected: &str, at: usize, wrong: usize) -> SyntaxError {
        let unexpected = match self.input.get(wrong).map(|&b| char::from(b)) {
            None => "end-of-input".to_owned(),
            Some(c) if c.is_control() => format!("character '\\u{:04x}'", u32::from(c)),
            Some(c) => format!("character '{c}'"),
        };
        let before = self.input.get(..at).unwrap_or_default();
        let line_start = before
            .iter()
            .rposition(|&b| b == b'\n')
            .map_or(0, |i| i + 1);
        let line_number = before.iter().filter(|&&b| b == b'\n').count() + 1;
        let position = at - line_start + 1;
        let rest = self.input.get(line_start..).unwrap_or_default();
        let line = rest.split(|&b| b == b'\n').next().unwrap_or_default();
        let shown: String = String::from_utf8_lossy(line)
            .chars()
            .map(|c| if c.is_control() { '?' } else { c })
            .collect();
        let caret = " ".repeat(position - 1);
        SyntaxError(format!(
            "Unexpected {unexpected} at input index {at} (line {line_number}, position {position}), expected {expected}:\n{shown}\n{caret}^\n"
        ))
    }
}

/// Appends a character of a string, escaped if JSON demands it.
pub(super) fn push_escaped(out: &mut String, c: char) {
    match c {
        '"' => out.push_str("\\\""),
        '\\' => out.push_str("\\\\"),
        '\u{8}' => out.push_str("\\b"),
        '\u{c}' => out.push_str("\\f"),
        '\n' => out.push_str("\\n"),
        '\r' => out.push_str("\\r"),
        '\t' => out.push_str("\\t"),
        c if c < ' ' => out.push_str(&format!("\\u{:04x}", u32::from(c))),
        c => out.push(c),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn error(input: &str) -> String {
        canonical(input.as_bytes()).unwrap_err().to_string()
    }

    #[test]
    fn texts_become_compact_and_minimally_escaped() {
        let input = " \r\n\t{ \"a\\/b\" : [ 1e3 , \"\\u2603\\ud83d\\ude00\\u0001\" , true ] , \"\" : null } \n";
        assert_eq!(
            canonical(input.as_bytes()).unwrap(),
            "{\"a/b\":[1E+3,\"☃😀\\u0001\",true],\"\":null}"
        );
        assert_eq!(canonical(b"\"\xff\"").unwrap(), "\"\u{fffd}\"");
    }

    /// observed.md, rest-api §6.3; recordings `actions-faults/json-*`.
    #[test]
    fn syntax_errors_have_the_texts_of_the_original() {
        assert_eq!(
            error("{\"a\":1,}"),
            "Unexpected character '}' at input index 7 (line 1, position 8), expected '\"':\n{\"a\":1,}\n       ^\n"
        );
        assert_eq!(
            error("{"),
            "Unexpected end-of-input at input index 1 (line 1, position 2), expected '\"':\n{\n ^\n"
        );
        assert_eq!(
            error("nope"),
            "Unexpected character 'o' at input index 0 (line 1, position 1), expected JSON Value:\nnope\n^\n"
        );
        assert_eq!(
            error(""),
            "Unexpected end-of-input at input index 0 (line 1, position 1), expected JSON Value:\n\n^\n"
        );
        assert!(
            error("{\"a\":\"b\nc\"}")
                .starts_with("Unexpected character '\\u000a' at input index 7")
        );
    }

    #[test]
    fn nesting_is_bounded() {
        let deep = "[".repeat(100_000);
        assert!(error(&deep).starts_with("JSON input nested too deeply"));
    }

    proptest! {
        #[test]
        fn any_bytes_give_an_answer(input in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = canonical(&input);
        }

        #[test]
        fn canonical_texts_stay_as_they_are(text in "[\\[\\]{}:,\"a-c0-9eE.\\\\u +-]{0,40}") {
            if let Ok(once) = canonical(text.as_bytes()) {
                prop_assert_eq!(canonical(once.as_bytes()).unwrap(), once.clone());
                prop_assert!(serde_json::from_str::<&serde_json::value::RawValue>(&once).is_ok());
            }
        }
    }
}
