//! What waits between the thread that scores a batch and the client that takes the answer. Many clients send all before
//! they read: what they do not take yet goes to a file, so that neither side waits for the other and memory stays small.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::time::{Duration, Instant};

use actix_web::web::Bytes;
use tokio::sync::mpsc::Sender;
use tokio::sync::mpsc::error::TrySendError;

/// Nobody takes the answer any more, or it cannot be kept until somebody does.
#[derive(Debug)]
pub struct Gone(String);

impl std::fmt::Display for Gone {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Gone {}

impl From<String> for Gone {
    fn from(reason: String) -> Gone {
        Gone(reason)
    }
}

/// The way from the scoring thread to the client.
pub struct Spool<T> {
    client: Sender<T>,
    wrap: fn(Bytes) -> T,
    /// What waits in memory, before what waits in the file.
    waiting: VecDeque<Bytes>,
    waiting_bytes: usize,
    file: Option<File>,
    /// Bytes of the file that were read and written, and how many may be.
    read: u64,
    written: u64,
    most: u64,
    /// How long nothing may be taken.
    patience: Duration,
    /// Whether the disk took what it was given, where it was given anything: what went wrong.
    disk: Option<Result<(), String>>,
}

/// Most bytes that wait in memory.
const MEMORY: usize = 1 << 20;
/// Bytes handed on at a time.
const PIECE: usize = 64 << 10;

impl<T> Spool<T> {
    /// A way to `client`, who may let it wait at the end for `patience`, and let `most` bytes wait in the file, before
    /// it is given up.
    pub fn new(client: Sender<T>, wrap: fn(Bytes) -> T, patience: Duration, most: u64) -> Spool<T> {
        Spool {
            client,
            wrap,
            waiting: VecDeque::new(),
            waiting_bytes: 0,
            file: None,
            read: 0,
            written: 0,
            most,
            patience,
            disk: None,
        }
    }

    /// Whether the disk took what it was given: what went wrong; `None` where memory was enough.
    pub fn disk(&self) -> Option<Result<(), String>> {
        self.disk.clone()
    }

    /// Hands something on, now or later.
    ///
    /// # Errors
    /// When the client is gone or lets too much wait, or the disk is full.
    pub fn send(&mut self, bytes: Vec<u8>) -> Result<(), Gone> {
        if self.waiting_bytes + bytes.len() <= MEMORY && self.written == self.read {
            self.waiting_bytes += bytes.len();
            self.waiting.push_back(bytes.into());
        } else {
            self.keep(&bytes)
                .map_err(|error| Gone(format!("the answer cannot be kept: {error}")))?;
        }
        while self.try_next()? {}
        Ok(())
    }

    /// Waits until the client has taken all.
    ///
    /// # Errors
    /// When it is gone, or takes nothing for too long.
    pub fn finish(mut self) -> Result<(), Gone> {
        let mut taken = Instant::now();
        while !self.waiting.is_empty() || self.read < self.written {
            if self.try_next()? {
                taken = Instant::now();
            } else if taken.elapsed() > self.patience {
                return Err(Gone("the client takes nothing".to_owned()));
            } else {
                std::thread::sleep(Duration::from_millis(2));
            }
        }
        Ok(())
    }

    fn keep(&mut self, bytes: &[u8]) -> io::Result<()> {
        if self.written + bytes.len() as u64 > self.most {
            let most = self.most;
            return Err(io::Error::other(format!(
                "more than {most} bytes wait for the client to take them"
            )));
        }
        let written = self.write(bytes);
        self.disk = Some(written.as_ref().map(|_| ()).map_err(ToString::to_string));
        written
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        let file = match &mut self.file {
            Some(file) => file,
            None => self.file.insert(tempfile::tempfile()?),
        };
        file.seek(SeekFrom::Start(self.written))?;
        file.write_all(bytes)?;
        self.written += bytes.len() as u64;
        Ok(())
    }

    /// Hands on the next piece; whether there was one and the client took it.
    fn try_next(&mut self) -> Result<bool, Gone> {
        if self.waiting.is_empty() {
            if self.read == self.written {
                return Ok(false);
            }
            if self.client.capacity() == 0 {
                return self.client_is_there();
            }
            let piece = self.take_from_file();
            let piece = piece.map_err(|error| Gone(format!("the answer was not kept: {error}")))?;
            self.waiting_bytes += piece.len();
            self.waiting.push_back(piece);
        }
        let Some(piece) = self.waiting.pop_front() else { return Ok(false) };
        let length = piece.len();
        match self.client.try_reserve() {
            Ok(place) => {
                place.send((self.wrap)(piece));
                self.waiting_bytes -= length;
                Ok(true)
            }
            Err(TrySendError::Full(())) => {
                self.waiting.push_front(piece);
                Ok(false)
            }
            Err(TrySendError::Closed(())) => Err(gone()),
        }
    }

    fn client_is_there(&self) -> Result<bool, Gone> {
        match self.client.is_closed() {
            true => Err(gone()),
            false => Ok(false),
        }
    }

    fn take_from_file(&mut self) -> io::Result<Bytes> {
        let file = self.file.as_mut().ok_or(io::ErrorKind::NotFound)?;
        let mut piece = vec![0; PIECE.min((self.written - self.read) as usize)];
        file.seek(SeekFrom::Start(self.read))?;
        file.read_exact(&mut piece)?;
        self.read += piece.len() as u64;
        if self.read == self.written {
            // What was read is needed no more: the file begins anew.
            (self.read, self.written) = (0, 0);
            file.set_len(0)?;
        }
        Ok(piece.into())
    }
}

fn gone() -> Gone {
    Gone("the client is gone".to_owned())
}

#[cfg(test)]
mod tests {
    use tokio::sync::mpsc;

    use super::*;

    fn spool() -> (Spool<Bytes>, mpsc::Receiver<Bytes>) {
        let (client, answer) = mpsc::channel(2);
        (Spool::new(client, |bytes| bytes, Duration::from_millis(50), 10_000_000), answer)
    }

    #[test]
    fn what_nobody_takes_yet_waits_in_memory_then_in_a_file_and_comes_in_order() {
        let (mut spool, mut answer) = spool();
        let sent: Vec<Vec<u8>> = (0..200_u8).map(|i| vec![i; 40_000]).collect();
        sent.iter().for_each(|piece| spool.send(piece.clone()).unwrap());
        assert!(spool.waiting_bytes <= MEMORY && spool.written > 5_000_000);
        let taking = std::thread::spawn(move || {
            let mut taken = Vec::new();
            while let Some(piece) = answer.blocking_recv() {
                taken.extend_from_slice(&piece);
            }
            taken
        });
        spool.send(vec![7; 3]).unwrap();
        spool.finish().unwrap();
        let expected: Vec<u8> = sent.concat().into_iter().chain([7; 3]).collect();
        assert!(taking.join().unwrap() == expected);
    }

    #[test]
    fn no_more_waits_in_the_file_than_may() {
        let (mut spool, _answer) = spool();
        let full = (0..20).find_map(|_| spool.send(vec![1; 1_000_000]).err());
        let expected =
            "the answer cannot be kept: more than 10000000 bytes wait for the client to take them";
        assert_eq!(full.unwrap().to_string(), expected);
    }

    #[test]
    fn a_client_that_is_gone_or_takes_nothing_is_given_up() {
        let (mut spool, answer) = spool();
        (0..4).for_each(|_| spool.send(vec![1; 10]).unwrap());
        assert_eq!(spool.finish().unwrap_err().to_string(), "the client takes nothing");
        drop(answer);
        let (mut spool, answer) = self::spool();
        drop(answer);
        let gone = (0..4).find_map(|_| spool.send(vec![1; 10]).err());
        assert_eq!(gone.unwrap().to_string(), "the client is gone");
    }
}
