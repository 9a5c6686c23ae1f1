//! Tells the program when it was built.

use std::env;
use std::error::Error;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// The variable by which a build that is to be repeatable is told its time.
const TOLD: &str = "SOURCE_DATE_EPOCH";

#[expect(
    clippy::disallowed_methods,
    reason = "this is cargo's environment, not the program's"
)]
fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-env-changed={TOLD}");
    let built = match env::var(TOLD) {
        Ok(seconds) => UNIX_EPOCH
            .checked_add(Duration::from_secs(seconds.parse()?))
            .ok_or("there is no such time")?,
        Err(_) => SystemTime::now(),
    };
    let built = humantime::format_rfc3339_seconds(built);
    println!("cargo::rustc-env=BUILT_AT={built}");
    Ok(())
}
