//! A normalised answer: the form in which answers are recorded and compared.

use serde::{Deserialize, Deserializer};

use crate::json::{Json, Object};

/// An answer in which whatever differs from run to run has given way to placeholders.
///
/// At most one of `body`, `text` and `base64` is there; none means an empty body.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Answer {
    /// The status code.
    pub status: u16,
    /// Header names in lower case → the value, or an array of values; absent if only the status counts.
    pub headers: Option<Object>,
    /// A body that is JSON.
    #[serde(default, deserialize_with = "present")]
    pub body: Option<Json>,
    /// A body that is other text.
    pub text: Option<String>,
    /// A body that is not text.
    pub base64: Option<String>,
}

impl Answer {
    /// Returns the answer as one JSON object, in the form of scenario files.
    #[must_use]
    pub fn to_json(&self) -> Json {
        let mut members = Object::new();
        members.insert(
            "status".to_owned(),
            Json::Number(u64::from(self.status).into()),
        );
        if let Some(headers) = &self.headers {
            members.insert("headers".to_owned(), Json::Object(headers.clone()));
        }
        for (name, content) in self.contents() {
            members.insert(name.to_owned(), content);
        }
        Json::Object(members)
    }

    /// Returns the parts of the body that are there, by the names of the fields.
    pub(super) fn contents(&self) -> impl Iterator<Item = (&'static str, Json)> {
        [
            ("body", self.body.clone()),
            ("text", self.text.clone().map(Json::String)),
            ("base64", self.base64.clone().map(Json::String)),
        ]
        .into_iter()
        .filter_map(|(name, content)| Some((name, content?)))
    }

    /// Puts a placeholder at a dotted path such as `body.build`, if the value there suits it.
    pub(super) fn change_at(&mut self, path: &str, change: &mut dyn FnMut(&mut Json)) {
        let parts: Vec<&str> = path.split('.').collect();
        let Some((part, rest)) = parts.split_first() else {
            return;
        };
        match *part {
            "headers" => {
                if let Some(headers) = self.headers.take() {
                    let mut value = Json::Object(headers);
                    value.change_at(rest, change);
                    self.headers = value.as_object().cloned();
                }
            }
            "body" => self
                .body
                .iter_mut()
                .for_each(|body| body.change_at(rest, change)),
            "text" => change_text(&mut self.text, rest, change),
            "base64" => change_text(&mut self.base64, rest, change),
            _ => {}
        }
    }
}

fn change_text(text: &mut Option<String>, path: &[&str], change: &mut dyn FnMut(&mut Json)) {
    if let Some(found) = text.take() {
        let mut value = Json::String(found);
        value.change_at(path, change);
        *text = value.as_str().map(str::to_owned);
    }
}

/// Tells a member that is `null` from one that is absent.
fn present<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Json>, D::Error> {
    Json::deserialize(deserializer).map(Some)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn null_body_is_not_an_empty_one() {
        let null: Answer =
            serde_json::from_str(r#"{"status":200,"headers":{},"body":null}"#).unwrap();
        let empty: Answer = serde_json::from_str(r#"{"status":200,"headers":{}}"#).unwrap();
        assert_eq!(null.body, Some(Json::Null));
        assert_eq!(empty.body, None);
        assert_eq!(
            null.to_json().to_compact(),
            r#"{"status":200,"headers":{},"body":null}"#
        );
    }
}
