//! The accept loop: who may connect, how slow a client may be, and how connections end.

use std::collections::HashMap;
use std::convert::Infallible;
use std::net::{IpAddr, SocketAddr};
use std::pin::pin;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::http::header::{HOST, LOCATION};
use axum::http::uri::PathAndQuery;
use axum::http::{HeaderMap, HeaderValue, Method, Request, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use rustls::ServerConfig;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsAcceptor;
use tower::ServiceExt;
use tracing::{debug, warn};

use crate::http::{Peer, Shared};
use crate::problem::Problem;
use crate::quiet::Quiet;

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

/// How many may connect.
#[derive(Clone, Copy)]
pub(crate) struct ConnectionLimits {
    pub(crate) total: usize,
    pub(crate) per_address: usize,
}

/// Serves until `stop` turns true, then lets running requests end.
pub(crate) async fn serve(
    listener: TcpListener,
    tls: Option<Arc<ServerConfig>>,
    router: Router,
    app: Shared,
    limits: ConnectionLimits,
    mut stop: watch::Receiver<bool>,
) {
    let acceptor = tls.map(TlsAcceptor::from);
    let places = Arc::new(Places { limits, taken: Mutex::default() });
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
                    warn!(%error, held_back, "cannot accept HTTP connections");
                }
                sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        let Some(place) = Places::take(&places, Peer(peer).ip()) else {
            app.counters.connections_refused.fetch_add(1, Ordering::Relaxed);
            if let Some(held_back) = crowded.permit() {
                warn!(held_back, "HTTP connections refused: see limits.http_connections and ..._per_address");
            }
            continue;
        };
        let (acceptor, router, app, stop) =
            (acceptor.clone(), router.clone(), Arc::clone(&app), stop.clone());
        connections.spawn(async move {
            app.counters.connections.fetch_add(1, Ordering::Relaxed);
            connection(stream, peer, acceptor, router, &app, stop).await;
            app.counters.connections.fetch_sub(1, Ordering::Relaxed);
            drop(place);
        });
    }
    drop(listener);
    let _ = timeout(DRAIN, async { while connections.join_next().await.is_some() {} }).await;
}

async fn connection(
    stream: TcpStream,
    peer: SocketAddr,
    acceptor: Option<TlsAcceptor>,
    router: Router,
    app: &Shared,
    stop: watch::Receiver<bool>,
) {
    // Answers are small: waiting for more bytes only delays them. A failure costs just that.
    let _ = stream.set_nodelay(true);
    let Some(acceptor) = acceptor else { return exchange(stream, peer, router, stop).await };
    let mut first = [0];
    match timeout(TLS_TIMEOUT, stream.peek(&mut first)).await {
        Ok(Ok(1)) if first[0].is_ascii_uppercase() => {
            // A method's letter, no TLS record: somebody left the "s" out.
            let router = Router::new().fallback(to_https);
            return exchange(stream, peer, router, stop).await;
        }
        _ => (), // whatever is wrong, the handshake will find it
    }
    match timeout(TLS_TIMEOUT, acceptor.accept(stream)).await {
        Ok(Ok(stream)) => exchange(stream, peer, router, stop).await,
        failed => {
            app.counters.tls_failures.fetch_add(1, Ordering::Relaxed);
            let error =
                failed.map_or_else(|elapsed| elapsed.to_string(), |result| format!("{:?}", result.err()));
            debug!(error, "TLS handshake failed");
        }
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

/// Counts connections, in all and by address; at most `limits.total` addresses are kept.
struct Places {
    limits: ConnectionLimits,
    taken: Mutex<Taken>,
}

#[derive(Default)]
struct Taken {
    total: usize,
    by_address: HashMap<IpAddr, usize>,
}

/// A connection's place; dropping it gives it back.
struct Place {
    places: Arc<Places>,
    ip: IpAddr,
}

impl Places {
    fn take(places: &Arc<Self>, ip: IpAddr) -> Option<Place> {
        let ip = group(ip);
        let mut taken = places.taken.lock().unwrap_or_else(PoisonError::into_inner);
        let here = taken.by_address.get(&ip).copied().unwrap_or(0);
        // A reverse proxy on this machine brings everybody's connections.
        let crowded = here >= places.limits.per_address && !ip.is_loopback();
        if crowded || taken.total >= places.limits.total {
            return None;
        }
        taken.total += 1;
        taken.by_address.insert(ip, here + 1);
        Some(Place { places: Arc::clone(places), ip })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut taken = self.places.taken.lock().unwrap_or_else(PoisonError::into_inner);
        taken.total -= 1;
        if let Some(here) = taken.by_address.get_mut(&self.ip) {
            *here -= 1;
            if *here == 0 {
                taken.by_address.remove(&self.ip);
            }
        }
    }
}

/// An IPv6 client owns a whole /64 (RFC 4291 §2.5.4): it counts as one address.
fn group(ip: IpAddr) -> IpAddr {
    match ip {
        IpAddr::V6(ip) if !ip.is_loopback() => IpAddr::V6((u128::from(ip) & !u128::from(u64::MAX)).into()),
        other => other,
    }
}

#[cfg(test)]
mod tests;
