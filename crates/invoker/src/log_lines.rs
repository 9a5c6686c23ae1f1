//! The lines of an activation's log as records show them. Source: entities §9.4, invocation §7.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use oxwhisk_container::{LogLine, LogOutcome, Logs, Stream};
use oxwhisk_entity::ByteSize;

use crate::messages;

/// How the activation ended, as far as its log tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ending {
    /// Its log has an end.
    Orderly,
    /// A developer error: nothing is promised about the log.
    DeveloperError,
}

/// How many lines are formatted at once.
const PIECE: usize = 2000;

/// Formats a log, with a last line that says what is wrong with it, if anything is.
///
/// `now_ms`, milliseconds since the epoch, is the time of that line.
///
/// Hundreds of thousands of lines are formatted in pieces, between which others have their turn.
pub(crate) async fn format(
    logs: Logs,
    ending: Ending,
    limit: ByteSize,
    now_ms: u64,
) -> Vec<String> {
    let mut lines = Vec::with_capacity(logs.lines.len() + 1);
    for line in logs.lines {
        lines.push(format_line(&line));
        if lines.len().is_multiple_of(PIECE) {
            tokio::task::yield_now().await;
        }
    }
    let last = match (logs.outcome, ending) {
        (LogOutcome::Truncated, _) => Some(messages::log_truncated(limit)),
        (LogOutcome::Incomplete, Ending::Orderly) => Some(messages::LOG_INCOMPLETE.to_owned()),
        (LogOutcome::Complete | LogOutcome::Incomplete, Ending::DeveloperError) => {
            Some(messages::LOG_OF_DEVELOPER_ERROR.to_owned())
        }
        (LogOutcome::Complete, Ending::Orderly) => None,
    };
    if let Some(text) = last {
        lines.push(format_line(&LogLine {
            time: UNIX_EPOCH + Duration::from_millis(now_ms),
            stream: Stream::Stderr,
            text,
        }));
    }
    lines
}

fn format_line(line: &LogLine) -> String {
    let stream = match line.stream {
        Stream::Stdout => "stdout",
        Stream::Stderr => "stderr",
    };
    format!("{:<30} {stream}: {}", timestamp(line.time), line.text)
}

/// Writes a time as `2026-01-01T00:00:00.123456789Z`; times before the epoch as the epoch.
fn timestamp(time: SystemTime) -> String {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    let seconds = since.as_secs();
    let (year, month, day) = civil_date(seconds / 86_400);
    let of_day = seconds % 86_400;
    format!(
        "{year:04}-{month:02}-{day:02}T{:02}:{:02}:{:02}.{:09}Z",
        of_day / 3600,
        of_day / 60 % 60,
        of_day % 60,
        since.subsec_nanos()
    )
}

/// Returns year, month and day of a day counted from 1970-01-01.
fn civil_date(days: u64) -> (u64, u64, u64) {
    // Counted from 1 March of year 0, leap days come last in each cycle of 4, 100 and 400 years.
    let days = days + 719_468;
    let (cycle, day_of_cycle) = (days / 146_097, days % 146_097);
    let year_of_cycle =
        (day_of_cycle - day_of_cycle / 1460 + day_of_cycle / 36_524 - day_of_cycle / 146_096) / 365;
    let day_of_year =
        day_of_cycle - (365 * year_of_cycle + year_of_cycle / 4 - year_of_cycle / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let (month, carry) = if month_from_march < 10 {
        (month_from_march + 3, 0)
    } else {
        (month_from_march - 9, 1)
    };
    (cycle * 400 + year_of_cycle + carry, month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// entities §9.4
    #[test]
    fn times_are_iso_8601_with_nanoseconds() {
        for (seconds, nanos, text) in [
            (0, 0, "1970-01-01T00:00:00.000000000Z"),
            (951_782_400, 5, "2000-02-29T00:00:00.000000005Z"),
            (1_709_251_199, 999_999_999, "2024-02-29T23:59:59.999999999Z"),
            (1_767_225_600, 123_456_789, "2026-01-01T00:00:00.123456789Z"),
            (4_107_542_400, 0, "2100-03-01T00:00:00.000000000Z"),
        ] {
            assert_eq!(timestamp(UNIX_EPOCH + Duration::new(seconds, nanos)), text);
        }
    }

    /// invocation §7: which last line, and only one.
    #[tokio::test]
    async fn the_last_line_says_what_is_wrong() {
        let limit = ByteSize::mib(1);
        let incomplete = "There was an issue while collecting your logs. Data might be missing.";
        let truncated =
            "Logs were truncated because the total bytes size exceeds the limit of 1048576 bytes.";
        let developer =
            "The action did not initialize or run as expected. Log data might be missing.";
        for (outcome, ending, last) in [
            (LogOutcome::Complete, Ending::Orderly, None),
            (LogOutcome::Truncated, Ending::Orderly, Some(truncated)),
            (LogOutcome::Incomplete, Ending::Orderly, Some(incomplete)),
            (
                LogOutcome::Complete,
                Ending::DeveloperError,
                Some(developer),
            ),
            (
                LogOutcome::Incomplete,
                Ending::DeveloperError,
                Some(developer),
            ),
            (
                LogOutcome::Truncated,
                Ending::DeveloperError,
                Some(truncated),
            ),
        ] {
            let logs = Logs {
                lines: vec![LogLine {
                    time: UNIX_EPOCH,
                    stream: Stream::Stdout,
                    text: "hello".to_owned(),
                }],
                outcome,
            };
            let mut expected = vec!["1970-01-01T00:00:00.000000000Z stdout: hello".to_owned()];
            expected
                .extend(last.map(|text| format!("1970-01-01T00:00:01.000000000Z stderr: {text}")));
            assert_eq!(format(logs, ending, limit, 1000).await, expected);
        }
    }
}
