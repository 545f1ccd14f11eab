//! A WHIP and WHEP client (RFC 9725, draft-ietf-wish-whep) on a plain TCP stream.
//!
//! Both protocols are the same on the client's side: POST an offer and get an answer, PATCH candidates, DELETE to
//! end. Only `http://` is spoken: put a TLS proxy in front of a server that is not on this machine.

use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream, ToSocketAddrs, UdpSocket};
use std::time::Duration;

/// How long one request may take to connect, and to be answered.
const TIMEOUT: Duration = Duration::from_secs(10);
/// The most bytes of an answer, headers and all.
const MAX_RESPONSE: u64 = 256 << 10;

/// Why a request came to nothing.
#[derive(Debug)]
#[non_exhaustive]
pub enum Failure {
    /// The URL cannot be used; the text says why.
    Url(String),
    /// The connection failed.
    Io(std::io::Error),
    /// What came back is no HTTP.
    NotHttp,
    /// The server refused. The text is its own explanation, from `application/problem+json` where it sends that.
    Refused {
        /// HTTP status.
        status: u16,
        /// Its explanation.
        detail: String,
        /// When it wants to be asked again.
        retry_after: Option<Duration>,
    },
}

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Url(why) => write!(f, "{why}"),
            Self::Io(error) => write!(f, "the server cannot be reached: {error}"),
            Self::NotHttp => write!(f, "what the server answers is not HTTP"),
            Self::Refused { status, detail, .. } => write!(f, "the server refuses ({status}): {detail}"),
        }
    }
}

impl std::error::Error for Failure {}

impl From<std::io::Error> for Failure {
    fn from(error: std::io::Error) -> Self {
        Self::Io(error)
    }
}

/// `http://host:port/path`
#[derive(Debug, Clone, PartialEq, Eq)]
struct Url {
    authority: String,
    path: String,
}

impl Url {
    fn parse(text: &str) -> Result<Self, Failure> {
        let rest = text.strip_prefix("http://").ok_or_else(|| {
            Failure::Url(format!("`{text}`: this client speaks http:// only; use a proxy for anything else"))
        })?;
        let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        if authority.is_empty() || text.bytes().any(|byte| byte.is_ascii_control() || byte == b' ') {
            return Err(Failure::Url(format!("`{}` is no URL", text.escape_debug())));
        }
        Ok(Self {
            authority: authority.to_owned(),
            path: if path.is_empty() { "/" } else { path }.to_owned(),
        })
    }

    /// Where a `Location` leads (RFC 3986 §5.2 as far as servers use it).
    fn join(&self, location: &str) -> Result<Self, Failure> {
        if location.contains("://") {
            return Self::parse(location);
        }
        let path = if location.starts_with('/') {
            location.to_owned()
        } else {
            let folder = self.path.rfind('/').map_or(0, |at| at + 1);
            format!("{}{location}", &self.path[..folder])
        };
        Self::parse(&format!("http://{}{path}", self.authority))
    }

    fn addresses(&self) -> Result<impl Iterator<Item = SocketAddr>, Failure> {
        let has_port = self.authority.rsplit_once(':').is_some_and(|(_, port)| port.parse::<u16>().is_ok());
        let name = if has_port { self.authority.clone() } else { format!("{}:80", self.authority) };
        Ok(name.to_socket_addrs()?)
    }

    fn connect(&self) -> Result<TcpStream, Failure> {
        let mut failure = Failure::Url(format!("{} has no address", self.authority));
        for address in self.addresses()? {
            match TcpStream::connect_timeout(&address, TIMEOUT) {
                Ok(stream) => {
                    stream.set_read_timeout(Some(TIMEOUT))?;
                    stream.set_write_timeout(Some(TIMEOUT))?;
                    return Ok(stream);
                }
                Err(error) => failure = error.into(),
            }
        }
        Err(failure)
    }
}

/// A WHIP or WHEP endpoint, and the session made there.
#[derive(Debug)]
pub struct Client {
    endpoint: Url,
    token: Option<String>,
    session: Option<Url>,
    etag: Option<String>,
}

struct Response {
    status: u16,
    headers: Vec<(String, String)>,
    body: String,
}

impl Client {
    /// A client of the endpoint at `url`.
    ///
    /// # Errors
    /// [`Failure::Url`].
    pub fn new(url: &str, token: Option<&str>) -> Result<Self, Failure> {
        if token.is_some_and(|token| token.bytes().any(|byte| !byte.is_ascii_graphic())) {
            return Err(Failure::Url("the token has characters that no token has".into()));
        }
        Ok(Self { endpoint: Url::parse(url)?, token: token.map(str::to_owned), session: None, etag: None })
    }

    /// The address of this machine that the server is reached from.
    ///
    /// # Errors
    /// The server has no address, or there is no way to it.
    pub fn local_ip(&self) -> Result<IpAddr, Failure> {
        let server = self.endpoint.addresses()?.next();
        let server =
            server.ok_or_else(|| Failure::Url(format!("{} has no address", self.endpoint.authority)))?;
        let any =
            if server.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { IpAddr::from(Ipv6Addr::UNSPECIFIED) };
        // Connecting a UDP socket sends nothing; it asks the routing table.
        let socket = UdpSocket::bind((any, 0))?;
        socket.connect(server)?;
        Ok(socket.local_addr()?.ip())
    }

    /// Posts an offer; returns the answer.
    ///
    /// # Errors
    /// See [`Failure`]; there is no session then.
    pub fn post(&mut self, offer: &str) -> Result<String, Failure> {
        let response = self.request("POST", &self.endpoint, "application/sdp", offer)?;
        let location = response.header("location").ok_or(Failure::NotHttp)?;
        self.session = Some(self.endpoint.join(location)?);
        self.etag = response.header("etag").map(str::to_owned);
        Ok(response.body)
    }

    /// Sends a fragment with candidates, or with new credentials (RFC 8840 §9); returns the fragment that a restart
    /// is answered with.
    ///
    /// # Errors
    /// See [`Failure`].
    pub fn patch(&mut self, fragment: &str) -> Result<String, Failure> {
        let Some(session) = &self.session else { return Ok(String::new()) };
        let response = self.request("PATCH", session, "application/trickle-ice-sdpfrag", fragment)?;
        self.etag = response.header("etag").map(str::to_owned).or_else(|| self.etag.take());
        Ok(response.body)
    }

    /// Ends the session, if there is one.
    ///
    /// # Errors
    /// See [`Failure`]. The session counts as ended anyway: it is reaped when it is silent.
    pub fn delete(&mut self) -> Result<(), Failure> {
        let Some(session) = self.session.take() else { return Ok(()) };
        self.request("DELETE", &session, "", "").map(|_| ())
    }

    fn request(&self, method: &str, url: &Url, content_type: &str, body: &str) -> Result<Response, Failure> {
        let mut head =
            format!("{method} {} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n", url.path, url.authority);
        if !content_type.is_empty() {
            head += &format!("Content-Type: {content_type}\r\nContent-Length: {}\r\n", body.len());
        }
        // A session at another host is not told the token of this one.
        if let Some(token) = self.token.as_ref().filter(|_| url.authority == self.endpoint.authority) {
            head += &format!("Authorization: Bearer {token}\r\n");
        }
        if let Some(etag) = self.etag.as_ref().filter(|_| method == "PATCH") {
            head += &format!("If-Match: {etag}\r\n");
        }
        let mut stream = url.connect()?;
        stream.write_all(format!("{head}\r\n{body}").as_bytes())?;
        let mut bytes = Vec::new();
        let mut reader = stream.take(MAX_RESPONSE);
        // The end of the answer is the end of the connection; a reset after all of it is one too.
        if let Err(error) = reader.read_to_end(&mut bytes)
            && bytes.is_empty()
        {
            return Err(error.into());
        }
        let response = Response::parse(&bytes).ok_or(Failure::NotHttp)?;
        if (200..300).contains(&response.status) { Ok(response) } else { Err(response.refusal()) }
    }
}

impl Response {
    fn parse(bytes: &[u8]) -> Option<Self> {
        let end = bytes.windows(4).position(|window| window == b"\r\n\r\n")?;
        let mut lines = std::str::from_utf8(&bytes[..end]).ok()?.split("\r\n");
        let status = lines.next()?.strip_prefix("HTTP/1.")?.get(2..5)?.parse().ok()?;
        let headers: Vec<_> = lines
            .filter_map(|line| line.split_once(':'))
            .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
            .collect();
        let mut response = Self { status, headers, body: String::new() };
        let body = &bytes[end + 4..];
        let chunked = response.header("transfer-encoding").is_some_and(|v| v.eq_ignore_ascii_case("chunked"));
        let length = response.header("content-length").and_then(|text| text.parse::<usize>().ok());
        let body = match length {
            _ if chunked => dechunked(body)?,
            Some(length) => body.get(..length)?.to_vec(),
            None => body.to_vec(),
        };
        response.body = String::from_utf8(body).ok()?;
        Some(response)
    }

    fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    fn refusal(&self) -> Failure {
        let problem = serde_json::from_str::<serde_json::Value>(&self.body).ok();
        let detail = problem.as_ref().and_then(|problem| problem.get("detail")?.as_str());
        let words = detail.or_else(|| self.header("location")).unwrap_or_else(|| self.body.trim());
        let printable = words.chars().filter(|c| !c.is_control()).take(300).collect();
        let seconds = self.header("retry-after").and_then(|text| text.parse().ok());
        let retry_after = seconds.map(|seconds: u64| Duration::from_secs(seconds.min(60)));
        Failure::Refused { status: self.status, detail: printable, retry_after }
    }
}

/// RFC 9112 §7.1   size in hex, CRLF, that many bytes, CRLF, and so on until a size of 0
fn dechunked(mut rest: &[u8]) -> Option<Vec<u8>> {
    let mut body = Vec::new();
    loop {
        let line = rest.windows(2).position(|window| window == b"\r\n")?;
        let size = std::str::from_utf8(&rest[..line]).ok()?.split(';').next()?.trim();
        let size = usize::from_str_radix(size, 16).ok()?;
        if size == 0 {
            return Some(body);
        }
        let chunk = rest.get(line + 2..)?;
        body.extend_from_slice(chunk.get(..size)?);
        rest = chunk.get(size + 2..)?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_location_leads_from_the_endpoint() {
        let endpoint = Url::parse("http://example.org:8080/whip/demo").expect("a URL");
        let joined = |location| endpoint.join(location).expect("a URL").path;
        assert_eq!(joined("/whip/demo/17"), "/whip/demo/17");
        assert_eq!(joined("17"), "/whip/17");
        assert_eq!(joined("http://example.org:8080/x"), "/x");
        assert!(Url::parse("https://example.org/").is_err());
        assert!(endpoint.join("/x\r\nHost: evil").is_err());
    }

    #[test]
    fn an_answer_is_read_in_either_framing_and_never_panics() {
        let plain = b"HTTP/1.1 201 Created\r\nContent-Length: 3\r\nLocation: /s\r\n\r\nv=0 and more";
        let response = Response::parse(plain).expect("HTTP");
        assert_eq!((response.status, response.header("location"), &*response.body), (201, Some("/s"), "v=0"));
        let chunked =
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nv=\r\n1;x\r\n0\r\n0\r\n\r\n";
        assert_eq!(Response::parse(chunked).expect("HTTP").body, "v=0");
        for message in [&plain[..], chunked] {
            for len in 0..message.len() {
                let _ = Response::parse(&message[..len]);
            }
        }
        assert!(dechunked(b"ffffffffffffffff\r\nabc").is_none());
    }

    #[test]
    fn a_problem_is_told_in_the_servers_words() {
        let answer =
            b"HTTP/1.1 409 Conflict\r\nRetry-After: 2\r\n\r\n{\"detail\":\"the stream is not live\"}";
        let failure = Response::parse(answer).expect("HTTP").refusal();
        assert_eq!(failure.to_string(), "the server refuses (409): the stream is not live");
    }
}
