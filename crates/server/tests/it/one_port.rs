//! `--listen`: HTTP, STUN over UDP and TCP, and both inside TLS, at one port.

use std::io::{Read, Write};
use std::net::{TcpStream, UdpSocket};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

use super::{Running, TempFile};

/// RFC 8489 §5: a Binding request without attributes.
const BINDING: [u8; 20] = *b"\x00\x01\x00\x00\x21\x12\xa4\x42twelve bytes";
/// The beginning of its success response.
const BOUND: [u8; 2] = [1, 1];

/// The host that the first link names.
fn host(running: &Running) -> String {
    running.url("/publish/live").0
}

#[track_caller]
fn is_bound(stream: &mut (impl Read + Write)) {
    stream.write_all(&BINDING).unwrap();
    let mut header = [0; 20];
    stream.read_exact(&mut header).unwrap();
    assert_eq!(header[..2], BOUND);
    assert_eq!(header[4..], BINDING[4..], "cookie and transaction");
}

#[track_caller]
fn is_http(stream: &mut (impl Read + Write), host: &str) {
    write!(stream, "GET /healthz HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n\r\n").unwrap();
    let mut answer = [0; 12];
    stream.read_exact(&mut answer).unwrap();
    assert_eq!(&answer, b"HTTP/1.1 200");
}

#[cfg(unix)]
#[test]
fn without_tls_http_and_stun_over_tcp_and_udp_are_one_port() {
    let running = Running::start_only(&["--listen", "127.0.0.1:0"]);
    let host = host(&running);
    assert!(running.banner.contains(&format!("UDP {host}, advertised as {host}\n")), "{}", running.banner);
    is_http(&mut TcpStream::connect(&host).unwrap(), &host);
    is_bound(&mut TcpStream::connect(&host).unwrap());

    let udp = UdpSocket::bind("127.0.0.1:0").unwrap();
    udp.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
    udp.send_to(&BINDING, &host).unwrap();
    let mut answer = [0; 1500];
    let (len, from) = udp.recv_from(&mut answer).unwrap();
    assert!(len >= 20 && answer[..2] == BOUND && from.to_string() == host);

    // Held until the end: open connections do not keep the server from going.
    let mut open = TcpStream::connect(&host).unwrap();
    is_bound(&mut open);
    let metrics = Running::ask(&host, "GET /metrics HTTP/1.1\r\n");
    for line in ["headwater_tcp_streams{kind=\"turn\"} 1", "headwater_tcp_streams_refused_total 0"] {
        assert!(metrics.lines().any(|it| it == line), "{line} is missing in\n{metrics}");
    }
    let asked = Instant::now();
    let log = running.terminate();
    assert!(log.contains("ended"), "{log}");
    assert!(asked.elapsed() < Duration::from_secs(2), "{:?}", asked.elapsed());
    open.read_to_end(&mut Vec::new()).unwrap();
}

#[cfg(unix)]
#[test]
fn with_a_certificate_tls_holds_http_and_stun_too() {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let cert = TempFile::new("one-port-cert", &made.cert.pem());
    let key = TempFile::new("one-port-key", &made.signing_key.serialize_pem());
    let arguments = ["--listen", "127.0.0.1:0", "--tls-cert", cert.path(), "--tls-key", key.path()];
    let running = Running::start_only(&arguments);
    let host = host(&running);

    let tls = |alpn: &[&str]| {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(made.cert.pem().as_bytes()).unwrap()).unwrap();
        let mut config =
            ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
                .with_safe_default_protocol_versions()
                .unwrap()
                .with_root_certificates(roots)
                .with_no_client_auth();
        config.alpn_protocols = alpn.iter().map(|name| name.as_bytes().to_vec()).collect();
        let connection = ClientConnection::new(Arc::new(config), "localhost".try_into().unwrap()).unwrap();
        StreamOwned::new(connection, TcpStream::connect(&host).unwrap())
    };
    is_http(&mut tls(&["h2", "http/1.1"]), &host);
    is_http(&mut tls(&[]), &host);
    is_bound(&mut tls(&["stun.turn"]));
    is_bound(&mut tls(&["stun.nat-discovery"]));
    is_bound(&mut tls(&[]));
    is_bound(&mut TcpStream::connect(&host).unwrap());
    running.terminate();
}
