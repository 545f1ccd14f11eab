//! Records in every form, and under every cipher.

use super::*;
use crate::crypto::aead::{AeadAlgorithm, AeadKey, MaskKey};
use crate::record::layer::Protection;
use crate::record::protection::Protection13;
use crate::record::unified::UnifiedRecord;

const KEY: [u8; 32] = [7; 32];
const MASK: [u8; 32] = [8; 32];
const IV: [u8; 12] = [9; 12];

/// A record with any first byte, made without the code that makes ours: epoch 3, its header as `first` says.
fn record(algorithm: AeadAlgorithm, first: u8, number: u64, inner: &[u8]) -> Vec<u8> {
    let key_len = algorithm.key_len();
    let mut header = vec![first];
    if first & 0x08 != 0 {
        header.extend_from_slice(&(number as u16).to_be_bytes());
    } else {
        header.push(number as u8);
    }
    let number_end = header.len();
    if first & 0x04 != 0 {
        header.extend_from_slice(&((inner.len() + 16) as u16).to_be_bytes());
    }
    let mut nonce = IV;
    nonce[4..].iter_mut().zip(number.to_be_bytes()).for_each(|(byte, of_number)| *byte ^= of_number);
    let mut sealed = inner.to_vec();
    let tag = AeadKey::new(algorithm, &KEY[..key_len]).seal(nonce, &header, &mut sealed).unwrap();
    sealed.extend_from_slice(&tag);
    let mask = MaskKey::new(algorithm, &MASK[..key_len]).mask(sealed.first_chunk().unwrap());
    header[1..number_end].iter_mut().zip(mask).for_each(|(byte, mask)| *byte ^= mask);
    [header, sealed].concat()
}

fn receiver(algorithm: AeadAlgorithm) -> RecordLayer {
    let mut layer = RecordLayer::default();
    let len = algorithm.key_len();
    let protection = Protection13::new(algorithm, &KEY[..len], IV, &MASK[..len]);
    layer.install_read(Epoch::DATA, Protection::Dtls13(protection));
    layer
}

const ALL: [AeadAlgorithm; 3] =
    [AeadAlgorithm::Aes128Gcm, AeadAlgorithm::Aes256Gcm, AeadAlgorithm::ChaCha20Poly1305];

fn open(layer: &mut RecordLayer, bytes: &[u8]) -> Result<Vec<u8>, Error> {
    let record = UnifiedRecord::parse(&mut &bytes[..])?;
    layer.open_unified(&record).map(|opened| {
        assert_eq!(opened.content_type, ContentType::APPLICATION_DATA);
        opened.plaintext
    })
}

#[test]
fn short_numbers_and_absent_lengths_are_understood_and_connection_ids_are_not() {
    for algorithm in ALL {
        let mut layer = receiver(algorithm);
        for (number, first) in
            (0..400).zip([0b0010_0011, 0b0010_0111, 0b0010_1011, 0b0010_1111].into_iter().cycle())
        {
            let bytes = record(algorithm, first, number, &[b'a', b'b', 23]);
            assert_eq!(open(&mut layer, &bytes), Ok(b"ab".to_vec()), "{algorithm:?} {first:#b} {number}");
            assert_eq!(open(&mut layer, &bytes), Err(Error::Replayed));
        }
        let with_id = record(algorithm, 0b0011_1111, 500, &[b'a', 23]);
        assert_eq!(open(&mut layer, &with_id), Err(Error::Malformed(ParseError::BadValue)));
        let other_epoch = record(algorithm, 0b0010_1110, 500, &[b'a', 23]);
        assert_eq!(open(&mut layer, &other_epoch), Err(Error::Unexpected));
    }
}

#[test]
fn padding_is_taken_off_and_what_is_padding_alone_is_refused() {
    let algorithm = AeadAlgorithm::Aes128Gcm;
    let mut layer = receiver(algorithm);
    let padded = record(algorithm, 0b0010_1111, 0, &[b'a', 0, 23, 0, 0, 0]);
    assert_eq!(open(&mut layer, &padded), Ok(vec![b'a', 0]));
    assert!(open(&mut layer, &record(algorithm, 0b0010_1111, 1, &[0; 30])).is_err());
    let too_long = record(algorithm, 0b0010_1111, 2, &[&vec![1; (1 << 14) + 1][..], &[23]].concat());
    assert!(open(&mut layer, &too_long).is_err());
    // Too short to have a number that could be read (RFC 9147 §4.2.3), or cut, or changed anywhere.
    for len in 0..16 {
        assert!(
            open(&mut layer, &[&[0b0010_1111, 0, 0, 0, len][..], &vec![1; usize::from(len)]].concat())
                .is_err()
        );
    }
    let good = record(algorithm, 0b0010_1111, 3, &[b'a', 23]);
    for at in 0..good.len() {
        let mut changed = good.clone();
        changed[at] ^= 1;
        assert!(open(&mut layer, &changed).is_err(), "{at}");
        assert!(open(&mut layer, &good[..at]).is_err(), "{at}");
    }
    assert_eq!(open(&mut layer, &good), Ok(vec![b'a']));
}

#[test]
fn every_cipher_suite_connects_carries_data_and_changes_keys() {
    for (version, numbers) in
        [(Version::Dtls12, [0xC02B, 0xC02C, 0xCCA9]), (Version::Dtls13, [0x1301, 0x1302, 0x1303])]
    {
        for number in numbers {
            let (mut client, mut server) = pair_with(|role, config| {
                small(role, config);
                (config.min_version, config.max_version) = (version, version);
                config.only_suite = Some(number);
            });
            settle(&mut client, &mut server);
            let suites = [&mut client, &mut server].map(|end| {
                std::iter::from_fn(|| end.poll_event()).find_map(|event| match event {
                    Event::Connected(connected) => Some((connected.cipher_suite, connected.srtp)),
                    _ => None,
                })
            });
            assert_eq!(suites[0], suites[1]);
            assert_eq!(suites[0].as_ref().map(|it| it.0), Some(number));
            for round in 0..3_u8 {
                client.send(&[round; 100]).unwrap();
                server.send(&[]).unwrap();
                settle(&mut client, &mut server);
                assert_eq!(data(&mut server), [[round; 100]]);
                assert_eq!(data(&mut client), [[]; 1]);
                let _ = client.update_keys(client.now);
                settle(&mut client, &mut server);
            }
        }
    }
}

/// S4, by somebody who has keys: the bounds are those of messages in the clear.
#[test]
fn fragments_under_protection_may_overlap_and_be_empty_but_not_lie_about_their_message() {
    let (mut client, mut server) = pair();
    carry(&mut client, &mut server);
    carry(&mut server, &mut client);
    take(&mut client);
    let first = client.exchange.next_message_seq - 3;
    let mut messages = Vec::new();
    client.exchange.flight.falsify(|kind, _, body| {
        messages.push((kind, body.clone()));
        true
    });
    for (number, (kind, body)) in (first..).zip(messages) {
        let mut send = |length, offset, data: &[u8]| {
            let mut content = Vec::new();
            Fragment::new(kind, length, number, offset, data).emit(&mut content);
            let datagram = seal(&mut client, Epoch::HANDSHAKE, ContentType::HANDSHAKE, &content);
            server.handle_datagram(server.now, &datagram)
        };
        let len = body.len();
        let too_long = Err(Error::Malformed(ParseError::BadLength));
        assert_eq!(send((1 << 24) - 1, 0, &body), too_long, "16 MiB");
        assert_eq!(send(len, 1, &body), too_long, "beyond its end");
        for offset in [0, 1, len] {
            assert_eq!(send(len, offset, &[]), Ok(()), "nothing, {offset}");
        }
        assert_eq!(send(len + 100, 0, &[0xEE; 20]), Ok(()), "another length, believed until contradicted");
        let mut starts: Vec<usize> = (0..len).step_by(30).collect();
        starts.reverse();
        for start in starts {
            assert_eq!(send(len, start, &body[start..len.min(start + 50)]), Ok(()));
        }
    }
    assert!(server.is_connected());
    settle(&mut client, &mut server);
    assert!(client.is_connected() && server.is_connected());
}
