//! Numbers that look random and follow from others alone: seeds of draws, and hashes that decide
//! which part a row belongs to.

/// Spreads a number over all 64 bits, one to one (the finaliser of SplitMix64, Steele et al. 2014).
pub fn mix(x: u64) -> u64 {
    let x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}

/// A hash of two numbers: `mix` of the first, then of the second on top.
pub fn mix2(a: u64, b: u64) -> u64 {
    // An odd number (2^64 over the golden ratio) keeps small numbers apart.
    mix(mix(a.wrapping_add(0x9e37_79b9_7f4a_7c15)) ^ b.wrapping_mul(0x9e37_79b9_7f4a_7c15))
}

/// A hash of text: the first 8 bytes of its BLAKE3.
pub fn hash_text(text: &str) -> u64 {
    let hash = blake3::hash(text.as_bytes());
    u64::from_le_bytes(hash.as_bytes()[..8].try_into().expect("a hash has 32 bytes"))
}

/// A number from 0 to 1, 1 excluded, from 64 bits.
pub fn unit(bits: u64) -> f64 {
    (bits >> 11) as f64 / (1_u64 << 53) as f64
}
