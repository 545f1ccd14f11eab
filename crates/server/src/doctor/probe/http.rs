//! HTTP, as far as a check needs it: one request, one answer, and the connection ends.

use std::io;
use std::net::SocketAddr;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::timeout;

use super::super::finding::Findings;
use super::super::patient::{Patient, here};
use super::way::{self, PATIENCE};

/// Longest answer, bytes.
const MAX_ANSWER: u64 = 256 * 1024;

/// An answer.
pub(in super::super) struct Answer {
    pub(in super::super) status: u16,
    headers: Vec<(String, String)>,
    pub(in super::super) body: String,
}

impl Answer {
    /// All values of a header.
    pub(in super::super) fn header<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.headers
            .iter()
            .filter(move |(it, _)| it.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_str())
    }

    fn parse(bytes: &[u8]) -> Option<Self> {
        let text = String::from_utf8_lossy(bytes);
        let (head, body) = text.split_once("\r\n\r\n")?;
        let mut lines = head.split("\r\n");
        let status = lines.next()?.strip_prefix("HTTP/1.1 ")?.get(..3)?.parse().ok()?;
        let headers = lines
            .filter_map(|line| line.split_once(':'))
            .map(|(name, value)| (name.to_owned(), value.trim().to_owned()))
            .collect();
        Some(Self { status, headers, body: body.to_owned() })
    }
}

/// A request.
pub(in super::super) struct Ask<'a> {
    pub(in super::super) method: &'static str,
    pub(in super::super) path: &'a str,
    pub(in super::super) token: Option<&'a str>,
    /// An offer.
    pub(in super::super) body: &'a str,
}

impl<'a> Ask<'a> {
    pub(in super::super) fn new(method: &'static str, path: &'a str) -> Self {
        Self { method, path, token: None, body: "" }
    }
}

/// Asks once.
///
/// # Errors
/// No connection, no answer, or one that is not HTTP.
pub(in super::super) async fn ask(server: SocketAddr, secure: bool, ask: &Ask<'_>) -> io::Result<Answer> {
    let mut stream = way::connect(server, secure, b"http/1.1").await?.stream;
    let Ask { method, path, token, body } = ask;
    let mut request = format!("{method} {path} HTTP/1.1\r\nhost: {server}\r\nconnection: close\r\n");
    if let Some(token) = token {
        request += &format!("authorization: Bearer {token}\r\n");
    }
    if !body.is_empty() {
        request += &format!("content-type: application/sdp\r\ncontent-length: {}\r\n", body.len());
    }
    request = request + "\r\n" + body;
    let exchange = async {
        stream.write_all(request.as_bytes()).await?;
        stream.flush().await?;
        let mut answer = Vec::new();
        // TLS may end without a farewell: what came counts.
        let _ = stream.take(MAX_ANSWER).read_to_end(&mut answer).await;
        Answer::parse(&answer).ok_or_else(|| io::Error::other("what answers does not speak HTTP"))
    };
    timeout(PATIENCE, exchange).await.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
}

/// Who has a port.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(in super::super) enum Holder {
    /// A server of ours, with or without TLS as it is expected.
    Ours,
    /// One of ours that has TLS where none is expected, or the other way round.
    OtherTls,
    /// One of ours whose TLS has no certificate.
    NoCertificate,
    Stranger,
}

/// Is it a server of ours that answers there?
pub(in super::super) async fn holder(server: SocketAddr, secure: bool) -> Holder {
    if is_ours(server, secure).await {
        return Holder::Ours;
    }
    // Behind TLS, what comes without it is told so.
    let Ok(plain) = ask(server, false, &Ask::new("OPTIONS", "/whip/doctor")).await else {
        return Holder::Stranger;
    };
    match plain.body.contains("\"https-needed\"") {
        true if secure => Holder::NoCertificate,
        true => Holder::OtherTls,
        false if secure && is_ours(server, false).await => Holder::OtherTls,
        false => Holder::Stranger,
    }
}

/// Nobody else has these pages' words at both addresses.
async fn is_ours(server: SocketAddr, secure: bool) -> bool {
    let Ok(health) = ask(server, secure, &Ask::new("GET", "/healthz")).await else { return false };
    if health.body != "ok\n" && health.body != "stopping\n" {
        return false;
    }
    let whip = ask(server, secure, &Ask::new("OPTIONS", "/whip/doctor")).await;
    whip.is_ok_and(|it| it.header("accept-post").any(|value| value == "application/sdp"))
}

/// Does HTTP answer at every address?
pub(in super::super) async fn check(patient: &Patient<'_>, findings: &mut Findings) {
    for address in patient.tcp.iter().copied() {
        let asked = ask(here(address), patient.is_secure(), &Ask::new("GET", "/healthz")).await;
        let scheme = if patient.is_secure() { "https" } else { "http" };
        match asked {
            Ok(answer) if answer.status == 200 => findings.well(format!("{scheme}://{address} answers")),
            Ok(answer) => findings.fault(
                "http-unhealthy",
                format!("{scheme}://{address}/healthz answers with status {}", answer.status),
                "The server is about to end, or something else answers here.",
                "systemctl restart headwater    # or however it is started",
            ),
            Err(error) => findings.fault(
                "http-unreachable",
                format!("{scheme}://{address} does not answer: {error}"),
                "A firewall of this machine is in between, or the running server has other settings (TLS?) than these.",
                format!("nft insert rule inet filter input tcp dport {} accept", address.port()),
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_taken_apart() {
        let answer = Answer::parse(b"HTTP/1.1 204 No Content\r\nlink: <a>\r\nLink: <b>\r\n\r\nbody").unwrap();
        assert_eq!((answer.status, answer.body.as_str()), (204, "body"));
        assert_eq!(answer.header("LINK").collect::<Vec<_>>(), ["<a>", "<b>"]);
        for not in [&b"SSH-2.0-x\r\n"[..], b"", b"HTTP/1.1 \xff\r\n\r\n", b"HTTP/1.1 20"] {
            assert!(Answer::parse(not).is_none());
        }
    }
}
