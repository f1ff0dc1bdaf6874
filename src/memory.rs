//! The memory that the bodies of requests may take together, whoever sends them and over however many connections.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// A number of bytes to be shared.
pub struct Memory {
    free: AtomicUsize,
}

/// Bytes of it that are taken, until this is dropped.
pub struct Taken {
    memory: Arc<Memory>,
    bytes: usize,
}

impl Memory {
    /// So many bytes, all free.
    pub fn of(bytes: usize) -> Arc<Memory> {
        Arc::new(Memory { free: AtomicUsize::new(bytes) })
    }

    /// Nothing yet, to grow.
    pub fn taken(self: &Arc<Memory>) -> Taken {
        Taken { memory: Arc::clone(self), bytes: 0 }
    }
}

impl Taken {
    /// Takes more; whether there was as much.
    #[must_use]
    pub fn grow(&mut self, bytes: usize) -> bool {
        let less = |free: usize| free.checked_sub(bytes);
        let grown = self.memory.free.fetch_update(Ordering::Relaxed, Ordering::Relaxed, less);
        self.bytes += if grown.is_ok() { bytes } else { 0 };
        grown.is_ok()
    }
}

impl Drop for Taken {
    fn drop(&mut self) {
        self.memory.free.fetch_add(self.bytes, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_taken_comes_back_and_no_more_is_given_than_there_is() {
        let memory = Memory::of(100);
        let (mut a, mut b) = (memory.taken(), memory.taken());
        assert!(a.grow(60) && !b.grow(41) && b.grow(40) && !a.grow(1) && a.grow(0));
        drop(a);
        assert!(b.grow(60) && !b.grow(1));
        drop(b);
        assert!(memory.taken().grow(100));
    }
}
