use std::net::{Ipv4Addr, Ipv6Addr};

use axum::routing::{get, post};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::*;
use crate::tests::server;

const HELLO: &str = "GET / HTTP/1.1\r\nhost: x\r\n\r\n";

struct Running {
    address: SocketAddr,
    stop: watch::Sender<bool>,
    app: Shared,
    served: tokio::task::JoinHandle<()>,
}

async fn start(total: usize, tls: bool) -> Running {
    let app = server().app;
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    let router = Router::new()
        .route("/", get(|peer: Peer| async move { format!("hello {}", peer.ip()) }))
        .route("/slow", post(|| async { sleep(Duration::from_millis(200)).await }));
    let (stop, stopped) = watch::channel(false);
    let limits = ConnectionLimits { total, per_address: 1 };
    let tls = tls.then(|| {
        let identity = crate::tls::identity(&crate::config::Tls::SelfSigned, &[], &[]).unwrap();
        identity.expect("self-signed").config
    });
    let served = tokio::spawn(serve(listener, tls, router, Arc::clone(&app), limits, stopped));
    Running { address, stop, app, served }
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

fn places(total: usize, per_address: usize) -> Arc<Places> {
    Arc::new(Places { limits: ConnectionLimits { total, per_address }, taken: Mutex::default() })
}

#[test]
fn one_address_gets_its_share_only_and_gives_places_back() {
    let places = places(3, 2);
    let (one, other): (IpAddr, IpAddr) = ([192, 0, 2, 1].into(), [192, 0, 2, 2].into());
    let first = Places::take(&places, one);
    let second = Places::take(&places, one);
    assert!(first.is_some() && second.is_some());
    assert!(Places::take(&places, one).is_none(), "per address");
    let third = Places::take(&places, other);
    assert!(third.is_some());
    assert!(Places::take(&places, other).is_none(), "in all");
    drop((first, second, third));
    let taken = places.taken.lock().unwrap();
    assert_eq!((taken.total, taken.by_address.len()), (0, 0));
}

#[test]
fn a_network_of_64_bits_is_one_client_and_loopback_is_not_counted() {
    let places = places(10, 1);
    let v6 = |text: &str| IpAddr::V6(text.parse().unwrap());
    let _first = Places::take(&places, v6("2001:db8::1")).unwrap();
    assert!(Places::take(&places, v6("2001:db8::ffff")).is_none());
    let _second = Places::take(&places, v6("2001:db8:0:1::1")).unwrap();
    let local = [IpAddr::V4(Ipv4Addr::LOCALHOST), IpAddr::V6(Ipv6Addr::LOCALHOST)];
    let held: Vec<_> = (0..6).map(|i| Places::take(&places, local[i % 2])).collect();
    assert!(held.iter().all(Option::is_some));
}
