//! Keys that are given to users.

use oxwhisk_entity::AuthKey;
use rand::RngExt as _;
use rand::distr::Alphanumeric;
use serde::{Deserialize, Serialize};

use super::refusal::Refusal;

/// Length of a secret; one of another length is never accepted by the API.
const SECRET: usize = 64;

/// A key that may be given to a user. On the wire: `uuid:secret`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "AuthKey", into = "AuthKey")]
pub(crate) struct NewKey(AuthKey);

impl NewKey {
    /// Makes a key that nobody can guess.
    pub(crate) fn random() -> Self {
        let mut random = rand::rng();
        let secret = (0..SECRET).map(|_| char::from(random.sample(Alphanumeric)));
        let secret: String = secret.collect();
        Self::of(random.random(), &secret)
    }

    /// Reads `uuid:secret`. The uuid may be written without dashes, in braces or as a URN; it is made one of
    /// version 4. What stands behind a second colon is dropped, as `wskadmin` does.
    ///
    /// # Errors
    /// What is wrong with it.
    pub(crate) fn parse(text: &str) -> Result<Self, Refusal> {
        let mut parts = text.split(':');
        let mut id = parts.next().unwrap_or_default();
        if id == "urn" && text.starts_with("urn:uuid:") {
            parts.next();
            id = parts.next().unwrap_or_default();
        }
        let digits: String = id
            .trim_matches(['{', '}'])
            .chars()
            .filter(|c| *c != '-')
            .collect();
        if digits.len() != 32 || !digits.bytes().all(|b| b.is_ascii_hexdigit()) {
            return Err(Refusal::BadUuid);
        }
        let bits = u128::from_str_radix(&digits, 16).map_err(|_| Refusal::BadUuid)?;
        let secret = parts.next().ok_or(Refusal::NoKey)?;
        match secret.chars().count() {
            ..SECRET => return Err(Refusal::ShortKey),
            SECRET => {}
            _ => return Err(Refusal::LongKey),
        }
        // The API counts the bytes that come over HTTP.
        if !secret.bytes().all(|b| (b' '..=b'~').contains(&b)) {
            return Err(Refusal::BadKey);
        }
        Ok(Self::of(bits, secret))
    }

    fn of(bits: u128, secret: &str) -> Self {
        Self(AuthKey {
            api_key: format!("{}:{secret}", version_4(bits)),
        })
    }

    /// Returns uuid and secret.
    pub(crate) fn parts(&self) -> (&str, &str) {
        self.0.api_key.split_once(':').unwrap_or_default()
    }

    /// Returns `uuid:secret`.
    pub(crate) fn text(&self) -> &str {
        &self.0.api_key
    }
}

impl TryFrom<AuthKey> for NewKey {
    type Error = Refusal;

    fn try_from(key: AuthKey) -> Result<Self, Refusal> {
        Self::parse(&key.api_key)
    }
}

impl From<NewKey> for AuthKey {
    fn from(key: NewKey) -> Self {
        key.0
    }
}

/// Writes a UUID with the version and variant bits that RFC 9562 gives random ones.
fn version_4(bits: u128) -> String {
    let bits = bits & !(0xf << 76) | (0x4 << 76);
    let bits = bits & !(0x3 << 62) | (0x2 << 62);
    format!(
        "{:08x}-{:04x}-{:04x}-{:04x}-{:012x}",
        bits >> 96,
        bits >> 80 & 0xffff,
        bits >> 64 & 0xffff,
        bits >> 48 & 0xffff,
        bits & 0xffff_ffff_ffff
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    const UUID: &str = "23bc46b1-71f6-4ed5-8c54-816aa4f8c502";

    #[test]
    fn random_keys_are_keys_and_differ() {
        let (one, two) = (NewKey::random(), NewKey::random());
        assert_eq!(NewKey::parse(one.text()).unwrap(), one);
        assert_ne!(one.parts().0, two.parts().0);
        assert_ne!(one.parts().1, two.parts().1);
    }

    /// distributed §7: a uuid is normalised to version 4.
    #[test]
    fn uuids_are_read_in_all_forms_and_written_in_one() {
        let secret = "s".repeat(64);
        let expected = format!("{UUID}:{secret}");
        for id in [
            UUID.to_owned(),
            UUID.to_uppercase(),
            UUID.replace('-', ""),
            format!("{{{UUID}}}"),
            format!("urn:uuid:{UUID}"),
            UUID.replace("-4ed5-", "-1ed5-"),
            UUID.replace("-8c54-", "-cc54-"),
        ] {
            let key = NewKey::parse(&format!("{id}:{secret}")).unwrap();
            assert_eq!(key.text(), expected, "{id}");
        }
        assert_eq!(
            NewKey::parse(&format!("{expected}:more")).unwrap().text(),
            expected
        );
    }

    #[test]
    fn what_is_no_key_is_refused_with_its_fault() {
        let short = "s".repeat(63);
        let table = [
            ("x:y".to_owned(), "authorization id is not a valid UUID"),
            (
                format!("{UUID}0:{short}"),
                "authorization id is not a valid UUID",
            ),
            (
                UUID.to_owned(),
                "failed to determine authorization id and key: there is no colon",
            ),
            (
                format!("{UUID}:{short}"),
                "authorization key must be at least 64 characters long",
            ),
            (
                format!("{UUID}:{short}ss"),
                "authorization key must be at most 64 characters long",
            ),
            (
                format!("{UUID}:{short}\n"),
                "authorization key must be printable ASCII",
            ),
        ];
        for (text, expected) in table {
            assert_eq!(NewKey::parse(&text).unwrap_err().to_string(), expected);
        }
    }
}
