//! DTLS formats of both versions: records, handshake fragments, ACKs, every message and extension; what we write of them
//! parses back equal.

use headwater_dtls::alert::AlertMessage;
use headwater_dtls::extension::{
    ExtensionType, Extensions, cookie, ec_point_formats,
    key_share::{self, KeyShare, KeyShares},
    renegotiation_info,
    signature_algorithms::SignatureAlgorithms,
    supported_groups::SupportedGroups,
    supported_versions::{self, SupportedVersions},
    use_srtp::UseSrtp,
};
use headwater_dtls::handshake::Fragment;
use headwater_dtls::message::{
    HandshakeType,
    certificate::{CertificateList, CertificateList13},
    certificate_request::{CertificateRequest, CertificateRequest13},
    certificate_verify::DigitallySigned,
    client_hello::ClientHello,
    client_key_exchange::ClientKeyExchange,
    encrypted_extensions, finished,
    hello_verify_request::HelloVerifyRequest,
    key_update,
    server_hello::{ServerHello, is_downgraded},
    server_key_exchange::ServerKeyExchange,
};
use headwater_dtls::record::{ContentType, Record, ack::Ack, unified::UnifiedRecord};
use headwater_dtls::{Fingerprint, ParseError};

/// A format: parses, checks its law, and appends what we write of it, if we write it whole.
type Row = fn(&[u8], &mut Vec<u8>) -> Result<(), ParseError>;

/// Bodies of handshake messages, by type.
const MESSAGES: &[(HandshakeType, Row)] = &[
    (HandshakeType::CLIENT_HELLO, client_hello),
    (HandshakeType::SERVER_HELLO, server_hello),
    (HandshakeType::HELLO_VERIFY_REQUEST, |body, out| {
        // The version says nothing, and ours is always the same.
        let request = HelloVerifyRequest::parse(body)?;
        HelloVerifyRequest::emit(request.cookie, out);
        out[..2].copy_from_slice(&request.version.0.to_be_bytes());
        Ok(())
    }),
    (HandshakeType::CERTIFICATE, |body, _| {
        let list = CertificateList::parse(body)?;
        assert!(list.leaf().is_none_or(|leaf| !leaf.is_empty()));
        Ok(())
    }),
    (HandshakeType::CERTIFICATE_REQUEST, |body, _| {
        let _ = CertificateRequest::parse(body)?.takes_ecdsa_p256();
        Ok(())
    }),
    (HandshakeType::CERTIFICATE_VERIFY, |body, out| {
        DigitallySigned::parse(body).map(|signed| DigitallySigned::emit(signed.scheme, signed.signature, out))
    }),
    (HandshakeType::SERVER_KEY_EXCHANGE, server_key_exchange),
    (HandshakeType::CLIENT_KEY_EXCHANGE, |body, out| {
        ClientKeyExchange::parse(body).map(|exchange| ClientKeyExchange::emit(exchange.public, out))
    }),
    (HandshakeType::FINISHED, |body, out| finished::parse(body, 12).map(|verify| out.extend(verify))),
];

/// Extensions, by type.
const EXTENSIONS: &[(ExtensionType, Row)] = &[
    (ExtensionType::SUPPORTED_GROUPS, |data, out| {
        SupportedGroups::parse(data).map(|it| SupportedGroups::emit(&it.iter().collect::<Vec<_>>(), out))
    }),
    (ExtensionType::SIGNATURE_ALGORITHMS, |data, out| {
        SignatureAlgorithms::parse(data)
            .map(|it| SignatureAlgorithms::emit(&it.iter().collect::<Vec<_>>(), out))
    }),
    (ExtensionType::SUPPORTED_VERSIONS, |data, out| {
        SupportedVersions::parse(data).map(|it| SupportedVersions::emit(&it.iter().collect::<Vec<_>>(), out))
    }),
    (ExtensionType::USE_SRTP, |data, out| {
        let it = UseSrtp::parse(data)?;
        if it.mki().is_empty() {
            UseSrtp::emit(&it.profiles().collect::<Vec<_>>(), out);
        }
        Ok(())
    }),
    (ExtensionType::KEY_SHARE, |data, _| {
        let shares = KeyShares::parse(data)?;
        assert!(shares.iter().all(|share| !share.key.is_empty()));
        let mut written = Vec::new();
        KeyShares::emit(shares.iter(), &mut written);
        assert_eq!(written, data);
        Ok(())
    }),
    (ExtensionType::EC_POINT_FORMATS, |data, _| ec_point_formats::has_uncompressed(data).map(drop)),
    (ExtensionType::RENEGOTIATION_INFO, |data, _| renegotiation_info::is_initial(data).map(drop)),
    (ExtensionType::COOKIE, |data, out| cookie::parse(data).map(|cookie| cookie::emit(cookie, out))),
];

/// What has the type of another row but the form of DTLS 1.3, or no type at all.
const FORMS_OF_13: &[Row] = &[
    |data, out| KeyShare::parse(data).map(|share| share.emit(out)), // in a ServerHello
    |data, out| key_share::parse_retry(data).map(|group| key_share::emit_retry(group, out)),
    |data, out| {
        supported_versions::parse_selected(data)
            .map(|version| supported_versions::emit_selected(version, out))
    },
    |body, out| {
        let list = CertificateList13::parse(body)?;
        let mut one = Vec::new();
        CertificateList13::emit(list.context, list.leaf(), &mut one);
        let again = CertificateList13::parse(&one).expect("we write a proper Certificate");
        assert_eq!((again.context, again.leaf()), (list.context, list.leaf()));
        if one.len() == body.len() {
            out.extend(one);
        }
        Ok(())
    },
    |body, _| {
        let request = CertificateRequest13::parse(body)?;
        extensions(&request.extensions);
        let _ = request.takes_ecdsa_p256();
        Ok(())
    },
    |body, out| {
        let list = encrypted_extensions::parse(body)?;
        extensions(&list);
        encrypted_extensions::emit(|out| put(&list, out), out);
        Ok(())
    },
    |body, out| key_update::parse(body).map(|requests| key_update::emit(requests, out)),
    |body, out| finished::parse(body, 32).map(|verify| out.extend(verify)),
    |body, out| finished::parse(body, 48).map(|verify| out.extend(verify)),
    ack,
    |bytes, _| {
        unified(&mut &bytes[..]);
        Ok(())
    },
];

/// The first byte chooses a format, or a whole datagram.
pub fn dtls_wire(data: &[u8]) {
    let Some((&first, rest)) = data.split_first() else { return };
    let mut rows =
        MESSAGES.iter().map(|(_, row)| row).chain(EXTENSIONS.iter().map(|(_, row)| row)).chain(FORMS_OF_13);
    match rows.nth(usize::from(first).wrapping_sub(3)) {
        Some(row) => check(*row, rest),
        None => datagram(rest),
    }
    if let Ok(fingerprint) = String::from_utf8_lossy(rest).parse::<Fingerprint>() {
        assert_eq!(fingerprint.to_string().parse(), Ok(fingerprint));
    }
}

/// What a format writes is what was read, byte for byte: there is one way only.
fn check(row: Row, bytes: &[u8]) {
    let mut written = Vec::new();
    if row(bytes, &mut written).is_ok() && !written.is_empty() {
        assert_eq!(written, bytes);
    }
}

fn datagram(mut datagram: &[u8]) {
    while !datagram.is_empty() {
        let start = datagram;
        if UnifiedRecord::is_unified(datagram[0]) {
            unified(&mut datagram);
            if datagram.len() == start.len() {
                return;
            }
            continue;
        }
        let Ok(record) = Record::parse(&mut datagram) else { return };
        let consumed = &start[..start.len() - datagram.len()];
        assert!(!consumed.is_empty(), "a record takes bytes");
        let mut written = Vec::new();
        let len = u16::try_from(record.fragment.len()).expect("its length was 16 bits");
        let Record { content_type, version, epoch, sequence_number, .. } = record;
        Record::emit_header(content_type, version, epoch, sequence_number, len, &mut written);
        written.extend(record.fragment);
        assert_eq!(written, consumed);
        match record.content_type {
            ContentType::HANDSHAKE => fragments(record.fragment),
            ContentType::ALERT => {
                if let Ok(alert) = AlertMessage::parse(record.fragment) {
                    assert_eq!(alert.to_bytes(), record.fragment);
                }
            }
            ContentType::ACK => check(ack, record.fragment),
            _ => {}
        }
    }
}

/// Takes a record of DTLS 1.3 off the front, if there is one.
fn unified(datagram: &mut &[u8]) {
    let start = *datagram;
    let Ok(record) = UnifiedRecord::parse(datagram) else {
        assert_eq!(*datagram, start, "refused, yet taken");
        return;
    };
    let consumed = &start[..start.len() - datagram.len()];
    assert_eq!([record.header, record.ciphertext].concat(), consumed);
    assert_eq!(record.epoch_bits, start[0] & 3);
    assert!(record.header.len() > record.number_len && matches!(record.number_len, 1 | 2));
    if start[0] & 0b1100 == 0b1100 {
        let number = u64::from(u16::from_be_bytes([start[1], start[2]]));
        let len = u16::try_from(record.ciphertext.len()).expect("its length was 16 bits");
        let mut written = Vec::new();
        UnifiedRecord::emit_header(u64::from(record.epoch_bits), number, len, &mut written);
        assert_eq!(written, record.header);
    }
}

fn ack(content: &[u8], out: &mut Vec<u8>) -> Result<(), ParseError> {
    Ack::parse(content).map(|ack| Ack::emit(ack.iter(), out))
}

fn fragments(mut content: &[u8]) {
    while !content.is_empty() {
        let start = content;
        let Ok(fragment) = Fragment::parse(&mut content) else { return };
        assert!(fragment.offset + fragment.data.len() <= fragment.length);
        let mut written = Vec::new();
        fragment.emit(&mut written);
        assert_eq!(written, start[..start.len() - content.len()]);
        let row = MESSAGES.iter().find(|(kind, _)| *kind == fragment.kind);
        if let Some((_, row)) = row.filter(|_| fragment.data.len() == fragment.length) {
            check(*row, fragment.data);
        }
    }
}

fn client_hello(body: &[u8], _: &mut Vec<u8>) -> Result<(), ParseError> {
    let hello = ClientHello::parse(body)?;
    extensions(&hello.extensions);
    let suites: Vec<u16> = hello.cipher_suites().collect();
    let mut written = Vec::new();
    ClientHello::emit(&hello.random, hello.cookie, &suites, |out| put(&hello.extensions, out), &mut written);
    let again = ClientHello::parse(&written).expect("we write a proper ClientHello");
    assert_eq!((again.random, again.cookie), (hello.random, hello.cookie));
    assert!(again.cipher_suites().eq(suites) && again.offers_null_compression());
    assert!(again.extensions.iter().eq(hello.extensions.iter()));
    Ok(())
}

fn server_hello(body: &[u8], _: &mut Vec<u8>) -> Result<(), ParseError> {
    let hello = ServerHello::parse(body)?;
    extensions(&hello.extensions);
    assert!(!(hello.is_retry_request() && is_downgraded(&hello.random)));
    let mut written = Vec::new();
    ServerHello::emit(&hello.random, hello.cipher_suite, |out| put(&hello.extensions, out), &mut written);
    let again = ServerHello::parse(&written).expect("we write a proper ServerHello");
    assert_eq!((again.random, again.cipher_suite), (hello.random, hello.cipher_suite));
    assert!(again.extensions.iter().eq(hello.extensions.iter()));
    Ok(())
}

fn server_key_exchange(body: &[u8], _: &mut Vec<u8>) -> Result<(), ParseError> {
    let exchange = ServerKeyExchange::parse(body)?;
    let params = ServerKeyExchange::params(exchange.group, exchange.public);
    assert!(
        exchange.signed_content(&[1; 32], &[2; 32]).ends_with(&params),
        "what is signed is what was sent"
    );
    let mut written = Vec::new();
    ServerKeyExchange::emit(&params, exchange.signed.scheme, exchange.signed.signature, &mut written);
    let again = ServerKeyExchange::parse(&written).expect("we write a proper ServerKeyExchange");
    assert_eq!((again.group, again.public), (exchange.group, exchange.public));
    Ok(())
}

fn extensions(extensions: &Extensions<'_>) {
    for (kind, data) in extensions.iter() {
        assert!(extensions.find(kind).is_some_and(|found| found == data), "no extension comes twice");
        if let Some((_, row)) = EXTENSIONS.iter().find(|(known, _)| *known == kind) {
            check(*row, data);
        }
    }
}

fn put(extensions: &Extensions<'_>, out: &mut Vec<u8>) {
    for (kind, data) in extensions.iter() {
        headwater_dtls::extension::put_extension(out, kind, |out| out.extend_from_slice(data));
    }
}
