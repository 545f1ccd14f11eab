//! `/metrics`: Prometheus text format. Counts by kind; a label never holds a session, a stream or an address.

use std::fmt::Write as _;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use axum::extract::State;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};

use crate::http::{Peer, Shared};
use crate::problem::Problem;
use crate::tokens::Right;

/// One line of `/metrics`.
#[derive(Clone, Debug)]
pub(crate) struct Sample {
    name: &'static str,
    help: &'static str,
    kind: &'static str,
    labels: Vec<(&'static str, &'static str)>,
    /// Which worker it is of, if it tells them apart.
    worker: Option<usize>,
    value: u64,
}

impl Sample {
    pub(crate) fn gauge(
        name: &'static str,
        help: &'static str,
        labels: &[(&'static str, &'static str)],
        value: u64,
    ) -> Self {
        Self { name, help, kind: "gauge", labels: labels.to_vec(), worker: None, value }
    }

    pub(crate) fn counter(
        name: &'static str,
        help: &'static str,
        labels: &[(&'static str, &'static str)],
        value: u64,
    ) -> Self {
        Self { name, help, kind: "counter", labels: labels.to_vec(), worker: None, value }
    }

    /// The same of one worker.
    pub(crate) fn of_worker(self, worker: usize) -> Self {
        Self { worker: Some(worker), ..self }
    }
}

/// What the HTTP side counts itself.
pub(crate) struct HttpCounters {
    started: Instant,
    /// Answers by the status' first digit.
    responses: [AtomicU64; 6],
    pub(crate) publish_requests: AtomicU64,
    pub(crate) watch_requests: AtomicU64,
    pub(crate) denied: AtomicU64,
    pub(crate) connections: AtomicU64,
    pub(crate) connections_refused: AtomicU64,
    pub(crate) tls_failures: AtomicU64,
    pub(crate) ice_tcp_streams: AtomicU64,
    pub(crate) turn_streams: AtomicU64,
    pub(crate) streams_refused: AtomicU64,
}

impl HttpCounters {
    pub(crate) fn new() -> Self {
        Self {
            started: Instant::now(),
            responses: Default::default(),
            publish_requests: AtomicU64::new(0),
            watch_requests: AtomicU64::new(0),
            denied: AtomicU64::new(0),
            connections: AtomicU64::new(0),
            connections_refused: AtomicU64::new(0),
            tls_failures: AtomicU64::new(0),
            ice_tcp_streams: AtomicU64::new(0),
            turn_streams: AtomicU64::new(0),
            streams_refused: AtomicU64::new(0),
        }
    }

    pub(crate) fn note_response(&self, status: StatusCode) {
        if let Some(counter) = self.responses.get(usize::from(status.as_u16() / 100)) {
            counter.fetch_add(1, Ordering::Relaxed);
        }
        if status == StatusCode::UNAUTHORIZED {
            self.denied.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn samples(&self) -> Vec<Sample> {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let (name, help) = ("headwater_http_responses_total", "HTTP answers by class of status.");
        let classes = ["1xx", "2xx", "3xx", "4xx", "5xx"];
        let mut samples: Vec<Sample> = classes
            .into_iter()
            .zip(&self.responses[1..])
            .map(|(class, counter)| Sample::counter(name, help, &[("class", class)], read(counter)))
            .collect();
        let (requests, offers) = ("headwater_signal_requests_total", "Offers received.");
        let (streams, help) = ("headwater_tcp_streams", "TCP connections now that carry media or TURN.");
        samples.extend([
            Sample::counter(requests, offers, &[("kind", "publish")], read(&self.publish_requests)),
            Sample::counter(requests, offers, &[("kind", "watch")], read(&self.watch_requests)),
            Sample::counter(
                "headwater_http_denied_total",
                "Requests with a missing or wrong token.",
                &[],
                read(&self.denied),
            ),
            Sample::gauge(
                "headwater_http_connections",
                "TCP connections now, whatever they speak.",
                &[],
                read(&self.connections),
            ),
            Sample::counter(
                "headwater_http_connections_refused_total",
                "TCP connections over a limit.",
                &[],
                read(&self.connections_refused),
            ),
            Sample::counter(
                "headwater_tls_failures_total",
                "TLS handshakes that failed.",
                &[],
                read(&self.tls_failures),
            ),
            Sample::gauge(streams, help, &[("kind", "ice-tcp")], read(&self.ice_tcp_streams)),
            Sample::gauge(streams, help, &[("kind", "turn")], read(&self.turn_streams)),
            Sample::counter(
                "headwater_tcp_streams_refused_total",
                "TCP connections with STUN that the media node did not take.",
                &[],
                read(&self.streams_refused),
            ),
            Sample::gauge(
                "headwater_uptime_seconds",
                "Seconds since the start.",
                &[],
                self.started.elapsed().as_secs(),
            ),
        ]);
        samples
    }
}

/// `GET /metrics`: for administrators, and for all when the server runs `--open`.
pub(crate) async fn show(
    State(app): State<Shared>,
    peer: Peer,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    if !app.open {
        app.access.check(Right::Admin, &headers, peer.ip())?;
    }
    let mut samples = app.counters.samples();
    samples.extend(app.media.counters().await?);
    let headers = [(CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8"), (CACHE_CONTROL, "no-store")];
    Ok((headers, render(&samples)).into_response())
}

/// Samples of one name must be neighbours: the format wants each name's lines together.
pub(crate) fn render(samples: &[Sample]) -> String {
    let mut text = String::new();
    let mut last = "";
    for sample in samples {
        if sample.name != last {
            last = sample.name;
            let _ = writeln!(text, "# HELP {last} {}\n# TYPE {last} {}", sample.help, sample.kind);
        }
        let worker = sample.worker.map(|worker| format!("worker=\"{worker}\""));
        let labels = sample.labels.iter().map(|(name, value)| format!("{name}=\"{value}\""));
        let labels: Vec<String> = labels.chain(worker).collect();
        let labels = if labels.is_empty() { String::new() } else { format!("{{{}}}", labels.join(",")) };
        let _ = writeln!(text, "{}{labels} {}", sample.name, sample.value);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn samples_of_one_name_share_their_help() {
        let samples = [
            Sample::gauge("a", "Help.", &[("kind", "x")], 1),
            Sample::gauge("a", "Help.", &[("kind", "y")], 2),
            Sample::counter("b_total", "Other.", &[], 3),
            Sample::counter("b_total", "Other.", &[("kind", "x")], 4).of_worker(1),
        ];
        let expected = "# HELP a Help.\n# TYPE a gauge\na{kind=\"x\"} 1\na{kind=\"y\"} 2\n\
                        # HELP b_total Other.\n# TYPE b_total counter\nb_total 3\n\
                        b_total{kind=\"x\",worker=\"1\"} 4\n";
        assert_eq!(render(&samples), expected);
    }

    #[test]
    fn what_the_kernel_dropped_is_told_of_each_worker() {
        let mut counters = headwater_node::Counters::default();
        counters.totals = vec![headwater_node::Totals::default(); 2];
        counters.totals[1].kernel_drops = 3;
        let text = render(&crate::view::samples(&counters));
        for line in ["{worker=\"0\"} 0\n", "{worker=\"1\"} 3\n"] {
            assert!(text.contains(&format!("headwater_kernel_drops_total{line}")), "{line} in {text}");
        }
    }
}
