use std::io;
use std::net::Ipv4Addr;

use axum::routing::{get, post};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{DigitallySignedStruct, SignatureScheme};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio_rustls::client::TlsStream;

use super::*;
use crate::places::ConnectionLimits;
use crate::streams::tests::Fake;
use crate::tests::server;

const HELLO: &str = "GET / HTTP/1.1\r\nhost: x\r\n\r\n";

struct Running {
    address: SocketAddr,
    stop: watch::Sender<bool>,
    app: Shared,
    served: tokio::task::JoinHandle<()>,
    node: Fake,
}

async fn start(total: usize, tls: bool) -> Running {
    let app = server().app;
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    let router = Router::new()
        .route("/", get(|peer: Peer| async move { format!("hello {}", peer.ip()) }))
        .route("/slow", post(|| async { sleep(Duration::from_millis(200)).await }));
    let (stop, stopped) = watch::channel(false);
    let places = Places::new(ConnectionLimits { total, per_address: 1 });
    let tls = tls.then(|| {
        let identity = tls::identity(&crate::config::Tls::SelfSigned, &[], &[]).unwrap();
        identity.expect("self-signed").config
    });
    let node = Fake::echo();
    let streams = Arc::new(node.clone());
    let house = House { tls, router, app: Arc::clone(&app), streams, places };
    let served = tokio::spawn(serve(listener, Arc::new(house), stopped));
    Running { address, stop, app, served, node }
}

/// Sends a request and reads until `end` is in the answer or the server hangs up.
async fn ask(stream: &mut TcpStream, request: &str, end: &str) -> String {
    // A server that refuses may hang up before all is sent.
    let _ = stream.write_all(request.as_bytes()).await;
    let (mut answer, mut buf) = (Vec::new(), [0; 4096]);
    while !String::from_utf8_lossy(&answer).contains(end) {
        match stream.read(&mut buf).await {
            Ok(0) | Err(_) => break,
            Ok(len) => answer.extend_from_slice(&buf[..len]),
        }
    }
    String::from_utf8_lossy(&answer).into_owned()
}

#[tokio::test]
async fn a_connection_serves_several_requests_and_knows_its_client() {
    let running = start(4, false).await;
    let mut stream = TcpStream::connect(running.address).await.unwrap();
    for _ in 0..2 {
        assert!(ask(&mut stream, HELLO, "hello 127.0.0.1").await.starts_with("HTTP/1.1 200"));
    }
}

#[tokio::test]
async fn connections_over_the_limit_are_refused_until_a_place_is_free() {
    let running = start(1, false).await;
    let mut first = TcpStream::connect(running.address).await.unwrap();
    assert!(ask(&mut first, HELLO, "hello").await.contains("200 OK"));
    let mut second = TcpStream::connect(running.address).await.unwrap();
    assert_eq!(ask(&mut second, HELLO, "hello").await, "");
    assert_eq!(running.app.counters.connections_refused.load(Ordering::Relaxed), 1);
    drop(first);
    loop {
        let mut third = TcpStream::connect(running.address).await.unwrap();
        if ask(&mut third, HELLO, "hello").await.contains("200 OK") {
            break;
        }
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn too_many_or_too_long_headers_are_refused() {
    let running = start(4, false).await;
    let many = format!("GET / HTTP/1.1\r\n{}\r\n", "a: b\r\n".repeat(MAX_HEADERS + 1));
    let long = format!("GET / HTTP/1.1\r\na: {}\r\n\r\n", "b".repeat(2 * MAX_HEAD));
    for request in [many, long] {
        let mut stream = TcpStream::connect(running.address).await.unwrap();
        let answer = ask(&mut stream, &request, "\r\n\r\n").await;
        assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 431"), "{answer}");
    }
}

#[tokio::test]
async fn a_stop_lets_the_running_request_end_and_idle_connections_go() {
    let running = start(4, false).await;
    let mut idle = TcpStream::connect(running.address).await.unwrap();
    assert!(ask(&mut idle, HELLO, "hello").await.contains("200 OK"));
    let mut busy = TcpStream::connect(running.address).await.unwrap();
    busy.write_all(b"POST /slow HTTP/1.1\r\nhost: x\r\ncontent-length: 0\r\n\r\n").await.unwrap();
    while running.app.counters.connections.load(Ordering::Relaxed) < 2 {
        tokio::task::yield_now().await;
    }
    sleep(Duration::from_millis(50)).await;
    running.stop.send_replace(true);
    assert_eq!(ask(&mut idle, "", "never").await, "");
    assert!(ask(&mut busy, "", "\r\n\r\n").await.starts_with("HTTP/1.1 200"));
    running.served.await.unwrap();
    assert!(TcpStream::connect(running.address).await.is_err());
}

#[tokio::test]
async fn plain_http_on_the_https_port_is_sent_to_https() {
    let running = start(4, true).await;
    let mut stream = TcpStream::connect(running.address).await.unwrap();
    let answer = ask(&mut stream, "GET /watch/live?x=1 HTTP/1.1\r\nhost: h:1\r\n\r\n", "\r\n\r\n").await;
    assert!(answer.starts_with("HTTP/1.1 307"), "{answer}");
    assert!(answer.contains("location: https://h:1/watch/live?x=1\r\n"), "{answer}");
    let mut stream = TcpStream::connect(running.address).await.unwrap();
    let offer = "POST /whip/live HTTP/1.1\r\nhost: h:1\r\ncontent-length: 0\r\n\r\n";
    let answer = ask(&mut stream, offer, "https").await;
    assert!(answer.starts_with("HTTP/1.1 400") && answer.contains("application/problem+json"), "{answer}");
}

#[tokio::test]
async fn garbage_on_the_https_port_is_counted_and_dropped() {
    let running = start(4, true).await;
    let mut stream = TcpStream::connect(running.address).await.unwrap();
    ask(&mut stream, "\u{16}\u{3}\u{1}garbage garbage garbage", "never").await;
    while running.app.counters.tls_failures.load(Ordering::Relaxed) < 1 {
        tokio::task::yield_now().await;
    }
}

/// The head of a TURN request, and one of a check behind its length.
const TURN: &[u8] = b"\x00\x03\x00\x00\x21\x12\xa4\x42turn";
const ICE_TCP: &[u8] = b"\x00\x14\x00\x01\x00\x00\x21\x12\xa4\x42ice";

async fn echoed(stream: &mut (impl AsyncRead + AsyncWrite + Unpin), bytes: &[u8]) -> bool {
    for piece in bytes.chunks(3) {
        stream.write_all(piece).await.unwrap();
        stream.flush().await.unwrap();
    }
    let mut echo = vec![0; bytes.len()];
    stream.read_exact(&mut echo).await.is_ok() && echo == bytes
}

#[tokio::test]
async fn stun_goes_to_the_node_on_a_plain_port_and_on_an_https_port() {
    for tls in [false, true] {
        let running = start(4, tls).await;
        let mut turn = TcpStream::connect(running.address).await.unwrap();
        assert!(echoed(&mut turn, TURN).await);
        let mut ice = TcpStream::connect(running.address).await.unwrap();
        assert!(echoed(&mut ice, ICE_TCP).await);
        let expected = [
            (StreamKind::Turn, running.address, turn.local_addr().unwrap()),
            (StreamKind::Ice, running.address, ice.local_addr().unwrap()),
        ];
        assert_eq!(running.node.opened(), expected);
        assert_eq!(running.app.counters.turn_streams.load(Ordering::Relaxed), 1);
        drop((turn, ice));
        while running.app.counters.connections.load(Ordering::Relaxed) > 0 {
            tokio::task::yield_now().await;
        }
        assert_eq!(running.app.counters.turn_streams.load(Ordering::Relaxed), 0);
    }
}

/// A client that takes any certificate.
async fn tls_client(address: SocketAddr, alpn: &[&[u8]]) -> io::Result<TlsStream<TcpStream>> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = rustls::ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .unwrap()
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Gullible(provider)))
        .with_no_client_auth();
    config.alpn_protocols = alpn.iter().map(|name| name.to_vec()).collect();
    let stream = TcpStream::connect(address).await.unwrap();
    let name = "localhost".try_into().unwrap();
    tokio_rustls::TlsConnector::from(Arc::new(config)).connect(name, stream).await
}

#[tokio::test]
async fn inside_tls_the_client_says_what_it_speaks() {
    let running = start(9, true).await;
    /// What is announced, what is sent, and what it is.
    type Row<'a> = (&'a [&'a [u8]], &'a [u8], Option<StreamKind>);
    let table: [Row<'_>; 9] = [
        (&[b"stun.turn"], TURN, Some(StreamKind::Turn)),
        (&[b"stun.nat-discovery"], TURN, Some(StreamKind::Turn)),
        (&[b"x", b"stun.turn"], TURN, Some(StreamKind::Turn)),
        (&[], TURN, Some(StreamKind::Turn)),
        (&[], ICE_TCP, Some(StreamKind::Ice)),
        (&[], HELLO.as_bytes(), None),
        (&[b"http/1.1"], HELLO.as_bytes(), None),
        (&[b"h2", b"http/1.1"], HELLO.as_bytes(), None),
        // Whoever announces HTTP gets HTTP.
        (&[b"http/1.1"], TURN, None),
    ];
    for (alpn, bytes, kind) in table {
        let before = running.node.opened().len();
        let mut client = tls_client(running.address, alpn).await.unwrap();
        if let Some(kind) = kind {
            assert!(echoed(&mut client, bytes).await, "{alpn:?}");
            assert_eq!(running.node.opened()[before].0, kind);
        } else {
            client.write_all(bytes).await.unwrap();
            let mut answer = [0; 8];
            client.read_exact(&mut answer).await.unwrap();
            assert_eq!(&answer, b"HTTP/1.1");
            assert_eq!(running.node.opened().len(), before);
        }
    }
    assert!(tls_client(running.address, &[b"imap"]).await.is_err(), "RFC 7301 §3.2: nothing in common");
}

#[tokio::test]
async fn tls_inside_tls_and_tls_where_there_is_none_are_dropped() {
    let running = start(4, true).await;
    let mut client = tls_client(running.address, &[]).await.unwrap();
    client.write_all(b"\x16\x03\x01\x00\x05hello").await.unwrap();
    assert!(!matches!(client.read(&mut [0]).await, Ok(1)));
    let running = start(4, false).await;
    let mut client = TcpStream::connect(running.address).await.unwrap();
    assert_eq!(ask(&mut client, "\u{16}\u{3}\u{1}", "never").await, "");
}

#[tokio::test]
async fn streams_take_places_like_all_connections() {
    let running = start(1, false).await;
    let mut turn = TcpStream::connect(running.address).await.unwrap();
    assert!(echoed(&mut turn, TURN).await);
    let mut second = TcpStream::connect(running.address).await.unwrap();
    assert_eq!(ask(&mut second, HELLO, "hello").await, "");
}

#[tokio::test]
async fn a_stop_ends_connections_that_have_said_nothing() {
    let running = start(4, false).await;
    let mut silent = TcpStream::connect(running.address).await.unwrap();
    while running.app.counters.connections.load(Ordering::Relaxed) < 1 {
        tokio::task::yield_now().await;
    }
    let started = tokio::time::Instant::now();
    running.stop.send_replace(true);
    assert_eq!(ask(&mut silent, "", "never").await, "");
    running.served.await.unwrap();
    assert!(started.elapsed() < DRAIN);
}

/// Whoever it is.
#[derive(Debug)]
struct Gullible(Arc<CryptoProvider>);

impl ServerCertVerifier for Gullible {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, cert, dss, &self.0.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, cert, dss, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
