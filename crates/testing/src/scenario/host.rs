//! The server under test: where it listens and the keys that it knows.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::{Credentials, ScenarioError};

/// The key of namespace `guest` that every standalone server knows.
pub const STOCK_GUEST_KEY: &str = "23bc46b1-71f6-4ed5-8c54-816aa4f8c502:123zO3xZCLrMN6v2BKK1dXYFpXlPkccOFqm12CdAsMgRU4VrNZ9lyGVCGuMDGIwP";
/// The key of namespace `whisk.system` that every standalone server knows.
pub const STOCK_SYSTEM_KEY: &str = "789c46b1-71f6-4ed5-8c54-816aa4f8c502:abczO3xZCLrMN6v2BKK1dXYFpXlPkccOFqm12CdAsMgRU4VrNZ9lyGVCGuMDGIwP";

const UNKNOWN_UUID: &str = "00000000-1111-2222-3333-444444444444";

/// Address and keys of a server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Host {
    name: String,
    port: u16,
    guest: Key,
    system: Key,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Key {
    uuid: String,
    secret: String,
}

impl Key {
    fn parse(text: &str) -> Result<Self, ScenarioError> {
        let (uuid, secret) = text.split_once(':').ok_or_else(|| ScenarioError::Host {
            // A key without a colon may still be half a secret.
            given: "(key)".to_owned(),
            reason: "a key is a UUID, a colon and a secret",
        })?;
        Ok(Self {
            uuid: uuid.to_owned(),
            secret: secret.to_owned(),
        })
    }

    fn whole(&self) -> String {
        format!("{}:{}", self.uuid, self.secret)
    }
}

impl Host {
    /// Takes `http://name[:port]` (the scheme may be left out, the port is 80 then) and the keys of
    /// namespaces `guest` and `whisk.system`, each `uuid:secret`.
    ///
    /// # Errors
    /// [`ScenarioError::Host`] if the address is not plain HTTP or a key has no colon.
    pub fn new(url: &str, guest_key: &str, system_key: &str) -> Result<Self, ScenarioError> {
        let refuse = |reason| ScenarioError::Host {
            given: url.to_owned(),
            reason,
        };
        let address = url
            .strip_prefix("http://")
            .unwrap_or(url)
            .trim_end_matches('/');
        if address.contains('/') {
            return Err(refuse("it must be plain http and have no path"));
        }
        let (name, port) = match address.rsplit_once(':') {
            Some((name, port)) if !port.ends_with(']') => (
                name,
                port.parse()
                    .map_err(|_| refuse("its port is not a number"))?,
            ),
            Some(_) | None => (address, 80),
        };
        if name.is_empty() {
            return Err(refuse("it names no host"));
        }
        Ok(Self {
            name: name.to_owned(),
            port,
            guest: Key::parse(guest_key)?,
            system: Key::parse(system_key)?,
        })
    }

    /// Returns `name:port`.
    #[must_use]
    pub fn authority(&self) -> String {
        format!("{}:{}", self.name, self.port)
    }

    /// Returns the value of the `Authorization` header for those credentials.
    pub(super) fn authorization(&self, credentials: Credentials) -> Option<String> {
        let Key { uuid, secret } = &self.guest;
        let text = match credentials {
            Credentials::Guest => self.guest.whole(),
            Credentials::System => self.system.whole(),
            Credentials::None => return None,
            Credentials::WrongKey => format!("{uuid}:{}", secret.chars().rev().collect::<String>()),
            Credentials::UnknownUser => format!("{UNKNOWN_UUID}:{secret}"),
            Credentials::ShortKey => {
                format!("{uuid}:{}", secret.chars().take(10).collect::<String>())
            }
            Credentials::EmptyKey => format!("{uuid}:"),
            Credentials::NoColon => uuid.clone(),
        };
        Some(format!("Basic {}", STANDARD.encode(text)))
    }

    /// Returns texts that belong to this server, each with what is written in its place. A longer
    /// text comes before its own parts.
    pub(super) fn recognisable(&self) -> Vec<(String, String)> {
        let mut known = Vec::new();
        for (name, key) in [("guest", &self.guest), ("system", &self.system)] {
            known.push((STANDARD.encode(key.whole()), format!("<{name}-basic>")));
            known.push((key.whole(), format!("<{name}-key>")));
            known.push((key.secret.clone(), format!("<{name}-secret>")));
            known.push((key.uuid.clone(), format!("<{name}-uuid>")));
        }
        known.push((self.authority(), "<host>".to_owned()));
        known.push((format!("localhost:{}", self.port), "<host>".to_owned()));
        known
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn host() -> Host {
        Host::new(
            "http://127.0.0.1:3233",
            "u-1:secret-of-guest",
            "u-2:secret-of-system",
        )
        .unwrap()
    }

    #[test]
    fn addresses_have_a_name_and_maybe_a_scheme_and_a_port() {
        let table = [
            ("http://127.0.0.1:3233", Some("127.0.0.1:3233")),
            ("http://localhost/", Some("localhost:80")),
            ("localhost:81", Some("localhost:81")),
            ("http://[::1]", Some("[::1]:80")),
            ("http://[::1]:82", Some("[::1]:82")),
            ("https://localhost", None),
            ("http://localhost:x", None),
            ("http://localhost:1/api", None),
            ("http://", None),
        ];
        for (url, authority) in table {
            let host = Host::new(url, "a:b", "c:d")
                .ok()
                .map(|host| host.authority());
            assert_eq!(host.as_deref(), authority, "{url}");
        }
        assert!(Host::new("localhost", "ab", "c:d").is_err());
    }

    #[test]
    fn credentials_are_the_keys_and_ways_to_get_them_wrong() {
        let table = [
            (Credentials::Guest, Some("u-1:secret-of-guest")),
            (Credentials::System, Some("u-2:secret-of-system")),
            (Credentials::None, None),
            (Credentials::WrongKey, Some("u-1:tseug-fo-terces")),
            (
                Credentials::UnknownUser,
                Some("00000000-1111-2222-3333-444444444444:secret-of-guest"),
            ),
            (Credentials::ShortKey, Some("u-1:secret-of-")),
            (Credentials::EmptyKey, Some("u-1:")),
            (Credentials::NoColon, Some("u-1")),
        ];
        for (credentials, text) in table {
            let expected = text.map(|text| format!("Basic {}", STANDARD.encode(text)));
            assert_eq!(
                host().authorization(credentials),
                expected,
                "{credentials:?}"
            );
        }
    }
}
