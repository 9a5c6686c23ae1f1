//! The process of a server, from its start to its end.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, sync_channel};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use super::{Readiness, ServerError, ServerOptions};
use crate::eventually_blocking;

/// Lines of standard output that are kept until somebody looks for the readiness line.
const LINES: usize = 64;

/// The running program. It ends with this value.
#[derive(Debug)]
pub(super) struct Process {
    child: Child,
    pub(super) readiness: Readiness,
    /// From the start to the readiness line.
    pub(super) startup: Duration,
    patience: Duration,
}

impl Process {
    /// Starts the server on the data directory in `folder` and waits until it is ready.
    pub(super) fn start(options: &ServerOptions, folder: &Path) -> Result<Self, ServerError> {
        let stderr = std::fs::File::options()
            .create(true)
            .append(true)
            .open(stderr_file(folder));
        let started = Instant::now();
        let mut child = Command::new(&options.program)
            .args(&options.arguments)
            .arg("--data-dir")
            .arg(data_dir(folder))
            .envs(
                options
                    .environment
                    .iter()
                    .map(|(name, value)| (name, value)),
            )
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(stderr.map_err(failed("open a file for standard error"))?)
            .spawn()
            .map_err(failed("start the server"))?;
        let stdout = child.stdout.take();
        let none = Readiness {
            url: String::new(),
            key: None,
        };
        let mut process = Self {
            child,
            readiness: none,
            startup: Duration::ZERO,
            patience: options.shutdown,
        };
        // From here on dropping `process` ends the child.
        let lines = stdout.map(read_lines).transpose()?;
        process.readiness = wait_for_readiness(lines, options.startup, folder)?;
        process.startup = started.elapsed();
        Ok(process)
    }

    pub(super) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Asks it to end, unless it has ended.
    pub(super) fn ask_to_end(&mut self) -> Result<Option<ExitStatus>, ServerError> {
        let ended = self
            .child
            .try_wait()
            .map_err(failed("look after the server"))?;
        if ended.is_none()
            // Not yet waited for, so the id cannot belong to another process.
            && let Some(pid) = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw)
        {
            kill_process(pid, Signal::TERM)
                .map_err(|fault| failed("end the server")(fault.into()))?;
        }
        Ok(ended)
    }

    /// Asks it to end, and kills it if it does not in time.
    pub(super) fn stop(&mut self, patience: Duration) -> Result<ExitStatus, ServerError> {
        if let Some(status) = self.ask_to_end()? {
            return Ok(status);
        }
        match eventually_blocking(patience, || self.child.try_wait().ok().flatten()) {
            Ok(status) => Ok(status),
            Err(_) => self.kill(),
        }
    }

    /// Kills it and waits for its end.
    pub(super) fn kill(&mut self) -> Result<ExitStatus, ServerError> {
        self.child.kill().map_err(failed("kill the server"))?;
        self.child.wait().map_err(failed("wait for the server"))
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Nobody is left to tell; the process is ours alone and ends with the test at the latest.
        let _ = self.stop(self.patience);
    }
}

/// Reads standard output to its end, so that the server never waits for a reader; the first lines
/// can be received.
fn read_lines(stdout: ChildStdout) -> Result<Receiver<String>, ServerError> {
    let (lines, received) = sync_channel(LINES);
    let read = move || {
        for line in BufReader::new(stdout).lines().map_while(Result::ok) {
            // Full or without receiver once the server is ready: then nobody needs the line.
            let _ = lines.try_send(line);
        }
    };
    std::thread::Builder::new()
        .name("server-stdout".to_owned())
        .spawn(read)
        .map_err(failed("read the server's output"))?;
    Ok(received)
}

fn wait_for_readiness(
    lines: Option<Receiver<String>>,
    patience: Duration,
    folder: &Path,
) -> Result<Readiness, ServerError> {
    let end = Instant::now() + patience;
    let Some(lines) = lines else {
        return Err(ServerError::Ended {
            stderr: read_stderr(folder),
        });
    };
    loop {
        match lines.recv_timeout(end.saturating_duration_since(Instant::now())) {
            Ok(line) => {
                if let Some(readiness) = Readiness::parse(&line) {
                    return Ok(readiness);
                }
            }
            Err(RecvTimeoutError::Disconnected) => {
                return Err(ServerError::Ended {
                    stderr: read_stderr(folder),
                });
            }
            Err(RecvTimeoutError::Timeout) => {
                return Err(ServerError::NotReady {
                    waited: patience,
                    stderr: read_stderr(folder),
                });
            }
        }
    }
}

pub(super) fn failed(action: &'static str) -> impl FnOnce(std::io::Error) -> ServerError {
    move |source| ServerError::System { action, source }
}

pub(super) fn data_dir(folder: &Path) -> PathBuf {
    folder.join("data")
}

fn stderr_file(folder: &Path) -> PathBuf {
    folder.join("stderr.log")
}

pub(super) fn read_stderr(folder: &Path) -> String {
    std::fs::read(stderr_file(folder))
        .map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
        .unwrap_or_default()
}
