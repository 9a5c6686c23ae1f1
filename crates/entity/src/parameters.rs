//! Parameters and annotations: arrays of `{"key", "value"}`.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::json::{Json, JsonKind, Members};

/// One parameter or annotation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Parameter {
    /// Its name; may be empty.
    pub key: String,
    /// Its value; `null` means declared but undefined.
    pub value: Json,
    /// Whether it is exported to the environment at initialisation instead of being an argument.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub init: bool,
    /// The scheme that protects the stored value.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub encryption: Option<String>,
}

/// How many entries of a set are found without a table.
const FEW: usize = 12;

/// A set of parameters or annotations with unique keys. Cloning copies a pointer.
///
/// On the wire an array of `{"key": string, "value": any, "init"?: true, "encryption"?: string}`.
/// Source: entities §2.1.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Parameters(Arc<Vec<Parameter>>);

/// A value that is no array of parameters.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("parameters malformed!")]
pub struct ParametersError;

impl Parameters {
    /// Puts a set together; of equal keys the last wins.
    #[must_use]
    pub fn new(entries: impl IntoIterator<Item = Parameter>) -> Self {
        let entries = entries.into_iter();
        let mut unique: Vec<Parameter> = Vec::with_capacity(entries.size_hint().0);
        // The first few are compared one by one; only a long set, which a client may send, is worth a table.
        let mut places: HashMap<String, usize> = HashMap::new();
        for entry in entries {
            let first = unique.len().min(FEW);
            let (few, many) = unique.split_at_mut(first);
            let found = few
                .iter_mut()
                .find(|present| present.key == entry.key)
                .or_else(|| many.get_mut(*places.get(&entry.key)?));
            match found {
                Some(found) => *found = entry,
                None => {
                    if let Some(place) = unique.len().checked_sub(FEW) {
                        places.insert(entry.key.clone(), place);
                    }
                    unique.push(entry);
                }
            }
        }
        Self(Arc::new(unique))
    }

    /// Reads the array of a request.
    ///
    /// # Errors
    /// [`ParametersError`] for everything but an array of objects with a string `key` and a `value`.
    pub fn from_json(value: &Json) -> Result<Self, ParametersError> {
        let elements = value.elements().ok_or(ParametersError)?;
        let entries = elements
            .iter()
            .map(Parameter::from_json)
            .collect::<Result<Vec<_>, _>>()?;
        Ok(Self::new(entries))
    }

    /// Returns the value of a key.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&Json> {
        self.0
            .iter()
            .find(|entry| entry.key == key)
            .map(|entry| &entry.value)
    }

    /// True if the key has the value `true` and no other.
    #[must_use]
    pub fn is_true(&self, key: &str) -> bool {
        self.get(key).is_some_and(Json::is_true)
    }

    /// Returns the truth of a key's value, or the default if it is missing.
    #[must_use]
    pub fn is_truthy(&self, key: &str, default: bool) -> bool {
        self.get(key).map_or(default, Json::is_truthy)
    }

    /// Returns this set with `over`'s entries added and replacing those of the same key.
    #[must_use]
    pub fn merged(&self, over: &Self) -> Self {
        match (self.is_empty(), over.is_empty()) {
            (_, true) => self.clone(),
            (true, false) => over.clone(),
            (false, false) => Self::new(self.0.iter().chain(over.0.iter()).cloned()),
        }
    }

    /// Returns this set with one entry set.
    #[must_use]
    pub fn with(&self, key: &str, value: Json) -> Self {
        let entry = Parameter {
            key: key.to_owned(),
            value,
            init: false,
            encryption: None,
        };
        Self::new(self.0.iter().cloned().chain([entry]))
    }

    /// Returns this set without some keys.
    #[must_use]
    pub fn without(&self, keys: &[String]) -> Self {
        let keys: HashSet<&str> = keys.iter().map(String::as_str).collect();
        let kept = |entry: &&Parameter| !keys.contains(&*entry.key);
        Self::new(self.0.iter().filter(kept).cloned())
    }

    /// Iterates over the entries.
    pub fn iter(&self) -> impl Iterator<Item = &Parameter> {
        self.0.iter()
    }

    /// True if there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Returns the size that the limits count: bytes of all keys and of the compact texts of the values.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.0
            .iter()
            .map(|entry| entry.key.len() + entry.value.size())
            .sum::<usize>() as u64
    }

    /// Returns the entries as the members of an object.
    #[must_use]
    pub fn to_members(&self) -> Members {
        self.0
            .iter()
            .map(|entry| (entry.key.clone(), entry.value.clone()))
            .collect()
    }
}

impl Parameter {
    fn from_json(value: &Json) -> Result<Self, ParametersError> {
        let members = value.members().ok_or(ParametersError)?;
        let key = members
            .get("key")
            .and_then(Json::as_str)
            .ok_or(ParametersError)?
            .into_owned();
        let value = members.get("value").ok_or(ParametersError)?.clone();
        let init = match members.get("init") {
            None => None,
            Some(flag) if flag.kind() == JsonKind::Bool => Some(flag.is_true()),
            Some(_) => return Err(ParametersError),
        };
        let encryption = match members.get("encryption") {
            None => None,
            Some(scheme) if scheme.is_null() && init.is_some() => None,
            Some(scheme) => Some(scheme.as_str().ok_or(ParametersError)?.into_owned()),
        };
        Ok(Self {
            key,
            value,
            init: init.unwrap_or(false),
            encryption,
        })
    }
}

impl FromIterator<(&'static str, Json)> for Parameters {
    fn from_iter<I: IntoIterator<Item = (&'static str, Json)>>(entries: I) -> Self {
        Self::new(entries.into_iter().map(|(key, value)| Parameter {
            key: key.to_owned(),
            value,
            init: false,
            encryption: None,
        }))
    }
}

impl Serialize for Parameters {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.0.iter())
    }
}

impl<'de> Deserialize<'de> for Parameters {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = Json::deserialize(deserializer)?;
        Self::from_json(&value).map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Parameters, ParametersError> {
        Parameters::from_json(&Json::parse(text.as_bytes()).unwrap())
    }

    /// entities §2.1, observed.md; recordings `actions-faults/parameters-*`.
    #[test]
    fn entries_are_checked() {
        for good in [
            r#"[{"key":"","value":null}]"#,
            r#"[{"key":"a","value":1,"init":true,"encryption":null}]"#,
            r#"[{"key":"a","value":1,"encryption":"aes-128","other":5}]"#,
        ] {
            assert!(read(good).is_ok(), "{good}");
        }
        for bad in [
            r#"{"a":1}"#,
            r#"[1]"#,
            r#"[{"key":"a"}]"#,
            r#"[{"value":1}]"#,
            r#"[{"key":5,"value":1}]"#,
            r#"[{"key":"a","value":1,"init":null}]"#,
            r#"[{"key":"a","value":1,"encryption":null}]"#,
            r#"[null]"#,
        ] {
            assert_eq!(read(bad), Err(ParametersError), "{bad}");
        }
    }

    /// Each step by itself takes as long as the set; all of them together would keep a server from answering.
    #[test]
    fn large_sets_are_merged() {
        let text = |from: usize| -> String {
            let entry = |n| format!("{{\"key\":\"k{n}\",\"value\":{n}}}");
            format!(
                "[{}]",
                (from..from + 60_000)
                    .map(entry)
                    .collect::<Vec<_>>()
                    .join(",")
            )
        };
        let (under, over) = (read(&text(0)).unwrap(), read(&text(30_000)).unwrap());
        let merged = under.merged(&over);
        assert_eq!(merged.to_members().len(), 90_000);
        assert_eq!(under.to_members().merged(over.to_members()).len(), 90_000);
        let keys: Vec<String> = (0..60_000).map(|n| format!("k{n}")).collect();
        assert_eq!(merged.without(&keys).iter().count(), 30_000);
        let (these, others) = merged.to_members().split(&keys);
        assert_eq!((these.len(), others.len()), (60_000, 30_000));
    }

    #[test]
    fn later_entries_win_and_sizes_count_bytes() {
        let set = read(r#"[{"key":"a","value":1},{"key":"a","value":"é"}]"#).unwrap();
        assert_eq!(
            serde_json::to_string(&set).unwrap(),
            r#"[{"key":"a","value":"é"}]"#
        );
        assert_eq!(set.size(), 1 + 4);
        let merged = set.merged(&read(r#"[{"key":"b","value":2,"init":true}]"#).unwrap());
        assert_eq!(merged.to_members().to_json().text(), r#"{"a":"é","b":2}"#);
    }
}
