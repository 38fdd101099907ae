//! Secrets: a type that does not print itself, and the rules that keep weak
//! ones from ever reaching production.

use std::fmt;

/// The shortest key (`JWT_SECRET`, `RUSTSHARE_SECRET_ENCRYPTION_KEY`).
pub const MIN_KEY_CHARS: usize = 32;
/// The shortest password of a seeded account.
pub const MIN_PASSWORD_CHARS: usize = 12;

/// Fewer different characters than this is a key that someone leaned on.
const MIN_DISTINCT_CHARS: usize = 5;

/// Fragments of the values that examples and tutorials ship with.
const PLACEHOLDERS: &[&str] = &[
    "change-me",
    "change_me",
    "changeme",
    "changethis",
    "insecure",
    "password123",
    "placeholder",
    "replace-me",
    "replace_me",
    "replaceme",
    "your-secret",
    "your_secret",
];

/// A value that must not end up in a log. `Debug` hides it and there is no
/// `Display`; reading it takes the word `expose`.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    pub fn new(value: impl Into<String>) -> Self {
        Self(value.into())
    }

    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(***)")
    }
}

/// Says what is wrong with a secret, as the end of a sentence that begins with
/// its name. The value itself is in none of the answers.
pub fn weakness(value: &str, min_chars: usize) -> Option<String> {
    let lower = value.to_lowercase();
    if PLACEHOLDERS.iter().any(|known| lower.contains(known)) {
        return Some("is a known placeholder".into());
    }
    if value.chars().count() < min_chars {
        return Some(format!("is shorter than {min_chars} characters"));
    }
    let mut distinct: Vec<char> = lower.chars().collect();
    distinct.sort_unstable();
    distinct.dedup();
    if distinct.len() < MIN_DISTINCT_CHARS {
        return Some("repeats a few characters over and over".into());
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refuses_what_is_short_known_or_monotonous() {
        for (value, part) in [
            ("tiny", "shorter than 32"),
            ("0123456789abcdef0123456789abcde", "shorter than 32"),
            ("please-ChangeMe-before-going-to-production", "placeholder"),
            ("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", "over and over"),
        ] {
            let reason = weakness(value, MIN_KEY_CHARS).expect(value);
            assert!(reason.contains(part), "{value}: {reason}");
            assert!(!reason.contains(value));
        }
    }

    #[test]
    fn accepts_random_ones() {
        assert_eq!(
            weakness("0f9c3b7e5d1a48629b0e7c5f3d2a1846", MIN_KEY_CHARS),
            None
        );
        assert_eq!(weakness("correct horse", MIN_PASSWORD_CHARS), None);
    }

    #[test]
    fn debug_hides_the_value() {
        assert_eq!(
            format!("{:?}", Secret::new("hunter2hunter2")),
            "Secret(***)"
        );
    }
}
