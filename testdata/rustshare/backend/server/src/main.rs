//! `rustshare-server [serve | health [--url URL] | --version]`

use std::process::ExitCode;

use rustshare_core::{Config, VERSION};
use rustshare_server::{healthcheck, serve};

const USAGE: &str = "\
usage: rustshare-server [serve]               run the server (the default)
       rustshare-server health [--url URL]    ask a running server; exit 0 or 1
       rustshare-server --version";

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    match args.as_slice() {
        [] | ["serve"] => run(),
        ["health"] => health(&healthcheck::default_url()),
        ["health", "--url", url] => health(url),
        ["--version" | "-V" | "version"] => {
            println!("rustshare-server {VERSION}");
            ExitCode::SUCCESS
        }
        ["--help" | "-h" | "help"] => {
            println!("{USAGE}");
            ExitCode::SUCCESS
        }
        _ => {
            eprintln!("{USAGE}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> ExitCode {
    let config = match Config::from_env() {
        Ok(config) => config,
        Err(problems) => {
            for problem in &problems {
                eprintln!("rustshare-server: {problem}");
            }
            return fail("refusing to start with this configuration");
        }
    };
    match serve::run(config) {
        Ok(()) => ExitCode::SUCCESS,
        Err(err) => fail(format_args!("{err}")),
    }
}

fn health(url: &str) -> ExitCode {
    match healthcheck::get(url) {
        Ok(200..=299) => ExitCode::SUCCESS,
        Ok(status) => fail(format_args!("{url} answered {status}")),
        Err(err) => fail(format_args!("{url}: {err}")),
    }
}

fn fail(message: impl std::fmt::Display) -> ExitCode {
    eprintln!("rustshare-server: {message}");
    ExitCode::FAILURE
}
