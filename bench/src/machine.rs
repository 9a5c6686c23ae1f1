//! What the figures were measured on.

use std::fs::read_to_string;

use serde_json::{Value, json};

/// Describes the machine and how busy it is.
pub(crate) fn describe() -> Value {
    let uname = rustix::system::uname();
    json!({
        "cpu": field("/proc/cpuinfo", "model name"),
        "cores": std::thread::available_parallelism().map_or(0, usize::from),
        "memory": field("/proc/meminfo", "MemTotal"),
        "kernel": uname.release().to_string_lossy(),
        "load_average": load_average(),
    })
}

/// Returns the number of processes that wanted to run, averaged over one minute.
pub(crate) fn load_average() -> String {
    let text = read_to_string("/proc/loadavg").unwrap_or_default();
    text.split(' ').next().unwrap_or_default().to_owned()
}

fn field(path: &str, name: &str) -> String {
    let text = read_to_string(path).unwrap_or_default();
    let line = text.lines().find(|line| line.starts_with(name));
    let value = line.and_then(|line| line.split_once(':'));
    value.map_or_else(String::new, |(_, value)| value.trim().to_owned())
}
