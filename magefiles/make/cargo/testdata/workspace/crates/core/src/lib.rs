/// Panics beyond the end, so that this file's name is in the binary.
pub fn pick(of: &[u32], i: usize) -> u32 {
    let skip = memchr::memchr(b'a', b"abcx").unwrap_or(0);
    of[i + skip]
}
