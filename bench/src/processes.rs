//! CPU time and memory of processes, read from `/proc`.

use std::collections::HashMap;
use std::fs::{read_dir, read_to_string};
use std::ops::{Add, Sub};

use oxwhisk_container::sandbox::HELPER_NAME;
use serde_json::{Value, json};

use crate::samples::rounded;

/// One process as `/proc/<pid>/stat` shows it.
#[derive(Debug, Clone)]
struct Process {
    parent: u32,
    /// User and system time, in seconds.
    cpu: f64,
}

/// A program with the sandbox helper and the containers it started.
#[derive(Debug, Default)]
pub(crate) struct Family {
    /// The program itself.
    pub(crate) program: u32,
    /// Its sandbox helper, with what that keeps for itself.
    pub(crate) helper: Vec<u32>,
    /// The processes of each container, its first one first.
    pub(crate) containers: Vec<Vec<u32>>,
    all: HashMap<u32, Process>,
}

/// CPU time in seconds, by who used it.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Cpu {
    /// The program: server, or the bench itself.
    pub(crate) program: f64,
    /// Sandbox helper.
    pub(crate) helper: f64,
    /// All containers.
    pub(crate) containers: f64,
}

impl Add for Cpu {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            program: self.program + other.program,
            helper: self.helper + other.helper,
            containers: self.containers + other.containers,
        }
    }
}

impl Sub for Cpu {
    type Output = Self;

    fn sub(self, other: Self) -> Self {
        Self {
            program: self.program - other.program,
            helper: self.helper - other.helper,
            containers: self.containers - other.containers,
        }
    }
}

impl Family {
    /// Finds the family of a program that runs now.
    pub(crate) fn of(program: u32) -> Self {
        let all = processes();
        let mut children: HashMap<u32, Vec<u32>> = HashMap::new();
        for (&pid, process) in &all {
            children.entry(process.parent).or_default().push(pid);
        }
        let below = |pid: u32| {
            let mut found = vec![pid];
            let mut next = 0;
            while let Some(pid) = found.get(next) {
                found.extend(children.get(pid).into_iter().flatten());
                next += 1;
            }
            found
        };
        let mut family = Self {
            program,
            ..Self::default()
        };
        let helpers = children.get(&program).into_iter().flatten();
        for &helper in helpers.filter(|&&pid| first_argument(pid) == HELPER_NAME) {
            family.helper.push(helper);
            for &child in children.get(&helper).into_iter().flatten() {
                let members = below(child);
                // A process that still is the helper's own program is not a container (yet).
                if members
                    .iter()
                    .all(|&pid| first_argument(pid) == HELPER_NAME)
                {
                    family.helper.extend(members);
                } else {
                    family.containers.push(members);
                }
            }
        }
        family.all = all;
        family
    }

    /// Returns the CPU time used so far.
    pub(crate) fn cpu(&self) -> Cpu {
        let of = |pid: &u32| self.all.get(pid).map_or(0.0, |process| process.cpu);
        Cpu {
            program: of(&self.program),
            helper: self.helper.iter().map(of).sum(),
            containers: self.containers.iter().flatten().map(of).sum(),
        }
    }

    /// Returns the containers in which a program of this name runs.
    pub(crate) fn containers_of(&self, program: &str) -> Vec<Memory> {
        let runs = |members: &&Vec<u32>| {
            members.iter().any(|&pid| {
                let argument = first_argument(pid);
                let name = argument.rsplit('/').next().unwrap_or_default();
                name.starts_with(program)
            })
        };
        let found = self.containers.iter().filter(runs);
        found.map(|members| Memory::of(members)).collect()
    }
}

/// Memory in MiB.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Memory {
    /// What is its own, and its share of what it shares.
    pub(crate) pss: f64,
    /// What it alone has and cannot be dropped.
    pub(crate) private_dirty: f64,
}

impl Memory {
    /// Sums up processes.
    pub(crate) fn of(pids: &[u32]) -> Self {
        let mut sum = Self::default();
        for pid in pids {
            let rollup = read_to_string(format!("/proc/{pid}/smaps_rollup")).unwrap_or_default();
            let mebibytes = |name: &str| {
                let line = rollup.lines().find(|line| line.starts_with(name));
                let number = line.and_then(|line| line.split_ascii_whitespace().nth(1));
                number
                    .and_then(|number| number.parse::<f64>().ok())
                    .unwrap_or_default()
                    / 1024.0
            };
            sum.pss += mebibytes("Pss:");
            sum.private_dirty += mebibytes("Private_Dirty:");
        }
        sum
    }

    /// Returns `{"pss_mib", "private_dirty_mib"}`.
    pub(crate) fn to_json(self) -> Value {
        json!({"pss_mib": rounded(self.pss), "private_dirty_mib": rounded(self.private_dirty)})
    }
}

/// Finds the processes of this name (of 15 characters at most), in this pid namespace.
pub(crate) fn named(name: &str) -> Vec<u32> {
    let is_named = |pid: &u32| {
        let found = read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
        found.trim_end() == name
    };
    processes().into_keys().filter(is_named).collect()
}

fn processes() -> HashMap<u32, Process> {
    let ticks = rustix::param::clock_ticks_per_second();
    let ticks = u32::try_from(ticks).map_or(100.0, f64::from);
    let entries = read_dir("/proc").into_iter().flatten().flatten();
    entries
        .filter_map(|entry| {
            let pid: u32 = entry.file_name().to_str()?.parse().ok()?;
            let stat = read_to_string(entry.path().join("stat")).ok()?;
            // The name before may hold spaces and parentheses.
            let (_, rest) = stat.rsplit_once(')')?;
            let fields: Vec<&str> = rest.split_ascii_whitespace().collect();
            let number = |index: usize| fields.get(index)?.parse::<u32>().ok();
            let process = Process {
                parent: number(1)?,
                cpu: (f64::from(number(11)?) + f64::from(number(12)?)) / ticks,
            };
            Some((pid, process))
        })
        .collect()
}

fn first_argument(pid: u32) -> String {
    let line = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    let first = line.split(|&byte| byte == 0).next().unwrap_or_default();
    String::from_utf8_lossy(first).into_owned()
}
