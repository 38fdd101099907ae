//! `tinyd [--version | health]`: answers `GET /health` on `BIND_ADDR`.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::ExitCode;
use std::time::Duration;

const VERSION: &str = env!("CARGO_PKG_VERSION");
const TIMEOUT: Duration = Duration::from_secs(5);

fn main() -> ExitCode {
    let address = std::env::var("BIND_ADDR").unwrap_or_else(|_| "0.0.0.0:8080".into());
    let result = match std::env::args().nth(1).as_deref() {
        None | Some("serve") => serve(&address),
        Some("health") => health(&address),
        Some("--version") => {
            println!("tinyd {VERSION}");
            Ok(())
        }
        Some(_) => Err(io::Error::other(
            "usage: tinyd [serve | health | --version]",
        )),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(err) => {
            eprintln!("tinyd: {err}");
            ExitCode::FAILURE
        }
    }
}

fn serve(address: &str) -> io::Result<()> {
    let listener = TcpListener::bind(address)?;
    eprintln!("tinyd {VERSION} listens on {}", listener.local_addr()?);
    for stream in listener.incoming() {
        // One client that goes away or says nothing is not the server's problem.
        if let Err(err) = stream.and_then(answer) {
            eprintln!("tinyd: {err}");
        }
    }
    Ok(())
}

fn answer(mut stream: TcpStream) -> io::Result<()> {
    stream.set_read_timeout(Some(TIMEOUT))?;
    let mut head = BufReader::new(stream.try_clone()?.take(8192)).lines();
    let request = head.next().transpose()?.unwrap_or_default();
    // The rest of the head is read, or closing would cut the answer off.
    while head
        .next()
        .transpose()?
        .is_some_and(|line| !line.is_empty())
    {}
    stream.write_all(response(&request).as_bytes())
}

fn response(request: &str) -> String {
    let (status, body) = match request.split(' ').nth(1) {
        Some("/health") => ("200 OK", "{\"status\":\"ok\"}\n"),
        _ => ("404 Not Found", "{\"error\":\"not found\"}\n"),
    };
    let mut length = itoa::Buffer::new();
    let length = length.format(body.len());
    format!("HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}")
}

fn health(address: &str) -> io::Result<()> {
    let port = address.rsplit(':').next().unwrap_or("8080");
    let mut stream = TcpStream::connect(format!("127.0.0.1:{port}"))?;
    stream.set_read_timeout(Some(TIMEOUT))?;
    stream.write_all(b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    match answer.starts_with("HTTP/1.1 200 ") {
        true => Ok(()),
        false => Err(io::Error::other("not healthy")),
    }
}

#[cfg(test)]
mod tests {
    use super::response;

    #[test]
    fn answers() {
        assert!(response("GET /health HTTP/1.1").starts_with("HTTP/1.1 200 OK\r\n"));
        assert!(response("GET / HTTP/1.1").starts_with("HTTP/1.1 404 "));
        assert!(response("").starts_with("HTTP/1.1 404 "));
    }
}
