//! Which cases of a folder of scenarios are run.

use std::path::{Path, PathBuf};

use indexmap::IndexMap;
use serde::Deserialize;

use super::{Area, Case, ScenarioError, load};

/// The file beside the scenarios that says what is left out.
const SKIPPED_FILE: &str = "skipped.json";

/// What a person asked to run; by default everything that is served.
#[derive(Debug, Clone, Default)]
pub struct Choice {
    /// Names of areas; none means all. Naming an area that is served later as a whole runs it.
    pub areas: Vec<String>,
    /// Cases whose name contains one of these texts, or matches it as a pattern with `*` and `?`.
    pub only: Vec<String>,
    /// Cases that are not run, in the same way.
    pub skip: Vec<String>,
    /// Whether cases of what is served later are run too.
    pub later: bool,
}

/// The file `skipped.json`.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Skipped {
    /// Cases that are never run: name → reason.
    pub never: IndexMap<String, String>,
    /// Cases of what is not served yet.
    pub later: Vec<LaterGroup>,
}

/// Cases that wait for one part of the API.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LaterGroup {
    /// What they wait for.
    pub group: String,
    /// Whole areas.
    #[serde(default)]
    pub areas: Vec<String>,
    /// Single cases of other areas.
    #[serde(default)]
    pub cases: Vec<String>,
}

/// Cases to run, and why others are not.
#[derive(Debug, Clone, Default)]
pub struct Selection {
    /// The cases to run.
    pub cases: Vec<Case>,
    /// Names of cases that would have been asked for, each with the reason why it is left out.
    pub skipped: Vec<(String, String)>,
}

impl Selection {
    /// Reads the scenarios in `folder` and selects from them.
    ///
    /// # Errors
    /// [`ScenarioError`] if a file cannot be read or is malformed, or an area of that name is absent.
    pub fn read(folder: &Path, choice: &Choice) -> Result<Self, ScenarioError> {
        let skipped = Skipped::read(folder)?;
        let mut selection = Self::default();
        for path in area_files(folder, &choice.areas)? {
            let area = name_of(&path);
            selection.add(&area, load(&path)?, choice, &skipped);
        }
        Ok(selection)
    }

    /// Returns how many cases are left out.
    #[must_use]
    pub fn skipped_count(&self) -> usize {
        self.skipped.len()
    }

    fn add(&mut self, name: &str, area: Area, choice: &Choice, skipped: &Skipped) {
        for case in area.cases {
            let wanted = choice.only.is_empty() || matches_any(&case.name, &choice.only);
            if !wanted || matches_any(&case.name, &choice.skip) {
                continue;
            }
            match skipped.reason(name, &case.name, choice) {
                Some(reason) => self.skipped.push((case.name, reason)),
                None => self.cases.push(case),
            }
        }
    }
}

impl Skipped {
    /// Reads `skipped.json` of a folder; without one nothing is left out.
    ///
    /// # Errors
    /// [`ScenarioError`] if the file cannot be read or is malformed.
    pub fn read(folder: &Path) -> Result<Self, ScenarioError> {
        let path = folder.join(SKIPPED_FILE);
        match std::fs::read_to_string(&path) {
            Ok(text) => {
                serde_json::from_str(&text).map_err(|source| ScenarioError::Form { path, source })
            }
            Err(fault) if fault.kind() == std::io::ErrorKind::NotFound => Ok(Self::default()),
            Err(source) => Err(ScenarioError::Read { path, source }),
        }
    }

    fn reason(&self, area: &str, case: &str, choice: &Choice) -> Option<String> {
        if let Some(reason) = self.never.get(case) {
            return Some(reason.clone());
        }
        let is_named = choice.areas.iter().any(|name| name == area);
        let waits = |group: &&LaterGroup| {
            (!is_named && group.areas.iter().any(|name| name == area))
                || group.cases.iter().any(|name| name == case)
        };
        let group = self.later.iter().find(waits).filter(|_| !choice.later);
        group.map(|group| format!("later: {}", group.group))
    }
}

/// The files of the areas with those names, or all of them, in order of their names.
fn area_files(folder: &Path, names: &[String]) -> Result<Vec<PathBuf>, ScenarioError> {
    if !names.is_empty() {
        return Ok(names
            .iter()
            .map(|name| folder.join(format!("{name}.json")))
            .collect());
    }
    let unreadable = |source| ScenarioError::Read {
        path: folder.to_owned(),
        source,
    };
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(unreadable)? {
        let path = entry.map_err(unreadable)?.path();
        let is_area = path.extension().is_some_and(|end| end == "json")
            && path.file_name().is_some_and(|name| name != SKIPPED_FILE);
        if is_area {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

fn name_of(path: &Path) -> String {
    path.file_stem()
        .map(|name| name.to_string_lossy().into_owned())
        .unwrap_or_default()
}

fn matches_any(name: &str, patterns: &[String]) -> bool {
    patterns
        .iter()
        .any(|pattern| name.contains(pattern.as_str()) || fits(name.as_bytes(), pattern.as_bytes()))
}

/// Whether a name fits a pattern in which `*` stands for any text and `?` for one byte.
fn fits(name: &[u8], pattern: &[u8]) -> bool {
    match (pattern.split_first(), name.split_first()) {
        (None, None) => true,
        (Some((b'*', rest)), _) => {
            fits(name, rest)
                || name
                    .split_first()
                    .is_some_and(|(_, name)| fits(name, pattern))
        }
        (Some((wanted, rest)), Some((found, name))) => {
            (*wanted == b'?' || wanted == found) && fits(name, rest)
        }
        (None, Some(_)) | (Some(_), None) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_matched_as_parts_or_as_patterns() {
        let table = [
            ("invoke/exits", "exits", true),
            ("invoke/exits", "invoke/e*s", true),
            ("invoke/exits", "*/exi?s", true),
            ("invoke/exits", "invoke/e?s", false),
            ("invoke/exits", "exits*x", false),
        ];
        for (name, pattern, matching) in table {
            assert_eq!(
                matches_any(name, &[pattern.to_owned()]),
                matching,
                "{name} {pattern}"
            );
        }
    }

    fn selected(choice: &Choice) -> (Vec<String>, Vec<(String, String)>) {
        let folder = tempfile::tempdir().unwrap();
        let write =
            |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
        let area = |area: &str| {
            let case =
                |name: &str| format!(r#"{{"case":"{area}/{name}","contract":"c","steps":[]}}"#);
            let cases = [case("one"), case("two"), case("three")].join(",");
            format!(r#"{{"server":"s","recorded":"r","about":"a","cases":[{cases}]}}"#)
        };
        write("a.json", &area("a"));
        write("b.json", &area("b"));
        let later = r#"[{"group":"rules","areas":["b"]},{"group":"packages","cases":["a/two"]}]"#;
        write(
            "skipped.json",
            &format!(r#"{{"never":{{"a/one":"docker"}},"later":{later}}}"#),
        );
        let selection = Selection::read(folder.path(), choice).unwrap();
        (
            selection.cases.into_iter().map(|case| case.name).collect(),
            selection.skipped,
        )
    }

    #[test]
    fn what_is_skipped_is_named_with_its_reason() {
        let (cases, skipped) = selected(&Choice::default());
        assert_eq!(cases, ["a/three"]);
        let reasons: Vec<_> = skipped
            .iter()
            .map(|(name, reason)| format!("{name} {reason}"))
            .collect();
        let expected = [
            "a/one docker",
            "a/two later: packages",
            "b/one later: rules",
            "b/two later: rules",
            "b/three later: rules",
        ];
        assert_eq!(reasons, expected);
    }

    #[test]
    fn later_cases_run_when_they_or_their_area_are_asked_for() {
        let named = Choice {
            areas: vec!["b".to_owned()],
            ..Choice::default()
        };
        assert_eq!(selected(&named).0, ["b/one", "b/two", "b/three"]);
        let later = Choice {
            later: true,
            ..Choice::default()
        };
        assert_eq!(
            selected(&later).0,
            ["a/two", "a/three", "b/one", "b/two", "b/three"]
        );
    }

    #[test]
    fn only_and_skip_narrow_the_choice_without_counting_as_skipped() {
        let choice = Choice {
            only: vec!["t*".to_owned(), "three".to_owned()],
            skip: vec!["b/".to_owned()],
            later: true,
            ..Choice::default()
        };
        let (cases, skipped) = selected(&choice);
        assert_eq!((cases, skipped.len()), (vec!["a/three".to_owned()], 0));
    }
}
