#[cfg(target_arch = "aarch64")]
cfg_if::cfg_if! { if #[cfg(unix)] { const OS: &str = "unix"; } else { const OS: &str = "other"; } }
#[cfg(not(target_arch = "aarch64"))]
const OS: &str = "plain";

tiny_mac::answer!();

fn main() {
    if std::env::args().any(|a| a == "--version") {
        println!("tiny {}", env!("CARGO_PKG_VERSION"));
        return;
    }
    println!("{} {} {}", OS, answer(), env!("TINY_ANSWER"));
    let n: usize = std::env::args().count();
    println!("{}", tiny_core::pick(&[1, 2, 3], n));
}
