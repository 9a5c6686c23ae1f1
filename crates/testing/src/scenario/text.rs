//! What is replaced in every text of an answer.

use std::sync::LazyLock;

use regex::Regex;

use super::{Host, ScenarioError, Variables};

/// A run of one character becomes `<c*n>` from this length on.
const LONG_RUN: usize = 256;
/// Width to which the time at the start of a log line is padded.
const TIMESTAMP_WIDTH: usize = 30;
const KINDS_FOLLOW: &str = "Valid values are: ";

/// Compiles a pattern whose dot matches line ends too.
pub(super) fn pattern(source: &str) -> Result<Regex, ScenarioError> {
    regex::RegexBuilder::new(source)
        .dot_matches_new_line(true)
        .build()
        .map_err(|fault| ScenarioError::Malformed(format!("pattern `{source}`: {fault}")))
}

fn builtin(source: &str) -> Regex {
    #[expect(
        clippy::expect_used,
        reason = "the patterns of this module are constants, and its tests use each"
    )]
    Regex::new(source).expect("a valid pattern")
}

static TIMESTAMP: LazyLock<Regex> = LazyLock::new(|| {
    builtin(r"^([0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]+)?Z)( *)")
});
static EPOCH_MEMBER: LazyLock<Regex> =
    LazyLock::new(|| builtin(r#"("(?:updated|start|end)" ?: ?)[0-9]{13}"#));
static HEX: LazyLock<Regex> = LazyLock::new(|| builtin("[0-9A-Za-z]+"));

/// Replaces what belongs to one run, one server or one moment by placeholders.
#[derive(Debug)]
pub(super) struct TextRules {
    /// Texts and what is written in their place, in the order of replacing.
    known: Vec<(String, String)>,
}

impl TextRules {
    /// Knows the variables of the case, the keys of the host, and the request id of the answer unless
    /// the client chose it.
    pub(super) fn new(host: &Host, variables: &Variables, request_id: Option<&str>) -> Self {
        let mut known = variables.recognisable();
        known.extend(host.recognisable());
        known.extend(request_id.map(|id| (id.to_owned(), "<tid>".to_owned())));
        known.retain(|(text, _)| !text.is_empty());
        Self { known }
    }

    /// Applies all rules.
    pub(super) fn apply(&self, text: &str) -> String {
        let mut text = text.to_owned();
        for (known, placeholder) in &self.known {
            if text.contains(known.as_str()) {
                text = text.replace(known.as_str(), placeholder);
            }
        }
        without_kinds(without_runs(without_timestamp(without_ids(&text))))
    }
}

/// Takes the times out of a text that is JSON.
pub(super) fn without_epochs(text: &str) -> String {
    EPOCH_MEMBER.replace_all(text, "${1}<ms>").into_owned()
}

/// Replaces words of 32 lower-case hexadecimal digits.
fn without_ids(text: &str) -> String {
    let is_id = |word: &str| {
        word.len() == 32
            && word
                .bytes()
                .all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
    };
    HEX.replace_all(text, |word: &regex::Captures<'_>| {
        let word = word.get(0).map_or("", |found| found.as_str());
        if is_id(word) {
            "<hex32>".to_owned()
        } else {
            word.to_owned()
        }
    })
    .into_owned()
}

/// Replaces the time at the start of a log line together with its padding.
fn without_timestamp(text: String) -> String {
    let Some((whole, [time, blanks])) = TIMESTAMP.captures(&text).map(|found| found.extract())
    else {
        return text;
    };
    let padding = TIMESTAMP_WIDTH.saturating_sub(time.len()).min(blanks.len());
    let kept_blanks = " ".repeat(blanks.len() - padding);
    format!(
        "<timestamp>{kept_blanks}{}",
        text.strip_prefix(whole).unwrap_or_default()
    )
}

/// Shortens long runs of one character.
fn without_runs(text: String) -> String {
    if text.len() < LONG_RUN {
        return text;
    }
    let mut out = String::with_capacity(text.len());
    let mut characters = text.chars().peekable();
    while let Some(character) = characters.next() {
        let mut length = 1;
        while characters.next_if_eq(&character).is_some() {
            length += 1;
        }
        if length < LONG_RUN {
            out.extend(std::iter::repeat_n(character, length));
        } else {
            out.push_str(&format!("<{character}*{length}>"));
        }
    }
    out
}

/// Replaces the list of runtime kinds at the end of an error text.
fn without_kinds(text: String) -> String {
    match text.split_once(KINDS_FOLLOW) {
        Some((before, _)) => format!("{before}{KINDS_FOLLOW}<kinds>"),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json::Json;

    fn rules() -> TextRules {
        let host = Host::new(
            "127.0.0.1:3233",
            "uuid-of-guest:secret-of-guest",
            "uuid-of-system:hidden-word",
        )
        .unwrap();
        let mut variables = Variables::default();
        variables.set("uid", Json::from("u1234567"));
        variables.set("long", Json::from("xu1234567x"));
        variables.set("short", Json::from("abcde"));
        TextRules::new(&host, &variables, Some("request-one"))
    }

    #[test]
    fn every_rule_replaces_what_it_knows_and_nothing_else() {
        let id = "0123456789abcdef0123456789abcdef";
        let run = "x".repeat(256);
        let table = [
            ("au1234567b xu1234567x abcde", "a{uid}b {long} abcde"),
            ("uuid-of-guest:secret-of-guest", "<guest-key>"),
            (
                "uuid-of-guest secret-of-guest",
                "<guest-uuid> <guest-secret>",
            ),
            ("uuid-of-system:hidden-word", "<system-key>"),
            ("dXVpZC1vZi1ndWVzdDpzZWNyZXQtb2YtZ3Vlc3Q=", "<guest-basic>"),
            (
                "http://127.0.0.1:3233/a http://localhost:3233",
                "http://<host>/a http://<host>",
            ),
            ("code request-one", "code <tid>"),
            (id, "<hex32>"),
            (&format!("/{id}."), "/<hex32>."),
            (&format!("g{id}"), &format!("g{id}")),
            (&format!("é{id}é"), "é<hex32>é"),
            (&id.to_uppercase(), &id.to_uppercase()),
            (
                "2024-01-02T03:04:05.123456789Z stdout: a",
                "<timestamp> stdout: a",
            ),
            (
                "2024-01-02T03:04:05.123Z       stdout: a",
                "<timestamp> stdout: a",
            ),
            ("2024-01-02T03:04:05Z a", "<timestamp>a"),
            ("at 2024-01-02T03:04:05Z", "at 2024-01-02T03:04:05Z"),
            (&format!("a{run}b"), "a<x*256>b"),
            (
                &format!("a{}b", "x".repeat(255)),
                &format!("a{}b", "x".repeat(255)),
            ),
            (&"é".repeat(300), "<é*300>"),
            (
                "kind 'x' not in Set(). Valid values are: a, b\nc",
                "kind 'x' not in Set(). Valid values are: <kinds>",
            ),
        ];
        for (text, expected) in table {
            assert_eq!(rules().apply(text), expected);
        }
    }

    #[test]
    fn times_are_taken_out_of_members_of_json_text() {
        let text =
            r#"{"updated": 1700000000000,"start":1700000000000,"x":1700000000000,"end" : 170}"#;
        let expected = r#"{"updated": <ms>,"start":<ms>,"x":1700000000000,"end" : 170}"#;
        assert_eq!(without_epochs(text), expected);
    }
}
