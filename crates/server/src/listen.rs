//! The accept loop: who may connect, what a connection speaks, how slow a client may be, and how connections end.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use axum::Router;
use axum::http::header::{HOST, LOCATION};
use axum::http::uri::PathAndQuery;
use axum::http::{HeaderMap, HeaderValue, Method, Request, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use headwater_node::StreamKind;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use rustls::ServerConfig;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use tower::ServiceExt;
use tracing::{debug, warn};

use crate::http::{Peer, Shared};
use crate::places::Places;
use crate::problem::Problem;
use crate::quiet::Quiet;
use crate::replay::Replay;
use crate::sniff::Protocol;
use crate::streams::{self, Streams};
use crate::tls;

/// How long a client may take for a request's head, and stay idle between requests.
const HEAD_TIMEOUT: Duration = Duration::from_secs(15);
const TLS_TIMEOUT: Duration = Duration::from_secs(10);
/// After this long a connection ends with its current request: nobody holds a place for ever.
const MAX_AGE: Duration = Duration::from_secs(10 * 60);
/// How long the last request of an ending connection may take (a dump records for a minute).
const LAST_REQUEST: Duration = Duration::from_secs(90);
/// The same when the server goes down.
pub(crate) const DRAIN: Duration = Duration::from_secs(3);
const MAX_HEADERS: usize = 64;
/// Request line and headers together, bytes.
const MAX_HEAD: usize = 16 * 1024;
/// Pause after an accept that failed (out of file descriptors, mostly).
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// What connections come to: everything behind the port.
pub(crate) struct House {
    /// Connections that begin with a TLS record are opened with it.
    pub(crate) tls: Option<Arc<ServerConfig>>,
    pub(crate) router: Router,
    pub(crate) app: Shared,
    /// Where connections go that speak STUN.
    pub(crate) streams: Arc<dyn Streams>,
    /// All kinds and all listeners together.
    pub(crate) places: Arc<Places>,
}

/// Serves until `stop` turns true, then lets running requests end.
pub(crate) async fn serve(listener: TcpListener, house: Arc<House>, mut stop: watch::Receiver<bool>) {
    let counters = &house.app.counters;
    let (crowded, broken) = (Quiet::default(), Quiet::default());
    let mut connections = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            Some(_) = connections.join_next() => continue,
            _ = stop.wait_for(|stop| *stop) => break,
        };
        let (stream, peer) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                if let Some(held_back) = broken.permit() {
                    warn!(%error, held_back, "cannot accept connections");
                }
                sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        let Some(place) = Places::take(&house.places, Peer(peer).ip()) else {
            counters.connections_refused.fetch_add(1, Ordering::Relaxed);
            if let Some(held_back) = crowded.permit() {
                warn!(held_back, "connections refused: see limits.http_connections and ..._per_address");
            }
            continue;
        };
        let (house, stop) = (Arc::clone(&house), stop.clone());
        connections.spawn(async move {
            let counted = Counted::new(&house.app.counters.connections);
            Connection { peer, house: &house, stop }.run(stream).await;
            drop((counted, place));
        });
    }
    drop(listener);
    let _ = timeout(DRAIN, async { while connections.join_next().await.is_some() {} }).await;
}

/// Counts while it lives, also when its task is aborted.
struct Counted<'a>(&'a AtomicU64);

impl<'a> Counted<'a> {
    fn new(counter: &'a AtomicU64) -> Self {
        counter.fetch_add(1, Ordering::Relaxed);
        Self(counter)
    }
}

impl Drop for Counted<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// One connection on its way to who understands it.
struct Connection<'a> {
    peer: SocketAddr,
    house: &'a House,
    stop: watch::Receiver<bool>,
}

impl Connection<'_> {
    async fn run(mut self, stream: TcpStream) {
        // Answers are small, and media does not wait: neither for more of it nor in the kernel.
        streams::keep_fresh(&stream);
        let Ok(local) = stream.local_addr() else { return };
        let Some((protocol, stream)) = self.sniff(stream).await else { return };
        match (protocol, &self.house.tls) {
            (Protocol::Tls, Some(tls)) => {
                let acceptor = TlsAcceptor::from(Arc::clone(tls));
                match timeout(TLS_TIMEOUT, acceptor.accept(stream)).await {
                    Ok(Ok(stream)) => self.secured(stream, local).await,
                    Ok(Err(error)) => self.tls_failed(&error),
                    Err(elapsed) => self.tls_failed(&elapsed),
                }
            }
            (Protocol::Tls, None) => debug!("TLS where there is none: see --tls"),
            // Somebody left the "s" out.
            (Protocol::Http, Some(_)) => {
                exchange(stream, self.peer, Router::new().fallback(to_https), self.stop).await;
            }
            (Protocol::Http, None) => self.http(stream).await,
            (Protocol::Turn, _) => self.stream(stream, StreamKind::Turn, local).await,
            (Protocol::IceTcp, _) => self.stream(stream, StreamKind::Ice, local).await,
        }
    }

    /// Inside TLS: the client says what it wants (RFC 7301), or its first bytes do.
    async fn secured(mut self, mut stream: TlsStream<Replay<TcpStream>>, local: SocketAddr) {
        match stream.get_ref().1.alpn_protocol() {
            Some(name) if tls::TURN_ALPN.contains(&name) => {
                return self.stream(stream, StreamKind::Turn, local).await;
            }
            Some(tls::ACME_ALPN) => {
                // The certificate was the answer; TLS 1.3 has sent it only now.
                let _ = timeout(TLS_TIMEOUT, stream.shutdown()).await;
                return;
            }
            Some(_) => return self.http(stream).await,
            None => (),
        }
        let Some((protocol, stream)) = self.sniff(stream).await else { return };
        match protocol {
            Protocol::Http => self.http(stream).await,
            Protocol::Turn => self.stream(stream, StreamKind::Turn, local).await,
            Protocol::IceTcp => self.stream(stream, StreamKind::Ice, local).await,
            Protocol::Tls => debug!("TLS inside TLS"),
        }
    }

    async fn sniff<S>(&mut self, stream: S) -> Option<(Protocol, Replay<S>)>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        tokio::select! {
            sniffed = Replay::sniff(stream) => sniffed.inspect_err(|error| debug!(%error, "nothing said")).ok(),
            _ = self.stop.wait_for(|stop| *stop) => None,
        }
    }

    async fn http<S>(self, stream: S)
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        exchange(stream, self.peer, self.house.router.clone(), self.stop).await;
    }

    async fn stream<S>(self, stream: S, kind: StreamKind, local: SocketAddr)
    where
        S: AsyncRead + AsyncWrite + Send,
    {
        let counters = &self.house.app.counters;
        let _counted = Counted::new(match kind {
            StreamKind::Turn => &counters.turn_streams,
            _ => &counters.ice_tcp_streams,
        });
        // IPv4 is IPv4, whatever kind of socket it came in over.
        let plain = |address: SocketAddr| SocketAddr::new(address.ip().to_canonical(), address.port());
        let addresses = (plain(local), plain(self.peer));
        if !streams::serve(stream, &*self.house.streams, kind, addresses, self.stop).await {
            counters.streams_refused.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn tls_failed(&self, error: &dyn std::fmt::Display) {
        self.house.app.counters.tls_failures.fetch_add(1, Ordering::Relaxed);
        debug!(%error, "TLS handshake failed");
    }
}

/// Plain HTTP on the HTTPS port: people are led on; programs are told, since what they sent was open to read.
async fn to_https(method: Method, uri: Uri, headers: HeaderMap) -> Response {
    let host = headers.get(HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b".-_:[]".contains(&byte);
    if method == Method::GET && !host.is_empty() && host.bytes().all(plain) {
        let path = uri.path_and_query().map_or("/", PathAndQuery::as_str);
        if let Ok(location) = HeaderValue::try_from(format!("https://{host}{path}")) {
            return (StatusCode::TEMPORARY_REDIRECT, [(LOCATION, location)]).into_response();
        }
    }
    let detail = "This port speaks HTTPS: use https:// in the address.";
    Problem::new(StatusCode::BAD_REQUEST, "https-needed", detail).into_response()
}

/// Requests and answers on one connection.
async fn exchange<S>(stream: S, peer: SocketAddr, router: Router, mut stop: watch::Receiver<bool>)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let service = service_fn(move |mut request: Request<Incoming>| {
        request.extensions_mut().insert(Peer(peer));
        let router = router.clone();
        async move { Ok::<_, Infallible>(router.oneshot(request).await.unwrap_or_else(|never| match never {})) }
    });
    let mut connection = pin!(
        http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(HEAD_TIMEOUT)
            .max_headers(MAX_HEADERS)
            .max_buf_size(MAX_HEAD)
            .serve_connection(TokioIo::new(stream), service)
    );
    let patience = tokio::select! {
        ended = connection.as_mut() => return log_end(ended),
        () = sleep(MAX_AGE) => LAST_REQUEST,
        _ = stop.wait_for(|stop| *stop) => DRAIN,
    };
    connection.as_mut().graceful_shutdown();
    if let Ok(ended) = timeout(patience, connection).await {
        log_end(ended);
    }
}

fn log_end(ended: Result<(), hyper::Error>) {
    if let Err(error) = ended {
        debug!(%error, "HTTP connection broke");
    }
}

#[cfg(test)]
mod tests;
