//! Tables read row by row, in constant memory, from CSV, NDJSON and Arrow streams.

pub mod arrow;
pub mod csv;
pub mod lines;

/// What a body could not be read for: the rest is not read.
#[derive(Debug)]
pub enum Broken {
    /// The bytes have stopped coming, or cannot be unpacked.
    Received(String),
    /// They are no table.
    Table(String),
}

impl std::fmt::Display for Broken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Broken::Received(reason) | Broken::Table(reason) => f.write_str(reason),
        }
    }
}

impl From<std::io::Error> for Broken {
    fn from(error: std::io::Error) -> Broken {
        Broken::Received(error.to_string())
    }
}

#[cfg(test)]
mod tests;
