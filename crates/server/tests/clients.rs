//! Public npm clients against the program, each test file of `tests/clients` on a server of its own.
//!
//! Their packages must be there: `cargo xtask test` installs them.
#![expect(clippy::unwrap_used, reason = "tests may panic")]

use std::path::Path;
use std::process::Command;

use oxwhisk_testing::ServerOptions;

#[track_caller]
fn passes(file: &str) {
    passes_on(options(), file);
}

fn options() -> ServerOptions {
    ServerOptions::new(env!("CARGO_BIN_EXE_oxwhisk")).without_throttles()
}

/// Runs a test file against a server of its own.
#[track_caller]
fn passes_on(options: ServerOptions, file: &str) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/clients");
    assert!(
        folder.join("node_modules").is_dir(),
        "the npm packages are not installed: run `npm ci` in tests/clients, or `cargo xtask test`"
    );
    let server = options.start().unwrap();
    let output = Command::new("node")
        .args(["--test", file])
        .current_dir(folder)
        .env("APIHOST", server.url())
        .env("AUTH", server.guest_key())
        .env("SYSTEM_AUTH", server.system_key())
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success(),
        "{text}\n{}",
        String::from_utf8_lossy(&output.stderr)
    );
    assert!(!server.stderr().contains("panicked"), "{}", server.stderr());
}

#[test]
fn package_openwhisk_works() {
    passes("openwhisk.test.js");
}

#[test]
fn package_aio_lib_runtime_works() {
    passes("aio-lib-runtime.test.js");
}

#[test]
fn applications_of_package_openwhisk_composer_work() {
    // Branches of a composition meet in a Redis server on this machine.
    let options = options().variable("OXWHISK_INVOKER_NETWORK", "host");
    passes_on(options, "composer.test.js");
}
