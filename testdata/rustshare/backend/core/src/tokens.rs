//! Session tokens, the CSRF tokens that belong to them, and the tokens of
//! public links.
//!
//! A session token is random. The database keeps a digest keyed with
//! `JWT_SECRET`, and the CSRF token is derived from it with the same key: it
//! needs no storage and is worthless with another session.
//!
//! The token of a link is its id and a code over it with the other key: it can
//! be shown to its owner again, without being kept anywhere.

use argon2::password_hash::rand_core::{OsRng, RngCore};
use hmac::{Hmac, Mac};
use sha2::Sha256;
use subtle::ConstantTimeEq;
use uuid::Uuid;

use crate::secrets::Secret;

#[derive(Clone)]
pub struct Tokens {
    session_key: Secret,
    link_key: Secret,
}

/// Hex digits of a link's id, and as many of its code.
const LINK_ID_DIGITS: usize = 32;

impl Tokens {
    pub fn new(session_key: Secret, link_key: Secret) -> Self {
        Self {
            session_key,
            link_key,
        }
    }

    /// A new session token, for the cookie.
    pub fn issue(&self) -> String {
        let mut bytes = [0u8; 32];
        OsRng.fill_bytes(&mut bytes);
        hex::encode(bytes)
    }

    /// What the database keeps of a session token.
    pub fn digest(&self, session_token: &str) -> String {
        mac(&self.session_key, "session", session_token)
    }

    /// The CSRF token of a session.
    pub fn csrf(&self, session_token: &str) -> String {
        mac(&self.session_key, "csrf", session_token)
    }

    pub fn csrf_matches(&self, session_token: &str, presented: &str) -> bool {
        self.csrf(session_token)
            .as_bytes()
            .ct_eq(presented.as_bytes())
            .into()
    }

    /// What the database keeps of the token of a visitor's session.
    pub fn link_session_digest(&self, session_token: &str) -> String {
        mac(&self.session_key, "link-session", session_token)
    }

    pub fn link(&self, id: &str) -> String {
        let mut code = mac(&self.link_key, "link", id);
        code.truncate(LINK_ID_DIGITS);
        id.replace('-', "") + &code
    }

    /// The id of the link that a token opens; `None` for what is no token.
    pub fn link_id(&self, token: &str) -> Option<String> {
        let id = Uuid::try_parse(token.get(..LINK_ID_DIGITS)?).ok()?;
        let id = id.to_string();
        let genuine: bool = self.link(&id).as_bytes().ct_eq(token.as_bytes()).into();
        genuine.then_some(id)
    }
}

fn mac(key: &Secret, purpose: &str, message: &str) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(key.expose().as_bytes())
        .expect("HMAC takes a key of any length");
    mac.update(purpose.as_bytes());
    mac.update(b":");
    mac.update(message.as_bytes());
    hex::encode(mac.finalize().into_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tokens(session_key: &str, link_key: &str) -> Tokens {
        Tokens::new(Secret::new(session_key), Secret::new(link_key))
    }

    #[test]
    fn a_csrf_token_belongs_to_one_session_and_one_key() {
        let tokens = tokens("one key", "link key");
        let (a, b) = (tokens.issue(), tokens.issue());
        assert_ne!(a, b);
        let csrf = tokens.csrf(&a);
        assert!(tokens.csrf_matches(&a, &csrf));
        assert!(!tokens.csrf_matches(&b, &csrf));
        assert!(!tokens.csrf_matches(&a, ""));
        assert!(!self::tokens("another", "link key").csrf_matches(&a, &csrf));
        assert_ne!(csrf, tokens.digest(&a));
        assert_ne!(tokens.link_session_digest(&a), tokens.digest(&a));
    }

    #[test]
    fn a_link_token_opens_its_link_and_cannot_be_made_up() {
        let ours = tokens("session key", "one key");
        let id = Uuid::new_v4().to_string();
        let token = ours.link(&id);
        assert_eq!(ours.link_id(&token), Some(id.clone()));
        assert_eq!(tokens("another", "one key").link_id(&token), Some(id));
        assert_eq!(tokens("session key", "another").link_id(&token), None);
        let longer = token.clone() + "0";
        for bad in [
            "",
            "x",
            "ü",
            &token[..63],
            &token[..32],
            &longer,
            &"é".repeat(40),
        ] {
            assert_eq!(ours.link_id(bad), None, "{bad}");
        }
    }
}
