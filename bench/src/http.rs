//! Just enough HTTP/1.1 to load a server: requests are made once, answers are read by length.

use anyhow::{Context as _, Result, bail};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// The path of the default namespace.
pub(crate) const NAMESPACE: &str = "/api/v1/namespaces/_";

/// Makes requests to one server with one key.
#[derive(Debug)]
pub(crate) struct Requests {
    authority: String,
    authorization: String,
}

impl Requests {
    /// Takes the server's URL (`http://host:port`) and a key, `uuid:secret`.
    pub(crate) fn new(url: &str, key: &str) -> Self {
        Self {
            authority: url.trim_start_matches("http://").to_owned(),
            authorization: STANDARD.encode(key),
        }
    }

    /// Returns `host:port`.
    pub(crate) fn authority(&self) -> &str {
        &self.authority
    }

    /// Makes a request with a JSON body; `path` is below the default namespace and holds the query.
    pub(crate) fn make(&self, method: &str, path: &str, body: &str) -> Vec<u8> {
        self.anywhere(method, &format!("{NAMESPACE}{path}"), body)
    }

    /// Makes a request with a JSON body to any path of the server.
    pub(crate) fn anywhere(&self, method: &str, path: &str, body: &str) -> Vec<u8> {
        format!(
            "{method} {path} HTTP/1.1\r\nHost: {}\r\nAuthorization: Basic {}\r\n\
             Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
            self.authority,
            self.authorization,
            body.len()
        )
        .into_bytes()
    }
}

/// An answer that has come in whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Answer<'a> {
    /// The status code.
    pub(crate) status: u16,
    /// The body.
    pub(crate) body: &'a [u8],
}

/// Reads the answer that `bytes` begin with; `None` if some of it is missing.
///
/// # Errors
/// What is not an answer with a length, or is followed by something that was not asked for.
pub(crate) fn parse(bytes: &[u8]) -> Result<Option<Answer<'_>>> {
    let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") else {
        return Ok(None);
    };
    let (head, body) = bytes.split_at(end + 4);
    let head = std::str::from_utf8(head).context("the head of an answer is no text")?;
    let status = head
        .split(' ')
        .nth(1)
        .and_then(|status| status.parse().ok())
        .context("an answer has no status")?;
    let length = head
        .lines()
        .filter_map(|line| line.split_once(':'))
        .find(|(name, _)| name.eq_ignore_ascii_case("content-length"))
        .and_then(|(_, value)| value.trim().parse::<usize>().ok())
        .context("an answer has no length")?;
    match body.len().cmp(&length) {
        std::cmp::Ordering::Less => Ok(None),
        std::cmp::Ordering::Equal => Ok(Some(Answer { status, body })),
        std::cmp::Ordering::Greater => bail!("an answer is longer than it says"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_complete_when_their_length_is_there() {
        let whole = b"HTTP/1.1 202 Accepted\r\ncontent-LENGTH: 5\r\n\r\nhello";
        for cut in 0..whole.len() {
            assert_eq!(parse(&whole[..cut]).unwrap(), None);
        }
        let answer = parse(whole).unwrap().unwrap();
        assert_eq!((answer.status, answer.body), (202, &b"hello"[..]));
        assert!(parse(b"HTTP/1.1 200 OK\r\n\r\n").is_err());
    }
}
