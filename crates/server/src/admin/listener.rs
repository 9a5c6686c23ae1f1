//! The side of the server: answers the owner of the data directory.

use std::io;
use std::os::unix::fs::{FileTypeExt as _, PermissionsExt as _};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use oxwhisk_controller::Controller;
use oxwhisk_store::SubjectStore;
use tokio::net::{UnixListener, UnixStream};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::operation::Operation;
use super::outcome::Outcome;
use super::refusal::{Refusal, Refused};
use super::socket::{LineError, SocketPath, read_line, write_line};

/// Longest request, bytes. More than a command line can hold.
const MAX_REQUEST: u64 = 4 << 20;
/// Connections at once; more wait until one ends.
const MAX_CONNECTIONS: usize = 64;
/// How long a request may take to come, and an answer to be taken.
const PATIENCE: Duration = Duration::from_secs(5);

/// The open socket. Dropping it removes the file.
#[derive(Debug)]
pub(crate) struct AdminListener {
    listener: UnixListener,
    place: SocketPath,
}

impl AdminListener {
    /// Opens the socket. The caller holds the store of this directory, so whatever socket is there was left
    /// behind by a server that is gone.
    ///
    /// # Errors
    /// If something else has the name, or sockets cannot be made there.
    pub(crate) fn bind(data_dir: &Path) -> io::Result<Self> {
        let place = SocketPath::in_directory(data_dir)?;
        match std::fs::symlink_metadata(&place.path) {
            Ok(found) if found.file_type().is_socket() => std::fs::remove_file(&place.path)?,
            Ok(_) => return Err(io::ErrorKind::AlreadyExists.into()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
        let listener = UnixListener::bind(place.address())?;
        // Until then others may connect if the directory lets them, and are turned away by their user id.
        std::fs::set_permissions(&place.path, std::fs::Permissions::from_mode(0o600))?;
        Ok(Self { listener, place })
    }

    /// Answers until `stop`. Requests are read at the same time and carried out one after the other.
    pub(crate) async fn serve(
        self,
        store: Arc<dyn SubjectStore>,
        controller: Arc<Controller>,
        stop: CancellationToken,
    ) {
        let mut requests = JoinSet::new();
        let mut answers = JoinSet::new();
        loop {
            let has_room = requests.len() + answers.len() < MAX_CONNECTIONS;
            tokio::select! {
                accepted = self.listener.accept(), if has_room => match accepted {
                    Ok((stream, _)) if is_ours(&stream) => {
                        requests.spawn(request(stream));
                    }
                    Ok(_) => tracing::warn!("another user tried to administer this server"),
                    Err(error) => {
                        tracing::warn!(%error, "could not accept an administrator");
                        tokio::time::sleep(Duration::from_millis(50)).await;
                    }
                },
                Some(Ok((stream, operation))) = requests.join_next() => {
                    let answer = match operation {
                        Ok(operation) => {
                            let outcome = operation.perform(&*store).await;
                            // Before the answer, so that the change holds when its caller hears of it.
                            controller.forget_identities();
                            outcome
                        }
                        Err(refusal) => Err(refusal),
                    };
                    answers.spawn(answer_to(stream, answer.map_err(Refused::from)));
                }
                Some(_ended) = answers.join_next() => {}
                () = stop.cancelled() => break,
            }
        }
        // Each ends within its patience.
        while answers.join_next().await.is_some() {}
    }
}

impl Drop for AdminListener {
    fn drop(&mut self) {
        if let Err(error) = std::fs::remove_file(&self.place.path) {
            tracing::debug!(%error, "could not remove the administration socket");
        }
    }
}

/// Whether the other side belongs to the user of this server, or to root.
fn is_ours(stream: &UnixStream) -> bool {
    let own = rustix::process::geteuid().as_raw();
    stream
        .peer_cred()
        .is_ok_and(|peer| peer.uid() == own || peer.uid() == 0)
}

async fn request(mut stream: UnixStream) -> (UnixStream, Result<Operation, Refusal>) {
    let read = tokio::time::timeout(PATIENCE, read_line(&mut stream, MAX_REQUEST)).await;
    let operation = match read {
        Ok(Ok(operation)) => Ok(operation),
        Ok(Err(error)) => Err(bad_request(&error)),
        Err(_) => Err(Refusal::BadRequest("it did not come in time".to_owned())),
    };
    (stream, operation)
}

fn bad_request(error: &LineError) -> Refusal {
    Refusal::BadRequest(error.to_string())
}

async fn answer_to(mut stream: UnixStream, answer: Result<Outcome, Refused>) {
    // Whoever asked may have gone away or not read; nothing is left to do for him.
    let _unheard = tokio::time::timeout(PATIENCE, write_line(&mut stream, &answer)).await;
}
