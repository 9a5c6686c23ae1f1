//! Actions that attack the machine: each ends as its own failure, the next activation of another action is
//! unaffected, and nothing is left. Once as whoever runs the tests, once as an ordinary user.
#![expect(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "tests may panic"
)]

use std::net::{TcpListener, UdpSocket};
use std::time::Duration;

use oxwhisk_testing::processes::{container_groups, descendants, resident_kib};
use oxwhisk_testing::{ServerOptions, TestServer, eventually};
use serde_json::{Value, json};

const PATIENCE: Duration = Duration::from_secs(30);
/// Resident memory that a server never needs, in KiB; the program under test is not optimised.
const MUCH_MEMORY: u64 = 200 << 10;

const TIMED_OUT: &str = "The action exceeded its time limits of 2000 milliseconds.";
const MEMORY: &str = "The action exhausted its memory and was aborted.";
const ABNORMAL: &str = "The action did not produce a valid response and exited unexpectedly.";

/// How an attack ends.
#[derive(Debug, Clone, Copy)]
enum End {
    /// As a developer error with one of these texts.
    Failure(&'static [&'static str]),
    /// With this result, as JSON.
    Result(&'static str),
    /// Either of both.
    Any(&'static [&'static str], &'static str),
    /// With the platform's text where control groups bound the memory; without them the limit of the address space
    /// meets the interpreter first, and the failure is whatever it makes of that.
    Memory,
}

impl End {
    /// Short where the limit is the expected end, long where a slow machine must not come to it.
    fn time_limit_ms(self) -> u64 {
        match self {
            Self::Failure(texts) | Self::Any(texts, _) if texts.contains(&TIMED_OUT) => 2000,
            Self::Failure(_) | Self::Any(..) | Self::Result(_) | Self::Memory => 60_000,
        }
    }
}

struct Attack {
    name: &'static str,
    kind: &'static str,
    code: &'static str,
    end: End,
}

const PYTHON: &str = "python:default";
const NODE: &str = "nodejs:default";

const ATTACKS: &[Attack] = &[
    Attack {
        name: "forks-without-end",
        kind: PYTHON,
        code: "
import os
def main(args):
    while True:
        try: os.fork()
        except OSError: pass
",
        end: End::Failure(&[TIMED_OUT, MEMORY]),
    },
    Attack {
        name: "spawns-without-end",
        kind: NODE,
        code: "
const {spawn} = require('child_process')
function main() {
  const more = () => {
    const child = spawn(process.execPath, ['-e', 'setInterval(() => {}, 1000)'], {detached: true, stdio: 'ignore'})
    child.on('error', () => {})
    setImmediate(more)
  }
  more()
  return new Promise(() => {})
}",
        end: End::Failure(&[TIMED_OUT, MEMORY]),
    },
    Attack {
        name: "allocates-without-end",
        kind: PYTHON,
        code: "
def main(args):
    kept = []
    while True: kept.append(b'x' * 1000000)
",
        end: End::Memory,
    },
    Attack {
        name: "buffers-without-end",
        kind: NODE,
        code: "
function main() {
  const kept = []
  for (;;) kept.push(Buffer.alloc(1 << 20, 'x'))
}",
        end: End::Memory,
    },
    Attack {
        name: "fills-the-disk",
        kind: PYTHON,
        code: "
import errno, os
def main(args):
    try:
        with open('/tmp/large', 'wb', buffering=0) as file:
            while True: file.write(b'x' * 65536)
    except OSError as error:
        return {'code': errno.errorcode[error.errno]}
",
        end: End::Any(&[MEMORY], r#"{"code":"ENOSPC"}"#),
    },
    Attack {
        name: "fills-the-disk-with-files",
        kind: NODE,
        code: "
const fs = require('fs')
function main() {
  try {
    for (let n = 0; ; n++) fs.writeFileSync('/tmp/' + n, '')
  } catch (error) {
    return {code: error.code}
  }
}",
        end: End::Any(&[MEMORY, TIMED_OUT], r#"{"code":"ENOSPC"}"#),
    },
    Attack { name: "never-answers", kind: NODE, code: "function main() { for (;;); }", end: End::Failure(&[TIMED_OUT]) },
    Attack {
        name: "ignores-signals",
        kind: PYTHON,
        code: "
import signal, time
def main(args):
    for number in range(1, 65):
        try: signal.signal(number, signal.SIG_IGN)
        except (OSError, ValueError): pass
    while True: time.sleep(1)
",
        end: End::Failure(&[TIMED_OUT]),
    },
    Attack {
        name: "closes-the-channel",
        kind: PYTHON,
        code: "
import os, time
def main(args):
    os.close(3)
    time.sleep(1000)
",
        end: End::Failure(&[ABNORMAL]),
    },
    Attack {
        name: "closes-every-descriptor",
        kind: NODE,
        code: "
const fs = require('fs')
function main() {
  for (let fd = 0; fd < 64; fd++) try { fs.closeSync(fd) } catch {}
  return new Promise(() => setTimeout(() => {}, 1e9))
}",
        end: End::Failure(&[ABNORMAL, TIMED_OUT]),
    },
    Attack {
        name: "closes-its-output",
        kind: PYTHON,
        code: "
import os
def main(args):
    os.close(1)
    os.close(2)
    return {'closed': True}
",
        end: End::Result(r#"{"closed":true}"#),
    },
    Attack {
        name: "prints-gigabytes",
        kind: PYTHON,
        code: "
import os
def main(args):
    while True: os.write(1, b'x' * 65535 + b'\\n')
",
        end: End::Failure(&[TIMED_OUT]),
    },
    Attack {
        name: "answers-in-another-s-name",
        kind: PYTHON,
        code: "
import os, time
def main(args):
    os.write(3, b'x' * 100000 + b'\\n')
    time.sleep(1000)
",
        end: End::Failure(&[ABNORMAL]),
    },
    Attack {
        name: "reads-files",
        kind: PYTHON,
        code: "
import os
def main(args):
    found = []
    for path in args['paths']:
        try:
            if os.path.isdir(path):
                if os.listdir(path): found.append(path)
            elif open(path, 'rb').read(1): found.append(path)
        except OSError: pass
    own = os.listdir('/tmp')
    me = {name for name in os.listdir('/proc') if name.isdigit()}
    return {'found': found, 'secrets': [name for name in own if 'secret' in name], 'processes': len(me) < 8}
",
        end: End::Result(r#"{"found":[],"processes":true,"secrets":[]}"#),
    },
    Attack {
        name: "writes-files",
        kind: NODE,
        code: "
const fs = require('fs')
function main({paths}) {
  const written = paths.filter(path => {
    try { fs.appendFileSync(path, ''); return true } catch { return false }
  })
  return {written}
}",
        end: End::Result(r#"{"written":[]}"#),
    },
    Attack {
        name: "gains-rights",
        kind: PYTHON,
        code: "
import ctypes, os
libc = ctypes.CDLL(None, use_errno=True)
def main(args):
    status = dict(line.split(':', 1) for line in open('/proc/self/status') if ':' in line)
    status = {name: value.strip() for name, value in status.items()}
    CLONE_NEWNS, CLONE_NEWUSER, PTRACE_SEIZE, MS_BIND = 0x20000, 0x10000000, 0x4206, 4096
    tried = {
        'unshare': libc.unshare(CLONE_NEWUSER),
        'mounts': libc.unshare(CLONE_NEWNS),
        'mount': libc.mount(b'/', b'/tmp', None, MS_BIND, None),
        'ptrace': libc.ptrace(PTRACE_SEIZE, 1, 0, 0),
        'setuid': libc.setuid(0) if os.getuid() else -1,
        'chroot': libc.chroot(b'/tmp'),
        'name': libc.sethostname(b'mine', 4),
    }
    for path in ('/proc/sys/kernel/core_pattern', '/proc/sysrq-trigger', '/sys/fs/cgroup/cgroup.procs', '/etc/passwd', '/dev/kmsg'):
        try: open(path, 'ab').close()
        except OSError: continue
        tried[path] = 0
    descriptors = []
    for fd in os.listdir('/proc/self/fd'):
        # The channel, the outputs, and the listing itself, which is closed by now.
        if int(fd) > 3 and os.path.exists('/proc/self/fd/' + fd): descriptors.append(os.readlink('/proc/self/fd/' + fd))
    return {
        'gained': [name for name, result in tried.items() if result != -1],
        'capabilities': int(status['CapEff'], 16) | int(status['CapPrm'], 16) | int(status['CapBnd'], 16),
        'seccomp': status['Seccomp'], 'no_new_privileges': status['NoNewPrivs'], 'descriptors': descriptors,
    }
",
        end: End::Result(
            r#"{"gained":[],"capabilities":0,"seccomp":"2","no_new_privileges":"1","descriptors":[]}"#,
        ),
    },
    Attack {
        name: "reaches-ports",
        kind: NODE,
        code: "
const net = require('net')
const reach = ([host, port]) => new Promise(resolve => {
  const socket = net.connect({host, port, timeout: 800})
  socket.on('connect', () => { socket.destroy(); resolve(host + ':' + port) })
  socket.on('timeout', () => { socket.destroy(); resolve() })
  socket.on('error', () => resolve())
})
async function main({addresses}) {
  return {reached: (await Promise.all(addresses.map(reach))).filter(Boolean)}
}",
        end: End::Result(r#"{"reached":[]}"#),
    },
];

/// The action that must not notice anything.
const NEIGHBOUR: &str = "
import os
def main(args):
    open('/tmp/secret', 'w').write('of the neighbour')
    return {'fine': args['n']}
";

/// What attacks are told of the world outside.
fn arguments(server: &TestServer, listener: &TcpListener) -> Value {
    let data = server.data_dir();
    let database = data.join("oxwhisk.db");
    let pid = server.pid();
    let paths = [
        "/etc/shadow".into(),
        "/root/.bashrc".into(),
        "/root/.ssh".into(),
        "/home".into(),
        data.to_string_lossy().into_owned(),
        database.to_string_lossy().into_owned(),
        format!("/proc/{pid}/environ"),
        format!("/proc/{pid}/root/etc/shadow"),
        "/sys/kernel/security".into(),
        "/dev/mem".into(),
        "/proc/kcore".into(),
        "/etc/oxwhisk".into(),
        "/usr/oxwhisk".into(),
    ];
    let port = listener.local_addr().unwrap().port();
    let mut addresses = vec![
        json!(["127.0.0.1", port]),
        json!(["::1", port]),
        json!(["localhost", port]),
    ];
    addresses.extend(own_address().map(|address| json!([address, port])));
    for metadata in [
        "169.254.169.254",
        "169.254.170.2",
        "100.100.100.200",
        "fd00:ec2::254",
    ] {
        addresses.push(json!([metadata, 80]));
    }
    json!({"paths": paths, "addresses": addresses})
}

/// An address of this machine that is not loopback, if it has a route anywhere. Nothing is sent.
fn own_address() -> Option<String> {
    let socket = UdpSocket::bind("0.0.0.0:0").ok()?;
    socket.connect("192.0.2.1:9").ok()?;
    Some(socket.local_addr().ok()?.ip().to_string())
}

fn check(server: &TestServer, attack: &Attack, activation: &Value, has_groups: bool) {
    let name = attack.name;
    let response = &activation["response"];
    let error = response["result"]["error"].as_str();
    let failed_as = |texts: &[&str]| {
        response["status"] == "action developer error"
            && error.is_some_and(|text| texts.contains(&text))
    };
    let is_result = |text: &str| response["result"] == serde_json::from_str::<Value>(text).unwrap();
    let fits = match attack.end {
        End::Failure(texts) => failed_as(texts),
        End::Result(text) => is_result(text),
        End::Any(texts, text) => failed_as(texts) || is_result(text),
        End::Memory if has_groups => failed_as(&[MEMORY]),
        End::Memory => response["success"] == false && response["status"] != "whisk internal error",
    };
    assert!(
        fits,
        "{name} should end as {:?} and was {activation}\n{}",
        attack.end,
        server.stderr()
    );
}

/// Attacks one after the other; after each the neighbour is asked.
async fn withstands_all(mut server: TestServer) {
    let listener = TcpListener::bind("0.0.0.0:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let user = server.user();
    user.put_action("neighbour", PYTHON, NEIGHBOUR, json!({}))
        .await;
    user.result("neighbour", &json!({"n": -1})).await;
    let arguments = arguments(&server, &listener);
    let has_groups = !container_groups(&makers(&server)).is_empty();
    let mut most = 0;
    for (number, attack) in ATTACKS.iter().enumerate() {
        let limits = json!({"timeout": attack.end.time_limit_ms(), "memory": 256, "logs": 1});
        user.put_action(attack.name, attack.kind, attack.code, limits)
            .await;
        let answer = user.invoke(attack.name, &arguments).await;
        let activation = answer.json().unwrap();
        check(&server, attack, &activation, has_groups);
        let fine = user.result("neighbour", &json!({"n": number})).await;
        assert_eq!(fine, json!({"fine": number}), "after {}", attack.name);
        let record = user
            .record(activation["activationId"].as_str().unwrap())
            .await;
        check(&server, attack, &record, has_groups);
        let logs = record["logs"].to_string().len();
        assert!(logs < 2 << 20, "{}: {logs} bytes of logs", attack.name);
        most = most.max(resident_kib(server.pid()));
    }
    assert!(most < MUCH_MEMORY, "the server used {most} KiB");
    let visitors = listener.accept();
    assert!(visitors.is_err(), "{visitors:?}");
    nothing_is_left(&mut server).await;
}

/// The server's processes, one of which names the control groups.
fn makers(server: &TestServer) -> Vec<u32> {
    let mut processes = descendants(server.pid());
    processes.push(server.pid());
    processes
}

async fn nothing_is_left(server: &mut TestServer) {
    // Containers at rest and those kept ready may stay; of an attack no process may.
    let crowd = eventually(PATIENCE, async || {
        (descendants(server.pid()).len() < 40).then_some(())
    });
    assert!(
        crowd.await.is_ok(),
        "{} processes",
        descendants(server.pid()).len()
    );
    let processes = descendants(server.pid());
    let makers = makers(server);
    assert!(server.stop().unwrap().success(), "{}", server.stderr());
    let alive = || {
        processes
            .iter()
            .filter(|pid| resident_kib(**pid) > 0)
            .count()
    };
    let gone = eventually(PATIENCE, async || (alive() == 0).then_some(()));
    assert!(
        gone.await.is_ok(),
        "{} processes outlive the server",
        alive()
    );
    assert_eq!(container_groups(&makers), Vec::<std::path::PathBuf>::new());
    assert!(!server.stderr().contains("panicked"), "{}", server.stderr());
}

#[tokio::test(flavor = "multi_thread")]
async fn hostile_actions_fail_by_themselves() {
    let server = ServerOptions::new(env!("CARGO_BIN_EXE_oxwhisk"))
        .without_throttles()
        .start()
        .unwrap();
    withstands_all(server).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs root"]
async fn hostile_actions_fail_by_themselves_under_an_ordinary_user() {
    // The program and the launchers are copied to where this user can read them, and not below `/tmp`, which is
    // another one in containers.
    let home = tempfile::tempdir_in("/var/tmp").unwrap();
    let script = r#"
for dir; do :; done
cp "$2" "$1/oxwhisk"
cp -r "$3" "$1/runtimes"
chown -R 65534:65534 "$1" "$(dirname "$dir")"
cd "$1"
export HOME="$1" OXWHISK_RUNTIMES_DIR="$1/runtimes"
shift 3
exec setpriv --reuid=65534 --regid=65534 --clear-groups ./oxwhisk "$@""#;
    let runtimes = concat!(env!("CARGO_MANIFEST_DIR"), "/../../runtimes");
    let mut options = ServerOptions::new("sh").without_throttles();
    options.arguments = ["-c", script, "sh"].map(Into::into).into();
    for argument in [
        home.path().as_os_str(),
        env!("CARGO_BIN_EXE_oxwhisk").as_ref(),
        runtimes.as_ref(),
    ] {
        options = options.argument(argument);
    }
    options = options
        .argument("standalone")
        .argument("--port")
        .argument("0");
    let server = options.start().unwrap();
    withstands_all(server).await;
}
