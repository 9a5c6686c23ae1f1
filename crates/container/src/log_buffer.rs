//! What an action printed, bounded, until its log is taken.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use oxwhisk_entity::ByteSize;

use crate::{LogLine, LogOutcome, Logs, Stream};

/// Ends the log of an activation on each stream. A line that contains it is not shown, whatever else it holds.
pub(crate) const SENTINEL: &[u8] = b"XXX_THE_END_OF_A_WHISK_ACTIVATION_XXX";

/// A line may take this many bytes at most; the rest of a longer one is dropped.
const LINE_MAX: usize = 1024 * 1024;

/// For each so many bytes of text that may be held there may be one entry.
const BYTES_PER_ENTRY: usize = 48;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Line,
    /// The end mark of one activation.
    End,
    /// Here lines were dropped.
    Gap,
}

#[derive(Debug)]
struct Entry {
    since_epoch: Duration,
    /// End of the text within the arena; it starts where the entry before ends.
    end: usize,
    stream: Stream,
    kind: Kind,
}

/// The line that is being read from one stream.
#[derive(Debug, Default)]
struct Partial {
    text: Vec<u8>,
    /// The line is too long: `text` is only its last bytes.
    cut: bool,
    /// The sentinel was seen in the bytes that were dropped.
    end: bool,
}

/// Lines of both streams of one container in the order of reading.
///
/// Holds at most `capacity` bytes of text, and one entry for each [`BYTES_PER_ENTRY`] of them, which is about what a
/// line costs beside its text. What comes beyond is dropped and leaves a gap, so an action that prints without end
/// costs no memory.
#[derive(Debug)]
pub(crate) struct LogBuffer {
    arena: Vec<u8>,
    entries: Vec<Entry>,
    partial: [Partial; 2],
    ends: [usize; 2],
    capacity: usize,
    /// A line was dropped, so all are until the log is taken.
    full: bool,
}

fn index(stream: Stream) -> usize {
    match stream {
        Stream::Stdout => 0,
        Stream::Stderr => 1,
    }
}

impl LogBuffer {
    pub(crate) fn new(capacity: ByteSize) -> Self {
        Self {
            arena: Vec::new(),
            entries: Vec::new(),
            partial: [Partial::default(), Partial::default()],
            ends: [0; 2],
            capacity: usize::try_from(capacity.as_bytes()).unwrap_or(usize::MAX),
            full: false,
        }
    }

    /// Takes in bytes of one stream that were read at `now`.
    pub(crate) fn feed(&mut self, stream: Stream, mut bytes: &[u8], now: SystemTime) {
        if self.full {
            bytes = self.skip(stream, bytes);
        }
        while let Some(at) = memchr::memchr(b'\n', bytes) {
            let (line, rest) = bytes.split_at(at);
            self.extend(stream, line);
            self.finish(stream, now);
            bytes = rest.get(1..).unwrap_or_default();
        }
        self.extend(stream, bytes);
    }

    /// Passes over whole lines that are to be dropped and hold no sentinel; returns what is left to look at.
    ///
    /// Without this, an action that prints empty lines without end costs a hundred times the processor time.
    fn skip<'a>(&mut self, stream: Stream, bytes: &'a [u8]) -> &'a [u8] {
        let (Some(first), Some(last)) =
            (memchr::memchr(b'\n', bytes), memchr::memrchr(b'\n', bytes))
        else {
            return bytes;
        };
        let lines = bytes.get(first + 1..last + 1).unwrap_or_default();
        if lines.is_empty() || memchr::memmem::find(lines, SENTINEL).is_some() {
            return bytes;
        }
        // The first line may have begun, and the sentinel with it, in an earlier read.
        self.extend(stream, bytes.get(..first).unwrap_or_default());
        self.finish(stream, UNIX_EPOCH);
        bytes.get(last + 1..).unwrap_or_default()
    }

    /// Takes in one line that came as a whole.
    pub(crate) fn push(&mut self, stream: Stream, text: &str, now: SystemTime) {
        self.store(stream, text.as_bytes(), Kind::Line, now);
    }

    /// Notes that a line of the stream was dropped.
    pub(crate) fn push_gap(&mut self, stream: Stream, now: SystemTime) {
        self.store(stream, b"", Kind::Gap, now);
    }

    /// Ends the last line of a stream that was closed.
    pub(crate) fn close(&mut self, stream: Stream, now: SystemTime) {
        let [out, err] = &self.partial;
        let partial = if index(stream) == 0 { out } else { err };
        if !partial.text.is_empty() {
            self.finish(stream, now);
        }
    }

    /// Tells whether both streams hold an end mark.
    pub(crate) fn is_complete(&self) -> bool {
        self.ends.iter().all(|&ends| ends > 0)
    }

    /// Returns the bytes of text and bookkeeping that are held.
    pub(crate) fn size(&self) -> u64 {
        (self.arena.len() + self.entries.len() * size_of::<Entry>()) as u64
    }

    fn partial(&mut self, stream: Stream) -> &mut Partial {
        let [out, err] = &mut self.partial;
        match stream {
            Stream::Stdout => out,
            Stream::Stderr => err,
        }
    }

    fn extend(&mut self, stream: Stream, bytes: &[u8]) {
        let max = LINE_MAX.min(self.capacity);
        let partial = self.partial(stream);
        if !partial.cut && partial.text.len() + bytes.len() <= max {
            partial.text.extend_from_slice(bytes);
            return;
        }
        // Of an overlong line only so much is kept as shows a sentinel that is astride two reads.
        partial.cut = true;
        partial.text.extend_from_slice(bytes);
        partial.end |= memchr::memmem::find(&partial.text, SENTINEL).is_some();
        let start = partial.text.len().saturating_sub(SENTINEL.len() - 1);
        partial.text.drain(..start);
    }

    fn finish(&mut self, stream: Stream, now: SystemTime) {
        let partial = std::mem::take(self.partial(stream));
        if partial.cut && partial.end {
            self.store(stream, b"", Kind::Gap, now);
        }
        if partial.end || memchr::memmem::find(&partial.text, SENTINEL).is_some() {
            self.store(stream, b"", Kind::End, now);
        } else if partial.cut {
            self.store(stream, b"", Kind::Gap, now);
        } else {
            self.store(stream, &partial.text, Kind::Line, now);
        }
        // The allocation serves the next line, unless it was an unusually long one.
        if partial.text.capacity() <= 64 * 1024 {
            let mut text = partial.text;
            text.clear();
            self.partial(stream).text = text;
        }
    }

    fn store(&mut self, stream: Stream, text: &[u8], mut kind: Kind, now: SystemTime) {
        if kind == Kind::Line {
            self.full |= self.arena.len() + text.len() + 1 > self.capacity
                || self.entries.len() > self.capacity / BYTES_PER_ENTRY;
            if self.full {
                kind = Kind::Gap;
            }
        }
        match kind {
            Kind::Gap if self.ends_with_gap(stream) => return,
            // A bound for end marks that user code prints; gaps alternate with them at worst.
            Kind::End | Kind::Gap
                if self.entries.len() > self.capacity / BYTES_PER_ENTRY + 1024 =>
            {
                return;
            }
            Kind::End => match stream {
                Stream::Stdout => self.ends[0] += 1,
                Stream::Stderr => self.ends[1] += 1,
            },
            Kind::Line => self.arena.extend_from_slice(text),
            Kind::Gap => {}
        }
        let since_epoch = now.duration_since(UNIX_EPOCH).unwrap_or_default();
        self.entries.push(Entry {
            since_epoch,
            end: self.arena.len(),
            stream,
            kind,
        });
    }

    fn ends_with_gap(&self, stream: Stream) -> bool {
        self.entries
            .iter()
            .rev()
            .take(8)
            .find(|entry| entry.stream == stream)
            .is_some_and(|entry| entry.kind == Kind::Gap)
    }

    /// Takes the lines of each stream up to its first end mark, or all if it has none.
    ///
    /// A line counts its text and one byte for its end against `limit`.
    pub(crate) fn take(&mut self, limit: ByteSize, missing_end: LogOutcome) -> Logs {
        let mut outcome = if self.is_complete() {
            LogOutcome::Complete
        } else {
            missing_end
        };
        let mut open = [true, true];
        let (mut lines, mut left) = (Vec::new(), limit.as_bytes());
        let mut truncated = false;
        self.full = false;
        let arena = std::mem::take(&mut self.arena);
        let entries = std::mem::take(&mut self.entries);
        let mut start = 0;
        for entry in entries {
            let text = arena.get(start..entry.end).unwrap_or_default();
            start = entry.end;
            let open = match entry.stream {
                Stream::Stdout => &mut open[0],
                Stream::Stderr => &mut open[1],
            };
            match (*open, entry.kind) {
                (false, _) => {
                    self.arena.extend_from_slice(text);
                    self.entries.push(Entry {
                        end: self.arena.len(),
                        ..entry
                    });
                }
                (true, Kind::End) => {
                    *open = false;
                    let [out, err] = &mut self.ends;
                    let ends = if entry.stream == Stream::Stdout {
                        out
                    } else {
                        err
                    };
                    *ends = ends.saturating_sub(1);
                }
                (true, Kind::Gap) => truncated = true,
                (true, Kind::Line) => {
                    let cost = text.len() as u64 + 1;
                    truncated |= cost > left;
                    if truncated {
                        continue;
                    }
                    left -= cost;
                    lines.push(LogLine {
                        time: UNIX_EPOCH + entry.since_epoch,
                        stream: entry.stream,
                        text: String::from_utf8_lossy(text).into_owned(),
                    });
                }
            }
        }
        // A limit of zero asks for nothing, so nothing is missing.
        if truncated && limit.as_bytes() > 0 {
            outcome = LogOutcome::Truncated;
        }
        Logs { lines, outcome }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(logs: &Logs) -> Vec<(Stream, &str)> {
        logs.lines
            .iter()
            .map(|line| (line.stream, line.text.as_str()))
            .collect()
    }

    fn end() -> String {
        format!("{}\n", std::str::from_utf8(SENTINEL).unwrap())
    }

    fn buffer(capacity: u64) -> LogBuffer {
        LogBuffer::new(ByteSize::bytes(capacity))
    }

    fn take(buffer: &mut LogBuffer, limit: u64) -> Logs {
        buffer.take(ByteSize::bytes(limit), LogOutcome::Incomplete)
    }

    #[test]
    fn lines_up_to_each_end_mark_are_taken_and_later_ones_stay() {
        let mut buffer = buffer(1000);
        for piece in ["a\n\n  b", "c\n", &end(), "next\n"] {
            buffer.feed(Stream::Stdout, piece.as_bytes(), UNIX_EPOCH);
        }
        assert!(!buffer.is_complete());
        buffer.feed(
            Stream::Stderr,
            format!("bad\n{}", end()).as_bytes(),
            UNIX_EPOCH,
        );
        let logs = take(&mut buffer, 1000);
        assert_eq!(logs.outcome, LogOutcome::Complete);
        assert_eq!(
            texts(&logs),
            [
                (Stream::Stdout, "a"),
                (Stream::Stdout, ""),
                (Stream::Stdout, "  bc"),
                (Stream::Stderr, "bad")
            ]
        );
        let logs = take(&mut buffer, 1000);
        assert_eq!(
            (texts(&logs), logs.outcome),
            (vec![(Stream::Stdout, "next")], LogOutcome::Incomplete)
        );
    }

    /// Recording invoke/logs-without-line-end: the line that the sentinel shares is not shown.
    #[test]
    fn text_on_the_line_of_the_sentinel_is_not_shown() {
        let mut buffer = buffer(1000);
        buffer.feed(
            Stream::Stdout,
            format!("no end{}", end()).as_bytes(),
            UNIX_EPOCH,
        );
        buffer.feed(Stream::Stderr, end().as_bytes(), UNIX_EPOCH);
        assert_eq!(
            take(&mut buffer, 1000),
            Logs {
                lines: vec![],
                outcome: LogOutcome::Complete
            }
        );
    }

    #[test]
    fn endless_output_is_dropped_and_its_end_mark_is_still_found() {
        for line in ["x\n".to_owned(), "x".repeat(3000), "\n".to_owned()] {
            let mut buffer = buffer(10_000);
            for _ in 0..20_000 {
                buffer.feed(Stream::Stdout, line.as_bytes(), UNIX_EPOCH);
            }
            for piece in ["\n".to_owned(), end()].concat().as_bytes().chunks(5) {
                buffer.feed(Stream::Stdout, piece, UNIX_EPOCH);
            }
            buffer.feed(Stream::Stderr, end().as_bytes(), UNIX_EPOCH);
            assert!(buffer.is_complete());
            assert!(buffer.arena.capacity() < 40_000);
            // One for each 48 bytes of text that there might be, and a few for gaps and end marks.
            assert!(buffer.entries.len() < 10_000 / 48 + 10);
            assert_eq!(take(&mut buffer, 10_000).outcome, LogOutcome::Truncated);
            assert!(buffer.entries.is_empty());
        }
    }

    #[test]
    fn sentinel_at_the_end_of_an_overlong_line_is_found_astride_two_reads() {
        let mut buffer = buffer(100);
        let line = format!("{}{}", "y".repeat(500), end());
        for piece in line.as_bytes().chunks(499 + 10) {
            buffer.feed(Stream::Stderr, piece, UNIX_EPOCH);
        }
        buffer.feed(Stream::Stdout, end().as_bytes(), UNIX_EPOCH);
        assert!(buffer.is_complete());
    }

    #[test]
    fn limit_counts_text_and_line_end() {
        let mut buffer = buffer(1000);
        buffer.feed(Stream::Stdout, b"1234567\n1234567\n1234567\n", UNIX_EPOCH);
        let logs = buffer.take(ByteSize::bytes(16), LogOutcome::Complete);
        assert_eq!((logs.lines.len(), logs.outcome), (2, LogOutcome::Truncated));
        buffer.feed(Stream::Stdout, b"1\n", UNIX_EPOCH);
        let logs = buffer.take(ByteSize::bytes(0), LogOutcome::Complete);
        assert_eq!((logs.lines.len(), logs.outcome), (0, LogOutcome::Complete));
    }
}
