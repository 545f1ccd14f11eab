//! Who may do what: bearer tokens (RFC 6750), compared in constant time.

use std::net::IpAddr;

use axum::http::HeaderMap;
use axum::http::header::{AUTHORIZATION, HOST, ORIGIN};
use ring::digest::{SHA256, digest};
use subtle::ConstantTimeEq;

use crate::problem::Problem;

/// A token as we keep it: only its SHA-256, so that neither time nor memory tells its length or content.
#[derive(Clone)]
pub(crate) struct Token([u8; 32]);

impl Token {
    pub(crate) fn new(secret: &str) -> Self {
        let mut hash = [0; 32];
        hash.copy_from_slice(digest(&SHA256, secret.as_bytes()).as_ref());
        Self(hash)
    }

    fn matches(&self, presented: &str) -> bool {
        self.0.ct_eq(&Self::new(presented).0).into()
    }
}

/// What a request wants to do.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Right {
    Publish,
    Watch,
    Admin,
}

impl Right {
    fn words(self) -> &'static str {
        match self {
            Self::Publish => "to publish here",
            Self::Watch => "to watch here",
            Self::Admin => "to administer this server",
        }
    }
}

/// The tokens in force. `None` = no token is needed (for admin: only from this machine).
#[derive(Clone, Default)]
pub(crate) struct Access {
    pub(crate) publish: Option<Token>,
    pub(crate) watch: Option<Token>,
    pub(crate) admin: Option<Token>,
}

impl Access {
    /// Whether the request may do this.
    ///
    /// # Errors
    /// A 401 problem, which tells a missing token from a wrong one.
    pub(crate) fn check(&self, right: Right, headers: &HeaderMap, peer: IpAddr) -> Result<(), Problem> {
        let token = match right {
            Right::Publish => &self.publish,
            Right::Watch => &self.watch,
            Right::Admin => &self.admin,
        };
        let Some(token) = token else {
            let allowed = right != Right::Admin || is_this_machine(headers, peer);
            return if allowed { Ok(()) } else { Err(Problem::missing_token(right.words())) };
        };
        let presented = bearer(headers).ok_or_else(|| Problem::missing_token(right.words()))?;
        if token.matches(presented) { Ok(()) } else { Err(Problem::wrong_token(right.words())) }
    }

    /// The same question where a refusal is no error.
    pub(crate) fn allows(&self, right: Right, headers: &HeaderMap, peer: IpAddr) -> bool {
        self.check(right, headers, peer).is_ok()
    }
}

/// The token of `Authorization: Bearer <token>`; the scheme's case does not matter (RFC 9110 §11.1).
fn bearer(headers: &HeaderMap) -> Option<&str> {
    let (scheme, token) = headers.get(AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    let token = token.trim();
    (scheme.eq_ignore_ascii_case("bearer") && !token.is_empty()).then_some(token)
}

/// Without an admin token, only a person at this machine administers. A loopback peer alone proves little: a
/// reverse proxy is one too, and so is any website that the person's browser visits (DNS rebinding).
fn is_this_machine(headers: &HeaderMap, peer: IpAddr) -> bool {
    let loopback_name = |name: &str| {
        let name = name.trim_start_matches('[').split(']').next().unwrap_or(name);
        name.eq_ignore_ascii_case("localhost") || name.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
    };
    let host = headers.get(HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
    let host_name = if host.starts_with('[') { host } else { host.split(':').next().unwrap_or_default() };
    let same_origin = headers.get(ORIGIN).is_none_or(|origin| {
        let origin = origin.to_str().unwrap_or_default();
        origin.split_once("://").is_some_and(|(_, authority)| authority.eq_ignore_ascii_case(host))
    });
    let proxied = headers.contains_key("forwarded") || headers.contains_key("x-forwarded-for");
    peer.to_canonical().is_loopback() && loopback_name(host_name) && same_origin && !proxied
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOCAL: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect()
    }

    #[test]
    fn a_token_matches_itself_only() {
        let token = Token::new("abc");
        assert!(token.matches("abc"));
        for other in ["", "ab", "abcd", "abC", "abc "] {
            assert!(!token.matches(other), "{other:?}");
        }
    }

    #[test]
    fn bearer_is_read_from_the_authorization_header_only_in_its_own_scheme() {
        let table = [
            ("Bearer abc", Some("abc")),
            ("bearer  abc ", Some("abc")),
            ("Basic abc", None),
            ("Bearer", None),
            ("Bearer ", None),
            ("abc", None),
        ];
        for (value, expected) in table {
            assert_eq!(bearer(&headers(&[("authorization", value)])), expected, "{value:?}");
        }
    }

    #[test]
    fn rights_have_separate_tokens() {
        let access = Access {
            publish: Some(Token::new("p")),
            watch: Some(Token::new("w")),
            admin: Some(Token::new("a")),
        };
        let with = |token: &str| headers(&[("authorization", &format!("Bearer {token}"))]);
        for (right, own) in [(Right::Publish, "p"), (Right::Watch, "w"), (Right::Admin, "a")] {
            for token in ["p", "w", "a", "x"] {
                assert_eq!(access.allows(right, &with(token), LOCAL), token == own, "{right:?} {token}");
            }
            assert_eq!(access.check(right, &HeaderMap::new(), LOCAL).unwrap_err().code, "missing-token");
        }
    }

    #[test]
    fn without_an_admin_token_only_this_machine_administers() {
        let access = Access::default();
        let remote: IpAddr = "192.0.2.1".parse().unwrap();
        let mapped: IpAddr = "::ffff:127.0.0.1".parse().unwrap();
        type Case = (IpAddr, &'static [(&'static str, &'static str)], bool);
        let table: &[Case] = &[
            (LOCAL, &[("host", "127.0.0.1:8080")], true),
            (LOCAL, &[("host", "localhost:8080")], true),
            (mapped, &[("host", "[::1]:8080")], true),
            (LOCAL, &[("host", "localhost:8080"), ("origin", "http://localhost:8080")], true),
            (remote, &[("host", "127.0.0.1:8080")], false),
            (LOCAL, &[("host", "evil.example:8080")], false),
            (LOCAL, &[("host", "127.0.0.1.evil.example")], false),
            (LOCAL, &[("host", "localhost:8080"), ("origin", "http://evil.example")], false),
            (LOCAL, &[("host", "localhost:8080"), ("origin", "null")], false),
            (LOCAL, &[("host", "localhost:8080"), ("x-forwarded-for", "192.0.2.1")], false),
            (LOCAL, &[], false),
        ];
        for (peer, pairs, expected) in table {
            let map: HeaderMap = pairs
                .iter()
                .map(|(n, v)| (n.parse::<axum::http::HeaderName>().unwrap(), v.parse().unwrap()))
                .collect();
            assert_eq!(access.allows(Right::Admin, &map, *peer), *expected, "{peer} {pairs:?}");
        }
        assert!(access.allows(Right::Publish, &HeaderMap::new(), remote));
    }
}
