//! What the operator sees at the start: the URLs to open, and what will not work.

use std::fmt::Write as _;
use std::net::{IpAddr, SocketAddr};

use crate::address::{is_public, url_hosts};

/// The stream that the printed links name.
const STREAM: &str = "live";

/// What the start knows.
pub(crate) struct Banner<'a> {
    pub(crate) http: SocketAddr,
    pub(crate) https: bool,
    pub(crate) media: &'a [SocketAddr],
    pub(crate) advertised: &'a [SocketAddr],
    /// Names that `--advertise` and `--acme` gave: better in URLs than addresses.
    pub(crate) names: &'a [String],
    pub(crate) publish_token: Option<&'a str>,
    pub(crate) watch_token: Option<&'a str>,
    /// Shown if it was made at this start: nobody else knows it.
    pub(crate) new_admin_token: Option<&'a str>,
    pub(crate) tls_fingerprint: Option<&'a str>,
}

impl Banner<'_> {
    /// The text for standard output.
    pub(crate) fn text(&self) -> String {
        let mut text = format!("Headwater {}\n\n", env!("CARGO_PKG_VERSION"));
        for host in self.hosts() {
            let _ = writeln!(text, "  Go live   {}", self.publish_url(&host));
            let _ = writeln!(text, "  Watch     {}", self.watch_url(&host));
            let _ = writeln!(text, "  WHIP      {}://{host}/whip/{STREAM}\n", self.scheme());
        }
        if let Some(token) = self.new_admin_token {
            let _ =
                writeln!(text, "  Admin token (new at each start; set --admin-token to keep one): {token}");
        }
        if let Some(fingerprint) = self.tls_fingerprint {
            let _ = writeln!(text, "  Certificate (self-signed, SHA-256): {fingerprint}");
        }
        let _ =
            writeln!(text, "  Media     UDP {}, advertised as {}", list(self.media), list(self.advertised));
        for warning in self.warnings() {
            let _ = writeln!(text, "\n  Warning: {warning}");
        }
        text
    }

    /// What the operator should change, with the remedy.
    pub(crate) fn warnings(&self) -> Vec<String> {
        let mut warnings = Vec::new();
        let off_loopback = !self.http.ip().is_loopback();
        if self.advertised.is_empty() {
            warnings.push(
                "no address for media is advertised, so that nobody can connect. Give one with --advertise IP."
                    .to_owned(),
            );
        } else if off_loopback && !self.advertised.iter().any(|address| is_public(address.ip())) {
            let port = self.advertised.first().map_or(0, SocketAddr::port);
            warnings.push(format!(
                "only private addresses are advertised ({}): people outside your network will not get any media. \
                 Start with --advertise <your public IP or host name>, and let UDP port {port} through \
                 (Docker: -p {port}:{port}/udp).",
                list(self.advertised)
            ));
        }
        if off_loopback && !self.https {
            warnings.push(
                "browsers give camera and screen only to https:// pages (and localhost). Start with \
                 --acme DOMAIN, with --tls-cert FILE --tls-key FILE, or with --tls self-signed to try it out."
                    .to_owned(),
            );
        }
        warnings
    }

    fn hosts(&self) -> Vec<String> {
        let mut hosts: Vec<String> = if self.http.ip().is_unspecified() {
            self.names.iter().map(|name| format!("{name}:{}", self.http.port())).collect()
        } else {
            Vec::new()
        };
        if hosts.is_empty() {
            let known: Vec<IpAddr> = self.advertised.iter().map(SocketAddr::ip).collect();
            hosts = url_hosts(self.http, &known);
        }
        let default_port = if self.https { ":443" } else { ":80" };
        hosts.iter().map(|host| host.strip_suffix(default_port).unwrap_or(host).to_owned()).collect()
    }

    fn publish_url(&self, host: &str) -> String {
        // The publish page makes the link to share, so that it knows the viewers' token too.
        let token = self.publish_token.map(|token| format!("token={token}"));
        let watch = self.watch_token.map(|token| format!("watch_token={token}"));
        let query: Vec<String> = [token, watch].into_iter().flatten().collect();
        let query = if query.is_empty() { String::new() } else { format!("?{}", query.join("&")) };
        format!("{}://{host}/publish/{STREAM}{query}", self.scheme())
    }

    fn watch_url(&self, host: &str) -> String {
        let query = self.watch_token.map_or_else(String::new, |token| format!("?token={token}"));
        format!("{}://{host}/watch/{STREAM}{query}", self.scheme())
    }

    fn scheme(&self) -> &'static str {
        if self.https { "https" } else { "http" }
    }
}

fn list(addresses: &[SocketAddr]) -> String {
    if addresses.is_empty() {
        return "nothing".to_owned();
    }
    addresses.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn banner<'a>(http: &str, advertised: &'a [SocketAddr]) -> Banner<'a> {
        Banner {
            http: http.parse().unwrap(),
            https: false,
            media: advertised,
            advertised,
            names: &[],
            publish_token: None,
            watch_token: None,
            new_admin_token: None,
            tls_fingerprint: None,
        }
    }

    #[test]
    fn on_loopback_the_links_are_plain_and_nothing_is_warned_of() {
        let addresses = ["192.168.1.7:8189".parse().unwrap()];
        let text = banner("127.0.0.1:8080", &addresses).text();
        assert!(text.contains("http://127.0.0.1:8080/publish/live\n"), "{text}");
        assert!(text.contains("http://127.0.0.1:8080/watch/live\n"), "{text}");
        assert!(!text.contains("Warning"), "{text}");
    }

    #[test]
    fn the_usual_port_is_left_out() {
        let addresses = ["192.168.1.7:443".parse().unwrap()];
        let names = ["live.example".to_owned()];
        let banner = Banner { https: true, names: &names, ..banner("0.0.0.0:443", &addresses) };
        assert!(banner.text().contains("https://live.example/watch/live\n"), "{}", banner.text());
        let banner = Banner { names: &[], ..banner };
        assert!(banner.text().contains("https://192.168.1.7/watch/live\n"), "{}", banner.text());
    }

    #[test]
    fn tokens_stand_inside_the_links() {
        let addresses = ["192.168.1.7:8189".parse().unwrap()];
        let banner = Banner {
            publish_token: Some("pub"),
            watch_token: Some("see"),
            ..banner("0.0.0.0:8080", &addresses)
        };
        let text = banner.text();
        assert!(text.contains("http://192.168.1.7:8080/publish/live?token=pub&watch_token=see\n"), "{text}");
        assert!(text.contains("http://192.168.1.7:8080/watch/live?token=see\n"), "{text}");
    }

    #[test]
    fn only_private_addresses_off_loopback_are_warned_of_with_the_remedy() {
        let private = ["192.168.1.7:8189".parse().unwrap(), "[fe80::1]:8189".parse().unwrap()];
        let warnings = banner("0.0.0.0:8080", &private).warnings();
        assert!(warnings[0].contains("--advertise") && warnings[0].contains("8189/udp"), "{warnings:?}");
        let public = ["192.168.1.7:8189".parse().unwrap(), "8.8.8.8:8189".parse().unwrap()];
        assert!(banner("0.0.0.0:8080", &public).warnings().iter().all(|text| !text.contains("private")));
    }

    #[test]
    fn a_missing_https_is_warned_of() {
        let public = ["8.8.8.8:8189".parse().unwrap()];
        let plain = banner("0.0.0.0:8080", &public);
        assert!(plain.warnings().iter().any(|text| text.contains("--tls self-signed")));
        assert_eq!(Banner { https: true, ..plain }.warnings(), Vec::<String>::new());
    }
}
