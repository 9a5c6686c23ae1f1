//! The helper's loop: orders in, reports out, children reaped.

use std::collections::HashMap;
use std::ffi::CString;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::io::Write;
use std::ops::Range;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::fs::{Mode, OFlags};
use rustix::process::{Pid, Signal, WaitOptions};

use super::child::{Plan, become_container};
use super::inherited::{in_user_namespace, inherited_socket, watch_signals};
use super::network::{Network, NetworkPool};
use super::root::{Names, Template, enter_own_root};
use super::seccomp::Filters;
use super::spawn::{self, Side};
use super::watchdog::{self, PidNamespace, Usage};
use super::way_out::{self, WayOut};
use super::{Failure, InStep, confine, landlock_version};
use crate::sandbox::cgroup::{ContainerGroup, Controller, GroupLimits, Groups};
use crate::sandbox::egress::traffic;
use crate::sandbox::wire::{self, Abilities, CreateOrder, Order, Report, Start};

/// Users of the host that containers become: far from any that a system assigns.
const USERS: Range<u32> = 1_900_000_000..2_140_000_000;

/// Runs the sandbox helper; the server's program calls this first thing when it was started as one.
///
/// Ends when the server's end of the socket closes, after everything in every container was killed
/// and its control groups were removed.
pub fn helper_main() -> ! {
    let started = Helper::start().inspect_err(|Failure { step, errno }| {
        let error = std::io::Error::from_raw_os_error(*errno);
        // The server learns only that the helper has ended.
        let _ = writeln!(
            std::io::stderr(),
            "sandbox helper: could not {step}: {error}"
        );
    });
    let failed = started.and_then(|mut helper| {
        let ended = helper.serve();
        helper.end();
        ended
    });
    spawn::leave(i32::from(failed.is_err()))
}

struct Child {
    serial: u64,
    pidfd: OwnedFd,
    group: ContainerGroup,
    /// Bytes of memory that it may use.
    memory: u64,
    /// Known if memory has to be watched, which takes a `/proc` of the helper's own.
    namespace: Option<PidNamespace>,
    /// It was killed for its memory by the watchdog.
    exhausted: bool,
}

/// How often memory is looked at where no control group bounds it. A process may fill some hundred
/// megabytes meanwhile; its own limit of data bounds that.
const WATCH_INTERVAL: Duration = Duration::from_millis(25);
/// How soon a control group that was still busy is tried again.
const RETRY_INTERVAL: Duration = Duration::from_millis(2);

struct Helper {
    socket: OwnedFd,
    signals: OwnedFd,
    buffer: Vec<u8>,
    groups: Groups,
    memory_group: bool,
    /// When memory was last looked at.
    watched: Instant,
    networks: Option<NetworkPool>,
    way_out: Option<WayOut>,
    names: Names,
    /// A random number.
    first_user: u64,
    proc: OwnedFd,
    abilities: Abilities,
    filters: Filters,
    templates: HashMap<u32, Result<Template, Failure>>,
    children: HashMap<Pid, Child>,
    /// Groups that could not be removed yet.
    leftovers: Vec<(u64, ContainerGroup, bool)>,
}

impl Helper {
    fn start() -> Result<Self, Failure> {
        let socket = inherited_socket();
        let signals = watch_signals().in_step("watch signals")?;
        // Lost if the server died before this line; then its socket has closed as well.
        rustix::process::set_parent_process_death_signal(Some(Signal::TERM))
            .in_step("follow the server")?;
        let mut buffer = Vec::new();
        let received =
            wire::receive::<Order>(&socket, &mut buffer).in_step("read the first order")?;
        let Some((
            Order::Start(Start {
                cgroups,
                api_port,
                network_pool,
                egress,
            }),
            _,
        )) = received
        else {
            return Err(Failure {
                step: "read the first order",
                errno: libc::EPROTO,
            });
        };
        let groups = Groups::open(&cgroups).in_step("open the control groups")?;
        let proc_mounted = enter_own_root()?;
        let filters = Filters::compile()?;
        let privileged = !in_user_namespace();
        let (networks, way_out, egress) = match api_port {
            None => (None, None, None),
            Some(port) => {
                let ordered = way_out::Ordered {
                    port,
                    network_pool,
                    egress,
                    privileged,
                };
                let (networks, way_out, ability) = way_out::start(ordered, &filters)?;
                (Some(networks), way_out, ability)
            }
        };
        let abilities = Abilities {
            privileged,
            proc: proc_mounted,
            landlock: landlock_version(),
            network: networks.is_some(),
            egress,
        };
        let memory_group = groups.has(Controller::Memory);
        let helper = Self {
            socket,
            signals,
            buffer,
            groups,
            memory_group,
            watched: Instant::now(),
            names: match (&networks, &way_out) {
                (None, _) => Names::OfTheHost,
                (Some(_), None) => Names::None,
                (Some(_), Some(_)) => Names::OfTheTunnel,
            },
            networks,
            way_out,
            first_user: RandomState::new().build_hasher().finish(),
            proc: confine::open_proc()?,
            abilities,
            filters,
            templates: HashMap::new(),
            children: HashMap::new(),
            leftovers: Vec::new(),
        };
        helper.report(&Report::Started(helper.abilities.clone()), &[])?;
        Ok(helper)
    }

    fn serve(&mut self) -> Result<(), Failure> {
        loop {
            let (order, signal, network) = self.poll()?;
            if signal && self.read_signals() {
                return Ok(());
            }
            if network && let Some(networks) = &mut self.networks {
                // The create that needs one meets the error again and reports it.
                let _ = networks.collect();
            }
            self.retry_leftovers();
            if !self.memory_group {
                self.watch_memory();
            }
            if order {
                match wire::receive::<Order>(&self.socket, &mut self.buffer) {
                    Ok(Some((order, fds))) => self.obey(order, fds)?,
                    Ok(None) | Err(_) => return Ok(()),
                }
            }
        }
    }

    fn poll(&self) -> Result<(bool, bool, bool), Failure> {
        let mut fds = vec![
            PollFd::new(&self.socket, PollFlags::IN),
            PollFd::new(&self.signals, PollFlags::IN),
        ];
        if let Some(maker) = self.networks.as_ref().and_then(NetworkPool::maker) {
            fds.push(PollFd::new(maker, PollFlags::IN));
        }
        let interval = if !self.leftovers.is_empty() {
            Some(RETRY_INTERVAL)
        } else {
            (!self.memory_group && !self.children.is_empty()).then_some(WATCH_INTERVAL)
        };
        let wait = interval.and_then(|interval| Timespec::try_from(interval).ok());
        match rustix::event::poll(&mut fds, wait.as_ref()) {
            Err(rustix::io::Errno::INTR) | Ok(_) => {}
            Err(errno) => return Err(errno).in_step("wait for orders"),
        }
        let mut ready = fds.iter().map(|fd| !fd.revents().is_empty());
        let mut next = || ready.next().unwrap_or(false);
        Ok((next(), next(), next()))
    }

    fn obey(&mut self, order: Order, fds: Vec<OwnedFd>) -> Result<(), Failure> {
        match order {
            Order::Start(_) => Err(Failure {
                step: "read an order",
                errno: libc::EPROTO,
            }),
            Order::Runtime(order) => {
                let template = Template::build(&order, self.names);
                self.templates.insert(order.number, template);
                Ok(())
            }
            Order::Create(order) => {
                let serial = order.serial;
                match self.create(&order, fds) {
                    Ok(()) => Ok(()),
                    Err(Failure { step, errno }) => self.report(
                        &Report::Refused {
                            serial,
                            step: step.to_owned(),
                            errno,
                        },
                        &[],
                    ),
                }
            }
            Order::Stop { serial, stopped } => {
                let signal = if stopped { Signal::STOP } else { Signal::CONT };
                let errno = self
                    .signal_all(serial, signal)
                    .err()
                    .map(rustix::io::Errno::raw_os_error);
                self.report(&Report::Stopped { serial, errno }, &[])
            }
            Order::Kill { serial } => {
                // It may have ended meanwhile; its end is reported in any case.
                let _ = self.signal_all(serial, Signal::KILL);
                Ok(())
            }
        }
    }

    fn create(&mut self, order: &CreateOrder, fds: Vec<OwnedFd>) -> Result<(), Failure> {
        let serial = order.serial;
        let protocol = Failure {
            step: "read an order",
            errno: libc::EPROTO,
        };
        let [socket, stdout, stderr] =
            <[OwnedFd; 3]>::try_from(fds).map_err(|_| protocol.clone())?;
        let template = match self.templates.get(&order.runtime) {
            Some(Ok(template)) => template,
            Some(Err(failure)) => return Err(failure.clone()),
            None => return Err(protocol),
        };
        let environment = order
            .environment
            .iter()
            .map(|(name, value)| CString::new(format!("{name}={value}")));
        let environment: Vec<_> = environment
            .collect::<Result<_, _>>()
            .map_err(|_| protocol)?;
        let network = self.networks.as_mut().map(NetworkPool::take).transpose()?;
        let limits = GroupLimits {
            memory: order.limits.memory,
            pids: order.limits.pids,
        };
        let mut group = self
            .groups
            .create(&order.serial.to_string(), limits)
            .in_step("create the control groups")?;
        let plan = Plan {
            name: &order.name,
            template,
            group: &group,
            memory_group: self.memory_group,
            network: network.as_ref().map(|network| network.namespace.as_fd()),
            proc: self.proc.as_fd(),
            mount_proc: self.abilities.proc,
            user: self.user(order.serial),
            privileged: self.abilities.privileged,
            landlock: self.abilities.landlock > 0,
            filters: &self.filters,
            limits: &order.limits,
            environment: &environment,
            socket,
            stdout,
            stderr,
        };
        match spawn::fork(group.cradle()) {
            Ok(Side::Child) => become_container(plan),
            Ok(Side::Parent { pid, pidfd }) => {
                drop(plan);
                group.settle();
                let watched = !self.memory_group && self.abilities.proc;
                let namespace = if watched { PidNamespace::of(pid) } else { None };
                let child = Child {
                    serial,
                    pidfd,
                    group,
                    memory: order.limits.memory,
                    namespace,
                    exhausted: false,
                };
                self.announce(pid, child, network)
            }
            Err(errno) => {
                drop(plan);
                self.groups.remove(&group);
                Err(errno).in_step("create the namespaces")
            }
        }
    }

    fn announce(
        &mut self,
        pid: Pid,
        child: Child,
        network: Option<Network>,
    ) -> Result<(), Failure> {
        let announced = self.hand_over(&child, network.as_ref());
        if announced.is_err() {
            // Nobody knows of it, and it ends like any other; it may just have ended by itself.
            let _ = rustix::process::pidfd_send_signal(&child.pidfd, Signal::KILL);
        }
        self.children.insert(pid, child);
        announced
    }

    /// Gives the container's way out to the process that serves it, and the rest to the server.
    fn hand_over(&mut self, child: &Child, network: Option<&Network>) -> Result<(), Failure> {
        let freezer = self.groups.freezer(&child.group);
        let device = network.and_then(|network| network.device.as_ref());
        let traffic = match (&mut self.way_out, device) {
            (Some(way_out), Some(device)) => {
                let traffic = traffic::file().in_step("count the traffic")?;
                way_out.serve(device, &child.pidfd, &traffic, &self.filters)?;
                Some(traffic)
            }
            _ => None,
        };
        let fds: Vec<BorrowedFd<'_>> = [
            Some(&child.pidfd),
            freezer.as_ref(),
            network.map(|network| &network.listener),
            traffic.as_ref(),
        ]
        .into_iter()
        .flatten()
        .map(AsFd::as_fd)
        .collect();
        let report = Report::Created {
            serial: child.serial,
            freezer: freezer.is_some(),
            listener: network.is_some(),
            traffic: traffic.is_some(),
        };
        self.report(&report, &fds)
    }

    fn signal_all(&self, serial: u64, signal: Signal) -> rustix::io::Result<()> {
        let child = self
            .children
            .values()
            .find(|child| child.serial == serial)
            .ok_or(rustix::io::Errno::SRCH)?;
        let own = rustix::fs::open(
            "/proc/self/ns/pid",
            OFlags::RDONLY | OFlags::CLOEXEC,
            Mode::empty(),
        )?;
        watchdog::signal_all(&child.pidfd, &own, signal)
    }

    /// Kills containers that use more memory than they may.
    fn watch_memory(&mut self) {
        if self.children.is_empty() || self.watched.elapsed() < WATCH_INTERVAL {
            return;
        }
        let usage = Usage::look();
        for (pid, child) in &mut self.children {
            let Some(namespace) = &child.namespace else {
                continue;
            };
            if usage.exceeds(namespace, *pid, child.memory) {
                child.exhausted = true;
                // It may just have ended.
                let _ = rustix::process::pidfd_send_signal(&child.pidfd, Signal::KILL);
            }
        }
        self.watched = Instant::now();
    }

    /// A user of its own for each container, so that one cannot reach another even by a mistake of
    /// ours; those of other servers on this machine are elsewhere by chance.
    fn user(&self, serial: u64) -> u32 {
        if self.abilities.privileged {
            let place = serial.wrapping_add(self.first_user) % u64::from(USERS.end - USERS.start);
            USERS.start + u32::try_from(place).unwrap_or(0)
        } else {
            0
        }
    }

    fn report(&self, report: &Report, fds: &[BorrowedFd<'_>]) -> Result<(), Failure> {
        wire::send(&self.socket, report, fds).in_step("report to the server")
    }

    /// Handles waiting signals. Returns whether one asks to end.
    fn read_signals(&mut self) -> bool {
        let mut info = [0; size_of::<libc::signalfd_siginfo>() * 8];
        // Which children have ended is asked of the kernel; of the signals themselves only the number counts.
        let count = rustix::io::read(&self.signals, &mut info).unwrap_or(0);
        let mut ends = false;
        for one in info
            .get(..count)
            .unwrap_or_default()
            .chunks(size_of::<libc::signalfd_siginfo>())
        {
            let number = one
                .first_chunk::<4>()
                .map(|bytes| u32::from_ne_bytes(*bytes));
            ends |= number == Some(libc::SIGTERM.unsigned_abs());
        }
        self.reap();
        ends
    }

    fn reap(&mut self) {
        while let Ok(Some((pid, _))) = rustix::process::wait(WaitOptions::NOHANG) {
            // The maker of networks is a child too, but has no container.
            let Some(child) = self.children.remove(&pid) else {
                continue;
            };
            let memory_exhausted = child.exhausted || self.groups.memory_exhausted(&child.group);
            self.leftovers
                .push((child.serial, child.group, memory_exhausted));
        }
        self.retry_leftovers();
    }

    fn retry_leftovers(&mut self) {
        let leftovers = std::mem::take(&mut self.leftovers);
        for (serial, group, memory_exhausted) in leftovers {
            if self.groups.remove(&group) {
                // Without a server nobody needs to know.
                let _ = self.report(
                    &Report::Ended {
                        serial,
                        memory_exhausted,
                    },
                    &[],
                );
            } else {
                self.leftovers.push((serial, group, memory_exhausted));
            }
        }
    }

    /// Kills every container, waits for the ends and removes the server's control groups.
    fn end(&mut self) {
        for child in self.children.values() {
            let _ = rustix::process::pidfd_send_signal(&child.pidfd, Signal::KILL);
            if let Some(freezer) = self.groups.freezer(&child.group) {
                // What is frozen in version 1 dies only when it is thawed; version 2 takes `0`.
                let _ = rustix::io::write(&freezer, b"THAWED")
                    .or_else(|_| rustix::io::write(&freezer, b"0"));
            }
        }
        for _ in 0..1000 {
            self.reap();
            if self.children.is_empty() && self.leftovers.is_empty() {
                break;
            }
            std::thread::sleep(Duration::from_millis(2));
        }
        self.groups.remove_all();
    }
}
