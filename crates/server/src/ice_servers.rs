//! What clients are told of STUN and TURN: `Link` headers (RFC 9725 §4.6).

use std::net::SocketAddr;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use axum::http::header::HOST;
use axum::http::{HeaderMap, HeaderValue};

use crate::config::{Config, IceServer, Tls};
use crate::seed;

/// How long credentials are good. Who watches for longer through the relay connects anew.
const LIFETIME: Duration = Duration::from_secs(24 * 3600);
/// Longest host name that is repeated to a client (RFC 1035 §2.3.4).
const MAX_HOST: usize = 253;

/// All that is offered to clients.
pub(crate) struct IceServers {
    /// Those of the settings, ready.
    fixed: Vec<HeaderValue>,
    turn: Option<Turn>,
}

/// Our own TURN server.
pub(crate) struct Turn {
    /// What its credentials are made with.
    pub(crate) secret: String,
    /// `turn:` URLs, the fastest first.
    pub(crate) urls: Vec<String>,
    /// The port where TURN inside TLS is taken, if browsers trust the certificate there.
    pub(crate) tls_port: Option<u16>,
    /// The name in the certificate, if it is known; else the one by which the client has found us.
    pub(crate) name: Option<String>,
}

impl Turn {
    /// The server behind these media addresses, and at these for TCP.
    pub(crate) fn new(secret: String, media: &[SocketAddr], tcp: &[SocketAddr]) -> Self {
        // One address is enough of each kind: browsers ask every server that they are told, and relays reach both families.
        let first = |addresses: &[SocketAddr]| {
            addresses.iter().find(|it| it.is_ipv4()).or_else(|| addresses.first()).copied()
        };
        let url = |address: SocketAddr, transport| format!("turn:{address}?transport={transport}");
        let udp = first(media).map(|address| url(address, "udp"));
        let tcp = first(tcp).map(|address| url(address, "tcp"));
        Self { secret, urls: udp.into_iter().chain(tcp).collect(), tls_port: None, name: None }
    }

    /// Offers TURN inside TLS where the settings say, else at this port of ours and under this name.
    pub(crate) fn offer_tls(&mut self, config: &Config, port: u16, name: Option<&String>) {
        if let Some(at) = &config.turns_at {
            self.tls_port = Some(at.port.unwrap_or(port));
            self.name = Some(at.host.clone());
        } else {
            // A certificate that was made here is trusted by nobody, and a browser asks no one.
            self.tls_port = matches!(config.tls, Tls::Files { .. } | Tls::Acme(_)).then_some(port);
            self.name = name.cloned();
        }
    }
}

impl IceServers {
    /// Those of the settings, and our own if there is one.
    pub(crate) fn new(servers: &[IceServer], turn: Option<Turn>) -> Self {
        Self { fixed: servers.iter().map(link).collect(), turn }
    }

    /// The `Link` values for a client that has shown its right to be here; each gets credentials of its own.
    pub(crate) fn links(&self, request: &HeaderMap) -> Vec<HeaderValue> {
        let mut links = self.fixed.clone();
        if let Some(turn) = &self.turn {
            let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
            // The name behind the colon is what limits go by: one for each session.
            let username = format!("{}:{}", (now + LIFETIME).as_secs(), seed::token());
            let credential = headwater_node::turn_password(&turn.secret, &username);
            let name = turn.name.as_deref().or_else(|| host(request));
            let secure =
                turn.tls_port.zip(name).map(|(port, name)| format!("turns:{name}:{port}?transport=tcp"));
            links.extend(turn.urls.iter().cloned().chain(secure).map(|url| {
                link(&IceServer {
                    url,
                    username: Some(username.clone()),
                    credential: Some(credential.clone()),
                })
            }));
        }
        links
    }
}

/// `<turn:host>; rel="ice-server"; username=".."; credential=".."; credential-type="password"`.
fn link(server: &IceServer) -> HeaderValue {
    let quoted = |text: &str| text.replace('\\', "\\\\").replace('"', "\\\"");
    let mut link = format!("<{}>; rel=\"ice-server\"", server.url);
    if let (Some(username), Some(credential)) = (&server.username, &server.credential) {
        let (username, credential) = (quoted(username), quoted(credential));
        link +=
            &format!("; username=\"{username}\"; credential=\"{credential}\"; credential-type=\"password\"");
    }
    HeaderValue::try_from(link).expect("checked with the settings: printable ASCII")
}

/// The host name in the request, if it is a plain one.
fn host(request: &HeaderMap) -> Option<&str> {
    let host = request.get(HOST)?.to_str().ok()?;
    let name = host.rsplit_once(':').map_or(host, |(name, _)| name);
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'.';
    (!name.is_empty() && name.len() <= MAX_HOST && name.bytes().all(is_plain)).then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(links: &[HeaderValue]) -> Vec<String> {
        links.iter().map(|link| link.to_str().expect("ASCII").to_owned()).collect()
    }

    #[test]
    fn each_client_gets_credentials_of_its_own() {
        let media = ["[2001:db8::1]:8189", "192.0.2.1:8189"].map(|it| it.parse().expect("an address"));
        let tcp = ["192.0.2.1:443".parse().expect("an address")];
        let mut turn = Turn::new("secret".into(), &media, &tcp);
        turn.tls_port = Some(443);
        let servers = IceServers::new(&[], Some(turn));
        let mut request = HeaderMap::new();
        request.insert(HOST, HeaderValue::from_static("live.example:443"));
        let (one, two) = (text(&servers.links(&request)), text(&servers.links(&request)));
        let urls: Vec<_> = one.iter().map(|link| link.split('>').next().unwrap_or_default()).collect();
        assert_eq!(
            urls,
            [
                "<turn:192.0.2.1:8189?transport=udp",
                "<turn:192.0.2.1:443?transport=tcp",
                "<turns:live.example:443?transport=tcp"
            ]
        );
        assert!(one[0].contains("; rel=\"ice-server\"; username=\""), "{}", one[0]);
        assert_ne!(one, two);
    }

    /// What `turns:` names with these settings, on port 8443, for a client that asked `live.example`.
    fn turns(settings: &str) -> Option<String> {
        let mut turn = Turn::new("secret".into(), &[], &[]);
        turn.offer_tls(&Config::of_toml(settings), 8443, Some(&"media.example".to_owned()));
        let mut request = HeaderMap::new();
        request.insert(HOST, HeaderValue::from_static("live.example"));
        let links = text(&IceServers::new(&[], Some(turn)).links(&request));
        let uri = links.first()?.split(['<', '?']).nth(1)?.to_owned();
        Some(uri)
    }

    #[test]
    fn behind_a_port_forward_turns_names_the_outer_port() {
        const CERT: &str = "tls_cert = 'c.pem'\ntls_key = 'k.pem'\n";
        for (settings, expected) in [
            (CERT.to_owned(), Some("turns:media.example:8443")),
            (format!("{CERT}turns_at = 'turn.example:443'"), Some("turns:turn.example:443")),
            (format!("{CERT}turns_at = '[2001:db8::1]'"), Some("turns:[2001:db8::1]:8443")),
            // Somebody in front of us takes TLS off.
            ("turns_at = 'turn.example:443'".to_owned(), Some("turns:turn.example:443")),
            (String::new(), None),
            ("tls = 'self-signed'".to_owned(), None),
        ] {
            assert_eq!(turns(&settings).as_deref(), expected, "{settings}");
        }
    }

    #[test]
    fn a_forged_host_gets_into_no_header() {
        let mut turn = Turn::new("secret".into(), &[], &[]);
        turn.tls_port = Some(443);
        let servers = IceServers::new(&[], Some(turn));
        for forged in ["a>; rel=x", "a b", "[::1]:443", "", "a/b"] {
            let mut request = HeaderMap::new();
            request.insert(HOST, HeaderValue::try_from(forged).expect("a value"));
            assert_eq!(servers.links(&request).len(), 0, "{forged}");
        }
        assert_eq!(servers.links(&HeaderMap::new()).len(), 0);
    }
}
