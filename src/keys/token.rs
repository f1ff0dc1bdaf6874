//! The token that a caller sends, `rk_<id>_<secret>`: made and taken apart. Nothing here knows
//! which keys there are.

use std::fmt;

use anyhow::Context;

const PREFIX: &str = "rk_";
/// Random bytes of an id: 48 bits, of which a file of 10,000 keys repeats one in five million
/// times; `keys create` looks and draws again.
const ID_BYTES: usize = 6;
const SECRET_BYTES: usize = 32;
const SECRET_LENGTH: usize = 2 * SECRET_BYTES;

/// A new token. It is shown once, by [`Token::reveal`]; its `Debug` form holds the id alone.
pub(super) struct Token {
    text: String,
}

impl Token {
    /// A token that nobody can guess: id and secret are the operating system's random numbers.
    ///
    /// # Errors
    /// When the operating system gives none.
    pub(super) fn draw() -> anyhow::Result<Token> {
        let (id, secret) = (random_hex::<ID_BYTES>()?, random_hex::<SECRET_BYTES>()?);
        Ok(Token { text: format!("{PREFIX}{id}_{secret}") })
    }

    /// The public part.
    pub(super) fn id(&self) -> &str {
        self.parts().0
    }

    /// What is stored of the secret.
    pub(super) fn hash(&self) -> blake3::Hash {
        hash(self.parts().1)
    }

    /// The whole token, for the one who asked for it. Never for a log.
    pub(super) fn reveal(&self) -> &str {
        &self.text
    }

    fn parts(&self) -> (&str, &str) {
        split(&self.text).expect("`draw` makes tokens of the form that `split` takes")
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Token({PREFIX}{}_...)", self.id())
    }
}

/// The hash of a secret as the key file has it.
///
/// One fast hash is enough: slow ones make guessing a password dear, and a secret of 256 random
/// bits cannot be guessed at any speed. A slow one would also let anybody keep the service busy.
pub(super) fn hash(secret: &str) -> blake3::Hash {
    blake3::hash(secret.as_bytes())
}

/// Id and secret of a token; none where the text is not of a token's form. Allocates nothing.
pub(super) fn split(token: &str) -> Option<(&str, &str)> {
    let (id, secret) = token.strip_prefix(PREFIX)?.split_once('_')?;
    let hex = |b: u8| matches!(b, b'0'..=b'9' | b'a'..=b'f');
    let sound = is_id(id) && secret.len() == SECRET_LENGTH && secret.bytes().all(hex);
    sound.then_some((id, secret))
}

/// Whether a text may be a key's id: 8 to 32 lower-case letters and digits.
pub(super) fn is_id(text: &str) -> bool {
    (8..=32).contains(&text.len())
        && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit())
}

fn random_hex<const BYTES: usize>() -> anyhow::Result<String> {
    let mut bytes = [0; BYTES];
    getrandom::fill(&mut bytes)
        .context("failed to draw random numbers from the operating system")?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_drawn_token_is_taken_apart_again_and_no_two_are_alike() {
        let (a, b) = (Token::draw().unwrap(), Token::draw().unwrap());
        let (id, secret) = split(a.reveal()).unwrap();
        assert_eq!((id, hash(secret)), (a.id(), a.hash()));
        assert_ne!(a.id(), b.id());
        assert_ne!(a.hash(), b.hash());
    }

    #[test]
    fn debug_output_shows_no_secret() {
        let token = Token::draw().unwrap();
        let shown = format!("{token:?}");
        assert!(shown.contains(token.id()), "{shown}");
        assert!(!shown.contains(token.parts().1), "{shown}");
    }

    #[test]
    fn what_is_not_of_a_tokens_form_is_refused() {
        let secret = "0123456789abcdef".repeat(4);
        assert!(split(&format!("rk_abcdef12_{secret}")).is_some());
        for wrong in [
            String::new(),
            "rk_".to_owned(),
            format!("rk_abcdef1_{secret}"),
            format!("rk_{}_{secret}", "a".repeat(33)),
            format!("rk_ABCDEF12_{secret}"),
            format!("sk_abcdef12_{secret}"),
            format!("rk_abcdef12_{secret}0"),
            format!("rk_abcdef12_{}", &secret[1..]),
            format!("rk_abcdef12_{}", secret.to_uppercase()),
            format!("rk_abcdef12_{}é", &secret[2..]),
            format!(" rk_abcdef12_{secret}"),
        ] {
            assert!(split(&wrong).is_none(), "{wrong}");
        }
    }
}
