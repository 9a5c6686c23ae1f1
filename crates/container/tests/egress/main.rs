//! The way out, against an internet of the tests' own. Those in modules `needs_root` run the
//! others on a machine made of namespaces, once as root and once as an ordinary user:
//! `cargo test -p oxwhisk-container --test egress -- --ignored needs_root::`.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "tests may panic")]

mod alone;
mod bounds;
mod end;
mod missing;
mod reach;
mod refused;
#[expect(
    dead_code,
    reason = "not all of what the sandbox's tests share is used here"
)]
#[path = "../sandbox/support.rs"]
mod support;
mod way_out;

use std::path::Path;
use std::process::Command;

use oxwhisk_testing::internet::{Copies, Internet, ORDINARY_USER};

/// This program and its helper, where the user can run them.
fn copies(user: u32) -> Copies {
    let helper = env!("CARGO_BIN_EXE_oxwhisk-sandbox-helper");
    Copies::new(user, &[(Path::new(helper), "helper")]).unwrap()
}

/// Runs a command that runs this program again, and expects that its tests pass.
fn pass(copies: &Copies, mut command: Command, tests: &[&str]) {
    command
        .args(["--ignored", "--skip", "needs_root::"])
        .args(tests);
    copies.pass(
        command,
        &[(support::HELPER_VARIABLE, copies.path("helper"))],
    );
}

/// Runs the other tests of this program on a machine of its own.
fn run_the_others(user: u32) {
    let copies = copies(user);
    let internet = Internet::new().unwrap();
    let together = ["--skip", "missing::", "--skip", "alone::"];
    for tests in [
        &[&together[..], &["--test-threads", "4"]].concat()[..],
        &["--test-threads", "1", "alone::"],
    ] {
        let command = internet.command(&copies.tests(), user);
        pass(&copies, command, tests);
    }
}

/// What is run by hand; the other tests are run by these.
mod needs_root {
    use super::*;

    #[test]
    #[ignore = "needs root"]
    fn all_of_this_holds_as_root() {
        run_the_others(0);
    }

    #[test]
    #[ignore = "needs root"]
    fn all_of_this_holds_as_an_ordinary_user() {
        run_the_others(ORDINARY_USER);
    }
}
