//! Public clients and a browser against the program, each test file of `tests/clients` on a server of its own.
//!
//! Their packages must be there: `cargo xtask test` installs them.
#![expect(clippy::unwrap_used, reason = "tests may panic")]

use std::path::{Path, PathBuf};
use std::process::Command;

use oxwhisk_testing::ServerOptions;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/clients")
}

fn options() -> ServerOptions {
    ServerOptions::new(env!("CARGO_BIN_EXE_oxwhisk")).without_throttles()
}

/// Runs a file of `node:test` cases.
#[track_caller]
fn node_passes(options: ServerOptions, file: &str) {
    assert!(
        folder().join("node_modules").is_dir(),
        "the npm packages are not installed: run `npm ci` in tests/clients, or `cargo xtask test`"
    );
    let mut node = Command::new("node");
    node.args(["--test", file]);
    passes(options, node);
}

/// Runs a program that tests a server of its own.
#[track_caller]
fn passes(options: ServerOptions, mut program: Command) {
    let server = options.start().unwrap();
    let output = program
        .current_dir(folder())
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
    node_passes(options(), "openwhisk.test.js");
}

#[test]
fn events_of_package_openwhisk_work() {
    node_passes(options(), "openwhisk-events.test.js");
}

#[test]
fn package_aio_lib_runtime_works() {
    node_passes(options(), "aio-lib-runtime.test.js");
}

#[test]
fn web_actions_work_in_a_browser() {
    node_passes(options(), "browser.test.js");
}

/// composer §1, §2, §3
#[test]
fn applications_of_package_openwhisk_composer_work() {
    // Branches of a composition meet in a Redis server on this machine.
    let options = options().variable("OXWHISK_INVOKER_NETWORK", "host");
    node_passes(options, "composer.test.js");
}

/// composer §1 to §3: what the library for Python puts on a server and asks of it, without the library.
#[test]
fn compositions_in_the_form_of_composer_for_python_work() {
    let packages = folder().join("../../runtimes/python/packages");
    assert!(
        packages.join("requests").is_dir(),
        "the Python packages are not installed: run `cargo xtask test`"
    );
    let mut python = Command::new("python3");
    python
        .arg("composer_python_form.py")
        .env("PYTHONPATH", packages);
    passes(options(), python);
}

/// PyPI does not have this library. Say where its source is and run it with
/// `OPENWHISK_COMPOSER_PYTHON=… cargo test -p oxwhisk --test clients -- --ignored`.
#[test]
#[ignore = "needs OPENWHISK_COMPOSER_PYTHON, the folder of openwhisk-composer-python"]
fn applications_of_openwhisk_composer_for_python_work() {
    let source = std::env::var_os("OPENWHISK_COMPOSER_PYTHON").unwrap();
    let library = std::env::join_paths([
        Path::new(&source).join("src"),
        folder().join("../../runtimes/python/packages"),
    ]);
    let mut python = Command::new("python3");
    python
        .arg("composer_python.py")
        .env("PYTHONPATH", library.unwrap())
        .env("WSK_CONFIG_FILE", "/dev/null");
    passes(options(), python);
}
