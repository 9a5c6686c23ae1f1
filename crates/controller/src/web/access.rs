//! Who may call a web action.

use http::HeaderMap;
use oxwhisk_entity::Parameters;
use oxwhisk_entity::json::JsonKind;

/// The annotation that asks for credentials or for a secret.
const REQUIRE_AUTH: &str = "require-whisk-auth";
/// The header of the secret.
const SECRET: &str = "x-require-whisk-auth";

/// Whether valid credentials came with the request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Credentials {
    Valid,
    Missing,
}

/// Returns whether an action with these annotations takes the request. Source: invocation §9.4.
pub(super) fn admits(
    annotations: &Parameters,
    credentials: Credentials,
    headers: &HeaderMap,
) -> bool {
    let Some(required) = annotations.get(REQUIRE_AUTH) else {
        return true;
    };
    let expected = match required.kind() {
        JsonKind::Bool if required.is_true() => return credentials == Credentials::Valid,
        JsonKind::Bool => return true,
        JsonKind::String => required.as_str().unwrap_or_default(),
        JsonKind::Number => required.text().into(),
        JsonKind::Null | JsonKind::Array | JsonKind::Object => return false,
    };
    // An empty secret protects nothing, so it admits nobody.
    !expected.is_empty()
        && headers
            .get(SECRET)
            .is_some_and(|given| equal_in_constant_time(given.as_bytes(), expected.as_bytes()))
}

/// Compares without telling by its time how far two texts agree.
fn equal_in_constant_time(one: &[u8], other: &[u8]) -> bool {
    one.len() == other.len()
        && one
            .iter()
            .zip(other)
            .fold(0, |differs, (a, b)| differs | (a ^ b))
            == 0
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;
    use oxwhisk_entity::Json;

    use super::*;

    /// invocation §9.4, observed.md; recordings `web/require-auth-*`.
    #[test]
    fn the_annotation_says_who_is_admitted() {
        let cases = [
            ("true", None, Credentials::Valid, true),
            ("true", Some("true"), Credentials::Missing, false),
            ("false", None, Credentials::Missing, true),
            ("\"s3cret\"", Some("s3cret"), Credentials::Missing, true),
            ("\"s3cret\"", Some("S3CRET"), Credentials::Missing, false),
            ("\"s3cret\"", None, Credentials::Valid, false),
            ("\"true\"", None, Credentials::Valid, false),
            ("12345", Some("12345"), Credentials::Missing, true),
            ("12345", Some("1"), Credentials::Missing, false),
            ("0", Some("0"), Credentials::Missing, true),
            ("\"\"", Some(""), Credentials::Valid, false),
            ("\"\"", None, Credentials::Valid, false),
            ("null", Some("null"), Credentials::Valid, false),
            ("{\"a\":1}", Some("0"), Credentials::Valid, false),
        ];
        for (value, secret, credentials, admitted) in cases {
            let value = Json::from_canonical(value.to_owned());
            let annotations = Parameters::from_iter([(REQUIRE_AUTH, value.clone())]);
            let header = secret.map(|secret| (SECRET, HeaderValue::from_static(secret)));
            let headers: HeaderMap = header
                .into_iter()
                .map(|(name, value)| (http::HeaderName::from_static(name), value))
                .collect();
            let found = admits(&annotations, credentials, &headers);
            assert_eq!(found, admitted, "{value} {secret:?} {credentials:?}");
        }
        let none = Parameters::default();
        assert!(admits(&none, Credentials::Missing, &HeaderMap::new()));
    }
}
