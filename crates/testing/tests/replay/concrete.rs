//! From a normalised answer back to one that a server could have given.

use std::cell::Cell;
use std::collections::BTreeMap;

use oxwhisk_testing::json::{Json, Object};
use oxwhisk_testing::scenario::{Answer, Hints};

pub(crate) const REQUEST_ID: &str = "request-id-of-the-server";
/// Thirty characters, so that its padding is empty.
const TIME: &str = "2024-01-02T03:04:05.123456789Z";
const MOMENT: &str = "1700000000000";

/// What stands for the texts that a normalised answer names.
pub(crate) struct Concrete {
    pub(crate) texts: BTreeMap<String, String>,
    /// Values of variables that earlier steps saved.
    pub(crate) saved: BTreeMap<String, Json>,
    /// How many ids were made; no two are equal.
    pub(crate) ids: Cell<u64>,
}

/// An answer as bytes to be.
pub(crate) struct Plain {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Concrete {
    /// `awaited` is how many log lines the client waits for; hints may have hidden some of them.
    pub(crate) fn answer(&self, answer: &Answer, hints: &Hints, awaited: usize) -> Plain {
        let mut headers = Vec::new();
        for (name, value) in answer.headers.iter().flatten() {
            match value {
                Json::Array(lines) => {
                    headers.extend(
                        lines
                            .iter()
                            .map(|line| (name.clone(), self.text(line.as_str().unwrap()))),
                    );
                }
                line => headers.push((name.clone(), self.text(line.as_str().unwrap_or_default()))),
            }
        }
        let body = match (&answer.body, &answer.text, &answer.base64) {
            (Some(body), ..) => {
                let mut body = self.value(&unpicked(body, hints), None);
                body.change_at(&["logs"], &mut |logs| pad(logs, awaited));
                body.to_compact().into_bytes()
            }
            (_, Some(text), _) => self.extracted(&self.text(text), hints).into_bytes(),
            (.., Some(encoded)) => decoded(encoded),
            (None, None, None) => Vec::new(),
        };
        Plain {
            status: answer.status,
            headers,
            body,
        }
    }

    fn id(&self) -> String {
        self.ids.set(self.ids.get() + 1);
        format!("{:032x}", 0x1234_5678_0000 + self.ids.get())
    }

    /// A text in which hint `extract` finds the recorded part.
    fn extracted(&self, text: &str, hints: &Hints) -> String {
        match hints.extract.as_deref() {
            Some(pattern) if pattern.starts_with("\"key\":\"n\"") => {
                format!(r#"{{"key":"n","value":{text}}}"#)
            }
            _ => text.to_owned(),
        }
    }

    fn text(&self, text: &str) -> String {
        let mut text = text.to_owned();
        for (name, value) in &self.texts {
            text = text.replace(name, value);
        }
        for (name, value) in &self.saved {
            if let Some(value) = value.as_str() {
                text = text.replace(&format!("{{{name}}}"), value);
            }
        }
        for name in ["<hex32>", "<activationId>"] {
            while text.contains(name) {
                text = text.replacen(name, &self.id(), 1);
            }
        }
        let fixed = [
            ("<tid>", REQUEST_ID),
            ("<timestamp>", TIME),
            ("<kinds>", "one, two"),
            ("<ms>", MOMENT),
        ];
        for (name, value) in fixed {
            text = text.replace(name, value);
        }
        with_runs(&text)
    }

    fn value(&self, value: &Json, member: Option<&str>) -> Json {
        match value {
            Json::String(text) => self.string(text),
            Json::Array(elements) => {
                let is_log = member == Some("logs");
                Json::Array(
                    elements
                        .iter()
                        .map(|e| {
                            if is_log {
                                self.log(e)
                            } else {
                                self.value(e, None)
                            }
                        })
                        .collect(),
                )
            }
            Json::Object(members) => Json::Object(
                members
                    .iter()
                    .map(|(k, v)| (self.text(k), self.value(v, Some(k))))
                    .collect(),
            ),
            Json::Null | Json::Bool(_) | Json::Number(_) => value.clone(),
        }
    }

    fn log(&self, line: &Json) -> Json {
        match line.as_object().and_then(|members| members.get("<json>")) {
            Some(object) => Json::String(self.value(object, None).to_compact()),
            None => self.value(line, None),
        }
    }

    fn string(&self, text: &str) -> Json {
        let source = match text {
            "<ms>" => MOMENT,
            "<duration>" | "<int>" => "7",
            "<string>" => "\"some text\"",
            "<array>" => "[]",
            "<object>" => "{}",
            "<any>" => "null",
            "/^<hex32>$/" => return Json::String(self.id()),
            "/^<tid>$/" => return Json::from(REQUEST_ID),
            "/^[0-9]{13}$/" => return Json::from(MOMENT),
            "/^Max action instance concurrency must not exceed your namespace concurrency of [0-9]+[.]$/" =>
            {
                return Json::from(
                    "Max action instance concurrency must not exceed your namespace concurrency of 30.",
                );
            }
            // The other patterns of the recordings are texts around `.*`.
            _ => match text
                .strip_prefix("/^")
                .or_else(|| text.strip_prefix("/path"))
                .and_then(|_| text.strip_suffix('/'))
            {
                Some(pattern) => {
                    return Json::String(
                        pattern
                            .trim_start_matches(['/', '^'])
                            .replace(".*", "something "),
                    );
                }
                None => return Json::String(self.text(text)),
            },
        };
        Json::parse(source).unwrap()
    }
}

fn pad(logs: &mut Json, length: usize) {
    if let Json::Array(lines) = logs {
        let missing = length.saturating_sub(lines.len());
        let before_last = lines.len().saturating_sub(1);
        lines.splice(
            before_last..before_last,
            std::iter::repeat_n(Json::from("hidden"), missing),
        );
    }
}

/// Expands `<x*1000>`.
fn with_runs(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some(start) = rest.find('<') {
        let (before, tail) = rest.split_at(start);
        out.push_str(before);
        let mut inside = tail.chars().skip(1);
        let run = inside
            .next()
            .filter(|_| inside.next() == Some('*'))
            .and_then(|character| {
                let digits: String = inside.clone().take_while(char::is_ascii_digit).collect();
                let length = 3 + character.len_utf8() + digits.len();
                let times = digits.parse::<usize>().ok()?;
                (tail.get(length - 1..length) == Some(">")).then_some((character, times, length))
            });
        match run {
            Some((character, times, length)) => {
                out.extend(std::iter::repeat_n(character, times));
                rest = &tail[length..];
            }
            None => {
                out.push('<');
                rest = &tail[1..];
            }
        }
    }
    out + rest
}

/// Builds a body that has the picked parts at their places.
fn unpicked(body: &Json, hints: &Hints) -> Json {
    let (Some(paths), Some(parts)) = (&hints.pick, body.as_object()) else {
        return body.clone();
    };
    let mut whole = Json::Object(Object::new());
    for path in paths {
        let part = &parts[path];
        if *part != Json::from("<absent>") {
            let steps: Vec<&str> = path.split('.').collect();
            put(&mut whole, &steps, part);
        }
    }
    whole
}

fn put(place: &mut Json, path: &[&str], value: &Json) {
    let Some((part, rest)) = path.split_first() else {
        *place = value.clone();
        return;
    };
    let empty = || match rest.first() {
        Some(next) if next.parse::<i32>().is_ok() => Json::Array(Vec::new()),
        _ => Json::Object(Object::new()),
    };
    match place {
        Json::Array(elements) => {
            // Recordings pick the first and the last element, in this order, and no others.
            if elements.is_empty() || *part == "-1" {
                elements.push(empty());
            }
            put(elements.last_mut().unwrap(), rest, value);
        }
        Json::Object(members) => put(
            members.entry((*part).to_owned()).or_insert_with(empty),
            rest,
            value,
        ),
        other => panic!("no way to {part} in {other}"),
    }
}

fn decoded(encoded: &str) -> Vec<u8> {
    use base64::Engine as _;
    base64::engine::general_purpose::STANDARD
        .decode(encoded)
        .unwrap()
}
