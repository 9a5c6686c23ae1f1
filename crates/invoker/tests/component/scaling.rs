//! How many containers there are, and which activation gets which.

use std::time::Duration;

use oxwhisk_invoker::machine::StateName;

use crate::support::{ActionSpec, ContainerEvent, Harness, MessageSpec, eventually, id};

const PAUSE_GRACE: Duration = Duration::from_secs(10);
const IDLE: Duration = Duration::from_secs(600);

#[tokio::test]
async fn one_request_starts_one_container_and_ten_at_once_start_ten() {
    let it = Harness::start(10 * 256);
    it.put(&ActionSpec::new("guest/one"));
    it.invoke(MessageSpec::new(1, "guest/one")).await;
    assert_eq!(it.status().await.containers.len(), 1);

    it.factory.runs.hold();
    for number in 2..=11 {
        it.deliver(MessageSpec::new(number, "guest/one"));
    }
    let status = it
        .until_status("ten run", |s| s.count(StateName::Running) == 10)
        .await;
    assert_eq!((status.used_mb, status.waiting), (2560, 0));
    it.factory.runs.release(10);
    eventually("all are recorded", || it.records.count() == 11).await;
}

#[tokio::test]
async fn after_the_idle_time_no_container_is_left() {
    let it = Harness::start(10 * 256);
    it.put(&ActionSpec::new("guest/a"));
    it.factory.runs.hold();
    for number in 1..=5 {
        it.deliver(MessageSpec::new(number, "guest/a"));
    }
    it.until_status("five run", |s| s.count(StateName::Running) == 5)
        .await;
    it.factory.runs.release(5);
    it.until_status("five rest", |s| s.count(StateName::Ready) == 5)
        .await;
    it.pass(PAUSE_GRACE).await;
    it.until_status("five are paused", |s| s.count(StateName::Paused) == 5)
        .await;
    it.pass(IDLE - Duration::from_millis(1)).await;
    assert_eq!(it.status().await.count(StateName::Paused), 5);
    it.pass(Duration::from_millis(1)).await;
    let status = it
        .until_status("none is left", |s| s.containers.is_empty())
        .await;
    assert_eq!(status.used_mb, 0);
    assert_eq!(it.factory.destroyed(), 5);
}

#[tokio::test]
async fn stem_cells_are_there_before_work_and_stay_after_it() {
    let it = Harness::start_with(4 * 256, |_| {}, r#"[{"initialCount":2,"memory":"256 MB"}]"#);
    it.put(&ActionSpec::new("guest/a"));
    it.until_status("two stem cells", |s| s.count(StateName::Started) == 2)
        .await;
    it.invoke(MessageSpec::new(1, "guest/a")).await;
    let status = it
        .until_status("replaced", |s| s.count(StateName::Started) == 2)
        .await;
    assert_eq!(status.containers.len(), 3);
    it.pass(PAUSE_GRACE).await;
    it.pass(IDLE).await;
    let status = it
        .until_status("only stem cells are left", |s| s.containers.len() == 2)
        .await;
    assert_eq!(status.count(StateName::Started), 2);
}

#[tokio::test]
async fn a_paused_container_resumes_before_the_run() {
    let it = Harness::start(256);
    it.put(&ActionSpec::new("guest/a"));
    it.invoke(MessageSpec::new(1, "guest/a")).await;
    it.until_status("it rests", |s| s.count(StateName::Ready) == 1)
        .await;
    it.pass(PAUSE_GRACE).await;
    it.until_status("it is paused", |s| s.count(StateName::Paused) == 1)
        .await;
    it.invoke(MessageSpec::new(2, "guest/a")).await;
    let journal: Vec<_> = it.factory.journal().into_iter().map(|(_, e)| e).collect();
    let after_first = journal
        .iter()
        .skip_while(|e| !matches!(e, ContainerEvent::Paused))
        .map(std::mem::discriminant)
        .collect::<Vec<_>>();
    let expected = [
        ContainerEvent::Paused,
        ContainerEvent::Resumed,
        ContainerEvent::Run(id(2), String::new()),
        ContainerEvent::Answered(id(2)),
    ];
    assert_eq!(
        after_first,
        expected
            .iter()
            .map(std::mem::discriminant)
            .collect::<Vec<_>>()
    );
}

/// The timer of the first rest must not pause a container in its second.
#[tokio::test]
async fn a_run_starts_the_pause_grace_anew() {
    let it = Harness::start(256);
    it.put(&ActionSpec::new("guest/a"));
    it.invoke(MessageSpec::new(1, "guest/a")).await;
    it.pass(Duration::from_secs(6)).await;
    it.invoke(MessageSpec::new(2, "guest/a")).await;
    it.pass(Duration::from_secs(6)).await;
    assert_eq!(it.status().await.count(StateName::Ready), 1);
    it.pass(Duration::from_secs(4)).await;
    it.until_status("it is paused", |s| s.count(StateName::Paused) == 1)
        .await;
    // The idle timer is long, the next grace short: the short one counts.
    it.invoke(MessageSpec::new(3, "guest/a")).await;
    it.pass(PAUSE_GRACE).await;
    it.until_status("it is paused again", |s| s.count(StateName::Paused) == 1)
        .await;
}

#[tokio::test]
async fn a_failed_resume_moves_the_activation_to_another_container() {
    let it = Harness::start(512);
    it.put(&ActionSpec::new("guest/a"));
    it.invoke(MessageSpec::new(1, "guest/a")).await;
    it.until_status("it rests", |s| s.count(StateName::Ready) == 1)
        .await;
    it.pass(PAUSE_GRACE).await;
    it.until_status("it is paused", |s| s.count(StateName::Paused) == 1)
        .await;
    it.factory.fail_resumes();
    let record = it.invoke(MessageSpec::new(2, "guest/a")).await;
    assert_eq!(record.response.status.code(), 0);
    assert_eq!((it.factory.created(), it.factory.destroyed()), (2, 1));
}

#[tokio::test]
async fn the_least_recently_used_idle_container_makes_room() {
    let it = Harness::start(2 * 256);
    for name in ["guest/a", "guest/b", "guest/c"] {
        it.put(&ActionSpec::new(name));
    }
    it.invoke(MessageSpec::new(1, "guest/a")).await;
    it.pass(Duration::from_secs(1)).await;
    it.invoke(MessageSpec::new(2, "guest/b")).await;
    it.pass(Duration::from_secs(1)).await;
    it.invoke(MessageSpec::new(3, "guest/a")).await;
    it.pass(Duration::from_secs(1)).await;
    it.invoke(MessageSpec::new(4, "guest/c")).await;
    let bound: Vec<_> = it.status().await.containers;
    let actions: Vec<_> = bound
        .into_iter()
        .filter_map(|c| c.bound_to)
        .map(|(_, a)| a)
        .collect();
    assert_eq!(actions, ["guest/a", "guest/c"]);
}

#[tokio::test]
async fn activations_wait_in_order_when_memory_is_full() {
    let it = Harness::start(256);
    it.put(&ActionSpec::new("guest/a"));
    it.factory.runs.hold();
    for number in 1..=6 {
        it.deliver(MessageSpec::new(number, "guest/a"));
    }
    it.until_status("five wait", |s| s.waiting == 5).await;
    it.factory.runs.release(6);
    eventually("all are recorded", || it.records.count() == 6).await;
    let order: Vec<_> = it
        .factory
        .runs_by_container()
        .into_iter()
        .map(|(run, _)| run)
        .collect();
    assert_eq!(order, (1..=6).map(id).collect::<Vec<_>>());
    assert_eq!(it.factory.created(), 1);
}

#[tokio::test]
async fn namespaces_never_share_a_container() {
    let it = Harness::start(1024);
    it.put(&ActionSpec::new("whisk.system/a"));
    for (number, namespace) in [(1, "guest"), (2, "other"), (3, "guest"), (4, "other")] {
        let message = MessageSpec::new(number, "whisk.system/a").namespace(namespace);
        it.invoke(message).await;
    }
    let runs = it.factory.runs_by_container();
    assert_eq!(runs[0].1, runs[2].1);
    assert_eq!(runs[1].1, runs[3].1);
    assert_ne!(runs[0].1, runs[1].1);
}

/// invocation §6.
#[tokio::test]
async fn an_update_takes_effect_at_once() {
    let it = Harness::start(1024);
    let action = ActionSpec::new("guest/a");
    it.put(&action);
    it.invoke(MessageSpec::new(1, "guest/a")).await;
    it.artifacts.put_action(&action, "2");
    it.invoke(MessageSpec::new(2, "guest/a").revision("2"))
        .await;
    let runs = it.factory.runs_by_container();
    assert_ne!(runs[0].1, runs[1].1);
    eventually("the old container goes", || it.factory.destroyed() == 1).await;
    // Queued before the update and delivered late: runs the newest code.
    it.invoke(MessageSpec::new(3, "guest/a").revision("1"))
        .await;
    assert_eq!(it.factory.runs_by_container()[2].1, runs[1].1);
    assert_eq!(it.artifacts.reads(), 2);
}

/// invocation §6.
#[tokio::test]
async fn what_waits_when_an_update_comes_runs_the_new_code() {
    let it = Harness::start(256);
    let action = ActionSpec::new("guest/a");
    it.put(&action);
    it.factory.runs.hold();
    it.deliver(MessageSpec::new(1, "guest/a"));
    it.deliver(MessageSpec::new(2, "guest/a"));
    it.until_status("one waits", |s| s.waiting == 1).await;
    it.artifacts.put_action(
        &action.clone().exec(r#"{"kind":"nodejs:20","code":"new"}"#),
        "2",
    );
    it.deliver(MessageSpec::new(3, "guest/a").revision("2"));
    it.until_status("two wait", |s| s.waiting == 2).await;
    it.factory.runs.release(3);
    eventually("all are recorded", || it.records.count() == 3).await;
    let runs = it.factory.runs_by_container();
    assert_eq!(
        runs.iter().map(|(run, _)| *run).collect::<Vec<_>>(),
        [id(1), id(2), id(3)]
    );
    assert_ne!(runs[0].1, runs[1].1);
    assert_eq!(runs[1].1, runs[2].1);
    assert!(it.factory.init_bodies()[1].contains(r#""code":"new""#));
}

/// entities §6.1 (`concurrency`).
#[tokio::test]
async fn runs_overlap_up_to_the_limit_after_one_initialisation() {
    let it = Harness::start(256);
    it.put(&ActionSpec::new("guest/a").memory(256, 3));
    it.factory.runs.hold();
    it.factory.inits.hold();
    for number in 1..=5 {
        it.deliver(MessageSpec::new(number, "guest/a"));
    }
    it.until_status("initialising", |s| s.count(StateName::Running) == 1)
        .await;
    assert_eq!(it.status().await.waiting, 4);
    it.factory.inits.release(1);
    eventually("three run", || it.factory.runs_by_container().len() == 3).await;
    it.until_status("two wait", |s| {
        s.waiting == 2 && s.containers[0].active == 3
    })
    .await;
    it.factory.runs.release(5);
    eventually("all are recorded", || it.records.count() == 5).await;
    assert_eq!(
        (it.factory.created(), it.factory.init_bodies().len()),
        (1, 1)
    );
}

/// entities §6.1 (`instances`).
#[tokio::test]
async fn instances_bound_the_containers_of_an_action() {
    let it = Harness::start(2048);
    it.put(
        &ActionSpec::new("guest/a")
            .limits(r#"{"timeout":60000,"memory":256,"logs":10,"concurrency":1,"instances":2}"#),
    );
    it.factory.runs.hold();
    for number in 1..=4 {
        it.deliver(MessageSpec::new(number, "guest/a"));
    }
    let status = it
        .until_status("two run", |s| s.count(StateName::Running) == 2)
        .await;
    assert_eq!((status.waiting, status.containers.len()), (2, 2));
    it.factory.runs.release(4);
    eventually("all are recorded", || it.records.count() == 4).await;
    assert_eq!(it.factory.created(), 2);
}
