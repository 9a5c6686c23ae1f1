//! Roots for containers: assembled once for each runtime, copied with the mount namespace for each container.

use std::ffi::{CString, OsString};
use std::fs;
use std::io;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Component, Path, PathBuf};

use rustix::mount::{MountFlags, MountPropagationFlags, UnmountFlags};
use rustix::thread::UnshareFlags;

use super::{Failure, InStep};
use crate::sandbox::egress::GATEWAY_V4;
use crate::sandbox::wire::RuntimeOrder;

/// Where the helper sees the host's root.
const HOST: &str = "/host";
/// Devices that a container has.
const DEVICES: [&str; 5] = ["null", "zero", "full", "random", "urandom"];
/// Files, mostly of the host's `/etc`, that programs need, where they exist. OpenSSL looks for certificates in the
/// folder it was built for.
const ETC: [&str; 12] = [
    "/etc/ld.so.cache",
    "/etc/localtime",
    "/etc/mime.types",
    "/etc/ssl/certs",
    "/etc/ssl/openssl.cnf",
    "/etc/pki/tls/cert.pem",
    "/etc/pki/tls/certs",
    "/usr/lib/ssl/cert.pem",
    "/usr/lib/ssl/certs",
    "/usr/lib/ssl/openssl.cnf",
    "/usr/share/ca-certificates",
    "/usr/share/zoneinfo",
];
/// Parts of `/proc` that tell about the host or its kernel; hidden where they exist.
const HIDDEN: [&str; 14] = [
    "acpi",
    "asound",
    "buddyinfo",
    "cmdline",
    "config.gz",
    "interrupts",
    "kallsyms",
    "kcore",
    "key-users",
    "keys",
    "latency_stats",
    "modules",
    "scsi",
    "timer_list",
];
/// Links under a path are followed this often at most.
const LINKS_MAX: usize = 40;

/// Who tells the addresses of names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Names {
    None,
    OfTheHost,
    OfTheTunnel,
}

/// A root that is ready to be entered, and what to run in it.
#[derive(Debug)]
pub(super) struct Template {
    pub(super) root: CString,
    /// Files and folders of `/proc` to hide, relative to the new root.
    pub(super) hidden_files: Vec<CString>,
    pub(super) hidden_folders: Vec<CString>,
    /// What is to be mounted over the container's own `/tmp`.
    pub(super) in_tmp: Vec<InTmp>,
    pub(super) command: Vec<CString>,
    pub(super) environment: Vec<CString>,
}

/// A file or folder of the host's `/tmp` that the runtime reads.
#[derive(Debug)]
pub(super) struct InTmp {
    source: PathBuf,
    /// Relative to the root.
    target: PathBuf,
    folder: bool,
}

impl InTmp {
    /// Mounts it below the current folder, the new root, whose `/tmp` is already the container's own.
    pub(super) fn mount(&self) -> io::Result<()> {
        if self.folder {
            fs::create_dir_all(&self.target)?;
        } else {
            fs::create_dir_all(self.target.parent().unwrap_or_else(|| Path::new("tmp")))?;
            fs::File::create_new(&self.target)?;
        }
        rustix::mount::mount_bind(&self.source, &self.target)?;
        let flags = MountFlags::BIND | MountFlags::RDONLY | MountFlags::NOSUID | MountFlags::NODEV;
        rustix::mount::mount_remount(&self.target, flags | kept_flags(&self.source)?, "")?;
        Ok(())
    }
}

/// Flags of a mount that an ordinary user may not take away, beside those that are set anyway.
fn kept_flags(path: &Path) -> io::Result<MountFlags> {
    let flags = rustix::fs::statvfs(path)?.f_flag;
    Ok(if flags.contains(rustix::fs::StatVfsMountFlags::NOEXEC) {
        MountFlags::NOEXEC
    } else {
        MountFlags::empty()
    })
}

/// Moves the helper into a mount namespace and root of its own. Returns whether it has a fresh `/proc`.
pub(super) fn enter_own_root() -> Result<bool, Failure> {
    unshare_mounts().in_step("create the helper's mount namespace")?;
    let private = MountPropagationFlags::PRIVATE | MountPropagationFlags::REC;
    rustix::mount::mount_change("/", private).in_step("make mounts private")?;
    // Any folder serves: the mount leaves it again when it becomes the root.
    let point = ["/tmp", "/var", "/usr"]
        .iter()
        .map(Path::new)
        .find(|path| path.is_dir())
        .unwrap_or_else(|| Path::new("/mnt"));
    mount_tmpfs(point, c"size=4m,mode=755").in_step("mount the helper's root")?;
    let old = point.join("host");
    fs::create_dir(&old).in_step("make the helper's root")?;
    rustix::process::pivot_root(point, &old).in_step("enter the helper's root")?;
    rustix::process::chdir("/").in_step("enter the helper's root")?;
    for folder in ["/proc", "/roots", "/empty"] {
        fs::create_dir(folder).in_step("make the helper's root")?;
    }
    let mounted = mount_proc("/proc", MountFlags::empty()).is_ok();
    if !mounted {
        // Its process ids are those of the host's namespace, but `/proc/self` works.
        rustix::mount::mount_bind_recursive("/host/proc", "/proc").in_step("mount `/proc`")?;
    }
    Ok(mounted)
}

#[expect(
    unsafe_code,
    reason = "rustix marks unshare as unsafe for the sake of file tables"
)]
fn unshare_mounts() -> rustix::io::Result<()> {
    // SAFETY: only the mount namespace is left; file descriptors are not concerned.
    unsafe { rustix::thread::unshare_unsafe(UnshareFlags::NEWNS) }
}

fn mount_tmpfs(target: &Path, options: &std::ffi::CStr) -> rustix::io::Result<()> {
    rustix::mount::mount(
        "tmpfs",
        target,
        "tmpfs",
        MountFlags::NOSUID | MountFlags::NODEV,
        options,
    )
}

/// Mounts the `/proc` of the caller's pid namespace.
pub(super) fn mount_proc(target: &str, flags: MountFlags) -> rustix::io::Result<()> {
    let flags = flags | MountFlags::NOSUID | MountFlags::NODEV | MountFlags::NOEXEC;
    rustix::mount::mount("proc", target, "proc", flags, None)
}

impl Template {
    /// Assembles the root of a runtime.
    pub(super) fn build(order: &RuntimeOrder, names: Names) -> Result<Self, Failure> {
        let root = PathBuf::from(format!("/roots/{}", order.number));
        fs::create_dir(&root).in_step("make the root")?;
        let built = assemble(&root, order, names);
        if built.is_err() {
            // The root is of no use; what cannot be unmounted stays in the helper's namespace.
            let _ = rustix::mount::unmount(&root, UnmountFlags::DETACH);
            let _ = fs::remove_dir(&root);
        }
        built
    }
}

fn assemble(root: &Path, order: &RuntimeOrder, names: Names) -> Result<Template, Failure> {
    let step = "mount the root";
    mount_tmpfs(root, c"size=1m,mode=755").in_step(step)?;
    let mut mounts = Mounts {
        root: root.to_owned(),
        wanted: Vec::new(),
        in_tmp: Vec::new(),
    };
    mounts.skeleton(names).in_step(step)?;
    for path in order
        .readable
        .iter()
        .map(PathBuf::as_path)
        .chain(ETC.iter().map(Path::new))
    {
        match mounts.place(path, LINKS_MAX) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(error).in_step(step);
            }
            _ => {}
        }
    }
    if let Some(program) = order.command.first() {
        mounts.name_interpreter(Path::new(program)).in_step(step)?;
    }
    mounts.bind().in_step(step)?;
    make_read_only(root).in_step(step)?;
    let text = |text: &str| {
        CString::new(text)
            .map_err(io::Error::from)
            .in_step("read the runtime's command")
    };
    let (hidden_files, hidden_folders) = hidden();
    Ok(Template {
        root: CString::new(root.as_os_str().as_bytes())
            .map_err(io::Error::from)
            .in_step(step)?,
        hidden_files,
        hidden_folders,
        in_tmp: mounts.in_tmp,
        command: order
            .command
            .iter()
            .map(|part| text(part))
            .collect::<Result<_, _>>()?,
        environment: order
            .environment
            .iter()
            .map(|(name, value)| text(&format!("{name}={value}")))
            .collect::<Result<_, _>>()?,
    })
}

fn hidden() -> (Vec<CString>, Vec<CString>) {
    let (mut files, mut folders) = (Vec::new(), Vec::new());
    for name in HIDDEN {
        let Ok(meta) = fs::metadata(Path::new("/proc").join(name)) else {
            continue;
        };
        let Ok(path) = CString::new(format!("proc/{name}")) else {
            continue;
        };
        if meta.is_dir() {
            folders.push(path)
        } else {
            files.push(path)
        }
    }
    (files, folders)
}

struct Mounts {
    root: PathBuf,
    /// Paths to mount, free of links.
    wanted: Vec<PathBuf>,
    in_tmp: Vec<InTmp>,
}

impl Mounts {
    fn skeleton(&self, names: Names) -> io::Result<()> {
        for folder in ["dev", "etc", "proc", "tmp"] {
            fs::create_dir(self.root.join(folder))?;
        }
        let dev = self.root.join("dev");
        for name in DEVICES {
            let point = dev.join(name);
            fs::File::create(&point)?;
            rustix::mount::mount_bind(Path::new(HOST).join("dev").join(name), &point)?;
        }
        let links = [
            ("/proc/self/fd", "fd"),
            ("/proc/self/fd/0", "stdin"),
            ("/proc/self/fd/1", "stdout"),
            ("/proc/self/fd/2", "stderr"),
        ];
        for (target, name) in links {
            symlink(target, dev.join(name))?;
        }
        // Semaphores and shared memory count against the bound of `/tmp`.
        symlink("/tmp", dev.join("shm"))?;
        let resolver = match names {
            Names::OfTheHost => fs::read_to_string("/host/etc/resolv.conf").unwrap_or_default(),
            Names::OfTheTunnel => format!("nameserver {GATEWAY_V4}\n"),
            Names::None => String::new(),
        };
        let files = [
            (
                "passwd",
                "root:x:0:0:root:/:/sbin/nologin\nwhisk:x:1000:1000:whisk:/tmp:/bin/sh\n",
            ),
            ("group", "root:x:0:\nwhisk:x:1000:\n"),
            ("hosts", "127.0.0.1 localhost\n::1 localhost\n"),
            (
                "nsswitch.conf",
                "passwd: files\ngroup: files\nhosts: files dns\n",
            ),
            ("resolv.conf", &resolver),
        ];
        for (name, text) in files {
            let path = self.root.join("etc").join(name);
            fs::write(&path, text)?;
            fs::set_permissions(&path, fs::Permissions::from_mode(0o644))?;
        }
        Ok(())
    }

    /// Makes folders and links that lead to a path, as on the host, and notes the path to be mounted.
    ///
    /// Nothing is mounted meanwhile: what is made here is made in the root's own file system.
    fn place(&mut self, path: &Path, links: usize) -> io::Result<()> {
        let links = links.checked_sub(1).ok_or(io::ErrorKind::InvalidInput)?;
        let mut reached = PathBuf::from("/");
        let mut components = path.components();
        while let Some(component) = components.next() {
            match component {
                Component::Normal(name) => reached.push(name),
                Component::ParentDir => {
                    reached.pop();
                    continue;
                }
                Component::RootDir | Component::CurDir | Component::Prefix(_) => continue,
            }
            let kind = fs::symlink_metadata(host(&reached))?.file_type();
            if kind.is_symlink() {
                let target = fs::read_link(host(&reached))?;
                match symlink(&target, self.inside(&reached)) {
                    Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
                        return Err(error);
                    }
                    _ => {}
                }
                let parent = reached.parent().unwrap_or_else(|| Path::new("/"));
                return self.place(&parent.join(target).join(components.as_path()), links);
            }
            let last = components.as_path().as_os_str().is_empty();
            if !last {
                make_folder(&self.inside(&reached))?;
            }
        }
        if let Ok(target) = reached.strip_prefix("/")
            && target.starts_with("tmp")
        {
            let source = host(&reached);
            self.in_tmp.push(InTmp {
                folder: fs::metadata(&source)?.is_dir(),
                target: target.to_owned(),
                source,
            });
        } else if reached != Path::new("/") {
            self.wanted.push(reached);
        }
        Ok(())
    }

    /// Makes links in `/usr/local/bin`, so that actions can start their interpreter by its usual names, wherever it is.
    ///
    /// To be called before anything is mounted: the links are made in the root's own file system, and only for names
    /// that nothing will be mounted on.
    fn name_interpreter(&self, program: &Path) -> io::Result<()> {
        let own = program.file_name().unwrap_or_default().to_string_lossy();
        let names: &[&str] = if !program.is_absolute() {
            &[]
        } else if own.starts_with("python") {
            &["python3", "python"]
        } else if own.starts_with("node") {
            &["node"]
        } else {
            &[]
        };
        let folder = Path::new("/usr/local/bin");
        for path in names.iter().map(|name| folder.join(name)) {
            if self.wanted.iter().any(|wanted| path.starts_with(wanted)) {
                continue;
            }
            for above in ["/usr", "/usr/local", "/usr/local/bin"] {
                make_folder(&self.inside(Path::new(above)))?;
            }
            match symlink(program, self.inside(&path)) {
                // Where the folder is a link to one that is not in the root, the names are missing.
                Err(error)
                    if !matches!(
                        error.kind(),
                        io::ErrorKind::AlreadyExists | io::ErrorKind::NotFound
                    ) =>
                {
                    return Err(error);
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// Mounts what was noted, folders before what is in them, so that nothing is mounted twice.
    fn bind(&self) -> io::Result<()> {
        let mut wanted: Vec<&Path> = self.wanted.iter().map(PathBuf::as_path).collect();
        wanted.sort_by_key(|path| path.components().count());
        let mut bound: Vec<&Path> = Vec::new();
        for path in wanted {
            if bound.iter().any(|bound| path.starts_with(bound)) {
                continue;
            }
            let point = self.inside(path);
            if fs::metadata(host(path))?.is_dir() {
                make_folder(&point)?;
            } else {
                fs::OpenOptions::new()
                    .create(true)
                    .append(true)
                    .open(&point)?;
            }
            rustix::mount::mount_bind_recursive(host(path), &point)?;
            bound.push(path);
        }
        Ok(())
    }

    fn inside(&self, path: &Path) -> PathBuf {
        self.root.join(path.strip_prefix("/").unwrap_or(path))
    }
}

fn host(path: &Path) -> PathBuf {
    Path::new(HOST).join(path.strip_prefix("/").unwrap_or(path))
}

fn make_folder(path: &Path) -> io::Result<()> {
    match fs::create_dir(path) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error),
        Err(_) => Ok(()),
        Ok(()) => fs::set_permissions(path, fs::Permissions::from_mode(0o755)),
    }
}

/// Makes every mount at or below the root read-only; flags that it has already are kept, as an ordinary user must.
fn make_read_only(root: &Path) -> io::Result<()> {
    let mountinfo = fs::read("/proc/self/mountinfo")?;
    let devices = root.join("dev");
    for line in mountinfo.split(|&byte| byte == b'\n') {
        let mut fields = line.split(|&byte| byte == b' ').skip(4);
        let (Some(point), Some(options)) = (fields.next(), fields.next()) else {
            continue;
        };
        let point = PathBuf::from(unescape(point));
        if !point.starts_with(root) {
            continue;
        }
        let mut flags = MountFlags::BIND | MountFlags::RDONLY | MountFlags::NOSUID;
        for option in options.split(|&byte| byte == b',') {
            flags |= match option {
                b"nodev" => MountFlags::NODEV,
                b"noexec" => MountFlags::NOEXEC,
                _ => MountFlags::empty(),
            };
        }
        if !point.starts_with(&devices) {
            flags |= MountFlags::NODEV;
        }
        rustix::mount::mount_remount(&point, flags, "")?;
    }
    Ok(())
}

/// Undoes the octal escapes of `mountinfo` (`\040` is a blank).
fn unescape(text: &[u8]) -> OsString {
    let mut plain = Vec::with_capacity(text.len());
    let mut rest = text;
    while let [first, tail @ ..] = rest {
        let code = tail
            .get(..3)
            .and_then(|digits| std::str::from_utf8(digits).ok());
        match code.and_then(|digits| u8::from_str_radix(digits, 8).ok()) {
            Some(byte) if *first == b'\\' => {
                plain.push(byte);
                rest = tail.get(3..).unwrap_or_default();
            }
            _ => {
                plain.push(*first);
                rest = tail;
            }
        }
    }
    OsString::from_vec(plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_of_mountinfo_are_undone() {
        assert_eq!(unescape(b"/a\\040b\\134/c"), OsString::from("/a b\\/c"));
        assert_eq!(unescape(b"/a\\9"), OsString::from("/a\\9"));
    }
}
