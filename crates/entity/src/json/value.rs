//! A canonical JSON text, looked into only where it must be.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};
use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::value::RawValue;

use super::canonical::{SyntaxError, canonical, push_escaped};

/// A JSON value kept as its canonical text. Cloning copies a pointer.
#[derive(Clone)]
pub struct Json(Arc<RawValue>);

/// What a JSON value is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum JsonKind {
    /// `null`
    Null,
    /// `true` or `false`
    Bool,
    /// A number.
    Number,
    /// A string.
    String,
    /// An array.
    Array,
    /// An object.
    Object,
}

impl Json {
    /// Reads a text from outside.
    ///
    /// # Errors
    /// See [`canonical`].
    pub fn parse(input: &[u8]) -> Result<Self, SyntaxError> {
        canonical(input).map(Self::from_canonical)
    }

    /// Wraps a text that [`canonical`] made or that was put together from such texts.
    ///
    /// A text that is no JSON becomes `null`, which no caller should rely on.
    #[must_use]
    pub fn from_canonical(text: String) -> Self {
        let raw = RawValue::from_string(text);
        debug_assert!(raw.is_ok(), "not a JSON text");
        Self(raw.unwrap_or_else(|_| RawValue::NULL.to_owned()).into())
    }

    /// Makes the value of something that can be serialised; `null` if it cannot.
    #[must_use]
    pub fn of(value: &(impl Serialize + ?Sized)) -> Self {
        let raw = serde_json::value::to_raw_value(value);
        Self(raw.unwrap_or_else(|_| RawValue::NULL.to_owned()).into())
    }

    /// The value `null`.
    #[must_use]
    pub fn null() -> Self {
        Self(RawValue::NULL.to_owned().into())
    }

    /// The value `{}`.
    #[must_use]
    pub fn empty_object() -> Self {
        Self::from_canonical("{}".to_owned())
    }

    /// `{"error": <value>}`, the result of every failed activation.
    #[must_use]
    pub fn error(value: &Json) -> Self {
        Self::from_canonical(format!("{{\"error\":{value}}}"))
    }

    /// Returns the text.
    #[must_use]
    pub fn text(&self) -> &str {
        self.0.get()
    }

    /// Returns what kind of value it is.
    #[must_use]
    pub fn kind(&self) -> JsonKind {
        match self.text().bytes().next() {
            Some(b'{') => JsonKind::Object,
            Some(b'[') => JsonKind::Array,
            Some(b'"') => JsonKind::String,
            Some(b't' | b'f') => JsonKind::Bool,
            Some(b'n') | None => JsonKind::Null,
            Some(_) => JsonKind::Number,
        }
    }

    /// True for `true` and nothing else; what annotations such as `web-export` and `final` ask.
    #[must_use]
    pub fn is_true(&self) -> bool {
        self.text() == "true"
    }

    /// True for `null`.
    #[must_use]
    pub fn is_null(&self) -> bool {
        self.kind() == JsonKind::Null
    }

    /// False for `false`, numbers equal to 0, `""` and `null`; what `provide-api-key` and `conductor` ask.
    #[must_use]
    pub fn is_truthy(&self) -> bool {
        match self.kind() {
            JsonKind::Null => false,
            JsonKind::Bool => self.is_true(),
            JsonKind::String => self.text() != "\"\"",
            JsonKind::Number => self.text().bytes().any(|b| matches!(b, b'1'..=b'9')),
            JsonKind::Array | JsonKind::Object => true,
        }
    }

    /// Returns the decoded string, if it is one.
    #[must_use]
    pub fn as_str(&self) -> Option<Cow<'_, str>> {
        if self.kind() != JsonKind::String {
            return None;
        }
        serde_json::from_str::<CowStr<'_>>(self.text())
            .ok()
            .map(|s| s.0)
    }

    /// Returns the members in the order of the text, the last of equal names only; `None` if it is no object.
    #[must_use]
    pub fn members(&self) -> Option<Members> {
        if self.kind() != JsonKind::Object {
            return None;
        }
        serde_json::from_str(self.text()).ok()
    }

    /// Returns the elements; `None` if it is no array.
    #[must_use]
    pub fn elements(&self) -> Option<Vec<Json>> {
        if self.kind() != JsonKind::Array {
            return None;
        }
        serde_json::from_str(self.text()).ok()
    }

    /// Returns the number of bytes of the text.
    #[must_use]
    pub fn size(&self) -> usize {
        self.text().len()
    }
}

impl Default for Json {
    fn default() -> Self {
        Self::null()
    }
}

impl PartialEq for Json {
    /// Compares the texts: `1` and `1.0` differ, and so do objects whose members come in another order.
    fn eq(&self, other: &Self) -> bool {
        self.text() == other.text()
    }
}

impl Eq for Json {}

impl From<&str> for Json {
    fn from(text: &str) -> Self {
        Self::from_canonical(quoted(text))
    }
}

impl From<bool> for Json {
    fn from(value: bool) -> Self {
        let raw = if value {
            RawValue::TRUE
        } else {
            RawValue::FALSE
        };
        Self(raw.to_owned().into())
    }
}

impl From<u64> for Json {
    fn from(value: u64) -> Self {
        Self::of(&value)
    }
}

impl fmt::Display for Json {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.text())
    }
}

impl fmt::Debug for Json {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.text())
    }
}

impl Serialize for Json {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(serializer)
    }
}

/// Takes the text as it is: what is read this way is our own writing, which is canonical already.
impl<'de> Deserialize<'de> for Json {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Box::<RawValue>::deserialize(deserializer).map(|raw| Self(raw.into()))
    }
}

struct CowStr<'a>(Cow<'a, str>);

impl<'de> Deserialize<'de> for CowStr<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl<'de> serde::de::Visitor<'de> for Visitor {
            type Value = Cow<'de, str>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string")
            }
            fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Self::Value, E> {
                Ok(Cow::Borrowed(text))
            }
            fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
                Ok(Cow::Owned(text.to_owned()))
            }
        }
        deserializer.deserialize_str(Visitor).map(CowStr)
    }
}

/// Members of a JSON object in order, names unique.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Members(Vec<(String, Json)>);

impl Members {
    /// Returns the value of a member.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Json> {
        self.0
            .iter()
            .find(|(found, _)| found == name)
            .map(|(_, value)| value)
    }

    /// Returns the value of a member unless it is `null`, which OpenWhisk reads as absent.
    #[must_use]
    pub fn get_some(&self, name: &str) -> Option<&Json> {
        self.get(name).filter(|value| !value.is_null())
    }

    /// Sets a member, keeping its place if it is there. Looks at all members: to set many, collect them and use
    /// [`Members::merged`].
    pub fn set(&mut self, name: String, value: Json) {
        match self.0.iter_mut().find(|(found, _)| *found == name) {
            Some(member) => member.1 = value,
            None => self.0.push((name, value)),
        }
    }

    /// Returns these members with `over`'s added and replacing those of the same name.
    #[must_use]
    pub fn merged(self, over: Self) -> Self {
        self.0.into_iter().chain(over.0).collect()
    }

    /// Takes a member out.
    pub fn remove(&mut self, name: &str) -> Option<Json> {
        let index = self.0.iter().position(|(found, _)| found == name)?;
        Some(self.0.remove(index).1)
    }

    /// Divides the members into those of these names and all others.
    #[must_use]
    pub fn split(self, names: &[String]) -> (Self, Self) {
        let names: HashSet<&str> = names.iter().map(String::as_str).collect();
        let (of_these, others) = self
            .0
            .into_iter()
            .partition(|(name, _)| names.contains(&**name));
        (Self(of_these), Self(others))
    }

    /// Iterates over the members in order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Json)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value))
    }

    /// Returns how many members there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// True if there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Puts the object together again.
    #[must_use]
    pub fn to_json(&self) -> Json {
        let mut text = String::with_capacity(
            2 + self
                .0
                .iter()
                .map(|(n, v)| n.len() + v.size() + 4)
                .sum::<usize>(),
        );
        text.push('{');
        for (index, (name, value)) in self.0.iter().enumerate() {
            if index > 0 {
                text.push(',');
            }
            push_quoted(&mut text, name);
            text.push(':');
            text.push_str(value.text());
        }
        text.push('}');
        Json::from_canonical(text)
    }
}

/// Of equal names the last wins, at the place of the first.
impl FromIterator<(String, Json)> for Members {
    fn from_iter<I: IntoIterator<Item = (String, Json)>>(members: I) -> Self {
        let mut unique: Vec<(String, Json)> = Vec::new();
        let mut places: HashMap<String, usize> = HashMap::new();
        for (name, value) in members {
            match places.get(&name).and_then(|&place| unique.get_mut(place)) {
                Some(member) => member.1 = value,
                None => {
                    places.insert(name.clone(), unique.len());
                    unique.push((name, value));
                }
            }
        }
        Self(unique)
    }
}

impl<'de> Deserialize<'de> for Members {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl<'de> serde::de::Visitor<'de> for Visitor {
            type Value = Members;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }
            fn visit_map<A: serde::de::MapAccess<'de>>(
                self,
                mut map: A,
            ) -> Result<Members, A::Error> {
                let mut members: Vec<(String, Json)> = Vec::new();
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                }
                Ok(members.into_iter().collect())
            }
        }
        deserializer.deserialize_map(Visitor)
    }
}

/// Returns a text as a JSON string, with its quotation marks.
#[must_use]
pub fn quoted(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    push_quoted(&mut out, text);
    out
}

fn push_quoted(out: &mut String, text: &str) {
    out.push('"');
    text.chars().for_each(|c| push_escaped(out, c));
    out.push('"');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_of_equal_members_wins() {
        let members = Json::parse(br#"{"a":1,"b":2,"a":3}"#)
            .unwrap()
            .members()
            .unwrap();
        assert_eq!(members.to_json().text(), r#"{"a":3,"b":2}"#);
        let over = Json::parse(br#"{"c":4,"b":5}"#).unwrap().members().unwrap();
        assert_eq!(
            members.merged(over).to_json().text(),
            r#"{"a":3,"b":5,"c":4}"#
        );
    }

    /// entities §2.1.
    #[test]
    fn truth_of_annotations() {
        for (text, truthy) in [
            ("false", false),
            ("0", false),
            ("0.0", false),
            ("\"\"", false),
            ("null", false),
            ("1", true),
            ("\"false\"", true),
            ("[]", true),
            ("{}", true),
        ] {
            assert_eq!(
                Json::parse(text.as_bytes()).unwrap().is_truthy(),
                truthy,
                "{text}"
            );
        }
    }
}
