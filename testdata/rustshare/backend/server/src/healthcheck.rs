//! The client side of the health check, for images that have neither a shell
//! nor curl: one plain HTTP request, only its status counts.

use std::io::{self, BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpStream, ToSocketAddrs};
use std::time::Duration;

const TIMEOUT: Duration = Duration::from_secs(5);

/// The readiness of the server that this environment would start.
pub fn default_url() -> String {
    let port = std::env::var("BIND_ADDR")
        .ok()
        .and_then(|addr| addr.parse::<SocketAddr>().ok())
        .map_or(8080, |addr| addr.port());
    format!("http://127.0.0.1:{port}/health/ready")
}

/// The status that a `GET` of an `http://` URL is answered with.
pub fn get(url: &str) -> io::Result<u16> {
    let rest = url
        .strip_prefix("http://")
        .ok_or_else(|| io::Error::other("only http:// URLs can be checked"))?;
    let (host, path) = match rest.find('/') {
        Some(slash) => rest.split_at(slash),
        None => (rest, "/"),
    };
    let has_port = host
        .rsplit_once(':')
        .is_some_and(|(_, port)| port.parse::<u16>().is_ok());
    let address = if has_port {
        host.to_owned()
    } else {
        format!("{host}:80")
    };
    let address = address
        .to_socket_addrs()?
        .next()
        .ok_or_else(|| io::Error::other("the host has no address"))?;

    let mut stream = TcpStream::connect_timeout(&address, TIMEOUT)?;
    stream.set_read_timeout(Some(TIMEOUT))?;
    stream.set_write_timeout(Some(TIMEOUT))?;
    let request = format!(
        "GET {path} HTTP/1.1\r\nHost: {host}\r\nUser-Agent: rustshare-health\r\nConnection: close\r\n\r\n"
    );
    stream.write_all(request.as_bytes())?;
    let mut status_line = String::new();
    BufReader::new(stream).read_line(&mut status_line)?;
    status_line
        .strip_prefix("HTTP/1.")
        .and_then(|line| line.split_whitespace().nth(1))
        .and_then(|status| status.parse().ok())
        .ok_or_else(|| io::Error::other("the answer is not HTTP"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read;
    use std::net::TcpListener;

    fn answer_once(answer: &'static str) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/health/ready", listener.local_addr().unwrap());
        std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut request = [0; 1024];
            let read = stream.read(&mut request).unwrap();
            assert!(request[..read].starts_with(b"GET /health/ready HTTP/1.1\r\n"));
            stream.write_all(answer.as_bytes()).unwrap();
        });
        url
    }

    #[test]
    fn reads_the_status() {
        for (answer, status) in [
            ("HTTP/1.1 200 OK\r\n\r\n", 200),
            ("HTTP/1.1 503 Service Unavailable\r\n\r\n", 503),
        ] {
            assert_eq!(get(&answer_once(answer)).unwrap(), status);
        }
    }

    #[test]
    fn tells_what_is_no_http() {
        assert!(get(&answer_once("SSH-2.0-x\r\n")).is_err());
        assert!(get("https://localhost/").is_err());
    }
}
