//! Actions that misuse the sandbox: each ends as its own failure, nothing of it is left, and a
//! neighbour does not notice.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixListener};
use std::sync::Arc;
use std::time::Duration;

use oxwhisk_container::sandbox::{ApiListeners, NetworkMode, SandboxConfig, SandboxFactory};
use oxwhisk_container::{Container, ContainerError, ContainerFactory, ContainerId, LogOutcome};
use oxwhisk_entity::ByteSize;

use crate::support::*;

const SECOND: Duration = Duration::from_secs(1);

/// A factory with a neighbour that must not notice anything.
struct House {
    factory: SandboxFactory,
    neighbour: Arc<dyn Container>,
}

impl House {
    async fn new(config: SandboxConfig) -> Self {
        let factory = SandboxFactory::start(config).await.unwrap();
        let code = "import os\ndef main(args):\n  open('/tmp/mine', 'w').write('secret of the neighbour')\n  return {'fine': True}\n";
        let neighbour = started(&factory, spec(&python()), code).await;
        let house = Self { factory, neighbour };
        house.neighbour_is_fine().await;
        house
    }

    async fn python(&self, code: &str, memory: ByteSize) -> (Arc<dyn Container>, String) {
        let (mut spec, mark) = marked(spec(&python()));
        spec.memory = memory;
        (started(&self.factory, spec, code).await, mark)
    }

    async fn neighbour_is_fine(&self) {
        let response = self
            .neighbour
            .run(id(7), run_body(id(7), "{}"), 20 * SECOND, LIMIT)
            .await
            .unwrap();
        assert_eq!(text(&response), "{\"fine\":true}");
        self.neighbour.logs(id(7), ByteSize::mib(1), MINUTE).await;
    }

    async fn close(self) {
        self.neighbour_is_fine().await;
        self.neighbour.destroy().await;
        self.factory.shutdown().await;
    }
}

async fn run_for(container: &dyn Container, time: Duration) -> Result<String, ContainerError> {
    let response = container
        .run(id(1), run_body(id(1), "{}"), time, LIMIT)
        .await;
    response.map(|response| text(&response).to_owned())
}

fn both() -> [SandboxConfig; 2] {
    [config(), without_groups()]
}

#[tokio::test]
async fn fork_bomb() {
    for config in both() {
        let house = House::new(SandboxConfig {
            pids: 100,
            ..config
        })
        .await;
        let code = "
import os
def main(args):
    while True:
        try: os.fork()
        except OSError: pass
";
        let (container, mark) = house.python(code, ByteSize::mib(512)).await;
        assert!(matches!(
            run_for(&*container, 2 * SECOND).await,
            Err(ContainerError::Timeout)
        ));
        let count = processes(&mark).len();
        assert!((10..=100).contains(&count), "{count} processes");
        house.neighbour_is_fine().await;
        destroyed(&*container, &mark).await;
        house.close().await;
    }
}

#[tokio::test]
async fn memory_without_end() {
    let private = "
def main(args):
    kept = []
    while True: kept.append(b'x' * 1000000)
";
    let shared = "
import mmap
def main(args):
    kept = []
    while True:
        kept.append(mmap.mmap(-1, 1 << 20))
        kept[-1].write(b'x' * (1 << 20))
";
    for config in both() {
        let house = House::new(config).await;
        for code in [private, shared] {
            let (container, mark) = house.python(code, ByteSize::mib(128)).await;
            let answer = run_for(&*container, MINUTE).await;
            assert!(
                matches!(answer, Err(ContainerError::MemoryExhausted)),
                "{answer:?}"
            );
            destroyed(&*container, &mark).await;
        }
        house.close().await;
    }
}

/// Memory that no process has mapped: counted by control groups, refused without.
#[tokio::test]
async fn memory_behind_descriptors() {
    for config in both() {
        let house = House::new(config).await;
        let code = "
import ctypes, errno, os
def main(args):
    shared = ctypes.CDLL(None, use_errno=True).shmget(0, 1 << 20, 0o1600)
    try: file = os.memfd_create('x')
    except OSError as error: return {'memfd': errno.errorcode[error.errno], 'shm': shared}
    while True: os.write(file, b'x' * 1000000)
";
        let (container, mark) = house.python(code, ByteSize::mib(128)).await;
        let answer = run_for(&*container, MINUTE).await;
        match answer {
            Err(ContainerError::MemoryExhausted) => {}
            answer => assert_eq!(answer.unwrap(), "{\"memfd\":\"ENOSYS\",\"shm\":-1}"),
        }
        destroyed(&*container, &mark).await;
        house.close().await;
    }
}

#[tokio::test]
async fn memory_of_many_processes_counts_together() {
    for config in both() {
        let house = House::new(config).await;
        let code = "
import os, time
def main(args):
    kept = []
    for part in range(20):
        if os.fork() == 0:
            kept = b'x' * (20 << 20)
            time.sleep(1000)
    time.sleep(1000)
";
        let (container, mark) = house.python(code, ByteSize::mib(256)).await;
        // The kernel may kill the children only; then the parent sleeps until its time is up.
        let answer = run_for(&*container, 3 * SECOND).await;
        assert!(
            matches!(
                answer,
                Err(ContainerError::MemoryExhausted | ContainerError::Timeout)
            ),
            "{answer:?}"
        );
        destroyed(&*container, &mark).await;
        house.close().await;
    }
}

#[tokio::test]
async fn full_disk() {
    for config in both() {
        let house = House::new(SandboxConfig {
            tmp: ByteSize::mib(16),
            ..config
        })
        .await;
        let code = "
import errno, os
def fill(make):
    try:
        while True: make()
    except OSError as error:
        return errno.errorcode[error.errno]
def main(args):
    with open('/tmp/large', 'wb', buffering=0) as file:
        bytes = fill(lambda: file.write(b'x' * 65536))
    size = os.path.getsize('/tmp/large') >> 20
    os.remove('/tmp/large')
    count = [0]
    def create():
        count[0] += 1
        os.close(os.open('/tmp/%d' % count[0], os.O_CREAT | os.O_WRONLY))
    return {'bytes': bytes, 'size': size, 'files': fill(create)}
";
        let (container, mark) = house.python(code, ByteSize::mib(256)).await;
        let answer = run_for(&*container, MINUTE).await.unwrap();
        assert_eq!(
            answer,
            "{\"bytes\":\"ENOSPC\",\"size\":16,\"files\":\"ENOSPC\"}"
        );
        destroyed(&*container, &mark).await;
        house.close().await;
    }
}

#[tokio::test]
async fn no_answer_while_signals_are_ignored() {
    let house = House::new(config()).await;
    let code = "
import signal
def main(args):
    for number in range(1, 65):
        try: signal.signal(number, signal.SIG_IGN)
        except (OSError, ValueError): pass
    while True: pass
";
    let (container, mark) = house.python(code, ByteSize::mib(128)).await;
    assert!(matches!(
        run_for(&*container, SECOND).await,
        Err(ContainerError::Timeout)
    ));
    destroyed(&*container, &mark).await;
    house.close().await;
}

#[tokio::test]
async fn closed_descriptors() {
    let house = House::new(config()).await;
    let code = "
import os, time
def main(args):
    os.closerange(0, 1024)
    time.sleep(1000)
";
    let (container, mark) = house.python(code, ByteSize::mib(128)).await;
    let answer = run_for(&*container, MINUTE).await;
    assert!(
        matches!(answer, Err(ContainerError::ConnectionLost)),
        "{answer:?}"
    );
    assert_eq!(
        container.logs(id(1), ByteSize::mib(1), SECOND).await.lines,
        []
    );
    destroyed(&*container, &mark).await;
    house.close().await;
}

#[tokio::test]
async fn nonsense_on_the_platforms_socket() {
    let house = House::new(config()).await;
    let code = "
import os, time
def main(args):
    os.write(3, b'x' * 100000 + b'\\n')
    time.sleep(1000)
";
    let (container, mark) = house.python(code, ByteSize::mib(128)).await;
    let answer = run_for(&*container, MINUTE).await;
    assert!(
        matches!(answer, Err(ContainerError::ConnectionLost)),
        "{answer:?}"
    );
    destroyed(&*container, &mark).await;
    let code = "
import os
def main(args):
    while True: os.write(3, b'x' * 1000000)
";
    let (container, mark) = house.python(code, ByteSize::mib(128)).await;
    let before = resident();
    assert!(run_for(&*container, 2 * SECOND).await.is_err());
    assert!(resident() < before + (64 << 20), "the platform buffered it");
    destroyed(&*container, &mark).await;
    house.close().await;
}

#[tokio::test]
async fn what_only_the_launcher_may_say() {
    let house = House::new(config()).await;
    for line in [
        r#"{"ready":true}"#,
        r#"{"failed":{"step":"mount","errno":1}}"#,
        r#"{"activation_id":"","status":200,"body":{"forged":true}}"#,
    ] {
        let code = format!(
            "
import os, time
def main(args):
    os.write(3, b'{line}\\n')
    time.sleep(1000)
"
        );
        let (container, mark) = house.python(&code, ByteSize::mib(128)).await;
        let answer = run_for(&*container, MINUTE).await;
        assert!(
            matches!(answer, Err(ContainerError::ConnectionLost)),
            "{line}: {answer:?}"
        );
        destroyed(&*container, &mark).await;
    }
    house.close().await;
}

/// Bytes of memory that this process uses.
fn resident() -> u64 {
    let text = std::fs::read_to_string("/proc/self/statm").unwrap();
    text.split(' ').nth(1).unwrap().parse::<u64>().unwrap() * 4096
}

#[tokio::test]
async fn gigabytes_of_output() {
    let house = House::new(config()).await;
    for line in ["b'x' * 65536", "b'x\\n' * 32768", "b'\\n' * 65536"] {
        let code = format!(
            "
import os
def main(args):
    piece = {line}
    for count in range(8000): os.write(1 + count % 2, piece)
    return {{'done': True}}
"
        );
        let (container, mark) = house.python(&code, ByteSize::mib(128)).await;
        let before = resident();
        assert_eq!(
            run_for(&*container, MINUTE).await.unwrap(),
            "{\"done\":true}"
        );
        let logs = container.logs(id(1), ByteSize::mib(1), MINUTE).await;
        assert_eq!(logs.outcome, LogOutcome::Truncated);
        assert!(
            logs.lines
                .iter()
                .map(|line| line.text.len() + 1)
                .sum::<usize>()
                <= 1 << 20
        );
        let grown = resident().saturating_sub(before) >> 20;
        assert!(grown < 150, "the platform kept {grown} MiB of it");
        destroyed(&*container, &mark).await;
    }
    house.close().await;
}

#[tokio::test]
async fn files_of_the_host_and_of_others() {
    let house = House::new(config()).await;
    let data = tempfile::tempdir().unwrap();
    std::fs::write(data.path().join("database"), "secret").unwrap();
    let code = "
import glob, os
def main(args):
    read = []
    for path in ['/etc/shadow', '/root', '/home', '/var', '/sys', '/boot', '/host', '/roots', '/tmp/mine', args['data'],
                 args['data'] + '/database', '/proc/kcore', '/proc/kallsyms', '/dev/mem', '/dev/kmsg', '/dev/sda', '/dev/vda',
                 '/proc/sys/kernel/core_pattern_none', '/sys/fs/cgroup', '/run', '/proc/1/root/root', '/proc/1/cwd/../root']:
        try:
            found = os.listdir(path) if os.path.isdir(path) else open(path, 'rb').read(10)
            # Of the folder above the interpreter only the way to it is there.
            if found and found != ['.pyenv']: read.append(path)
        except OSError: pass
    written = []
    for path in ['/x', '/etc/passwd', '/etc/x', '/usr/x', '/usr/bin/x', '/dev/x', '/proc/sys/kernel/hostname', '/proc/sysrq-trigger',
                 '/proc/self/oom_score_adj', '/proc/1/mem', os.__file__, os.path.dirname(os.__file__) + '/x']:
        try:
            open(path, 'w').close()
            written.append(path)
        except OSError: pass
    processes = sorted(int(name) for name in os.listdir('/proc') if name.isdigit())
    secrets = [path for path in glob.glob('/proc/[0-9]*/environ') if b'XDG' in open(path, 'rb').read()]
    mounts = [line.split()[4] for line in open('/proc/self/mountinfo') if line.split()[4] in ('/host', '/sys')]
    return {'read': read, 'written': written, 'processes': processes, 'secrets': secrets, 'mounts': mounts}
";
    let (container, mark) = house.python(code, ByteSize::mib(128)).await;
    let value = format!("{{\"data\":\"{}\"}}", data.path().display());
    let response = run(&*container, &value).await.unwrap();
    assert_eq!(
        text(&response),
        "{\"read\":[],\"written\":[],\"processes\":[1],\"secrets\":[],\"mounts\":[]}"
    );
    destroyed(&*container, &mark).await;
    house.close().await;
}

#[tokio::test]
async fn rights_and_system_calls() {
    let house = House::new(config()).await;
    let code = "
import ctypes, errno, os, socket
libc = ctypes.CDLL(None, use_errno=True)
def call(*args):
    ctypes.set_errno(0)
    result = libc.syscall(*[ctypes.c_long(arg) for arg in args])
    return 0 if result >= 0 else ctypes.get_errno()
def main(args):
    status = dict(line.rstrip('\\n').split(':\\t', 1) for line in open('/proc/self/status') if ':\\t' in line)
    wanted = ['CapInh', 'CapPrm', 'CapEff', 'CapBnd', 'CapAmb', 'NoNewPrivs', 'Seccomp']
    calls = {
        'unshare': (272, 0x10000000), 'mount': (165, 0, 0, 0, 0, 0), 'ptrace': (101, 0, 0, 0, 0), 'keyctl': (250, 0, -3, 0),
        'bpf': (321, 0, 0, 0), 'userfaultfd': (323, 1), 'perf_event_open': (298, 0, 0, -1, -1, 0), 'io_uring_setup': (425, 1, 0),
        'clone3': (435, 0, 0), 'setns': (308, 0, 0), 'pivot_root': (155, 0, 0), 'chroot': (161, 0), 'personality': (135, 0x0040000),
        'clone_newuser': (56, 0x10000011, 0, 0, 0, 0), 'open_by_handle_at': (304, 0, 0, 0), 'process_vm_readv': (310, 1, 0, 0, 0, 0, 0),
        'x32': (0x40000000 + 39,),
    }
    refused = {name: errno.errorcode.get(call(*arguments), 'allowed') for name, arguments in calls.items()}
    families = {}
    for family in [38, 40, 17, 16, 29]:
        try:
            socket.socket(family, socket.SOCK_RAW if family == 16 else socket.SOCK_SEQPACKET, 9 if family == 16 else 0)
            families[family] = 'allowed'
        except OSError as error:
            families[family] = errno.errorcode[error.errno]
    limits = open('/proc/self/limits').read()
    files = [line.split()[3] for line in limits.splitlines() if line.startswith('Max open files')][0]
    open_files = sorted(int(name) for name in os.listdir('/proc/self/fd'))
    return {'open': open_files[:4], 'more': len([number for number in open_files[4:] if os.path.exists('/proc/self/fd/%d' % number)]),
            'status': [status[name].strip('0') or '0' for name in wanted], 'ids': [os.getuid(), os.getgid(), os.getpid()],
            'allowed': [name for name, answer in refused.items() if answer not in ('EPERM', 'ENOSYS')],
            'families': sorted(set(families.values())), 'files': files, 'map': open('/proc/self/uid_map').read().split()[::2],
            'interfaces': [name for _, name in socket.if_nameindex()], 'host': socket.gethostname()[:5]}
";
    let (container, mark) = house.python(code, ByteSize::mib(128)).await;
    let response = run(&*container, "{}").await.unwrap();
    assert_eq!(
        text(&response),
        "{\"open\":[0,1,2,3],\"more\":0,\"status\":[\"0\",\"0\",\"0\",\"0\",\"0\",\"1\",\"2\"],\"ids\":[1000,1000,1],\"allowed\":[],\"families\":[\"EPERM\"],\
         \"files\":\"1024\",\"map\":[\"1000\",\"1\"],\"interfaces\":[\"lo\"],\"host\":\"test-\"}"
    );
    destroyed(&*container, &mark).await;
    house.close().await;
}

/// Answers requests from containers with the container's name.
#[derive(Debug)]
struct Named;

impl ApiListeners for Named {
    fn opened(&self, container: &ContainerId, listener: TcpListener) {
        let name = container.as_str().to_owned();
        listener.set_nonblocking(false).unwrap();
        std::thread::spawn(move || {
            for stream in listener.incoming().take(1) {
                let mut stream = stream.unwrap();
                stream.read_exact(&mut [0; 3]).unwrap();
                stream.write_all(name.as_bytes()).unwrap();
            }
        });
    }

    fn closed(&self, _: &ContainerId) {}
}

#[tokio::test]
async fn ports_of_the_host() {
    let network = NetworkMode::Api {
        port: API_PORT,
        listeners: Arc::new(Named),
    };
    let factory = SandboxFactory::start(SandboxConfig {
        network,
        ..config()
    })
    .await
    .unwrap();
    let tcp = TcpListener::bind("127.0.0.1:0").unwrap();
    let everywhere = TcpListener::bind("0.0.0.0:0").unwrap();
    let name = format!("oxwhisk-test-{}", std::process::id());
    let _abstract =
        UnixListener::bind_addr(&SocketAddr::from_abstract_name(&name).unwrap()).unwrap();
    let code = "
import socket
def tries(family, address, kind=socket.SOCK_STREAM):
    with socket.socket(family, kind) as one:
        one.settimeout(2)
        try:
            one.connect(address)
            one.send(b'api')
            return one.recv(100).decode()
        except OSError as error:
            return 'refused'
def main(args):
    name = args['name']
    return {'api': tries(socket.AF_INET, ('127.0.0.1', 3233)),
            'others': [tries(socket.AF_INET, ('127.0.0.1', args['port'])), tries(socket.AF_INET, ('127.0.0.1', args['everywhere'])),
                       tries(socket.AF_INET, ('169.254.169.254', 80)), tries(socket.AF_INET, ('192.0.2.1', 80)),
                       tries(socket.AF_INET, ('8.8.8.8', 53), socket.SOCK_DGRAM), tries(socket.AF_INET6, ('::1', args['port'])),
                       tries(socket.AF_UNIX, '\\0' + name), tries(socket.AF_UNIX, '/run/docker.sock')]}
";
    let (spec, mark) = marked(spec(&python()));
    let own_name = spec.id.to_string();
    let container = started(&factory, spec, code).await;
    let value = format!(
        "{{\"port\":{},\"everywhere\":{},\"name\":\"{name}\"}}",
        tcp.local_addr().unwrap().port(),
        everywhere.local_addr().unwrap().port()
    );
    let response = run(&*container, &value).await.unwrap();
    let refused = ["\"refused\""; 8].join(",");
    assert_eq!(
        text(&response),
        format!("{{\"api\":\"{own_name}\",\"others\":[{refused}]}}")
    );
    destroyed(&*container, &mark).await;
    factory.shutdown().await;
}

#[tokio::test]
async fn host_network_is_there_if_asked() {
    let factory = SandboxFactory::start(SandboxConfig {
        network: NetworkMode::Host,
        ..config()
    })
    .await
    .unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let code = "
import socket
def main(args):
    socket.create_connection(('127.0.0.1', args['port']), 5).close()
    return {'connected': True}
";
    let container = started(&factory, spec(&python()), code).await;
    let response = run(
        &*container,
        &format!("{{\"port\":{}}}", listener.local_addr().unwrap().port()),
    )
    .await
    .unwrap();
    assert_eq!(text(&response), "{\"connected\":true}");
    container.destroy().await;
    factory.shutdown().await;
}
