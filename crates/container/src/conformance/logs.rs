//! Promises about logs.

use super::{Behaviour, Subject, init, logs, run};
use crate::{LogOutcome, Logs, Stream};

fn texts(logs: &Logs, stream: Stream) -> Vec<&str> {
    logs.lines
        .iter()
        .filter(|line| line.stream == stream)
        .map(|line| line.text.as_str())
        .collect()
}

/// What a run prints is its log, line by line, without the end marks.
pub async fn printed_lines_are_the_log(subject: &Subject) {
    let container = subject.initialised(Behaviour::Print).await;
    assert!(run(&*container, "{\"text\":\"a\\n\\n  é\"}").await.is_ok());
    let log = logs(&*container, 1000).await;
    assert_eq!(texts(&log, Stream::Stdout), ["a", "", "  é"]);
    assert_eq!(texts(&log, Stream::Stderr), ["err"]);
    assert_eq!(log.outcome, LogOutcome::Complete);
    container.destroy().await;
}

/// A log holds nothing of the run before or after.
pub async fn log_belongs_to_its_run(subject: &Subject) {
    let container = subject.initialised(Behaviour::Print).await;
    for text in ["first", "second"] {
        assert!(
            run(&*container, &format!("{{\"text\":\"{text}\"}}"))
                .await
                .is_ok()
        );
        assert_eq!(
            texts(&logs(&*container, 1000).await, Stream::Stdout),
            [text]
        );
    }
    container.destroy().await;
}

/// Lines beyond the limit are dropped, and the outcome says so. A line counts its text and its end.
pub async fn log_beyond_the_limit_is_truncated(subject: &Subject) {
    let container = subject.initialised(Behaviour::Print).await;
    let text = "1234567\\n".repeat(20);
    assert!(
        run(&*container, &format!("{{\"text\":\"{text}\"}}"))
            .await
            .is_ok()
    );
    let log = logs(&*container, 40).await;
    assert_eq!(log.outcome, LogOutcome::Truncated);
    assert!(
        log.lines
            .iter()
            .map(|line| line.text.len() + 1)
            .sum::<usize>()
            <= 40
    );
    container.destroy().await;
}

/// A limit of zero keeps no line, and nothing counts as missing.
pub async fn log_of_limit_zero_is_empty(subject: &Subject) {
    let container = subject.initialised(Behaviour::Print).await;
    assert!(run(&*container, "{\"text\":\"a\"}").await.is_ok());
    let log = logs(&*container, 0).await;
    assert_eq!((log.lines.len(), log.outcome), (0, LogOutcome::Complete));
    container.destroy().await;
}

/// After a failed init the end marks come as after a run.
pub async fn failed_init_has_an_end_of_log(subject: &Subject) {
    let container = subject.create(1).await;
    assert!(init(&*container, Behaviour::Broken).await.is_ok());
    assert_eq!(logs(&*container, 1000).await.outcome, LogOutcome::Complete);
    container.destroy().await;
}
