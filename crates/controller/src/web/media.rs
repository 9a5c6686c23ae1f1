//! Media types as the original's HTTP layer knows them.

use mime::Mime;

/// `type/subtype` and parameters, with what is known of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct MediaType {
    /// Lower case.
    essence: String,
    /// Without the character set.
    parameters: String,
    /// Upper case; only for types that leave it open.
    charset: Option<String>,
    class: Class,
}

/// What bodies of a media type are. Source: invocation §9.5.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Class {
    /// Text in the character set that is named with it.
    OpenText,
    /// Text in UTF-8, without saying so.
    FixedText,
    Binary,
}

/// Registered types of the family `application` whose character set is open.
const OPEN_TEXT: [&str; 11] = [
    "atom+xml",
    "base64",
    "javascript",
    "rss+xml",
    "soap+xml",
    "vnd.google-earth.kml+xml",
    "x-latex",
    "x-vrml",
    "xhtml+xml",
    "xml",
    "xml-dtd",
];

/// Registered types of the family `application` that are always UTF-8.
const FIXED_TEXT: [&str; 7] = [
    "json",
    "json-patch+json",
    "merge-patch+json",
    "problem+json",
    "problem+xml",
    "vnd.api+json",
    "x-www-form-urlencoded",
];

/// Registered types of the family `text`; those that begin with `x-script` count too.
const TEXT: [&str; 31] = [
    "asp",
    "cache-manifest",
    "calendar",
    "css",
    "csv",
    "event-stream",
    "html",
    "javascript",
    "markdown",
    "mcf",
    "plain",
    "richtext",
    "tab-separated-values",
    "uri-list",
    "vnd.wap.wml",
    "vnd.wap.wmlscript",
    "x-asm",
    "x-c",
    "x-component",
    "x-h",
    "x-java-source",
    "x-pascal",
    "x-server-parsed-html",
    "x-setext",
    "x-sgml",
    "x-speech",
    "x-uuencode",
    "x-vcalendar",
    "x-vcard",
    "xml",
    "x-script",
];

impl MediaType {
    /// Reads a media type; `None` if it cannot be read.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let parsed: Mime = text.trim().parse().ok()?;
        let charset = parsed
            .get_param(mime::CHARSET)
            .map(|charset| charset.as_str().to_uppercase());
        let class = Class::of(&parsed, charset.is_some());
        Some(Self {
            essence: parsed.essence_str().to_owned(),
            parameters: parameters(&parsed),
            charset: charset.filter(|_| class == Class::OpenText),
            class,
        })
    }

    /// What a body of no stated type is.
    pub(super) fn octets() -> Self {
        Self {
            essence: "application/octet-stream".to_owned(),
            parameters: String::new(),
            charset: None,
            class: Class::Binary,
        }
    }

    /// Returns the type as it is shown to actions.
    pub(super) fn shown(&self) -> String {
        self.with_charset(self.charset.as_deref())
    }

    /// Returns the type as it is sent with a text, which is UTF-8 whatever was declared.
    pub(super) fn as_utf8(&self) -> String {
        self.with_charset((self.class == Class::OpenText).then_some("UTF-8"))
    }

    /// Returns `type/subtype`.
    pub(super) fn essence(&self) -> &str {
        &self.essence
    }

    pub(super) fn is_text(&self) -> bool {
        self.class != Class::Binary
    }

    pub(super) fn is_json(&self) -> bool {
        self.essence == "application/json"
    }

    /// True for `application/json` and all types that end with `+json`.
    pub(super) fn is_json_family(&self) -> bool {
        self.is_json() || self.essence.ends_with("+json")
    }

    pub(super) fn is_form(&self) -> bool {
        self.essence == "application/x-www-form-urlencoded"
    }

    fn with_charset(&self, charset: Option<&str>) -> String {
        let charset = charset.map(|charset| format!("; charset={charset}"));
        [
            self.essence.as_str(),
            &self.parameters,
            charset.as_deref().unwrap_or_default(),
        ]
        .concat()
    }
}

impl Class {
    fn of(parsed: &Mime, has_charset: bool) -> Self {
        let suffixed = parsed.essence_str().split_once('/');
        let (family, subtype) = suffixed.unwrap_or_default();
        match family {
            "application" if FIXED_TEXT.contains(&subtype) => Self::FixedText,
            "application" if OPEN_TEXT.contains(&subtype) => Self::OpenText,
            "text" if subtype == "event-stream" => Self::FixedText,
            "text" if TEXT.contains(&subtype) || subtype.starts_with("x-script") => Self::OpenText,
            "image" | "audio" | "video" | "font" | "message" | "multipart" => Self::Binary,
            _ if has_charset && !is_registered_binary(family, subtype) => Self::OpenText,
            _ => Self::Binary,
        }
    }
}

/// True for types that are binary even if a character set is named with them.
fn is_registered_binary(family: &str, subtype: &str) -> bool {
    family == "application"
        && matches!(
            subtype,
            "octet-stream" | "pdf" | "zip" | "msword" | "postscript" | "java-archive" | "x-tar"
        )
}

/// Writes the parameters but the character set, each with `; ` before it.
fn parameters(parsed: &Mime) -> String {
    let mut out = String::new();
    for (name, value) in parsed.params().filter(|(name, _)| *name != mime::CHARSET) {
        let value = value.as_str();
        let is_token = |b: u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b);
        let value = if !value.is_empty() && value.bytes().all(is_token) {
            value.to_owned()
        } else {
            format!("\"{}\"", value.replace('\\', "\\\\").replace('"', "\\\""))
        };
        out.push_str(&format!("; {name}={value}"));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    /// invocation §9.5, §9.8, observed.md; recordings `web/body-*`, `web-results/type-*`.
    #[test]
    fn types_are_shown_and_sent_in_a_form_of_their_own() {
        for (text, shown, sent) in [
            ("text/plain", "text/plain", "text/plain; charset=UTF-8"),
            ("TEXT/PLAIN", "text/plain", "text/plain; charset=UTF-8"),
            (
                "text/plain; charset=iso-8859-1",
                "text/plain; charset=ISO-8859-1",
                "text/plain; charset=UTF-8",
            ),
            (
                "text/html; charset=utf-8; level=1",
                "text/html; level=1; charset=UTF-8",
                "text/html; level=1; charset=UTF-8",
            ),
            (
                "application/json; charset=utf-8",
                "application/json",
                "application/json",
            ),
            (
                "application/x-foo; charset=utf-8",
                "application/x-foo; charset=UTF-8",
                "application/x-foo; charset=UTF-8",
            ),
            (
                "application/x-foo",
                "application/x-foo",
                "application/x-foo",
            ),
            (
                "multipart/form-data; boundary=XyZ",
                "multipart/form-data; boundary=XyZ",
                "multipart/form-data; boundary=XyZ",
            ),
            (
                "multipart/form-data; boundary=\"X Y\"",
                "multipart/form-data; boundary=\"X Y\"",
                "multipart/form-data; boundary=\"X Y\"",
            ),
            ("image/png; charset=utf-8", "image/png", "image/png"),
            (
                "application/xml",
                "application/xml",
                "application/xml; charset=UTF-8",
            ),
        ] {
            let media_type = MediaType::parse(text).unwrap();
            assert_eq!(media_type.shown(), shown, "{text}");
            assert_eq!(media_type.as_utf8(), sent, "{text}");
        }
        assert_eq!(MediaType::parse("nonsense"), None);
        assert_eq!(MediaType::parse(""), None);
        assert_eq!(
            MediaType::parse("application/octet-stream"),
            Some(MediaType::octets())
        );
    }

    /// invocation §9.5: which types are text.
    #[test]
    fn types_are_text_or_binary() {
        for (text, is_text) in [
            ("text/css", true),
            ("text/x-scriptperl-module", true),
            ("text/x-foo", false),
            ("text/x-foo; charset=utf-8", true),
            ("application/problem+json", true),
            ("application/hal+json", false),
            ("application/hal+json; charset=utf-8", true),
            ("application/xhtml+xml", true),
            ("application/x-www-form-urlencoded", true),
            ("image/svg+xml", false),
            ("image/svg+xml; charset=utf-8", false),
            ("font/woff2", false),
            ("message/http", false),
            ("application/pdf; charset=utf-8", false),
            ("application/octet-stream", false),
        ] {
            let media_type = MediaType::parse(text).unwrap();
            assert_eq!(media_type.is_text(), is_text, "{text}");
        }
    }
}
