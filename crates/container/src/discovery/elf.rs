//! As much of the ELF format as tells which libraries a file needs.

use std::fs::File;
use std::io;
use std::os::unix::ffi::OsStringExt;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

const PT_LOAD: u32 = 1;
const PT_DYNAMIC: u32 = 2;
const PT_INTERP: u32 = 3;
const DT_NEEDED: u64 = 1;
const DT_STRTAB: u64 = 5;
const DT_RPATH: u64 = 15;
const DT_RUNPATH: u64 = 29;
/// No table that this module reads is larger.
const TABLE_MAX: u64 = 1024 * 1024;
/// No name or list of folders is longer.
const NAME_MAX: usize = 4096;

/// What an ELF file tells the dynamic loader.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Dynamic {
    /// The architecture; libraries of another one are passed over.
    pub(super) machine: u16,
    /// The dynamic loader.
    pub(super) interpreter: Option<PathBuf>,
    /// Names of needed libraries.
    pub(super) needed: Vec<String>,
    /// Folders to search, separated by colons, for this file's libraries and those that they need.
    pub(super) rpath: Option<String>,
    /// Folders to search, separated by colons, for this file's libraries.
    pub(super) runpath: Option<String>,
}

/// Tells whether a file is a program or library rather than a script.
pub(super) fn is_elf(path: &Path) -> bool {
    let mut magic = [0; 4];
    File::open(path)
        .and_then(|file| file.read_exact_at(&mut magic, 0))
        .is_ok()
        && magic == *b"\x7fELF"
}

/// Reads a 64-bit little-endian ELF file.
pub(super) fn read(path: &Path) -> io::Result<Dynamic> {
    let file = File::open(path)?;
    let header = bytes(&file, 0, 64)?;
    // Class 2 is 64 bits, data 1 is little-endian.
    if header.get(..6) != Some(b"\x7fELF\x02\x01") {
        return Err(malformed());
    }
    let machine = number(&header, 18, 2)?;
    let (table, size, count) = (
        number(&header, 32, 8)?,
        number(&header, 54, 2)?,
        number(&header, 56, 2)?,
    );
    let programs = bytes(&file, table, size.saturating_mul(count))?;
    let mut elf = Dynamic {
        machine: u16::try_from(machine).unwrap_or(0),
        ..Dynamic::default()
    };
    let (mut loads, mut dynamic) = (Vec::new(), None);
    for index in 0..count {
        let at = index * size;
        let field = |offset, length| number(&programs, at + offset, length);
        let (offset, address, length) = (field(8, 8)?, field(16, 8)?, field(32, 8)?);
        match u32::try_from(field(0, 4)?).unwrap_or(0) {
            PT_LOAD => loads.push((address, length, offset)),
            PT_DYNAMIC => dynamic = Some((offset, length)),
            PT_INTERP => {
                let mut text = bytes(&file, offset, length)?;
                text.retain(|&byte| byte != 0);
                elf.interpreter = Some(PathBuf::from(std::ffi::OsString::from_vec(text)));
            }
            _ => {}
        }
    }
    if let Some((offset, length)) = dynamic {
        let table = bytes(&file, offset, length)?;
        elf.take(&file, &table, &loads)?;
    }
    Ok(elf)
}

impl Dynamic {
    fn take(&mut self, file: &File, table: &[u8], loads: &[(u64, u64, u64)]) -> io::Result<()> {
        let entries: Vec<(u64, u64)> = table
            .chunks_exact(16)
            .map(|entry| Ok((number(entry, 0, 8)?, number(entry, 8, 8)?)))
            .collect::<io::Result<_>>()?;
        let value = |wanted| {
            entries
                .iter()
                .find(|(tag, _)| *tag == wanted)
                .map(|&(_, value)| value)
        };
        let Some(address) = value(DT_STRTAB) else {
            return Ok(());
        };
        let load = loads
            .iter()
            .find(|&&(start, length, _)| (start..start.saturating_add(length)).contains(&address));
        let &(start, _, offset) = load.ok_or_else(malformed)?;
        let strings = offset.saturating_add(address - start);
        // The table of a large program has megabytes: single names are read from it.
        let text = |at: u64| -> io::Result<String> {
            let mut buffer = [0; NAME_MAX];
            let count = file.read_at(&mut buffer, strings.saturating_add(at))?;
            let text = buffer
                .get(..count)
                .unwrap_or_default()
                .split(|&byte| byte == 0)
                .next()
                .unwrap_or_default();
            Ok(String::from_utf8_lossy(text).into_owned())
        };
        for &(tag, at) in entries.iter().take_while(|(tag, _)| *tag != 0) {
            match tag {
                DT_NEEDED => self.needed.push(text(at)?),
                DT_RPATH => self.rpath = Some(text(at)?),
                DT_RUNPATH => self.runpath = Some(text(at)?),
                _ => {}
            }
        }
        Ok(())
    }
}

fn malformed() -> io::Error {
    io::ErrorKind::InvalidData.into()
}

fn bytes(file: &File, at: u64, length: u64) -> io::Result<Vec<u8>> {
    if length > TABLE_MAX {
        return Err(malformed());
    }
    let mut bytes = vec![0; usize::try_from(length).map_err(|_| malformed())?];
    file.read_exact_at(&mut bytes, at)?;
    Ok(bytes)
}

fn number(bytes: &[u8], at: u64, length: usize) -> io::Result<u64> {
    let at = usize::try_from(at).map_err(|_| malformed())?;
    let field = at
        .checked_add(length)
        .and_then(|end| bytes.get(at..end))
        .ok_or_else(malformed)?;
    Ok(field
        .iter()
        .rev()
        .fold(0, |number, &byte| (number << 8) | u64::from(byte)))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn shell_needs_the_c_library_and_a_loader() {
        let elf = read(&Path::new("/bin/sh").canonicalize().unwrap()).unwrap();
        assert!(
            elf.needed.iter().any(|name| name.starts_with("libc.")),
            "{elf:?}"
        );
        assert!(elf.interpreter.is_some_and(|loader| loader.is_absolute()));
    }

    proptest! {
        #[test]
        fn damaged_files_are_errors_not_panics(at in 0usize..4096, bytes in proptest::collection::vec(any::<u8>(), 1..64)) {
            let mut file = std::fs::read("/bin/sh").unwrap();
            let end = (at + bytes.len()).min(file.len());
            file[at..end].copy_from_slice(&bytes[..end - at]);
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("damaged");
            std::fs::write(&path, file).unwrap();
            let _ = read(&path);
        }
    }
}
