//! Parameters and annotations: arrays of objects with `key` and `value`.

use crate::json::{Json, Object};

/// Annotations that hold a duration.
const DURATION_ANNOTATIONS: [&str; 2] = ["waitTime", "initTime"];

/// An object with members `key` and `value`.
#[derive(Debug)]
pub(super) struct Pair<'a> {
    pub(super) members: &'a Object,
    pub(super) key: &'a Json,
    value: &'a Json,
}

impl<'a> Pair<'a> {
    /// Returns the pair that an element is, if it has both members.
    pub(super) fn of(element: &'a Json) -> Option<Self> {
        let members = element.as_object()?;
        Some(Self {
            members,
            key: members.get("key")?,
            value: members.get("value")?,
        })
    }

    /// Returns whether the value is a duration, which differs from run to run.
    pub(super) fn is_duration(&self) -> bool {
        let named = self
            .key
            .as_str()
            .is_some_and(|key| DURATION_ANNOTATIONS.contains(&key));
        named && (self.value.is_integer() || matches!(self.value, Json::Bool(_)))
    }
}

/// Returns the text by which pairs with that key are sorted.
pub(super) fn sort_text(key: &Json) -> String {
    key.as_str()
        .map_or_else(|| key.to_sort_key(), str::to_owned)
}
