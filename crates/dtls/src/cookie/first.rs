//! What has to be known of a first hello when the second one is here.
//!
//! ```text
//! | suite (16) | group asked for (16), or 0 | hash of the first hello | tag |
//! ```
//!
//! is a cookie of DTLS 1.3; one of 1.2 is a tag alone.

use crate::Version;
use crate::crypto::hash::{Output, SuiteHash};
use crate::extension::ExtensionType;
use crate::extension::supported_groups::NamedGroup;
use crate::message::HandshakeType;
use crate::message::client_hello::ClientHello;
use crate::suite::{self, Suite};
use crate::wire::{Reader, put_u16, put_u24, put_vec};

/// What may differ in a second hello beside the share that was asked for (RFC 8446 §4.1.2).
const CHANGING: [ExtensionType; 4] =
    [ExtensionType::COOKIE, ExtensionType::PADDING, ExtensionType::EARLY_DATA, ExtensionType::PRE_SHARED_KEY];

/// What a cookie of DTLS 1.3 brings back.
pub(super) struct FirstHello {
    pub(super) suite: Suite,
    /// The group that our request wants a share of.
    pub(super) asked: Option<NamedGroup>,
    /// As it stands in the transcript (RFC 8446 §4.4.1).
    pub(super) hash: Output,
}

impl FirstHello {
    pub(super) fn of(suite: Suite, asked: Option<NamedGroup>, body: &[u8]) -> Self {
        let mut header = vec![HandshakeType::CLIENT_HELLO.0];
        put_u24(&mut header, body.len() as u32); // RFC 9147 §5.2: without what DTLS adds
        Self { suite, asked, hash: suite.hash.digest(&[&header, body]) }
    }

    pub(super) fn parse(bytes: &[u8]) -> Option<Self> {
        let mut reader = Reader::new(bytes);
        let suite = suite::find(Version::Dtls13, reader.u16().ok()?)?;
        let asked = Some(reader.u16().ok()?).filter(|group| *group != 0).map(NamedGroup);
        let hash = Output::from_slice(reader.take(suite.hash.output_len()).ok()?);
        reader.finish().ok()?;
        Some(Self { suite, asked, hash })
    }

    pub(super) fn to_bytes(&self) -> Vec<u8> {
        let mut out = Vec::new();
        put_u16(&mut out, self.suite.number);
        put_u16(&mut out, self.asked.map_or(0, |group| group.0));
        out.extend_from_slice(&self.hash);
        out
    }
}

/// What both hellos of DTLS 1.2 say alike (RFC 6347 §4.2.1); extensions are not among it.
pub(super) fn parameters(hello: &ClientHello<'_>) -> Output {
    let mut bytes = Vec::new();
    put_parameters(hello, &mut bytes);
    SuiteHash::Sha256.digest(&[&bytes])
}

/// What both hellos of DTLS 1.3 say alike, whatever the order of the extensions.
pub(super) fn lasting(hello: &ClientHello<'_>, asked: Option<NamedGroup>) -> Output {
    let mut bytes = Vec::new();
    put_parameters(hello, &mut bytes);
    let is_lasting = |kind: ExtensionType| {
        !CHANGING.contains(&kind) && (asked.is_none() || kind != ExtensionType::KEY_SHARE)
    };
    let mut extensions: Vec<_> = hello.extensions.iter().filter(|(kind, _)| is_lasting(*kind)).collect();
    extensions.sort_unstable_by_key(|(kind, _)| kind.0); // each is there once
    for (kind, data) in extensions {
        put_u16(&mut bytes, kind.0);
        put_vec(&mut bytes, 2, |out| out.extend_from_slice(data));
    }
    SuiteHash::Sha256.digest(&[&bytes])
}

fn put_parameters(hello: &ClientHello<'_>, out: &mut Vec<u8>) {
    put_u16(out, hello.version.0);
    out.extend_from_slice(&hello.random);
    put_vec(out, 1, |out| out.extend_from_slice(hello.session_id));
    put_vec(out, 2, |out| hello.cipher_suites().for_each(|suite| put_u16(out, suite)));
    put_vec(out, 1, |out| out.extend_from_slice(hello.compression()));
}
