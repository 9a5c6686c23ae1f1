//! Where the API is.

use std::fmt;
use std::str::FromStr;

use http::uri::Authority;

/// The address of an API host: `http://localhost:3233`, `https://openwhisk.example.com`, `localhost:3233`.
///
/// A text without a scheme means HTTPS, as with the public clients; but on this machine (`localhost`, `127.…`, `[::1]`)
/// it means HTTP, which is what the servers for developers speak. [`Client`](crate::Client) has no TLS yet and refuses
/// addresses that mean HTTPS.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiHost {
    scheme: &'static str,
    authority: Authority,
}

/// Why a text is no API host.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HostError {
    /// It is empty.
    #[error("an API host must be provided")]
    Empty,
    /// It has a scheme that is neither `http` nor `https`.
    #[error("`{0}` is no scheme of an API host: it must be http or https")]
    Scheme(String),
    /// It has a path, or is no host and port.
    #[error("`{0}` is not the name of a host with an optional port")]
    Malformed(String),
}

impl ApiHost {
    /// Returns `http` or `https`.
    #[must_use]
    pub fn scheme(&self) -> &'static str {
        self.scheme
    }

    /// Returns the name and, if one was given, the port.
    #[must_use]
    pub fn authority(&self) -> &Authority {
        &self.authority
    }
}

impl FromStr for ApiHost {
    type Err = HostError;

    fn from_str(text: &str) -> Result<Self, HostError> {
        let text = text.trim().trim_end_matches('/');
        if text.is_empty() {
            return Err(HostError::Empty);
        }
        let (scheme, rest) = match text.split_once("://") {
            Some((scheme, rest)) => (Some(scheme), rest),
            None => (None, text),
        };
        let malformed = || HostError::Malformed(text.to_owned());
        let authority: Authority = rest.parse().map_err(|_| malformed())?;
        let has_port = rest.len() > authority.host().len();
        // A key before an `@` does not belong into an address.
        if rest.contains('@')
            || authority.host().is_empty()
            || has_port && authority.port_u16().is_none()
        {
            return Err(malformed());
        }
        let scheme = match scheme.map(str::to_ascii_lowercase).as_deref() {
            Some("http") => "http",
            Some("https") => "https",
            Some(other) => return Err(HostError::Scheme(other.to_owned())),
            None if is_this_machine(authority.host()) => "http",
            None => "https",
        };
        Ok(Self { scheme, authority })
    }
}

fn is_this_machine(host: &str) -> bool {
    let host = host.trim_matches(['[', ']']);
    host.eq_ignore_ascii_case("localhost")
        || host
            .parse::<std::net::IpAddr>()
            .is_ok_and(|address| address.is_loopback())
}

impl fmt::Display for ApiHost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}", self.scheme, self.authority)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_are_read_as_people_write_them() {
        let table = [
            ("http://localhost:3233", "http://localhost:3233"),
            (" HTTP://a.example/ ", "http://a.example"),
            ("https://a.example:8443", "https://a.example:8443"),
            ("a.example", "https://a.example"),
            ("10.0.0.1:443", "https://10.0.0.1:443"),
            ("localhost:3233", "http://localhost:3233"),
            ("127.0.0.1", "http://127.0.0.1"),
            ("[::1]:3233", "http://[::1]:3233"),
        ];
        for (text, expected) in table {
            let host: ApiHost = text.parse().unwrap();
            assert_eq!(host.to_string(), expected, "{text}");
        }
    }

    #[test]
    fn what_is_no_host_is_told() {
        let malformed = |text: &str| HostError::Malformed(text.to_owned());
        let table = [
            (" ", HostError::Empty),
            ("/", HostError::Empty),
            ("ftp://a", HostError::Scheme("ftp".to_owned())),
            ("http://", malformed("http:")),
            ("http://a/api", malformed("http://a/api")),
            ("a b", malformed("a b")),
            ("a:port", malformed("a:port")),
            ("a:99999", malformed("a:99999")),
            ("http://u:s@a", malformed("http://u:s@a")),
        ];
        for (text, expected) in table {
            assert_eq!(text.parse::<ApiHost>().unwrap_err(), expected, "{text}");
        }
    }
}
