//! Promises about answers.

use std::time::Duration;

use oxwhisk_entity::{ActivationId, ByteSize};

use super::{Behaviour, LIMIT, LONG, Subject, assert_answer, body, init, run, run_within};
use crate::{ContainerError, ResponseLimit};

/// After its init a container answers each run.
pub async fn initialised_container_answers_its_runs(subject: &Subject) {
    let container = subject.initialised(Behaviour::Echo).await;
    for value in ["{\"a\":1}", "{}", "{\"text\":\"é ☃\"}"] {
        assert_answer(&run(&*container, value).await, value);
        super::logs(&*container, 1000).await;
    }
    container.destroy().await;
}

/// An init that fails in the runtime is an answer with another status than 200.
pub async fn failed_init_is_an_answer(subject: &Subject) {
    let container = subject.create(1).await;
    let answer = init(&*container, Behaviour::Broken).await;
    assert!(answer.is_ok_and(|answer| answer.status != 200 && !answer.entity.is_empty()));
    container.destroy().await;
}

/// Of an answer over the limit the start is kept and the full length told.
pub async fn long_answer_keeps_its_start(subject: &Subject) {
    let container = subject.initialised(Behaviour::Long).await;
    let limit = ResponseLimit {
        max: ByteSize::bytes(1011),
        truncation: ByteSize::bytes(20),
    };
    let answer = run_within(&*container, "{\"length\":1000}", LONG, limit).await;
    assert!(answer.is_ok_and(|answer| answer.full_length.is_none() && answer.entity.len() == 1011));
    for length in [1001_u64, 2_000_000] {
        let answer = run_within(
            &*container,
            &format!("{{\"length\":{length}}}"),
            LONG,
            limit,
        )
        .await;
        let kept = answer
            .map(|answer| (answer.entity, answer.full_length))
            .ok();
        assert_eq!(
            kept,
            Some(("{\"text\":\"xxxxxxxxxxx".into(), Some(length + 11)))
        );
    }
    container.destroy().await;
}

/// Parameters and results of the largest allowed size pass.
pub async fn large_payload_arrives_whole(subject: &Subject) {
    let container = subject.initialised(Behaviour::Echo).await;
    let value = format!("{{\"text\":\"{}\"}}", "y".repeat(1_048_561));
    let limit = ResponseLimit {
        max: ByteSize::mib(2),
        truncation: ByteSize::mib(2),
    };
    assert_answer(&run_within(&*container, &value, LONG, limit).await, &value);
    container.destroy().await;
}

/// When the time is up the caller hears so, and can destroy the container.
pub async fn run_that_takes_too_long_times_out(subject: &Subject) {
    let container = subject.initialised(Behaviour::Hang).await;
    let answer = run_within(&*container, "{}", Duration::from_millis(300), LIMIT).await;
    assert!(matches!(answer, Err(ContainerError::Timeout)), "{answer:?}");
    container.destroy().await;
}

/// A runtime that ends during a run has lost the connection.
pub async fn ended_process_loses_the_connection(subject: &Subject) {
    let container = subject.initialised(Behaviour::Exit).await;
    let answer = run(&*container, "{}").await;
    assert!(
        matches!(answer, Err(ContainerError::ConnectionLost)),
        "{answer:?}"
    );
    container.destroy().await;
}

/// A run in a container that has ended fails at once; it never waits for its time limit.
pub async fn container_that_has_ended_is_lost_or_unhealthy(subject: &Subject) {
    let container = subject.initialised(Behaviour::Exit).await;
    // The first run ends the process; that it fails is the promise of another function.
    let _ = run(&*container, "{}").await;
    let answer = run(&*container, "{}").await;
    let is_expected = matches!(
        answer,
        Err(ContainerError::Unhealthy | ContainerError::ConnectionLost)
    );
    assert!(is_expected, "{answer:?}");
    container.destroy().await;
}

/// What one container keeps in memory, another does not see.
pub async fn containers_share_nothing(subject: &Subject) {
    let (first, second) = (
        subject.initialised(Behaviour::Count).await,
        subject.initialised(Behaviour::Count).await,
    );
    assert_answer(&run(&*first, "{}").await, "{\"count\":1}");
    assert_answer(&run(&*second, "{}").await, "{\"count\":1}");
    first.destroy().await;
    second.destroy().await;
}

/// What an action keeps in memory is there at its next run.
pub async fn state_stays_between_runs(subject: &Subject) {
    let container = subject.initialised(Behaviour::Count).await;
    for count in 1..4 {
        assert_answer(
            &run(&*container, "{}").await,
            &format!("{{\"count\":{count}}}"),
        );
        super::logs(&*container, 1000).await;
    }
    container.destroy().await;
}

/// Runs that overlap get their own answers, in whatever order these come.
pub async fn overlapping_runs_get_their_own_answers(subject: &Subject) {
    let container = subject.create(8).await;
    assert!(init(&*container, Behaviour::Wait).await.is_ok());
    let mut runs = Vec::new();
    for number in 0..8_u8 {
        let (container, id) = (
            container.clone(),
            ActivationId::from(u128::from(number) + 1),
        );
        let value = format!("{{\"ms\":{},\"number\":{number}}}", 80 - number * 10);
        runs.push(tokio::spawn(async move {
            let answer = container.run(id, body(id, &value), LONG, LIMIT).await;
            assert_answer(&answer, &value);
        }));
    }
    for run in runs {
        assert!(run.await.is_ok());
    }
    container.destroy().await;
}
