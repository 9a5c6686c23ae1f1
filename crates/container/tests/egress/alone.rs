//! What can be told only while no other test uses the way out.

use std::path::PathBuf;
use std::time::Instant;

use oxwhisk_container::ContainerFactory as _;
use oxwhisk_testing::eventually as eventually_in;
use oxwhisk_testing::internet::SERVER;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::json;

use crate::support::{
    LIMIT, MINUTE, control_groups, eventually, init_body, marked, processes, python, ready_at_once,
    spec,
};
use crate::way_out::*;

/// The process that serves the ways out, as a folder of `/proc`.
fn process() -> Option<PathBuf> {
    let is_it = |folder: &PathBuf| {
        let name = std::fs::read_to_string(folder.join("comm")).unwrap_or_default();
        let state = std::fs::read_to_string(folder.join("stat")).unwrap_or_default();
        name == "oxwhisk-egress\n" && !state.contains(") Z ")
    };
    let folders = std::fs::read_dir("/proc").unwrap().flatten();
    folders.map(|folder| folder.path()).find(is_it)
}

/// How many descriptors of a kind the process has.
fn descriptors(kind: &str) -> usize {
    let folder = std::fs::read_dir(process().unwrap().join("fd")).unwrap();
    let targets = folder
        .flatten()
        .filter_map(|entry| std::fs::read_link(entry.path()).ok());
    targets
        .filter(|target| target.to_string_lossy().contains(kind))
        .count()
}

fn kill(process: &std::path::Path) {
    kill_process(number_of(process), Signal::KILL).unwrap();
    eventually("it is killed", || {
        crate::alone::process().as_deref() != Some(process)
    });
}

fn number_of(process: &std::path::Path) -> Pid {
    let number = process.file_name().unwrap().to_str().unwrap();
    Pid::from_raw(number.parse().unwrap()).unwrap()
}

const SERVED: &str = "open";

#[tokio::test]
#[ignore = "runs on a machine of its own"]
async fn another_process_serves_new_containers_when_the_first_was_killed() {
    let factory = factory().await;
    let old = action(&factory, &python(), CONNECTS).await;
    let arguments = json!({"host": SERVER, "port": 80});
    assert_eq!(result(&*old, &arguments).await["end"], SERVED);
    kill(&process().unwrap());
    let new = action(&factory, &python(), CONNECTS).await;
    assert_eq!(result(&*new, &arguments).await["end"], SERVED);
    // The device has gone with the process: no wider way than before, but none.
    assert_eq!(result(&*old, &arguments).await["end"], "ENETUNREACH");
    old.destroy().await;
    new.destroy().await;
    factory.shutdown().await;
    eventually("it ends with the factory", || process().is_none());
}

#[tokio::test]
#[ignore = "runs on a machine of its own"]
async fn creation_for_which_the_process_is_too_busy_is_refused_and_leaves_nothing() {
    let factory = factory().await;
    let first = process().unwrap();
    let busy = number_of(&first);
    kill_process(busy, Signal::STOP).unwrap();
    // Its queue fills up, also with what has ended meanwhile.
    let runtime = ready_at_once();
    let began = Instant::now();
    let (refusal, mark) = loop {
        assert!(began.elapsed() < MINUTE, "its queue has no end");
        let (spec, mark) = marked(spec(&runtime));
        match factory.create(spec).await {
            Ok(container) => container.destroy().await,
            Err(error) => break (error, mark),
        }
    };
    let text = format!("{refusal:?}");
    assert!(text.contains("hand over the tunnel device"), "{text}");
    eventually("its processes end", || processes(&mark).is_empty());
    eventually("its control groups are removed", || {
        control_groups(std::process::id()).iter().all(|group| {
            std::fs::read_dir(group)
                .unwrap()
                .flatten()
                .all(|entry| !entry.path().is_dir())
        })
    });
    kill_process(busy, Signal::CONT).unwrap();
    let created = eventually_in(MINUTE, async || factory.create(spec(&python())).await.ok());
    let container = created.await.expect("it is less busy");
    let init = container.init(init_body(CONNECTS), MINUTE, LIMIT).await;
    assert_eq!(init.unwrap().status, 200);
    let ended = result(&*container, &json!({"host": SERVER, "port": 80})).await;
    assert_eq!(ended["end"], SERVED);
    assert_eq!(process(), Some(first), "the same serves");
    container.destroy().await;
    factory.shutdown().await;
    eventually("it ends with the factory", || process().is_none());
}

#[tokio::test]
#[ignore = "runs on a machine of its own"]
async fn nothing_of_a_container_is_left_in_the_process() {
    const OPENS: &str = "
import socket
kept = []
def main(args):
    for port in (7, 9, 10):
        kept.append(socket.create_connection((args['host'], port), timeout=20))
    for _ in range(10):
        one = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        one.sendto(b'x', (args['host'], 7))
        kept.append(one)
    return {}
";
    let factory = factory().await;
    let mut sockets_at_rest = None;
    for _ in 0..10 {
        let container = action(&factory, &python(), OPENS).await;
        result(&*container, &json!({"host": SERVER})).await;
        eventually("it is served", || descriptors("socket:") >= 13);
        assert_eq!(descriptors("/net/tun"), 1);
        container.destroy().await;
        for kind in ["/net/tun", "/memfd:traffic", "anon_inode:[pidfd]"] {
            eventually(kind, || descriptors(kind) == 0);
        }
        // Its own; whatever it has for one container it would have ten times in the end.
        let sockets = descriptors("socket:");
        assert_eq!(*sockets_at_rest.get_or_insert(sockets), sockets);
    }
    let threads = std::fs::read_dir(process().unwrap().join("task")).unwrap();
    assert!(threads.count() <= 2, "one works, one closes devices");
    factory.shutdown().await;
}

#[tokio::test]
#[ignore = "runs on a machine of its own"]
async fn process_has_no_rights_of_its_own() {
    let factory = factory().await;
    let container = action(&factory, &python(), CONNECTS).await;
    let status = std::fs::read_to_string(process().unwrap().join("status")).unwrap();
    let field = |name: &str| {
        let line = status.lines().find(|line| line.starts_with(name));
        line.unwrap()
            .split_ascii_whitespace()
            .nth(1)
            .unwrap()
            .to_owned()
    };
    for set in ["CapInh:", "CapPrm:", "CapEff:", "CapBnd:", "CapAmb:"] {
        assert_eq!(field(set), "0000000000000000", "{set}");
    }
    assert_eq!(field("NoNewPrivs:"), "1");
    assert_eq!(field("Seccomp:"), "2", "filtered");
    assert_ne!(field("Uid:"), "0");
    container.destroy().await;
    factory.shutdown().await;
}
