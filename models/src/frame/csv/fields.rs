//! Where the fields of a block of records lie. Reads no values.

use csv_core::ReadRecordResult;

use crate::frame::csv::block::{Block, Fault};

/// The fields of a block, row by row. Its buffers serve every block.
pub(super) struct Fields {
    width: usize,
    /// The fields' bytes: the block itself, or the fields without their quotes one after the other.
    text: Vec<u8>,
    /// Where each field begins in `text`, row-major, with one entry more for the end of the last.
    begins: Vec<usize>,
    /// Bytes between a field's end and the next one's begin: 1 where `text` is the block itself, 0
    /// where separators have been taken out.
    gap: usize,
}

impl Fields {
    pub fn new(width: usize) -> Fields {
        Fields { width, text: Vec::new(), begins: Vec::new(), gap: 0 }
    }

    /// A field as it stands in the file, without quotes.
    pub fn get(&self, column: usize, row: usize) -> &[u8] {
        let place = row * self.width + column;
        &self.text[self.begins[place]..self.begins[place + 1] - self.gap]
    }

    /// Finds the fields of all records and returns the number of rows. Takes the block's bytes
    /// where they can serve as they are.
    pub fn split(&mut self, block: &mut Block, delimiter: u8) -> Result<usize, Fault> {
        match self.split_plain(&mut block.bytes, delimiter) {
            Some(rows) => Ok(rows),
            None => self.split_any(block, delimiter),
        }
    }

    /// Splits a block in which every separator ends a field: no quotes, no blank lines, no lone
    /// carriage returns, and every line as wide as the header. `None` where it is not like that;
    /// then the bytes are left to [`Fields::split_any`].
    fn split_plain(&mut self, bytes: &mut Vec<u8>, delimiter: u8) -> Option<usize> {
        let lone_return = |at: usize| bytes.get(at + 1) != Some(&b'\n');
        if memchr::memchr(b'"', bytes).is_some()
            || memchr::memchr_iter(b'\r', bytes).any(lone_return)
        {
            return None;
        }
        if bytes.last() != Some(&b'\n') {
            bytes.push(b'\n');
        }
        self.begins.clear();
        self.begins.push(0);
        begins_after_separators(bytes, delimiter, &mut self.begins);
        let rows = (self.begins.len() - 1) / self.width;
        let ends_line = |begin: &&usize| bytes[**begin - 1] == b'\n';
        let row_ends = self.begins[1..].iter().skip(self.width - 1).step_by(self.width);
        let blank = |w: &[usize]| matches!(bytes[w[0]], b'\n' | b'\r');
        let plain = self.begins.len() == rows * self.width + 1
            && row_ends.filter(ends_line).count() == rows
            && memchr::memchr_iter(b'\n', bytes).count() == rows
            && !(self.width == 1 && self.begins.windows(2).any(blank));
        if !plain {
            return None;
        }
        std::mem::swap(&mut self.text, bytes);
        self.gap = 1;
        Some(rows)
    }

    /// Splits any block.
    fn split_any(&mut self, block: &Block, delimiter: u8) -> Result<usize, Fault> {
        let mut reader = csv_core::ReaderBuilder::new().delimiter(delimiter).build();
        self.gap = 0;
        self.text.resize(block.bytes.len() + 1, 0);
        self.begins.resize(self.begins.len().max(4 * self.width), 0);
        self.begins[0] = 0;
        let (mut at, mut texts, mut fields, mut rows) = (0, 0, 1, 0);
        loop {
            let (offset, first) = (texts, fields);
            let (begin, line) = (at, reader.line());
            loop {
                let (result, read, written, ended) = reader.read_record(
                    &block.bytes[at..],
                    &mut self.text[texts..],
                    &mut self.begins[fields..],
                );
                at += read;
                texts += written;
                fields += ended;
                match result {
                    ReadRecordResult::Record => break,
                    ReadRecordResult::OutputEndsFull => {
                        self.begins.resize(self.begins.len() * 2, 0);
                    }
                    ReadRecordResult::End => return Ok(rows),
                    // No bytes are left: the parser is asked once more, to end the record.
                    ReadRecordResult::InputEmpty | ReadRecordResult::OutputFull => {}
                }
            }
            if fields - first != self.width {
                let line = line_at(block, begin, line);
                return Err(Fault::Ragged { line, found: fields - first, expected: self.width });
            }
            // The parser counts from the begin of the record.
            self.begins[first..fields].iter_mut().for_each(|end| *end += offset);
            rows += 1;
        }
    }

    /// The line of the file that a row of the block last split starts in.
    pub fn line_of(&self, block: &Block, delimiter: u8, row: usize) -> u64 {
        if self.gap == 1 {
            return block.line + row as u64;
        }
        // Only a fault needs it: the block is read once more up to the row.
        let mut reader = csv_core::ReaderBuilder::new().delimiter(delimiter).build();
        let mut text = vec![0; block.bytes.len() + 1];
        let mut ends = vec![0; self.width + 1];
        let mut at = 0;
        for _ in 0..row {
            loop {
                let (result, read, _, _) =
                    reader.read_record(&block.bytes[at..], &mut text, &mut ends);
                at += read;
                if !matches!(result, ReadRecordResult::InputEmpty) {
                    break;
                }
            }
        }
        line_at(block, at, reader.line())
    }
}

/// The line of the file of the record that the parser finds when it goes on `at` a place, having
/// come to a `line` of the block. Blank lines, and the rest of a line end that ended the record
/// before, are skipped with the record.
fn line_at(block: &Block, at: usize, line: u64) -> u64 {
    let blank = block.bytes[at..].iter().take_while(|b| matches!(b, b'\n' | b'\r'));
    block.line + line - 1 + blank.filter(|b| **b == b'\n').count() as u64
}

/// Appends the places after every delimiter and line end, eight bytes at a time: fields of
/// behavioural tables are a few bytes long, too short for a search per field.
fn begins_after_separators(bytes: &[u8], delimiter: u8, begins: &mut Vec<usize>) {
    const LOW: u64 = u64::from_ne_bytes([0x01; 8]);
    const HIGH: u64 = u64::from_ne_bytes([0x80; 8]);
    let (delimiters, newlines) = (LOW * u64::from(delimiter), LOW * u64::from(b'\n'));
    // The high bit of every byte that is zero, and of no other.
    let zeros = |word: u64| !(((word & !HIGH) + !HIGH) | word) & HIGH;
    let words = bytes.chunks_exact(8);
    let tail = words.remainder();
    for (index, word) in words.enumerate() {
        let word = u64::from_le_bytes(word.try_into().expect("eight bytes"));
        let mut found = zeros(word ^ delimiters) | zeros(word ^ newlines);
        while found != 0 {
            begins.push(index * 8 + found.trailing_zeros() as usize / 8 + 1);
            found &= found - 1;
        }
    }
    let start = bytes.len() - tail.len();
    let separators = tail.iter().enumerate().filter(|(_, b)| **b == delimiter || **b == b'\n');
    begins.extend(separators.map(|(at, _)| start + at + 1));
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn block(bytes: &[u8]) -> Block {
        Block { bytes: bytes.to_vec(), line: 1 }
    }

    fn all(fields: &Fields, rows: usize) -> Vec<Vec<u8>> {
        let places = (0..rows).flat_map(|row| (0..fields.width).map(move |column| (column, row)));
        // Values are read without surrounding blanks: a carriage return may stay at the end.
        places.map(|(column, row)| fields.get(column, row).trim_ascii().to_vec()).collect()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(3_000))]

        #[test]
        fn the_fast_split_agrees_with_the_parser(
            lines in proptest::collection::vec("[ab1.;\",\r\u{80}\u{ff}]{0,12}", 0..8),
            line_end in prop_oneof![Just("\n"), Just("\r\n"), Just("\n\n")],
            open in any::<bool>(),
            width in 1_usize..4,
            delimiter in prop_oneof![Just(b','), Just(b';')],
        ) {
            let text = lines.join(line_end) + if open { "" } else { line_end };
            let (mut fast, mut slow) = (Fields::new(width), Fields::new(width));
            if let Some(rows) = fast.split_plain(&mut text.clone().into_bytes(), delimiter) {
                let parsed = slow.split_any(&block(text.as_bytes()), delimiter);
                prop_assert_eq!(parsed.ok(), Some(rows), "{:?}", text);
                prop_assert_eq!(all(&fast, rows), all(&slow, rows), "{:?}", text);
            }
        }

        #[test]
        fn plain_tables_take_the_fast_split(
            rows in proptest::collection::vec(proptest::collection::vec("[a-z0-9. é-]{1,9}", 3), 1..9),
            line_end in prop_oneof![Just("\n"), Just("\r\n")],
        ) {
            let text: String = rows.iter().map(|row| row.join(",") + line_end).collect();
            let mut fields = Fields::new(3);
            prop_assert_eq!(fields.split_plain(&mut text.into_bytes(), b','), Some(rows.len()));
            let cells = rows.iter().flatten().map(|cell| cell.as_bytes().trim_ascii().to_vec());
            prop_assert_eq!(all(&fields, rows.len()), cells.collect::<Vec<_>>());
        }
    }
}
