//! Session tokens and the CSRF tokens that belong to them.
//!
//! A session token is random. The database keeps a digest keyed with
//! `JWT_SECRET`, and the CSRF token is derived from it with the same key: it
//! needs no storage and is worthless with another session.

use argon2::password_hash::rand_core::{OsRng, RngCore};
use hmac::{Hmac, Mac};
use sha2::Sha256;
use subtle::ConstantTimeEq;

use crate::secrets::Secret;

#[derive(Clone)]
pub struct Tokens {
    key: Secret,
}

impl Tokens {
    pub fn new(key: Secret) -> Self {
        Self { key }
    }

    /// A new session token, for the cookie.
    pub fn issue(&self) -> String {
        let mut bytes = [0u8; 32];
        OsRng.fill_bytes(&mut bytes);
        hex::encode(bytes)
    }

    /// What the database keeps of a session token.
    pub fn digest(&self, session_token: &str) -> String {
        self.mac("session", session_token)
    }

    /// The CSRF token of a session.
    pub fn csrf(&self, session_token: &str) -> String {
        self.mac("csrf", session_token)
    }

    pub fn csrf_matches(&self, session_token: &str, presented: &str) -> bool {
        self.csrf(session_token)
            .as_bytes()
            .ct_eq(presented.as_bytes())
            .into()
    }

    fn mac(&self, purpose: &str, session_token: &str) -> String {
        let mut mac = Hmac::<Sha256>::new_from_slice(self.key.expose().as_bytes())
            .expect("HMAC takes a key of any length");
        mac.update(purpose.as_bytes());
        mac.update(b":");
        mac.update(session_token.as_bytes());
        hex::encode(mac.finalize().into_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_csrf_token_belongs_to_one_session_and_one_key() {
        let tokens = Tokens::new(Secret::new("one key"));
        let (a, b) = (tokens.issue(), tokens.issue());
        assert_ne!(a, b);
        let csrf = tokens.csrf(&a);
        assert!(tokens.csrf_matches(&a, &csrf));
        assert!(!tokens.csrf_matches(&b, &csrf));
        assert!(!tokens.csrf_matches(&a, ""));
        assert!(!Tokens::new(Secret::new("another")).csrf_matches(&a, &csrf));
        assert_ne!(csrf, tokens.digest(&a));
    }
}
