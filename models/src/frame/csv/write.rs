//! A frame as CSV text.

use std::io::Write;

use crate::frame::Frame;

/// Writes a header and a line per row, by the `csv` crate: fields are quoted where needed, missing
/// cells are empty, numbers stand in their shortest form that reads back to the same bits.
///
/// # Errors
/// When `to` cannot be written.
pub fn write_csv(frame: &Frame, to: &mut dyn Write) -> std::io::Result<()> {
    let mut writer = csv::Writer::from_writer(to);
    writer.write_record(frame.schema().fields().iter().map(|field| field.name.as_str()))?;
    for row in 0..frame.rows() {
        for place in 0..frame.schema().len() {
            writer.write_field(frame.text(place, row).unwrap_or_default().as_bytes())?;
        }
        writer.write_record(None::<&[u8]>)?;
    }
    writer.flush()
}
