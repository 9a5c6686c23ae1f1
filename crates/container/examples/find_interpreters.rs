//! Prints the interpreters of this machine and what they need: `cargo run --example find_interpreters`.

use std::time::Instant;

use oxwhisk_container::discovery::{Places, find};

#[expect(
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "an example prints, and reads its own environment"
)]
fn main() {
    let start = Instant::now();
    let home = std::env::var("HOME").ok().map(Into::into);
    let found = find(&Places {
        path: std::env::var("PATH").ok().map(Into::into),
        home,
        cache_dir: None,
    });
    println!("found {} in {:?}", found.len(), start.elapsed());
    for interpreter in found {
        let runtime = interpreter.runtime;
        println!(
            "{} {} ({} readable)",
            runtime.kind,
            runtime.command.join(" "),
            runtime.readable.len()
        );
        for path in runtime.readable {
            println!("    {}", path.display());
        }
    }
}
