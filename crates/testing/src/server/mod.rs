//! A standalone server as a process of its own.

mod process;
mod readiness;

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitStatus;
use std::time::Duration;

use tempfile::TempDir;

use self::process::{Process, data_dir, failed, read_stderr};
pub use self::readiness::Readiness;
use crate::scenario::{STOCK_GUEST_KEY, STOCK_SYSTEM_KEY};
use crate::{RestClient, User};

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

    /// Raises the throttles so far that no test meets them.
    #[must_use]
    pub fn without_throttles(self) -> Self {
        self.variable("OXWHISK_LIMITS_INVOCATIONS_PER_MINUTE", "1000000")
            .variable("OXWHISK_LIMITS_FIRES_PER_MINUTE", "1000000")
            .variable("OXWHISK_LIMITS_CONCURRENT_INVOCATIONS", "1000")
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

    /// Returns a user of namespace `guest`.
    #[must_use]
    pub fn user(&self) -> User {
        User::new(self.client())
    }

    /// Returns the process id of the server.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.process.id()
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

    /// Asks the server to end (`SIGTERM`) and does not wait for it.
    ///
    /// # Errors
    /// [`ServerError::System`] if the process cannot be asked.
    pub fn ask_to_end(&mut self) -> Result<(), ServerError> {
        self.process.ask_to_end().map(drop)
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
