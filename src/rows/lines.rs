//! Lines of a stream, one after the other, through a buffer that grows no further than the longest line allowed.

use std::io::Read;

use crate::rows::Broken;

/// Reads a stream in lines.
pub struct Lines<R> {
    input: R,
    buffer: Vec<u8>,
    /// The bytes that have been read and not been taken yet.
    start: usize,
    end: usize,
    /// Bytes after `start` in which there is no line end.
    scanned: usize,
    ended: bool,
    /// Longest line.
    most: usize,
    /// Lines that were taken.
    taken: u64,
}

/// Bytes asked for at a time.
const CHUNK: usize = 64 << 10;

impl<R: Read> Lines<R> {
    /// The lines of `input`, each of at most `most` bytes.
    pub fn new(input: R, most: usize) -> Lines<R> {
        Lines {
            input,
            buffer: Vec::new(),
            start: 0,
            end: 0,
            scanned: 0,
            ended: false,
            most,
            taken: 0,
        }
    }

    /// The number of the line last taken, from 1.
    pub fn number(&self) -> u64 {
        self.taken
    }

    /// Where the next line lies in [`Lines::bytes`]: its length, without its end, and with it. `None` at the stream's
    /// end.
    ///
    /// # Errors
    /// When the stream breaks off, or the line is too long.
    pub fn peek(&mut self) -> Result<Option<(usize, usize)>, Broken> {
        loop {
            let fresh = &self.buffer[self.start + self.scanned..self.end];
            if let Some(at) = memchr::memchr(b'\n', fresh) {
                let length = self.scanned + at;
                self.scanned = length;
                self.short(length)?;
                return Ok(Some((
                    without_return(&self.buffer[self.start..self.start + length]),
                    length + 1,
                )));
            }
            self.scanned = self.end - self.start;
            if self.ended {
                let length = self.scanned;
                self.short(length)?;
                return Ok((length > 0).then_some((length, length)));
            }
            self.fill()?;
        }
    }

    /// Reads more behind what is there.
    ///
    /// # Errors
    /// When the stream breaks off, or what is there is too long for a line already.
    pub fn fill(&mut self) -> Result<(), Broken> {
        self.short(self.end - self.start)?;
        if self.start > 0 && self.buffer.len() - self.end < CHUNK {
            self.buffer.copy_within(self.start..self.end, 0);
            self.end -= self.start;
            self.start = 0;
        }
        if self.buffer.len() - self.end < CHUNK {
            self.buffer.resize(self.end + 2 * CHUNK, 0);
        }
        match self.input.read(&mut self.buffer[self.end..]) {
            Ok(0) => self.ended = true,
            Ok(read) => self.end += read,
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error.into()),
        }
        Ok(())
    }

    /// That so many bytes are not too long for a line.
    ///
    /// # Errors
    /// When they are.
    pub fn short(&self, bytes: usize) -> Result<(), Broken> {
        let line = self.taken + 1;
        match bytes > self.most {
            false => Ok(()),
            true => Err(Broken::Table(format!(
                "line {line} is longer than {} bytes, expected shorter rows",
                self.most
            ))),
        }
    }

    /// Whether no more will come than is there.
    pub fn ended(&self) -> bool {
        self.ended
    }

    /// What has been read and not been taken.
    pub fn bytes(&self) -> &[u8] {
        &self.buffer[self.start..self.end]
    }

    /// Takes bytes of so many lines.
    pub fn take(&mut self, bytes: usize, lines: u64) {
        self.start += bytes;
        self.scanned = 0;
        self.taken += lines;
    }

    /// The bytes taken last, which stay until more is read.
    pub fn taken(&self, bytes: usize) -> &[u8] {
        &self.buffer[self.start - bytes..self.start]
    }
}

/// The length of a line without the carriage return at its end.
fn without_return(line: &[u8]) -> usize {
    line.len() - usize::from(line.last() == Some(&b'\r'))
}
