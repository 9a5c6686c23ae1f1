//! Which tests cite which section of the API's contract, and the page that says so.
//!
//! Tests cite as `entities §6.1, §6.3; invocation §8`: a chapter, then its sections up to the next chapter.

use std::collections::{BTreeMap, BTreeSet};

/// The page that lists every section with the files that test it.
pub(crate) const PAGE: &str = "docs/conformance.md";

const CHAPTERS: &[&str] = &["rest-api", "entities", "invocation", "composer"];

/// A section of a chapter, for example `("entities", "6.1")`.
type Section = (&'static str, String);

/// The sections that tests cite, and where.
#[derive(Debug, Default)]
pub(crate) struct Citations {
    files: BTreeMap<Section, BTreeSet<String>>,
}

impl Citations {
    /// Takes a file of the project; what is not a test counts for nothing.
    pub(crate) fn read(&mut self, file: &str, text: &str) {
        for section in tests_of(file, text).map(sections).unwrap_or_default() {
            let files = self.files.entry(section).or_default();
            files.insert(file.to_owned());
        }
    }

    /// Holds the page against the citations: each section that it lists is cited by all the files beside it, and it
    /// lists each section that is cited.
    pub(crate) fn check(&self, page: &str, breaches: &mut Vec<String>) {
        let mut listed = BTreeSet::new();
        for (section, files) in rows(page) {
            let cited = self.files.get(&section);
            let (chapter, number) = &section;
            if files.is_empty() {
                breaches.push(format!("{PAGE}: no test is named for {chapter} §{number}"));
            }
            for file in files {
                if cited.is_none_or(|cited| !cited.contains(file)) {
                    breaches.push(format!("{file}: cites {chapter} §{number} nowhere"));
                }
            }
            listed.insert(section);
        }
        for (section, files) in &self.files {
            let (chapter, number) = section;
            if !listed.contains(section) {
                let files: Vec<&str> = files.iter().map(String::as_str).collect();
                breaches.push(format!(
                    "{PAGE}: {chapter} §{number} is missing, which is cited in {}",
                    files.join(", ")
                ));
            }
        }
    }
}

/// Returns the part of a file that is tests.
fn tests_of<'a>(file: &str, text: &'a str) -> Option<&'a str> {
    let is_recorded = file.starts_with("scenarios/");
    let is_test = file.starts_with("tests/") || file.contains("/tests/");
    let is_suite = file.contains("/conformance/") || file.ends_with("tests.rs");
    match file.rsplit_once('.')?.1 {
        "json" if is_recorded => Some(text),
        "rs" | "js" | "py" if is_test || is_suite => Some(text),
        "rs" => text.split_once("\n#[cfg(test)]").map(|(_, tests)| tests),
        _ => None,
    }
}

/// Returns the sections that a text cites.
fn sections(text: &str) -> Vec<Section> {
    let mut found = Vec::new();
    for chapter in CHAPTERS {
        for (at, _) in text.match_indices(chapter) {
            let before = text.get(..at).and_then(|text| text.chars().next_back());
            if before.is_some_and(|before| before.is_alphanumeric() || before == '-') {
                continue;
            }
            let rest = text.get(at + chapter.len()..).unwrap_or_default();
            let mut rest = rest.strip_prefix(".md").unwrap_or(rest);
            while let Some((number, after)) = next_section(rest) {
                found.push((*chapter, number.to_owned()));
                rest = after;
            }
        }
    }
    found
}

/// Reads the next `§` with its number, past what may stand between two of them.
fn next_section(text: &str) -> Option<(&str, &str)> {
    let mut rest = text;
    loop {
        rest = rest.trim_start_matches(|c: char| c.is_whitespace() || ",/*".contains(c));
        if let Some(note) = rest.strip_prefix('(') {
            rest = note.split_once(')')?.1;
        } else if let Some(after) = rest
            .strip_prefix("and ")
            .or_else(|| rest.strip_prefix("to "))
        {
            rest = after;
        } else {
            break;
        }
    }
    let rest = rest.strip_prefix('§')?;
    let end = rest
        .find(|c: char| !c.is_ascii_digit() && c != '.')
        .unwrap_or(rest.len());
    let (number, after) = rest.split_at_checked(end)?;
    let number = number.trim_end_matches('.');
    (!number.is_empty()).then_some((number, after))
}

/// Returns the sections that the page lists, each with the files beside it.
///
/// A heading such as ``## Entities (`entities`)`` begins a chapter; a row is ``| §6.1 | about | `file`, `file` |``.
fn rows(page: &str) -> Vec<(Section, Vec<&str>)> {
    let mut chapter = None;
    let mut rows = Vec::new();
    for line in page.lines() {
        if line.starts_with('#') {
            let named = |chapter: &&&str| line.ends_with(&format!("(`{chapter}`)"));
            chapter = CHAPTERS.iter().find(named);
        }
        let Some((number, rest)) = line
            .strip_prefix("| §")
            .and_then(|row| row.split_once(" |"))
        else {
            continue;
        };
        let files = rest.rsplit_once(" | ").map_or("", |(_, files)| files);
        if let Some(chapter) = chapter {
            let files = files.split('`').skip(1).step_by(2).collect();
            rows.push(((*chapter, number.to_owned()), files));
        }
    }
    rows
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Chapters apart, so that this test cites nothing itself.
    const CHAPTER: &str = concat!("enti", "ties");

    fn numbers(text: &str) -> Vec<String> {
        let found = sections(&text.replace("CHAPTER", CHAPTER));
        found.into_iter().map(|(_, number)| number).collect()
    }

    #[test]
    fn citations_are_read_as_people_write_them() {
        for (text, expected) in [
            ("/// CHAPTER §6.1", &["6.1"][..]),
            ("CHAPTER.md §3.2.1.", &["3.2.1"]),
            ("CHAPTER §9.1, §9.2 and §10: so", &["9.1", "9.2", "10"]),
            ("CHAPTER §9.1,\n    /// §9.2", &["9.1", "9.2"]),
            ("CHAPTER §1 (a, b), §2", &["1", "2"]),
            ("CHAPTER §1 to §3", &["1", "3"]),
            ("CHAPTER §1; other §2", &["1"]),
            ("observed.md on CHAPTER §4", &["4"]),
            ("my-CHAPTER §4, CHAPTERs §5, CHAPTER 6", &[]),
        ] {
            assert_eq!(numbers(text), expected, "{text}");
        }
    }

    #[test]
    fn page_and_tests_must_agree() {
        let cite = |number: &str| format!("{CHAPTER} §{number}");
        let mut citations = Citations::default();
        citations.read("crates/a/tests/t.rs", &cite("1"));
        citations.read("crates/a/src/a.rs", &cite("2"));
        let unit = format!("{}\n#[cfg(test)]\n{}", cite("2"), cite("3"));
        citations.read("crates/a/src/b.rs", &unit);
        citations.read("docs/a.md", &cite("4"));
        let page = |rows: &str| format!("## A chapter (`{CHAPTER}`)\n{rows}");
        for (rows, breaches) in [
            (
                "| §1 | a | `crates/a/tests/t.rs` |\n| §3 | b | `crates/a/src/b.rs` |",
                vec![],
            ),
            (
                "| §1 | a | `crates/a/src/b.rs` |\n| §3 | b |  |",
                vec![
                    format!("crates/a/src/b.rs: cites {} nowhere", cite("1")),
                    format!("{PAGE}: no test is named for {}", cite("3")),
                ],
            ),
            (
                "| §1 | a | `crates/a/tests/t.rs` |",
                vec![format!(
                    "{PAGE}: {} is missing, which is cited in crates/a/src/b.rs",
                    cite("3")
                )],
            ),
        ] {
            let mut found = Vec::new();
            citations.check(&page(rows), &mut found);
            assert_eq!(found, breaches);
        }
    }
}
