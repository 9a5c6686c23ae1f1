//! Replaces what differs from run to run; the same answer always reads the same.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use regex::Regex;

use super::pair::{Pair, sort_text};
use super::placeholder::Placeholder;
use super::text::{TextRules, pattern, without_epochs};
use super::{Answer, Hints, Host, ScenarioError, Variables};
use crate::json::{Json, Object};
use crate::wire::Response;

/// Headers that say nothing about the API.
const DULL_HEADERS: [&str; 6] = [
    "server",
    "date",
    "content-length",
    "connection",
    "transfer-encoding",
    "keep-alive",
];
/// Members that hold a moment in milliseconds.
const EPOCH_MEMBERS: [&str; 3] = ["updated", "start", "end"];
/// A whole number above this is a moment in milliseconds (in 2001).
const FIRST_EPOCH: i128 = 1_000_000_000_000;
/// Members and headers where 32 hexadecimal digits are an activation id.
const ID_MEMBERS: [&str; 3] = ["activationId", "cause", "logs"];
const ID_HEADER: &str = "x-openwhisk-activation-id";

/// Turns answers into the form in which they are compared, by the hints of one step.
#[derive(Debug)]
pub(super) struct Normaliser<'a> {
    hints: &'a Hints,
    rules: TextRules,
    extract: Option<Regex>,
    placeholders: Vec<(&'a str, Placeholder)>,
}

impl<'a> Normaliser<'a> {
    /// `hints` have their variables filled in; `request_id` is the answer's, unless the client chose it.
    pub(super) fn new(
        host: &Host,
        variables: &Variables,
        hints: &'a Hints,
        request_id: Option<&str>,
    ) -> Result<Self, ScenarioError> {
        let placeholders = hints
            .set
            .iter()
            .map(|(path, kind)| Ok((path.as_str(), Placeholder::parse(kind)?)));
        Ok(Self {
            hints,
            rules: TextRules::new(host, variables, request_id),
            extract: hints.extract.as_deref().map(pattern).transpose()?,
            placeholders: placeholders.collect::<Result<_, ScenarioError>>()?,
        })
    }

    /// Normalises an answer.
    pub(super) fn answer(&self, response: &Response) -> Answer {
        let mut answer = Answer {
            status: response.status,
            ..Answer::default()
        };
        if self.hints.status_only {
            return answer;
        }
        answer.headers = Some(self.headers(response));
        if response.content.is_empty() {
            return answer;
        }
        let json = if self.hints.raw {
            None
        } else {
            response.json()
        };
        match (json, std::str::from_utf8(&response.content)) {
            (Some(json), _) => answer.body = Some(self.shape(self.value(&self.filter(json), None))),
            (None, Ok(text)) => answer.text = Some(self.rules.apply(&self.part(text))),
            (None, Err(_)) => answer.base64 = Some(STANDARD.encode(&response.content)),
        }
        for (path, placeholder) in &self.placeholders {
            answer.change_at(path, &mut |value| placeholder.put(value));
        }
        answer
    }

    /// Leaves out the elements of a list that the case has nothing to do with.
    pub(super) fn filter(&self, body: Json) -> Json {
        match (&self.hints.only, body) {
            (Some(only), Json::Array(elements)) if !only.is_empty() => Json::Array(
                elements
                    .into_iter()
                    .filter(|element| element.to_ascii().contains(only))
                    .collect(),
            ),
            (_, body) => body,
        }
    }

    fn value(&self, value: &Json, member: Option<&str>) -> Json {
        let is_one_of = |names: &[&str]| member.is_some_and(|member| names.contains(&member));
        match value {
            Json::String(text) => {
                let text = self.rules.apply(text);
                let is_id = text == "<hex32>" && is_one_of(&ID_MEMBERS);
                Json::String(if is_id {
                    "<activationId>".to_owned()
                } else {
                    text
                })
            }
            Json::Number(number)
                if number.is_integer_above(FIRST_EPOCH) && is_one_of(&EPOCH_MEMBERS) =>
            {
                Json::from("<ms>")
            }
            Json::Number(number) if number.is_integer() && member == Some("duration") => {
                Json::from("<duration>")
            }
            Json::Array(elements) => Json::Array(self.array(elements, member)),
            Json::Object(members) => {
                let members = members.iter();
                Json::Object(
                    members
                        .map(|(name, member)| {
                            (self.rules.apply(name), self.value(member, Some(name)))
                        })
                        .collect(),
                )
            }
            Json::Null | Json::Bool(_) | Json::Number(_) => value.clone(),
        }
    }

    fn array(&self, elements: &[Json], member: Option<&str>) -> Vec<Json> {
        if member == Some("logs") {
            return self.logs(elements);
        }
        let pairs: Option<Vec<Pair<'_>>> = elements.iter().map(Pair::of).collect();
        match pairs {
            Some(pairs) if !pairs.is_empty() => self.pairs(&pairs, member),
            Some(_) | None => elements
                .iter()
                .map(|element| self.value(element, None))
                .collect(),
        }
    }

    /// Annotations and parameters, in order of their keys.
    fn pairs(&self, pairs: &[Pair<'_>], member: Option<&str>) -> Vec<Json> {
        let is_dropped = |pair: &&Pair<'_>| {
            let key = pair.key.as_str();
            let dropped =
                key.is_some_and(|key| self.hints.drop_annotations.iter().any(|name| name == key));
            member == Some("annotations") && dropped
        };
        let mut out: Vec<(String, Json)> = pairs
            .iter()
            .filter(|pair| !is_dropped(pair))
            .map(|pair| {
                let mut members = pair.members.clone();
                if pair.is_duration() {
                    members.insert("value".to_owned(), Json::from("<duration>"));
                }
                let normal = self.value(&Json::Object(members), None);
                let key = normal.lookup("key").map(sort_text).unwrap_or_default();
                (key, normal)
            })
            .collect();
        out.sort_by(|(left, _), (right, _)| left.cmp(right));
        out.into_iter().map(|(_, pair)| pair).collect()
    }

    fn logs(&self, entries: &[Json]) -> Vec<Json> {
        let mut lines: Vec<Json> = entries.iter().map(|entry| self.log(entry)).collect();
        if self.hints.last_log_only {
            lines.drain(..lines.len().saturating_sub(1));
        }
        if self.hints.unordered_logs || lines.iter().any(|line| line.as_object().is_some()) {
            lines.sort_by_cached_key(Json::to_sort_key);
        }
        lines
    }

    /// A log line; one that is a JSON object itself (those of triggers) is normalised as such.
    fn log(&self, entry: &Json) -> Json {
        let object = entry
            .as_str()
            .filter(|text| text.starts_with('{'))
            .and_then(|text| Json::parse(text).ok());
        match object {
            Some(object) => Json::Object(Object::from_iter([(
                "<json>".to_owned(),
                self.value(&object, None),
            )])),
            None => self.value(entry, Some("logs")),
        }
    }

    fn headers(&self, response: &Response) -> Object {
        let mut found = Object::new();
        for (name, value) in &response.headers {
            if DULL_HEADERS.contains(&name.as_str()) || self.hints.drop_headers.contains(name) {
                continue;
            }
            let text = self.rules.apply(value);
            let is_id = name == ID_HEADER && text == "<hex32>";
            let value = Json::String(if is_id {
                "<activationId>".to_owned()
            } else {
                text
            });
            let value = match found.swap_remove(name) {
                None => value,
                Some(Json::Array(mut before)) => {
                    before.push(value);
                    Json::Array(before)
                }
                Some(before) => Json::Array(vec![before, value]),
            };
            found.insert(name.clone(), value);
        }
        found.sort_keys();
        found
    }

    /// The part of a text that is compared, with times taken out.
    fn part(&self, text: &str) -> String {
        match &self.extract {
            None => without_epochs(text),
            Some(extract) => {
                let group = extract.captures(text).and_then(|found| found.get(1));
                group.map_or(text, |group| group.as_str()).to_owned()
            }
        }
    }

    /// The parts of a body that are compared, and arrays without order in order.
    fn shape(&self, mut body: Json) -> Json {
        if let Some(paths) = &self.hints.pick {
            let part = |path: &String| {
                body.lookup(path)
                    .cloned()
                    .unwrap_or_else(|| Json::from("<absent>"))
            };
            return Json::Object(
                paths
                    .iter()
                    .map(|path| (path.clone(), part(path)))
                    .collect(),
            );
        }
        for path in &self.hints.sort {
            let parts: Vec<&str> = if path.is_empty() {
                Vec::new()
            } else {
                path.split('.').collect()
            };
            body.change_at(&parts, &mut |value| {
                if let Json::Array(elements) = value {
                    elements.sort_by_cached_key(Json::to_sort_key);
                }
            });
        }
        body
    }
}

#[cfg(test)]
mod tests;
