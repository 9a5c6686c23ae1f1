//! The process that serves the containers' ways out, from the helper's side.

use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

use super::network::{Kind, NetworkPool};
use super::seccomp::Filters;
use super::spawn::{fork_plain, leave};
use super::{Failure, InStep, confine};
use crate::sandbox::egress::process::{self, Control, EgressOrder};
use crate::sandbox::wire::EgressAbility;

const STEP: &str = "start the egress process";
/// The user of the host that the process becomes; containers have those below.
const USER: u32 = 2_140_000_000;

/// A running process; another is started if it ends.
#[derive(Debug)]
pub(super) struct WayOut {
    control: Control,
    order: EgressOrder,
    privileged: bool,
}

/// What networks are to be like.
#[derive(Debug)]
pub(super) struct Ordered {
    pub(super) port: u16,
    pub(super) network_pool: usize,
    pub(super) egress: Option<EgressOrder>,
    /// The helper may become any user of the host.
    pub(super) privileged: bool,
}

/// Starts making networks, with a way out if that is ordered and works here.
pub(super) fn start(
    ordered: Ordered,
    filters: &Filters,
) -> Result<(NetworkPool, Option<WayOut>, Option<EgressAbility>), Failure> {
    let Ordered {
        port,
        network_pool: size,
        egress,
        privileged,
    } = ordered;
    let Some(order) = egress else {
        return Ok((NetworkPool::start(port, size, Kind::Closed)?, None, None));
    };
    let opened = WayOut::start(order, privileged, filters).and_then(|way_out| {
        let mut networks = NetworkPool::start(port, size, Kind::Open)?;
        // The first network shows whether devices can be made.
        networks.collect()?;
        Ok((networks, way_out))
    });
    match opened {
        Ok((networks, way_out)) => Ok((networks, Some(way_out), Some(EgressAbility::Works))),
        Err(Failure { step, errno }) => {
            let step = step.to_owned();
            let ability = EgressAbility::Refused { step, errno };
            let networks = NetworkPool::start(port, size, Kind::Closed)?;
            Ok((networks, None, Some(ability)))
        }
    }
}

impl WayOut {
    fn start(order: EgressOrder, privileged: bool, filters: &Filters) -> Result<Self, Failure> {
        let (control, theirs) = Control::pair().in_step(STEP)?;
        if fork_plain().in_step(STEP)?.is_none() {
            process::close_all_but(theirs.as_fd());
            let host = Path::new("/host");
            let confine = || confine::become_dialler(USER, privileged, host, filters);
            let ended = process::run(theirs, order, host, confine);
            leave(i32::from(ended.is_err()));
        }
        Ok(Self {
            control,
            order,
            privileged,
        })
    }

    /// Hands a container's device over, and what tells its end.
    pub(super) fn serve(
        &mut self,
        device: &OwnedFd,
        container: &OwnedFd,
        traffic: &OwnedFd,
        filters: &Filters,
    ) -> Result<(), Failure> {
        match self.control.serve(device, container, traffic) {
            Err(error) if has_ended(&error) => {}
            // It lives, and serves others: it may only be too busy to take one more.
            served => return served.in_step("hand over the tunnel device"),
        }
        // The ways out of earlier containers have ended with it; new ones get another.
        *self = Self::start(self.order.clone(), self.privileged, filters)?;
        self.control.serve(device, container, traffic).in_step(STEP)
    }
}

/// Tells whether an error means that nobody is at the other end.
fn has_ended(error: &std::io::Error) -> bool {
    use std::io::ErrorKind::{BrokenPipe, ConnectionReset, NotConnected};
    matches!(error.kind(), BrokenPipe | ConnectionReset | NotConnected)
}
