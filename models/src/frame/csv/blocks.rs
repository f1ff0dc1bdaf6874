//! Cuts a stream of CSV bytes into blocks of whole records. Parses no cells.

use std::fmt;
use std::io::{self, Read};

use csv_core::ReadRecordResult;

use crate::error::Error;
use crate::frame::csv::block::Block;
use crate::frame::read::Source;

/// Bytes read at a time: a block, its fields' ends and its cells stay in a core's second cache.
const BLOCK: usize = 256 << 10;
/// Longest record. Beyond it a quote was most likely not closed.
const MAX_RECORD: usize = 64 << 20;

/// The blocks of a CSV file, in order.
pub struct Blocks<'a> {
    bytes: Box<dyn Read + Send + 'a>,
    delimiter: Option<u8>,
    /// Bytes read and not yet handed out.
    pending: Vec<u8>,
    /// Line of the file, from 1, that `pending` starts in.
    line: u64,
    ended: bool,
}

/// Why there is no next block.
#[derive(Debug)]
pub enum Failure {
    /// The bytes cannot be read.
    Io(io::Error),
    /// A record does not end.
    TooLong {
        /// Where it starts.
        line: u64,
    },
    /// The file ends inside quotes.
    Unclosed {
        /// Where the record with them starts.
        line: u64,
    },
    /// There is no header.
    Empty,
    /// The header is no text.
    HeaderNotText {
        /// Where it stands.
        line: u64,
    },
}

impl Failure {
    pub(super) fn into_error(self, source: &Source) -> Error {
        match self {
            Failure::Io(e) => source.io(e),
            other => source.bad(other.to_string()),
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Failure::Io(e) => write!(f, "failed to read it: {e}"),
            Failure::TooLong { line } => write!(
                f,
                "line {line}: found a record of over {} MiB, expected it to end before; \
                 check for a quote that is not closed",
                MAX_RECORD >> 20
            ),
            Failure::Unclosed { line } => write!(
                f,
                "line {line}: the record that starts here opens a quote that is not closed before \
                 the file ends; close it, or double it where it belongs to the text"
            ),
            Failure::Empty => f.write_str("it is empty; expected a header line and rows"),
            Failure::HeaderNotText { line } => write!(
                f,
                "line {line}: the header is not UTF-8 text; expected a CSV, Parquet or Arrow file \
                 (convert other encodings to UTF-8 first)"
            ),
        }
    }
}

impl<'a> Blocks<'a> {
    /// Of a file without a byte between fields, the likeliest of `,` `;` tab and `|` is taken.
    pub fn new(bytes: Box<dyn Read + Send + 'a>, delimiter: Option<u8>) -> Blocks<'a> {
        Blocks { bytes, delimiter, pending: Vec::new(), line: 1, ended: false }
    }

    /// Reads the header: the first record. Must be called first, once.
    ///
    /// # Errors
    /// When there is none, it is no text, or the bytes cannot be read.
    pub fn header(&mut self) -> Result<Vec<String>, Failure> {
        self.fill(BLOCK).map_err(Failure::Io)?;
        if self.pending.starts_with(b"\xef\xbb\xbf") {
            self.pending.drain(..3);
        }
        self.delimiter.get_or_insert_with(|| likely_delimiter(&self.pending));
        loop {
            if let Some((names, end)) = first_record(&self.pending, self.delimiter(), self.ended) {
                let text = names.map_err(|()| Failure::HeaderNotText { line: self.line })?;
                if self.ended && end == self.pending.len() {
                    self.check_closed(0)?;
                }
                self.drop_front(end);
                return Ok(text.iter().map(|name| name.trim().to_owned()).collect());
            }
            if self.ended {
                return Err(Failure::Empty);
            }
            self.grow()?;
        }
    }

    /// The byte between fields; known once the header has been read.
    pub fn delimiter(&self) -> u8 {
        self.delimiter.unwrap_or(b',')
    }

    /// About how many rows a file of `size` bytes has, judged by the first block.
    pub fn estimated_rows(&self, size: u64) -> usize {
        let lines = memchr::memchr_iter(b'\n', &self.pending).count().max(1) as u64;
        let per_line = (self.pending.len() as u64 / lines).max(1);
        // A gzipped file holds more than its size; vectors grow when the guess is too small.
        usize::try_from(size / per_line + size / per_line / 50).unwrap_or(0)
    }

    /// The next block, `None` after the last.
    ///
    /// # Errors
    /// When the bytes cannot be read, a record is too long or a quote is not closed.
    pub fn next_block(&mut self) -> Result<Option<Block>, Failure> {
        loop {
            let end = match self.ended {
                true => {
                    self.check_closed(last_record_end(&self.pending, self.delimiter()))?;
                    self.pending.len()
                }
                false => last_record_end(&self.pending, self.delimiter()),
            };
            if end > 0 {
                let mut rest = Vec::with_capacity(BLOCK + BLOCK / 4);
                rest.extend_from_slice(&self.pending[end..]);
                let mut bytes = std::mem::replace(&mut self.pending, rest);
                bytes.truncate(end);
                let line = self.line;
                self.line += newlines(&bytes);
                if !self.ended {
                    self.fill(BLOCK).map_err(Failure::Io)?;
                }
                return Ok(Some(Block { bytes, line }));
            }
            if self.ended {
                return Ok(None);
            }
            self.grow()?;
        }
    }

    /// Refuses a file that ends inside quotes: all that follows an unclosed quote would be one cell.
    /// `start` is where the last record of the file begins.
    fn check_closed(&self, start: usize) -> Result<(), Failure> {
        let last = &self.pending[start..];
        if memchr::memchr(b'"', last).is_none() || !ends_in_quotes(last, self.delimiter()) {
            return Ok(());
        }
        let blank = last.iter().take_while(|b| matches!(b, b'\n' | b'\r')).count();
        Err(Failure::Unclosed { line: self.line + newlines(&self.pending[..start + blank]) })
    }

    fn drop_front(&mut self, end: usize) {
        self.line += newlines(&self.pending[..end]);
        self.pending.drain(..end);
    }

    /// Doubles what is pending: a record is longer than it.
    fn grow(&mut self) -> Result<(), Failure> {
        if self.pending.len() > MAX_RECORD {
            return Err(Failure::TooLong { line: self.line });
        }
        let more = self.pending.len().max(BLOCK);
        self.fill(self.pending.len() + more).map_err(Failure::Io)
    }

    /// Reads until `wanted` bytes are pending or the stream ends.
    fn fill(&mut self, wanted: usize) -> io::Result<()> {
        let missing = wanted.saturating_sub(self.pending.len()) as u64;
        let read = self.bytes.by_ref().take(missing).read_to_end(&mut self.pending)?;
        self.ended = (read as u64) < missing;
        Ok(())
    }
}

fn newlines(bytes: &[u8]) -> u64 {
    memchr::memchr_iter(b'\n', bytes).count() as u64
}

/// The candidate that stands most often in the first line that is not blank; a comma when none does.
fn likely_delimiter(bytes: &[u8]) -> u8 {
    let bytes = &bytes[bytes.iter().take_while(|b| matches!(b, b'\n' | b'\r')).count()..];
    let line = &bytes[..memchr::memchr2(b'\n', b'\r', bytes).unwrap_or(bytes.len())];
    let mut quoted = false;
    let mut counts = [(b',', 0), (b';', 0), (b'\t', 0), (b'|', 0)];
    for &byte in line {
        quoted ^= byte == b'"';
        for (candidate, count) in &mut counts {
            *count += usize::from(!quoted && byte == *candidate);
        }
    }
    // The first of equals: `max_by_key` would give the last.
    counts.iter().rev().max_by_key(|(_, count)| *count).map_or(b',', |(byte, _)| *byte)
}

/// Where the last whole record ends, 0 where none does.
fn last_record_end(bytes: &[u8], delimiter: u8) -> usize {
    if memchr::memchr(b'"', bytes).is_none() {
        return memchr::memrchr2(b'\n', b'\r', bytes).map_or(0, |place| place + 1);
    }
    // A line end may stand inside quotes: only the parser itself knows.
    let mut end = 0;
    let mut reader = csv_core::ReaderBuilder::new().delimiter(delimiter).build();
    let (mut text, mut ends) = ([0; 1024], [0; 64]);
    let mut at = 0;
    while at < bytes.len() {
        let (result, read, _, _) = reader.read_record(&bytes[at..], &mut text, &mut ends);
        at += read;
        match result {
            ReadRecordResult::Record => end = at,
            ReadRecordResult::OutputFull | ReadRecordResult::OutputEndsFull => {}
            ReadRecordResult::InputEmpty | ReadRecordResult::End => break,
        }
    }
    end
}

/// Whether a record that has no end yet is inside quotes: then a line end would not end it.
fn ends_in_quotes(record: &[u8], delimiter: u8) -> bool {
    let mut reader = csv_core::ReaderBuilder::new().delimiter(delimiter).build();
    let (mut text, mut ends) = ([0; 1024], [0; 64]);
    for mut bytes in [record, b"x\n"] {
        while !bytes.is_empty() {
            let (result, read, _, _) = reader.read_record(bytes, &mut text, &mut ends);
            bytes = &bytes[read..];
            if matches!(result, ReadRecordResult::Record) {
                return false;
            }
        }
    }
    true
}

/// The fields of the first record and where it ends; `None` when it does not end in `bytes`.
fn first_record(
    bytes: &[u8],
    delimiter: u8,
    ended: bool,
) -> Option<(Result<Vec<String>, ()>, usize)> {
    let mut reader = csv_core::ReaderBuilder::new().delimiter(delimiter).build();
    let mut text = vec![0; bytes.len() + 1];
    let mut ends = vec![0; bytes.len() + 2];
    let (mut at, mut texts, mut fields) = (0, 0, 0);
    loop {
        let (result, read, written, ended_fields) =
            reader.read_record(&bytes[at..], &mut text[texts..], &mut ends[fields..]);
        at += read;
        texts += written;
        fields += ended_fields;
        match result {
            ReadRecordResult::Record => break,
            ReadRecordResult::InputEmpty if !ended => return None,
            // Telling the parser that nothing follows ends the record.
            ReadRecordResult::InputEmpty => {}
            _ => return None,
        }
    }
    let mut start = 0;
    let names = ends[..fields].iter().map(|&end| {
        let name = std::str::from_utf8(&text[start..end]).map(str::to_owned).map_err(|_| ());
        start = end;
        name
    });
    Some((names.collect(), at))
}
