// A build dependency must not show up in the binary's list of crates.
fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    let mut b = itoa::Buffer::new();
    println!("cargo::rustc-env=TINY_ANSWER={}", b.format(42));
}
