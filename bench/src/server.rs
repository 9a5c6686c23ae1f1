//! The server under test, as a process of its own.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use oxwhisk_testing::{ServerOptions, TestServer};
use serde_json::json;
use tempfile::TempDir;

use crate::http::Requests;
use crate::load::Load;
use crate::options::Options;
use crate::phases::{ARGUMENTS, Language};
use crate::processes::Family;

/// Raises every limit that would refuse a load test; everything else is as it is by default. The memory is enough
/// for 24 containers: one for each of 16 connections, the stem cells, and some more.
const SETTINGS: &str = "\
[limits]
invocations_per_minute = 1000000000
fires_per_minute = 1000000000
concurrent_invocations = 1000000

[invoker]
user_memory = \"6GB\"
";

/// A server and a connection to it.
#[derive(Debug)]
pub(crate) struct Server {
    process: TestServer,
    /// Makes requests with the key of `guest`.
    pub(crate) requests: Requests,
    control: Load,
    /// From the start of the process to its readiness line.
    pub(crate) ready: Duration,
    /// From the start of the process to the answer of the first authenticated request.
    pub(crate) answered: Duration,
    _settings: TempDir,
}

impl Server {
    /// Starts a server with an empty data directory and waits for its first answer.
    ///
    /// # Errors
    /// A server that does not get ready or refuses the key.
    pub(crate) fn start(options: &Options) -> Result<Self> {
        let folder = tempfile::tempdir().context("could not make a folder")?;
        let settings = folder.path().join("oxwhisk.toml");
        std::fs::write(&settings, SETTINGS).context("could not write the server's settings")?;
        let start = ServerOptions::new(&options.server)
            .argument("--config")
            .argument(&settings);
        let begin = Instant::now();
        let process = start.start()?;
        let requests = Requests::new(process.url(), process.guest_key());
        let mut control = Load::connect(&requests, 1)?;
        let (status, _) = control.exchange(&requests.make("GET", "/limits", ""))?;
        let answered = begin.elapsed();
        ensure!(status == 200, "the first request was answered {status}");
        Ok(Self {
            ready: process.startup_time(),
            process,
            requests,
            control,
            answered,
            _settings: folder,
        })
    }

    /// Sends a request and fails unless it is answered with one of these codes; returns the body.
    ///
    /// # Errors
    /// Any other answer.
    pub(crate) fn call(
        &mut self,
        method: &str,
        path: &str,
        body: &str,
        expected: &[u16],
    ) -> Result<Vec<u8>> {
        let request = self.requests.make(method, path, body);
        let (status, body) = self.control.exchange(&request)?;
        if !expected.contains(&status) {
            let text = String::from_utf8_lossy(&body);
            bail!("{method} {path} was answered {status}: {text}");
        }
        Ok(body)
    }

    /// Creates the action of a language with so much memory, in MB.
    ///
    /// # Errors
    /// An action that is refused.
    pub(crate) fn create(&mut self, name: &str, language: Language, memory_mb: u32) -> Result<()> {
        let body = json!({
            "exec": {"kind": language.kind(), "code": language.code()},
            "limits": {"memory": memory_mb},
        });
        let path = format!("/actions/{name}?overwrite=true");
        self.call("PUT", &path, &body.to_string(), &[200]).map(drop)
    }

    /// Invokes an action and returns how long its result took.
    ///
    /// # Errors
    /// An activation that does not succeed.
    pub(crate) fn invoke(&mut self, name: &str) -> Result<Duration> {
        let path = format!("/actions/{name}?blocking=true&result=true");
        let begin = Instant::now();
        self.call("POST", &path, ARGUMENTS, &[200])?;
        Ok(begin.elapsed())
    }

    /// Finds the processes of the server, its helper and its containers.
    pub(crate) fn family(&self) -> Family {
        Family::of(self.process.pid())
    }

    /// Asks the server to end and waits for that.
    ///
    /// # Errors
    /// A server that does not end well.
    pub(crate) fn stop(mut self) -> Result<()> {
        let status = self.process.stop()?;
        ensure!(
            status.success(),
            "the server ended with {status}: {}",
            self.process.stderr()
        );
        Ok(())
    }
}
