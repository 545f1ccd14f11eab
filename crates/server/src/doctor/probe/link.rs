//! An ICE server as clients are told of it: one `Link` value (RFC 9725 §4.6).

use headwater_stun::Uri;

/// `<turn:host>; rel="ice-server"; username=".."; credential=".."`.
pub(super) struct Link {
    pub(super) url: String,
    pub(super) uri: Uri,
    pub(super) username: Option<String>,
    pub(super) credential: Option<String>,
}

impl Link {
    /// `None` if it is not one of an ICE server.
    pub(super) fn parse(value: &str) -> Option<Self> {
        let (url, mut rest) = value.strip_prefix('<')?.split_once('>')?;
        let (mut is_ice, mut username, mut credential) = (false, None, None);
        while let Some((_, after)) = rest.split_once(';') {
            let (name, after) = after.split_once('=')?;
            let (value, after) = quoted(after)?;
            match name.trim() {
                "rel" => is_ice = value == "ice-server",
                "username" => username = Some(value),
                "credential" => credential = Some(value),
                _ => {}
            }
            rest = after;
        }
        let uri = url.parse().ok()?;
        is_ice.then(|| Self { url: url.to_owned(), uri, username, credential })
    }
}

/// A quoted string (RFC 9110 §5.6.4), and what is behind it.
fn quoted(text: &str) -> Option<(String, &str)> {
    let inside = text.strip_prefix('"')?;
    let (mut value, mut is_escaped) = (String::new(), false);
    for (at, letter) in inside.char_indices() {
        match letter {
            '\\' if !is_escaped => is_escaped = true,
            '"' if !is_escaped => return inside.get(at + 1..).map(|rest| (value, rest)),
            _ => {
                value.push(letter);
                is_escaped = false;
            }
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_is_read_as_it_is_written() {
        let text = r#"<turn:192.0.2.1:8189?transport=udp>; rel="ice-server"; username="17:a;b\"c\\d"; credential="e=="; credential-type="password""#;
        let link = Link::parse(text).unwrap();
        assert_eq!(link.url, "turn:192.0.2.1:8189?transport=udp");
        assert_eq!(link.username.as_deref(), Some(r#"17:a;b"c\d"#));
        assert_eq!(link.credential.as_deref(), Some("e=="));
        let plain = Link::parse(r#"<stun:stun.example:3478>; rel="ice-server""#).unwrap();
        assert!(plain.username.is_none() && !plain.uri.is_turn());
        for not in
            ["", "<turn:a", "<turn:a>; rel=x", "<turn:a>; rel=\"other\"", "<http://a>; rel=\"ice-server\""]
        {
            assert!(Link::parse(not).is_none(), "{not}");
        }
    }
}
