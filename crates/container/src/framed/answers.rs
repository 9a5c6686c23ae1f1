//! Reads the launcher's lines and cuts the answers out of them.
//!
//! A line is never buffered beyond what its answer may keep: the header of an answer names the
//! activation, whose [`ResponseLimit`] is then known.

use std::os::fd::OwnedFd;

use bytes::{Buf, Bytes, BytesMut};
use oxwhisk_entity::ActivationId;
use serde::Deserialize;

use crate::{Response, ResponseLimit, Stream};

/// No header of an answer is longer than this.
const HEADER_MAX: usize = 128;
/// Lines that are no answer (log frames, notices) may be this long.
const OTHER_MAX: usize = 1024 * 1024;
/// Room made in the buffer before a read; also the unit in which answers share one allocation.
const READ_SIZE: usize = 16 * 1024;

/// Which request a line answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Key {
    /// The init.
    Init,
    /// The run of this activation.
    Run(ActivationId),
}

/// Why a container did not get as far as starting its runtime.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(crate) struct Refusal {
    /// What was tried.
    pub(crate) step: String,
    /// The system's error number.
    pub(crate) errno: i32,
}

/// One line of the launcher, understood.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Line {
    /// The runtime takes an init now.
    Ready,
    /// The sandbox could not be set up; written before the runtime was started.
    Refused(Refusal),
    /// An answer.
    Answer { key: Key, response: Response },
    /// A log line of one activation.
    Log {
        id: ActivationId,
        stream: Stream,
        text: String,
    },
    /// A log line that was too long to keep.
    LogDropped { id: Option<ActivationId> },
    /// Anything else: the launcher broke the protocol.
    Malformed,
}

/// What a read tells about what is left to read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fill {
    /// The launcher has closed its end.
    End,
    /// There may be more.
    More,
    /// Nothing was left.
    Drained,
}

#[derive(Debug)]
enum Mode {
    /// The line is in the buffer; its first `scanned` bytes hold no line end.
    Whole { scanned: usize, cap: Option<usize> },
    /// The line is over its cap: its start is kept, the rest is only counted.
    Overflow { head: BytesMut, length: usize },
}

/// Splits what the launcher sends into [`Line`]s.
#[derive(Debug)]
pub(crate) struct AnswerReader {
    buffer: BytesMut,
    mode: Mode,
}

impl AnswerReader {
    pub(crate) fn new() -> Self {
        Self {
            buffer: BytesMut::new(),
            mode: Mode::Whole {
                scanned: 0,
                cap: None,
            },
        }
    }

    /// Reads once from the socket into the buffer.
    #[expect(
        unsafe_code,
        reason = "the system fills spare capacity; zeroing it first costs more than a small answer"
    )]
    pub(crate) fn fill(&mut self, socket: &OwnedFd) -> rustix::io::Result<Fill> {
        if self.buffer.capacity() - self.buffer.len() < READ_SIZE / 4 {
            self.buffer.reserve(READ_SIZE);
        }
        let length = self.buffer.len();
        let (read, room) = {
            let (bytes, rest) = rustix::io::read(socket, self.buffer.spare_capacity_mut())?;
            (bytes.len(), rest.len())
        };
        // SAFETY: the read has initialised `read` bytes behind the old length, within the capacity.
        unsafe { self.buffer.set_len(length + read) };
        Ok(match (read, room) {
            (0, _) => Fill::End,
            (_, 0) => Fill::More,
            (_, _) => Fill::Drained,
        })
    }

    /// Returns the next whole line, if there is one. `limit_of` tells the limit of a request in flight.
    pub(crate) fn next(&mut self, limit_of: impl Fn(Key) -> Option<ResponseLimit>) -> Option<Line> {
        match &mut self.mode {
            Mode::Whole { scanned, cap } => {
                let fresh = self.buffer.get(*scanned..).unwrap_or_default();
                if let Some(at) = memchr::memchr(b'\n', fresh) {
                    let line = self.buffer.split_to(*scanned + at + 1);
                    self.mode = Mode::Whole {
                        scanned: 0,
                        cap: None,
                    };
                    return Some(understand(line, None, &limit_of));
                }
                *scanned = self.buffer.len();
                if *scanned < HEADER_MAX {
                    return None;
                }
                let cap = *cap.get_or_insert_with(|| cap_of(&self.buffer, &limit_of));
                if *scanned > cap {
                    let mut head = self.buffer.split();
                    let length = head.len();
                    head.truncate(cap);
                    self.mode = Mode::Overflow { head, length };
                }
                None
            }
            Mode::Overflow { head, length } => match memchr::memchr(b'\n', &self.buffer) {
                Some(at) => {
                    self.buffer.advance(at + 1);
                    let (head, length) = (std::mem::take(head), *length + at);
                    self.mode = Mode::Whole {
                        scanned: 0,
                        cap: None,
                    };
                    Some(understand(head, Some(length), &limit_of))
                }
                None => {
                    *length += self.buffer.len();
                    self.buffer.clear();
                    None
                }
            },
        }
    }
}

/// The length of a line, without its end, from which on it is only counted.
fn cap_of(start: &[u8], limit_of: &impl Fn(Key) -> Option<ResponseLimit>) -> usize {
    let limit = Header::parse(start).and_then(|header| limit_of(header.key));
    limit.map_or(OTHER_MAX, |limit| {
        let kept = limit.max.as_bytes().max(limit.truncation.as_bytes());
        usize::try_from(kept)
            .unwrap_or(usize::MAX)
            .saturating_add(HEADER_MAX)
    })
}

/// What stands before the entity of an answer.
#[derive(Debug, PartialEq, Eq)]
struct Header {
    key: Key,
    status: u16,
    newline: bool,
    length: usize,
}

impl Header {
    fn parse(line: &[u8]) -> Option<Self> {
        let (key, rest) = match line.strip_prefix(b"{\"activation_id\":\"") {
            Some(rest) => {
                let end = memchr::memchr(b'"', rest.get(..33.min(rest.len()))?)?;
                let id = std::str::from_utf8(rest.get(..end)?).ok()?;
                // Every request names its activation, so an answer that names none comes from somebody else.
                let key = Key::Run(id.parse().ok()?);
                (key, rest.get(end + 1..)?.strip_prefix(b",")?)
            }
            None => (Key::Init, line.strip_prefix(b"{\"init\":true,")?),
        };
        let rest = rest.strip_prefix(b"\"status\":")?;
        let status: u16 = std::str::from_utf8(rest.get(..3)?).ok()?.parse().ok()?;
        // Our launchers never leave without an answer: an action that says so must not be run once more for it.
        let status = if status == 503 { 502 } else { status };
        let rest = rest.get(3..)?.strip_prefix(b",")?;
        let (newline, rest) = match rest.strip_prefix(b"\"newline\":true,") {
            Some(rest) => (true, rest),
            None => (false, rest),
        };
        let rest = rest.strip_prefix(b"\"body\":")?;
        Some(Self {
            key,
            status,
            newline,
            length: line.len() - rest.len(),
        })
    }
}

/// Understands one line. `line` ends with its line feed, unless `length` says how long the line was of which it is the start.
fn understand(
    line: BytesMut,
    length: Option<usize>,
    limit_of: &impl Fn(Key) -> Option<ResponseLimit>,
) -> Line {
    match Header::parse(&line) {
        Some(header) => {
            let limit = limit_of(header.key);
            answer(line, length, &header, limit).unwrap_or(Line::Malformed)
        }
        None if length.is_some() => Line::LogDropped { id: id_of(&line) },
        None => notice(&line),
    }
}

fn answer(
    mut line: BytesMut,
    length: Option<usize>,
    header: &Header,
    limit: Option<ResponseLimit>,
) -> Option<Line> {
    let line_length = length.unwrap_or(line.len().checked_sub(1)?);
    let braced = line_length.checked_sub(header.length)?;
    let mut entity_length = braced.checked_sub(1)?;
    line.advance(header.length);
    if length.is_none() {
        if line.get(entity_length) != Some(&b'}') {
            return None;
        }
        if header.newline {
            // The closing brace is not needed any more; its place holds the line feed.
            *line.get_mut(entity_length)? = b'\n';
        }
    }
    entity_length += usize::from(header.newline);
    let size = |size: u64| usize::try_from(size).unwrap_or(usize::MAX);
    let too_long = limit.is_some_and(|limit| entity_length > size(limit.max.as_bytes()));
    let kept = match limit {
        Some(limit) if too_long => entity_length.min(size(limit.truncation.as_bytes())),
        _ => entity_length,
    };
    line.truncate(kept);
    let entity = compact(line);
    let full_length = too_long.then_some(entity_length as u64);
    Some(Line::Answer {
        key: header.key,
        response: Response {
            status: header.status,
            entity,
            full_length,
        },
    })
}

/// A small answer would keep the whole read buffer alive as long as its record; it is copied instead.
fn compact(line: BytesMut) -> Bytes {
    if line.len() < READ_SIZE / 8 {
        Bytes::copy_from_slice(&line)
    } else {
        line.freeze()
    }
}

/// The activation that the start of an overlong log frame names.
fn id_of(line: &[u8]) -> Option<ActivationId> {
    let rest = line.strip_prefix(b"{\"activation_id\":\"")?;
    std::str::from_utf8(rest.get(..32)?).ok()?.parse().ok()
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Notice {
    Log {
        activation_id: ActivationId,
        log: LogStream,
        text: String,
    },
    Ready {
        ready: bool,
    },
    Refused {
        failed: Refusal,
    },
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum LogStream {
    Stdout,
    Stderr,
}

fn notice(line: &[u8]) -> Line {
    match serde_json::from_slice(line) {
        Ok(Notice::Ready { ready: true }) => Line::Ready,
        Ok(Notice::Refused { failed }) => Line::Refused(failed),
        Ok(Notice::Log {
            activation_id: id,
            log,
            text,
        }) => {
            let stream = match log {
                LogStream::Stdout => Stream::Stdout,
                LogStream::Stderr => Stream::Stderr,
            };
            Line::Log { id, stream, text }
        }
        Ok(Notice::Ready { ready: false }) | Err(_) => Line::Malformed,
    }
}

#[cfg(test)]
mod tests {
    use oxwhisk_entity::ByteSize;

    use super::*;

    const ID: &str = "0123456789abcdef0123456789abcdef";

    fn limit(max: u64, truncation: u64) -> ResponseLimit {
        ResponseLimit {
            max: ByteSize::bytes(max),
            truncation: ByteSize::bytes(truncation),
        }
    }

    /// Feeds the text in pieces of `step` bytes and returns all lines and the largest buffer seen.
    fn read(text: &str, step: usize, limit: ResponseLimit) -> (Vec<Line>, usize) {
        let mut reader = AnswerReader::new();
        let (mut lines, mut largest) = (Vec::new(), 0);
        for piece in text.as_bytes().chunks(step) {
            reader.buffer.extend_from_slice(piece);
            while let Some(line) = reader.next(|_| Some(limit)) {
                lines.push(line);
            }
            let head = if let Mode::Overflow { head, .. } = &reader.mode {
                head.len()
            } else {
                0
            };
            largest = largest.max(reader.buffer.len() + head);
        }
        (lines, largest)
    }

    fn run_answer(entity: &str, full_length: Option<u64>) -> Line {
        let response = Response {
            status: 200,
            entity: Bytes::copy_from_slice(entity.as_bytes()),
            full_length,
        };
        Line::Answer {
            key: Key::Run(ID.parse().unwrap()),
            response,
        }
    }

    #[test]
    fn entity_is_cut_out_byte_for_byte_however_the_line_arrives() {
        let text = format!(
            "{{\"ready\":true}}\n{{\"activation_id\":\"{ID}\",\"status\":200,\"body\":{{\"a\": \"}}\"}}}}\n{{\"init\":true,\"status\":502,\"body\":{{\"error\":\"x\"}}}}\n"
        );
        for step in [1, 7, 4096] {
            let (lines, _) = read(&text, step, limit(1000, 1000));
            assert_eq!(lines[0], Line::Ready);
            assert_eq!(lines[1], run_answer("{\"a\": \"}\"}", None));
            let Line::Answer {
                key: Key::Init,
                response,
            } = &lines[2]
            else {
                panic!("{lines:?}")
            };
            assert_eq!(
                (response.status, &response.entity[..]),
                (502, &b"{\"error\":\"x\"}"[..])
            );
            assert_eq!(lines.len(), 3);
        }
    }

    #[test]
    fn newline_belongs_to_the_entity_where_the_launcher_says_so() {
        let text = format!(
            "{{\"activation_id\":\"{ID}\",\"status\":200,\"newline\":true,\"body\":{{}}}}\n"
        );
        assert_eq!(read(&text, 9, limit(10, 10)).0, [run_answer("{}\n", None)]);
        assert_eq!(read(&text, 9, limit(2, 1)).0, [run_answer("{", Some(3))]);
    }

    /// What an action writes in its launcher's place: no run may be answered without its name, nor be run again.
    #[test]
    fn answers_without_a_name_and_departures_are_not_believed() {
        let unnamed = "{\"activation_id\":\"\",\"status\":200,\"body\":{}}\n";
        assert_eq!(read(unnamed, 9, limit(10, 10)).0, [Line::Malformed]);
        let leaving = format!("{{\"activation_id\":\"{ID}\",\"status\":503,\"body\":{{}}}}\n");
        let (lines, _) = read(&leaving, 9, limit(10, 10));
        let [Line::Answer { response, .. }] = &lines[..] else {
            panic!("{lines:?}")
        };
        assert_eq!(response.status, 502);
    }

    #[test]
    fn long_answer_keeps_its_start_and_counts_the_rest() {
        let body = format!("{{\"a\":\"{}\"}}", "x".repeat(100_000));
        let text = format!(
            "{{\"activation_id\":\"{ID}\",\"status\":200,\"body\":{body}}}\n{{\"ready\":true}}\n"
        );
        for step in [1000, 64, 200_000] {
            let (lines, largest) = read(&text, step, limit(5000, 100));
            assert_eq!(
                lines,
                [
                    run_answer(body.get(..100).unwrap(), Some(body.len() as u64)),
                    Line::Ready
                ]
            );
            assert!(
                step > 1000 || largest <= 5000 + HEADER_MAX + step,
                "{largest} bytes buffered"
            );
        }
    }

    #[test]
    fn answer_of_exactly_the_limit_is_whole() {
        let text = format!("{{\"activation_id\":\"{ID}\",\"status\":200,\"body\":{{\"a\":1}}}}\n");
        assert_eq!(
            read(&text, 50, limit(7, 1)).0,
            [run_answer("{\"a\":1}", None)]
        );
        assert_eq!(read(&text, 50, limit(6, 1)).0, [run_answer("{", Some(7))]);
    }

    #[test]
    fn log_frames_refusals_and_nonsense_are_told_apart() {
        let text = format!(
            "{{\"activation_id\":\"{ID}\",\"log\":\"stderr\",\"text\":\"é\\n\"}}\n{{\"failed\":{{\"step\":\"mount\",\"errno\":1}}}}\nhello\n{{\"activation_id\":\"zz\",\"status\":200,\"body\":1}}\n{{\"activation_id\":\"{ID}\",\"status\":200,\"body\":1\n"
        );
        let (lines, _) = read(&text, 5, limit(10, 10));
        let id = ID.parse().unwrap();
        assert_eq!(
            lines[0],
            Line::Log {
                id,
                stream: Stream::Stderr,
                text: "é\n".into()
            }
        );
        assert_eq!(
            lines[1],
            Line::Refused(Refusal {
                step: "mount".into(),
                errno: 1
            })
        );
        assert_eq!(
            lines[2..],
            [Line::Malformed, Line::Malformed, Line::Malformed]
        );
    }
}
