//! Placeholders that a hint puts in the place of values.

use regex::Regex;

use super::ScenarioError;
use super::text::pattern;
use crate::json::Json;

/// What hint `set` puts in the place of a value that suits it; others stay, to be noticed.
#[derive(Debug)]
pub(super) struct Placeholder {
    text: String,
    suits: Suits,
}

#[derive(Debug)]
enum Suits {
    Anything,
    Strings,
    Integers,
    Numbers,
    Booleans,
    Arrays,
    Objects,
    Texts(Regex),
}

impl Placeholder {
    /// Takes `<type>`, `/pattern/`, or any other text, which suits every value.
    pub(super) fn parse(text: &str) -> Result<Self, ScenarioError> {
        let suits = match text {
            "<string>" => Suits::Strings,
            "<int>" => Suits::Integers,
            "<number>" => Suits::Numbers,
            "<bool>" => Suits::Booleans,
            "<array>" => Suits::Arrays,
            "<object>" => Suits::Objects,
            _ => match text.strip_prefix('/') {
                Some(source) => Suits::Texts(pattern(source.strip_suffix('/').unwrap_or(source))?),
                None => Suits::Anything,
            },
        };
        Ok(Self {
            text: text.to_owned(),
            suits,
        })
    }

    /// Replaces a value that suits the placeholder.
    pub(super) fn put(&self, value: &mut Json) {
        let suits = match &self.suits {
            Suits::Anything => true,
            Suits::Strings => matches!(value, Json::String(_)),
            Suits::Integers => value.is_integer(),
            Suits::Numbers => matches!(value, Json::Number(_)),
            Suits::Booleans => matches!(value, Json::Bool(_)),
            Suits::Arrays => matches!(value, Json::Array(_)),
            Suits::Objects => matches!(value, Json::Object(_)),
            Suits::Texts(pattern) => value.as_str().is_some_and(|text| pattern.is_match(text)),
        };
        if suits {
            *value = Json::String(self.text.clone());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_values_of_its_type_give_way_to_a_placeholder() {
        let values = ["null", "true", "5", "5.0", "\"ab\\nc\"", "[]", "{}"];
        let table = [
            ("<any>", "1111111"),
            ("<ms>", "1111111"),
            ("<bool>", "0100000"),
            ("<int>", "0010000"),
            ("<number>", "0011000"),
            ("<string>", "0000100"),
            ("<array>", "0000010"),
            ("<object>", "0000001"),
            ("/^a.*c$/", "0000100"),
            ("/^b/", "0000000"),
        ];
        for (text, expected) in table {
            let placeholder = Placeholder::parse(text).unwrap();
            let replaced = values.map(|source| {
                let mut value = Json::parse(source).unwrap();
                placeholder.put(&mut value);
                if value == Json::from(text) { '1' } else { '0' }
            });
            assert_eq!(replaced.iter().collect::<String>(), expected, "{text}");
        }
    }

    #[test]
    fn pattern_that_does_not_compile_is_an_error() {
        assert!(matches!(
            Placeholder::parse("/(/"),
            Err(ScenarioError::Malformed(_))
        ));
    }
}
