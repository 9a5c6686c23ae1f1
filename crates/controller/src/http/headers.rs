//! Headers that are read or written on every request.

use std::sync::Arc;

use http::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_REQUEST_HEADERS, HeaderMap, HeaderName, HeaderValue,
};

/// Header of the transaction id.
pub(crate) const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// Header that asks for extra logging, and so for a record whatever comes of the request. No action gets it.
pub(crate) const EXTRA_LOGGING: HeaderName = HeaderName::from_static("x-ow-extra-logging");
/// Header of the activation that an answer is about.
pub(crate) const ACTIVATION_ID: HeaderName = HeaderName::from_static("x-openwhisk-activation-id");

/// The transaction id of a request: the caller's, unless it begins with `sid_`, or a random one.
///
/// Source: rest-api §2.1.
#[derive(Debug, Clone)]
pub(crate) struct RequestId {
    pub(crate) text: Arc<str>,
    header: HeaderValue,
}

impl RequestId {
    pub(crate) fn of(headers: &HeaderMap) -> Self {
        let given = headers
            .get(REQUEST_ID)
            .filter(|value| !value.as_bytes().starts_with(b"sid_"));
        match given.and_then(|value| value.to_str().ok().map(|text| (value, text))) {
            Some((value, text)) => Self {
                text: text.into(),
                header: value.clone(),
            },
            None => Self::random(),
        }
    }

    pub(crate) fn random() -> Self {
        // One draw instead of one for each character; that some come a little more often does not matter here.
        let characters = rand::random::<[u8; 32]>().map(alphanumeric);
        let text = std::str::from_utf8(&characters).unwrap_or_default();
        let header =
            HeaderValue::from_bytes(&characters).unwrap_or_else(|_| HeaderValue::from_static(""));
        Self {
            text: text.into(),
            header,
        }
    }

    pub(crate) fn header(&self) -> HeaderValue {
        self.header.clone()
    }
}

/// Maps any byte to one of the 62 letters and digits.
fn alphanumeric(byte: u8) -> u8 {
    match byte % 62 {
        digit @ 0..=9 => b'0' + digit,
        upper @ 10..=35 => b'A' - 10 + upper,
        lower => b'a' - 36 + lower,
    }
}

/// Which set of CORS headers an answer carries. Source: rest-api §2.3.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cors {
    /// None.
    Absent,
    /// Answers of the REST API.
    Rest,
    /// Answers of web actions that leave them to the platform.
    Web,
    /// Answers of the server's own endpoints.
    Server,
}

const ALLOWED_HEADERS: &str =
    "Authorization, Origin, X-Requested-With, Content-Type, Accept, User-Agent";

impl Cors {
    /// Adds the set to the headers of an answer, before those of the same name that are there.
    pub(crate) fn add_to(self, headers: &mut HeaderMap, request: &HeaderMap) {
        let methods = match self {
            Self::Absent => return,
            Self::Rest => "GET, DELETE, POST, PUT, HEAD",
            Self::Web => "OPTIONS, GET, DELETE, POST, PUT, HEAD, PATCH",
            Self::Server => "OPTIONS, GET, POST",
        };
        let allowed = match request.get(ACCESS_CONTROL_REQUEST_HEADERS) {
            Some(asked) if self == Self::Web => asked.clone(),
            _ => HeaderValue::from_static(ALLOWED_HEADERS),
        };
        put_first(
            headers,
            ACCESS_CONTROL_ALLOW_ORIGIN,
            HeaderValue::from_static("*"),
        );
        put_first(headers, ACCESS_CONTROL_ALLOW_HEADERS, allowed);
        put_first(
            headers,
            ACCESS_CONTROL_ALLOW_METHODS,
            HeaderValue::from_static(methods),
        );
    }
}

/// Adds a header line before the lines of the same name that are there.
pub(crate) fn put_first(headers: &mut HeaderMap, name: HeaderName, value: HeaderValue) {
    if !headers.contains_key(&name) {
        headers.insert(name, value);
        return;
    }
    let later: Vec<HeaderValue> = headers.get_all(&name).iter().cloned().collect();
    headers.insert(&name, value);
    for value in later {
        headers.append(&name, value);
    }
}
