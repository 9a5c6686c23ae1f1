//! Variables of a case, and putting them into requests and hints.

use indexmap::IndexMap;

use super::{BodyText, HeaderValues, Hints, Request, ScenarioError};
use crate::json::Json;

/// Letters and digits of the random word.
const WORD: &[char] = &[
    'a', 'b', 'c', 'd', 'e', 'f', 'g', 'h', 'i', 'j', 'k', 'l', 'm', 'n', 'o', 'p', 'q', 'r', 's',
    't', 'u', 'v', 'w', 'x', 'y', 'z', '0', '1', '2', '3', '4', '5', '6', '7', '8', '9',
];

/// What `{name}` stands for in one run of a case.
#[derive(Debug, Clone, Default)]
pub struct Variables(IndexMap<String, Json>);

impl Variables {
    /// Starts a run with `{uid}`, a random word of eight letters and digits.
    #[must_use]
    pub fn fresh() -> Self {
        let word = (0..7).filter_map(|_| fastrand::choice(WORD));
        let mut variables = Self::default();
        variables.set(
            "uid",
            Json::String(std::iter::once(&'u').chain(word).collect()),
        );
        variables
    }

    /// Gives a variable its value.
    pub fn set(&mut self, name: &str, value: Json) {
        self.0.insert(name.to_owned(), value);
    }

    /// Returns the texts long enough to be recognised in an answer, each with the name that is
    /// written in its place; longest first.
    pub(super) fn recognisable(&self) -> Vec<(String, String)> {
        let texts = self
            .0
            .iter()
            .filter_map(|(name, value)| Some((value.as_str()?, name)));
        let mut known: Vec<_> = texts
            .filter(|(text, _)| text.chars().count() >= 6)
            .map(|(text, name)| (text.to_owned(), format!("{{{name}}}")))
            .collect();
        known.sort_by_key(|(text, _)| std::cmp::Reverse(text.chars().count()));
        known
    }

    /// Replaces every `{name}` in a text. A text that is nothing but `{name!}` becomes the text of
    /// the value.
    #[must_use]
    pub fn text(&self, text: &str) -> String {
        match self.value(text) {
            Json::String(expanded) => expanded,
            other => other.to_compact(),
        }
    }

    /// Replaces variables in every string of a value, names of members included. A string that is
    /// nothing but `{name!}` becomes the value itself, and `{"$repeat": [text, times]}` a long text.
    ///
    /// # Errors
    /// [`ScenarioError::Malformed`] if `$repeat` has something else than a text and a number.
    pub fn json(&self, value: &Json) -> Result<Json, ScenarioError> {
        Ok(match value {
            Json::String(text) => self.value(text),
            Json::Array(elements) => Json::Array(
                elements
                    .iter()
                    .map(|element| self.json(element))
                    .collect::<Result<_, _>>()?,
            ),
            Json::Object(members) => match members.get("$repeat") {
                Some(repeat) if members.len() == 1 => Json::String(repeated(repeat)?),
                Some(_) | None => {
                    let expanded = members
                        .iter()
                        .map(|(name, member)| Ok((self.text(name), self.json(member)?)));
                    Json::Object(expanded.collect::<Result<_, ScenarioError>>()?)
                }
            },
            Json::Null | Json::Bool(_) | Json::Number(_) => value.clone(),
        })
    }

    /// Fills in a request.
    ///
    /// # Errors
    /// [`ScenarioError::Malformed`] as for [`Variables::json`].
    pub fn request(&self, request: &Request) -> Result<Request, ScenarioError> {
        let query = request
            .query
            .iter()
            .map(|(name, value)| (self.text(name), self.text(value)));
        let headers = request
            .headers
            .iter()
            .map(|(name, values)| (self.text(name), self.header(values)));
        Ok(Request {
            method: self.text(&request.method),
            path: self.text(&request.path),
            query: query.collect(),
            headers: headers.collect(),
            auth: request.auth,
            body: request
                .body
                .as_ref()
                .map(|body| self.json(body))
                .transpose()?,
            body_text: request.body_text.as_ref().map(|text| self.body_text(text)),
            body_base64: request.body_base64.clone(),
        })
    }

    /// Fills in hints.
    #[must_use]
    pub fn hints(&self, hints: &Hints) -> Hints {
        let list = |texts: &[String]| texts.iter().map(|text| self.text(text)).collect();
        Hints {
            set: hints
                .set
                .iter()
                .map(|(path, kind)| (self.text(path), self.text(kind)))
                .collect(),
            pick: hints.pick.as_deref().map(list),
            only: hints.only.as_deref().map(|text| self.text(text)),
            sort: list(&hints.sort),
            extract: hints.extract.as_deref().map(|text| self.text(text)),
            drop_annotations: list(&hints.drop_annotations),
            drop_headers: list(&hints.drop_headers),
            ..*hints
        }
    }

    fn header(&self, values: &HeaderValues) -> HeaderValues {
        match values {
            HeaderValues::One(value) => HeaderValues::One(self.text(value)),
            HeaderValues::Several(values) => {
                HeaderValues::Several(values.iter().map(|value| self.text(value)).collect())
            }
        }
    }

    fn body_text(&self, text: &BodyText) -> BodyText {
        BodyText::Whole(match text {
            BodyText::Whole(text) => self.text(text),
            BodyText::Pieces(pieces) => pieces.iter().map(|piece| self.piece(piece)).collect(),
        })
    }

    fn piece(&self, piece: &super::Piece) -> String {
        match piece {
            super::Piece::Text(text) => self.text(text),
            super::Piece::Repeated {
                repeat: (text, times),
            } => text.repeat(*times),
        }
    }

    /// Replaces variables one after the other, in the order in which they were set.
    fn value(&self, text: &str) -> Json {
        let mut expanded = text.to_owned();
        for (name, value) in &self.0 {
            if expanded == format!("{{{name}!}}") {
                return value.clone();
            }
            let pattern = format!("{{{name}}}");
            if expanded.contains(&pattern) {
                expanded = match value {
                    Json::String(value) => expanded.replace(&pattern, value),
                    other => expanded.replace(&pattern, &other.to_compact()),
                };
            }
        }
        Json::String(expanded)
    }
}

fn repeated(repeat: &Json) -> Result<String, ScenarioError> {
    let Json::Array(parts) = repeat else {
        return Err(ScenarioError::Malformed(format!(
            "`$repeat` is not an array: {repeat}"
        )));
    };
    match parts.as_slice() {
        [Json::String(text), Json::Number(times)] => match times.as_str().parse() {
            Ok(times) => Ok(text.repeat(times)),
            Err(_) => Err(ScenarioError::Malformed(format!(
                "`$repeat` cannot repeat {} times",
                times.as_str()
            ))),
        },
        _ => Err(ScenarioError::Malformed(format!(
            "`$repeat` is not a text and a number: {repeat}"
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn variables() -> Variables {
        let mut variables = Variables::default();
        variables.set("uid", Json::from("u1234567"));
        variables.set("start", Json::parse("1700000000000").unwrap());
        variables
    }

    #[test]
    fn variables_reach_names_and_values_and_keep_their_type_when_asked() {
        let table = [
            (
                r#"{"{uid}":["a-{uid}-b",{"x":"{uid}{uid}"}]}"#,
                r#"{"u1234567":["a-u1234567-b",{"x":"u1234567u1234567"}]}"#,
            ),
            (
                r#"["{start}","{start!}","{start!} "]"#,
                r#"["1700000000000",1700000000000,"{start!} "]"#,
            ),
            (r#"["{other}",1.0,null,{}]"#, r#"["{other}",1.0,null,{}]"#),
            (r#"{"$repeat":["é{uid}",2]}"#, r#""é{uid}é{uid}""#),
            (
                r#"{"$repeat":["x",1],"y":1}"#,
                r#"{"$repeat":["x",1],"y":1}"#,
            ),
        ];
        for (given, expected) in table {
            let expanded = variables().json(&Json::parse(given).unwrap()).unwrap();
            assert_eq!(expanded.to_compact(), expected);
        }
    }

    #[test]
    fn malformed_repeats_are_errors() {
        for given in [
            r#"{"$repeat":"x"}"#,
            r#"{"$repeat":["x"]}"#,
            r#"{"$repeat":["x",-1]}"#,
        ] {
            let expanded = variables().json(&Json::parse(given).unwrap());
            assert!(
                matches!(expanded, Err(ScenarioError::Malformed(_))),
                "{given}"
            );
        }
    }

    #[test]
    fn requests_are_filled_in_everywhere() {
        let request = r#"{"method":"PUT","path":"/a/{uid}","query":{"q-{uid}":"{start}"},
            "headers":{"x-a":["{uid}","b"]},"auth":"none","body_text":["<{uid}>",{"$repeat":["x",3]}]}"#;
        let expanded = variables()
            .request(&serde_json::from_str(request).unwrap())
            .unwrap();
        assert_eq!(expanded.path, "/a/u1234567");
        assert_eq!(expanded.query.get("q-u1234567").unwrap(), "1700000000000");
        assert!(
            matches!(&expanded.headers["x-a"], HeaderValues::Several(v) if v == &["u1234567", "b"])
        );
        assert!(matches!(&expanded.body_text, Some(BodyText::Whole(t)) if t == "<u1234567>xxx"));
    }

    #[test]
    fn fresh_words_start_with_a_letter_and_differ() {
        let (one, two) = (
            Variables::fresh().text("{uid}"),
            Variables::fresh().text("{uid}"),
        );
        assert!(
            one.starts_with('u') && one.len() == 8 && one != two,
            "{one} {two}"
        );
    }
}
