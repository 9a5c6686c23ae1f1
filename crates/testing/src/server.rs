//! A standalone server as a process of its own.

use std::ffi::OsString;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, sync_channel};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use crate::scenario::{STOCK_GUEST_KEY, STOCK_SYSTEM_KEY};
use crate::{RestClient, eventually_blocking};

/// Lines of standard output that are kept until somebody looks for the readiness line.
const LINES: usize = 64;

/// Reports why a server is not running.
#[derive(Debug, thiserror::Error)]
pub enum ServerError {
    /// A file, folder or process of the test could not be made.
    #[error("could not {action}")]
    System {
        /// What was tried.
        action: &'static str,
        /// What the system said.
        source: std::io::Error,
    },
    /// The server ended instead of getting ready.
    #[error("server ended before it was ready; its last words: {stderr}")]
    Ended {
        /// The end of its standard error.
        stderr: String,
    },
    /// The readiness line did not come in time.
    #[error("server was not ready within {waited:?}; its last words: {stderr}")]
    NotReady {
        /// How long it was waited for.
        waited: Duration,
        /// The end of its standard error.
        stderr: String,
    },
}

/// What a readiness line says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Readiness {
    /// `http://host:port`.
    pub url: String,
    /// The first key in the line, `uuid:secret`, if there is one.
    pub key: Option<String>,
}

impl Readiness {
    /// Finds a URL and maybe a key in a line such as
    /// `oxwhisk listening on http://127.0.0.1:3233, AUTH=uuid:secret`; `None` if there is no URL.
    #[must_use]
    pub fn parse(line: &str) -> Option<Self> {
        let mut words = line
            .split(|c: char| c.is_whitespace() || matches!(c, ',' | ';' | '=' | '"' | '\'' | '`'));
        let url = words.clone().find(|word| word.starts_with("http://"))?;
        let key = words.find(|word| is_key(word)).map(str::to_owned);
        Some(Self {
            url: url.trim_end_matches(['/', '.']).to_owned(),
            key,
        })
    }
}

/// Whether a word is a UUID, a colon and something.
fn is_key(word: &str) -> bool {
    word.split_once(':').is_some_and(|(uuid, secret)| {
        let groups: Vec<usize> = uuid.split('-').map(str::len).collect();
        groups == [8, 4, 4, 4, 12] && !secret.is_empty()
    })
}

/// How a server is started.
#[derive(Debug, Clone)]
pub struct ServerOptions {
    /// The program, usually `env!("CARGO_BIN_EXE_oxwhisk")`.
    pub program: PathBuf,
    /// The arguments before `--data-dir`.
    pub arguments: Vec<OsString>,
    /// The server's own variables; it inherits the others of the test.
    pub environment: Vec<(OsString, OsString)>,
    /// How long it may take until it is ready.
    pub startup: Duration,
    /// How long it may take to end after it was asked to.
    pub shutdown: Duration,
}

impl ServerOptions {
    /// Runs `program standalone --port 0`.
    #[must_use]
    pub fn new(program: impl Into<PathBuf>) -> Self {
        Self {
            program: program.into(),
            arguments: ["standalone", "--port", "0"].map(OsString::from).into(),
            environment: Vec::new(),
            startup: Duration::from_secs(30),
            shutdown: Duration::from_secs(10),
        }
    }

    /// Adds an argument.
    #[must_use]
    pub fn argument(mut self, argument: impl Into<OsString>) -> Self {
        self.arguments.push(argument.into());
        self
    }

    /// Sets a variable of the server's environment.
    #[must_use]
    pub fn variable(mut self, name: impl Into<OsString>, value: impl Into<OsString>) -> Self {
        self.environment.push((name.into(), value.into()));
        self
    }

    /// Starts the server on a new data directory and waits until it is ready.
    ///
    /// # Errors
    /// [`ServerError`] if it does not get ready.
    pub fn start(self) -> Result<TestServer, ServerError> {
        let folder = tempfile::tempdir().map_err(failed("make a folder for the server"))?;
        let process = Process::start(&self, folder.path())?;
        Ok(TestServer {
            process,
            folder,
            options: self,
        })
    }
}

/// A server on a data directory of its own. Dropping it ends the process and removes the directory.
#[derive(Debug)]
pub struct TestServer {
    process: Process,
    folder: TempDir,
    options: ServerOptions,
}

impl TestServer {
    /// Starts `program standalone --port 0` on a new data directory and waits until it is ready.
    ///
    /// # Errors
    /// [`ServerError`] if it does not get ready.
    pub fn start(program: impl Into<PathBuf>) -> Result<Self, ServerError> {
        ServerOptions::new(program).start()
    }

    /// Returns `http://host:port`. The port changes with each [`TestServer::restart`].
    #[must_use]
    pub fn url(&self) -> &str {
        &self.process.readiness.url
    }

    /// Returns the key of namespace `guest`: the one of the readiness line, or the stock one.
    #[must_use]
    pub fn guest_key(&self) -> &str {
        self.process
            .readiness
            .key
            .as_deref()
            .unwrap_or(STOCK_GUEST_KEY)
    }

    /// Returns the key of namespace `whisk.system`.
    #[must_use]
    pub fn system_key(&self) -> &str {
        STOCK_SYSTEM_KEY
    }

    /// Returns a client with the key of `guest`.
    #[must_use]
    pub fn client(&self) -> RestClient {
        RestClient::new(self.url(), self.guest_key())
    }

    /// Returns the process id of the server.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.process.child.id()
    }

    /// Returns how long the server took from its start to its readiness line.
    #[must_use]
    pub fn startup_time(&self) -> Duration {
        self.process.startup
    }

    /// Returns the data directory.
    #[must_use]
    pub fn data_dir(&self) -> PathBuf {
        data_dir(self.folder.path())
    }

    /// Returns what the server has written to standard error so far.
    #[must_use]
    pub fn stderr(&self) -> String {
        read_stderr(self.folder.path())
    }

    /// Kills the server as `kill -9` does; the data directory stays.
    ///
    /// # Errors
    /// [`ServerError::System`] if the process cannot be killed.
    pub fn kill_hard(&mut self) -> Result<(), ServerError> {
        self.process.kill().map(drop)
    }

    /// Asks the server to end (`SIGTERM`), kills it if it does not within its time, and returns how
    /// it ended.
    ///
    /// # Errors
    /// [`ServerError::System`] if the process can be neither asked nor killed.
    pub fn stop(&mut self) -> Result<ExitStatus, ServerError> {
        self.process.stop(self.options.shutdown)
    }

    /// Starts the server again on the same data directory; one that still runs is stopped first.
    ///
    /// # Errors
    /// [`ServerError`] if it does not get ready.
    pub fn restart(&mut self) -> Result<(), ServerError> {
        self.stop()?;
        self.process = Process::start(&self.options, self.folder.path())?;
        Ok(())
    }
}

/// The running program. It ends with this value.
#[derive(Debug)]
struct Process {
    child: Child,
    readiness: Readiness,
    startup: Duration,
    patience: Duration,
}

impl Process {
    fn start(options: &ServerOptions, folder: &Path) -> Result<Self, ServerError> {
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

    fn stop(&mut self, patience: Duration) -> Result<ExitStatus, ServerError> {
        if let Some(status) = self
            .child
            .try_wait()
            .map_err(failed("look after the server"))?
        {
            return Ok(status);
        }
        // Not yet waited for, so the id cannot belong to another process.
        if let Some(pid) = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw) {
            kill_process(pid, Signal::TERM)
                .map_err(|fault| failed("end the server")(fault.into()))?;
        }
        match eventually_blocking(patience, || self.child.try_wait().ok().flatten()) {
            Ok(status) => Ok(status),
            Err(_) => self.kill(),
        }
    }

    fn kill(&mut self) -> Result<ExitStatus, ServerError> {
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

fn failed(action: &'static str) -> impl FnOnce(std::io::Error) -> ServerError {
    move |source| ServerError::System { action, source }
}

fn data_dir(folder: &Path) -> PathBuf {
    folder.join("data")
}

fn stderr_file(folder: &Path) -> PathBuf {
    folder.join("stderr.log")
}

fn read_stderr(folder: &Path) -> String {
    std::fs::read(stderr_file(folder))
        .map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "23bc46b1-71f6-4ed5-8c54-816aa4f8c502:secret";

    #[test]
    fn readiness_lines_are_read_whatever_stands_around_url_and_key() {
        let url = "http://127.0.0.1:40001";
        let table = [
            (
                format!("oxwhisk listening on {url}, AUTH={KEY}"),
                Some(Some(KEY)),
            ),
            (format!("ready: {url}/ (key `{KEY}`)."), Some(Some(KEY))),
            (format!("AUTH='{KEY}' APIHOST={url}"), Some(Some(KEY))),
            (format!("listening on {url}."), Some(None)),
            ("opening the store at 12:30".to_owned(), None),
        ];
        for (line, key) in table {
            let expected = key.map(|key: Option<&str>| Readiness {
                url: url.into(),
                key: key.map(str::to_owned),
            });
            assert_eq!(Readiness::parse(&line), expected, "{line}");
        }
    }
}
