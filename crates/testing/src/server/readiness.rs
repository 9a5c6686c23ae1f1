//! The line in which a server says where it listens.

/// What a readiness line says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Readiness {
    /// `http://host:port`.
    pub url: String,
    /// The first key in the line, `uuid:secret`, if there is one.
    pub key: Option<String>,
}

impl Readiness {
    /// Finds a URL and maybe a key in a line such as
    /// `oxwhisk listening on http://127.0.0.1:3233, AUTH=uuid:secret`; `None` if there is no URL.
    #[must_use]
    pub fn parse(line: &str) -> Option<Self> {
        let mut words = line
            .split(|c: char| c.is_whitespace() || matches!(c, ',' | ';' | '=' | '"' | '\'' | '`'));
        let url = words.clone().find(|word| word.starts_with("http://"))?;
        let key = words.find(|word| is_key(word)).map(str::to_owned);
        Some(Self {
            url: url.trim_end_matches(['/', '.']).to_owned(),
            key,
        })
    }
}

/// Whether a word is a UUID, a colon and something.
fn is_key(word: &str) -> bool {
    word.split_once(':').is_some_and(|(uuid, secret)| {
        let groups: Vec<usize> = uuid.split('-').map(str::len).collect();
        groups == [8, 4, 4, 4, 12] && !secret.is_empty()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "23bc46b1-71f6-4ed5-8c54-816aa4f8c502:secret";

    #[test]
    fn readiness_lines_are_read_whatever_stands_around_url_and_key() {
        let url = "http://127.0.0.1:40001";
        let table = [
            (
                format!("oxwhisk listening on {url}, AUTH={KEY}"),
                Some(Some(KEY)),
            ),
            (format!("ready: {url}/ (key `{KEY}`)."), Some(Some(KEY))),
            (format!("AUTH='{KEY}' APIHOST={url}"), Some(Some(KEY))),
            (format!("listening on {url}."), Some(None)),
            ("opening the store at 12:30".to_owned(), None),
        ];
        for (line, key) in table {
            let expected = key.map(|key: Option<&str>| Readiness {
                url: url.into(),
                key: key.map(str::to_owned),
            });
            assert_eq!(Readiness::parse(&line), expected, "{line}");
        }
    }
}
