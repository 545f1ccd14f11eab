//! Taking datagrams apart and putting them together, with the crate's own public rooms.

use headwater_dtls::extension::{ExtensionType, put_extension};
use headwater_dtls::handshake::Fragment;
use headwater_dtls::message::HandshakeType;
use headwater_dtls::message::client_hello::ClientHello;
use headwater_dtls::record::unified::UnifiedRecord;
use headwater_dtls::record::{ContentType, ProtocolVersion, Record};

pub(crate) fn records(mut datagram: &[u8]) -> Vec<Record<'_>> {
    let mut records = Vec::new();
    while !datagram.is_empty() {
        records.push(Record::parse(&mut datagram).expect("our own datagrams are well-formed"));
    }
    records
}

/// A datagram's records, those with the unified header of DTLS 1.3 apart.
pub(crate) fn split(mut datagram: &[u8]) -> (Vec<Record<'_>>, Vec<UnifiedRecord<'_>>) {
    let (mut plain, mut protected) = (Vec::new(), Vec::new());
    while let Some(first) = datagram.first() {
        if UnifiedRecord::is_unified(*first) {
            protected.push(UnifiedRecord::parse(&mut datagram).expect("our own datagrams are well-formed"));
        } else {
            plain.push(Record::parse(&mut datagram).expect("our own datagrams are well-formed"));
        }
    }
    (plain, protected)
}

/// The handshake fragments of epoch 0.
pub(crate) fn fragments(datagram: &[u8]) -> Vec<Fragment<'_>> {
    let mut fragments = Vec::new();
    for record in split(datagram).0 {
        if record.epoch == 0 && record.content_type == ContentType::HANDSHAKE {
            let mut content = record.fragment;
            while !content.is_empty() {
                fragments.push(Fragment::parse(&mut content).expect("well-formed"));
            }
        }
    }
    fragments
}

pub(crate) fn has(datagram: &[u8], kind: HandshakeType) -> bool {
    fragments(datagram).iter().any(|fragment| fragment.kind == kind)
}

/// One plaintext record.
pub(crate) fn plain(content_type: ContentType, number: u64, content: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    let len = content.len() as u16;
    Record::emit_header(content_type, ProtocolVersion::DTLS_1_2, 0, number, len, &mut out);
    out.extend_from_slice(content);
    out
}

/// One fragment in a record of its own.
pub(crate) fn fragment(
    kind: HandshakeType,
    length: usize,
    seq: u16,
    offset: usize,
    data: &[u8],
    number: u64,
) -> Vec<u8> {
    let mut content = Vec::new();
    Fragment::new(kind, length, seq, offset, data).emit(&mut content);
    plain(ContentType::HANDSHAKE, number, &content)
}

/// A hello that is right but for what a test leaves out or adds.
#[derive(Clone)]
pub(crate) struct Hello {
    pub(crate) random: [u8; 32],
    /// DTLS 1.2's.
    pub(crate) cookie: Vec<u8>,
    pub(crate) suites: Vec<u16>,
    pub(crate) extensions: Vec<(ExtensionType, Vec<u8>)>,
}

impl Hello {
    pub(crate) fn new() -> Self {
        let extensions = vec![
            (ExtensionType::EXTENDED_MASTER_SECRET, vec![]),
            (ExtensionType::RENEGOTIATION_INFO, vec![0]),
            (ExtensionType::SUPPORTED_GROUPS, vec![0, 4, 0, 29, 0, 23]),
            (ExtensionType::SIGNATURE_ALGORITHMS, vec![0, 2, 4, 3]),
            (ExtensionType(21), vec![0; 150]),
        ];
        Self { random: [7; 32], cookie: vec![], suites: vec![0xC02B], extensions }
    }

    /// One of DTLS 1.3, with a share of X25519.
    pub(crate) fn dtls13() -> Self {
        let mut share = vec![0, 36, 0, 29, 0, 32];
        share.resize(6 + 32, 9);
        let hello = Self::new().with(ExtensionType::SUPPORTED_VERSIONS, Some(&[2, 0xFE, 0xFC]));
        Self { suites: vec![0x1301, 0x1302], ..hello.with(ExtensionType::KEY_SHARE, Some(&share)) }
    }

    pub(crate) fn with(mut self, kind: ExtensionType, data: Option<&[u8]>) -> Self {
        self.extensions.retain(|(other, _)| *other != kind);
        self.extensions.extend(data.map(|data| (kind, data.to_vec())));
        self
    }

    pub(crate) fn datagram(&self, seq: u16) -> Vec<u8> {
        self.record(seq, 0)
    }

    /// Says the number of the record as well.
    pub(crate) fn record(&self, seq: u16, number: u64) -> Vec<u8> {
        let body = self.body();
        fragment(HandshakeType::CLIENT_HELLO, body.len(), seq, 0, &body, number)
    }

    pub(crate) fn body(&self) -> Vec<u8> {
        let mut body = Vec::new();
        let extensions = |out: &mut Vec<u8>| {
            for (kind, data) in &self.extensions {
                put_extension(out, *kind, |out| out.extend_from_slice(data));
            }
        };
        ClientHello::emit(&self.random, &self.cookie, &self.suites, extensions, &mut body);
        body
    }
}
