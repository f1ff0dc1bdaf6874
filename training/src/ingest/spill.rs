//! The temporary file that takes blocks of events over the memory limit. Knows nothing of what the
//! blocks hold.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

use twox_hash::XxHash3_64;

use crate::error::{Error, Result};

/// A file without a name: the system removes it when it is closed, also after a panic or a kill.
/// It is made when the first block comes. Many threads may write and read.
#[derive(Debug)]
pub(super) struct SpillFile {
    folder: PathBuf,
    file: OnceLock<io::Result<File>>,
    end: AtomicU64,
}

/// Where a block lies, and what tells whether it came back as it was written.
#[derive(Debug, Clone, Copy)]
pub(super) struct Block {
    start: u64,
    length: u32,
    checksum: u64,
}

impl SpillFile {
    /// A file in `folder`, not made yet.
    pub fn new(folder: &Path) -> SpillFile {
        SpillFile { folder: folder.to_owned(), file: OnceLock::new(), end: AtomicU64::new(0) }
    }

    /// Bytes written or about to be.
    pub fn len(&self) -> u64 {
        self.end.load(Ordering::Relaxed)
    }

    /// Appends a block, of less than 4 GiB.
    ///
    /// # Errors
    /// When the file cannot be made or the disk is full.
    pub fn write(&self, bytes: &[u8]) -> Result<Block> {
        let length = bytes.len() as u32;
        let start = self.end.fetch_add(u64::from(length), Ordering::Relaxed);
        write_at(self.file()?, bytes, start).map_err(|e| self.failed("write", &e))?;
        Ok(Block { start, length, checksum: XxHash3_64::oneshot(bytes) })
    }

    /// Reads a block into `bytes`, which becomes as long as it was written.
    ///
    /// # Errors
    /// When it cannot be read, or is not what was written.
    pub fn read(&self, block: &Block, bytes: &mut Vec<u8>) -> Result<()> {
        bytes.resize(block.length as usize, 0);
        read_at(self.file()?, bytes, block.start).map_err(|e| self.failed("read", &e))?;
        if XxHash3_64::oneshot(bytes) != block.checksum {
            let found =
                format!("the {} bytes at {} are not those written", bytes.len(), block.start);
            return Err(self.failed("read", &io::Error::other(found)));
        }
        Ok(())
    }

    fn file(&self) -> Result<&File> {
        let file = self.file.get_or_init(|| tempfile::tempfile_in(&self.folder));
        file.as_ref().map_err(|e| self.failed("create", e))
    }

    fn failed(&self, doing: &'static str, reason: &io::Error) -> Error {
        let folder = self.folder.display().to_string();
        Error::Spill { doing, folder, bytes: self.len(), reason: reason.to_string() }
    }
}

#[cfg(unix)]
fn write_at(file: &File, bytes: &[u8], start: u64) -> io::Result<()> {
    std::os::unix::fs::FileExt::write_all_at(file, bytes, start)
}

#[cfg(unix)]
fn read_at(file: &File, bytes: &mut [u8], start: u64) -> io::Result<()> {
    std::os::unix::fs::FileExt::read_exact_at(file, bytes, start)
}

#[cfg(windows)]
fn write_at(file: &File, mut bytes: &[u8], mut start: u64) -> io::Result<()> {
    while !bytes.is_empty() {
        let written = std::os::windows::fs::FileExt::seek_write(file, bytes, start)?;
        if written == 0 {
            return Err(io::ErrorKind::WriteZero.into());
        }
        (bytes, start) = (&bytes[written..], start + written as u64);
    }
    Ok(())
}

#[cfg(windows)]
fn read_at(file: &File, mut bytes: &mut [u8], mut start: u64) -> io::Result<()> {
    while !bytes.is_empty() {
        let read = std::os::windows::fs::FileExt::seek_read(file, bytes, start)?;
        if read == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        (bytes, start) = (&mut bytes[read..], start + read as u64);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn over(file: File) -> SpillFile {
        let spill = SpillFile::new(Path::new("/spill"));
        assert!(spill.file.set(Ok(file)).is_ok());
        spill
    }

    #[test]
    fn blocks_come_back_and_the_folder_stays_empty() {
        let folder = tempfile::tempdir().unwrap();
        let spill = SpillFile::new(folder.path());
        let blocks: Vec<Block> = (0..10_u8).map(|b| spill.write(&[b; 100]).unwrap()).collect();
        let mut bytes = Vec::new();
        for (b, block) in blocks.iter().enumerate().rev() {
            spill.read(block, &mut bytes).unwrap();
            assert_eq!(bytes, [b as u8; 100]);
        }
        assert_eq!(spill.len(), 1_000);
        drop(spill);
        assert_eq!(folder.path().read_dir().unwrap().count(), 0);
    }

    #[test]
    fn changed_and_cut_off_bytes_are_found() {
        let file = tempfile::tempfile().unwrap();
        let spill = over(file.try_clone().unwrap());
        let block = spill.write(&[7; 100]).unwrap();
        write_at(&file, &[8], 50).unwrap();
        let told = spill.read(&block, &mut Vec::new()).unwrap_err().to_string();
        assert!(told.contains("are not those written"), "{told}");
        file.set_len(99).unwrap();
        assert!(spill.read(&block, &mut Vec::new()).is_err());
    }

    #[test]
    fn a_missing_folder_is_told_with_what_to_do() {
        let spill = SpillFile::new(Path::new("/no/such/folder"));
        let told = spill.write(&[1; 10]).unwrap_err().to_string();
        for part in ["create", "/no/such/folder", "10 bytes", "--spill-folder", "--memory-limit"] {
            assert!(told.contains(part), "{told}");
        }
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_full_disk_is_told_with_what_was_needed() {
        let spill = over(File::options().write(true).open("/dev/full").unwrap());
        let told = spill.write(&[1; 77]).unwrap_err().to_string();
        assert!(told.contains("write") && told.contains("77 bytes"), "{told}");
    }
}
