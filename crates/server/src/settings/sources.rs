//! Where settings come from.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::{fmt, io};

use super::SETTINGS;
use super::keys::Key;

/// The origin of a value that nobody gave.
const DEFAULT: &str = "default";

/// Values by key and where each was found.
#[derive(Debug, Default)]
pub(crate) struct Sources {
    values: BTreeMap<&'static str, (String, String)>,
    unknown: Vec<(String, String)>,
}

/// All that is wrong with the settings.
#[derive(Debug, Default)]
pub(crate) struct Problems {
    lines: BTreeSet<String>,
    origins: BTreeMap<&'static str, String>,
}

impl Problems {
    /// A file that cannot be read.
    pub(crate) fn unreadable(file: &Path, error: &io::Error) -> Self {
        let mut problems = Self::default();
        problems.add_line(format!("could not read `{}`: {error}", file.display()));
        problems
    }

    pub(crate) fn add(&mut self, key: &'static str, text: &str) {
        let origin = self
            .origins
            .get(key)
            .map(|origin| format!(" ({origin})"))
            .unwrap_or_default();
        self.lines.insert(format!("{key}: {text}{origin}"));
    }

    fn add_line(&mut self, line: String) {
        self.lines.insert(line);
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.lines.is_empty()
    }

    pub(crate) fn len(&self) -> usize {
        self.lines.len()
    }
}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the settings cannot be used:")?;
        self.lines
            .iter()
            .try_for_each(|line| write!(f, "\n  {line}"))
    }
}

impl std::error::Error for Problems {}

impl Sources {
    /// Collects what flags, environment and file say.
    ///
    /// # Errors
    /// A file that is no TOML.
    pub(crate) fn new(
        flags: Vec<(&'static str, String)>,
        variables: Vec<String>,
        lookup: impl Fn(&str) -> Option<String>,
        file: Option<&str>,
    ) -> Result<Self, Problems> {
        let mut sources = Self::default();
        let in_file = flatten_file(file.unwrap_or_default())?;
        for key in SETTINGS {
            let flag = flags.iter().find(|(name, _)| *name == key.name);
            let variable = key.variable();
            let found = match (flag, lookup(&variable), in_file.get(key.name)) {
                (Some((_, value)), _, _) => (value.clone(), "from the command line".to_owned()),
                (None, Some(value), _) => (value, format!("from {variable}")),
                (None, None, Some(value)) => (value.clone(), "in the file".to_owned()),
                (None, None, None) => (key.default.to_owned(), DEFAULT.to_owned()),
            };
            sources.values.insert(key.name, found);
        }
        let known: BTreeSet<String> = SETTINGS.iter().map(Key::variable).collect();
        let stray = variables
            .into_iter()
            .filter(|name| name.starts_with("OXWHISK_") && !known.contains(name));
        sources
            .unknown
            .extend(stray.map(|name| (name, String::new())));
        let stray = in_file
            .keys()
            .filter(|name| !SETTINGS.iter().any(|key| key.name == name.as_str()));
        sources
            .unknown
            .extend(stray.map(|name| (name.clone(), " (in the file)".to_owned())));
        Ok(sources)
    }

    pub(crate) fn get(&self, key: &'static str) -> String {
        debug_assert!(
            self.values.contains_key(key),
            "`{key}` is not in the table of settings"
        );
        self.values
            .get(key)
            .map(|(value, _)| value.clone())
            .unwrap_or_default()
    }

    /// Returns whether anything but the default says what the value is.
    pub(crate) fn is_told(&self, key: &'static str) -> bool {
        self.values
            .get(key)
            .is_some_and(|(_, origin)| origin != DEFAULT)
    }

    /// Gives a default to what depends on the machine.
    pub(crate) fn default_to(&mut self, key: &'static str, value: String) {
        if let Some(entry) = self
            .values
            .get_mut(key)
            .filter(|(value, _)| value.is_empty())
        {
            entry.0 = value;
        }
    }

    /// Returns problems that know where each value came from.
    pub(crate) fn problems(&self) -> Problems {
        let told = self
            .values
            .iter()
            .filter(|(_, (_, origin))| origin != DEFAULT);
        Problems {
            lines: BTreeSet::new(),
            origins: told
                .map(|(key, (_, origin))| (*key, origin.clone()))
                .collect(),
        }
    }

    pub(crate) fn report_unknown(&self, problems: &mut Problems) {
        for (name, origin) in &self.unknown {
            problems.add_line(format!("{name}: there is no such setting{origin}"));
        }
    }
}

/// Reads a TOML file into dotted keys with their values as text.
fn flatten_file(text: &str) -> Result<BTreeMap<String, String>, Problems> {
    let table: toml::Table = text.parse().map_err(|error: toml::de::Error| {
        let mut problems = Problems::default();
        let before = error.span().and_then(|span| text.get(..span.start));
        let place = before.map_or_else(String::new, |before| {
            format!(", line {}", before.matches('\n').count() + 1)
        });
        problems.add_line(format!("the file is no TOML{place}: {}", error.message()));
        problems
    })?;
    let mut flat = BTreeMap::new();
    flatten("", &table, &mut flat);
    Ok(flat)
}

fn flatten(prefix: &str, table: &toml::Table, flat: &mut BTreeMap<String, String>) {
    for (name, value) in table {
        let name = format!("{prefix}{name}");
        match value {
            toml::Value::Table(inner) => flatten(&format!("{name}."), inner, flat),
            toml::Value::String(text) => {
                flat.insert(name, text.clone());
            }
            other => {
                flat.insert(name, other.to_string());
            }
        }
    }
}
