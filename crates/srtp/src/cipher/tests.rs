//! Vectors that give session keys, not master keys, so they go in below the key derivation.

use super::{aes_cm_hmac_sha1, aes_gcm, *};

fn bytes(hex: &str) -> Vec<u8> {
    hex::decode(hex).expect("test vectors are hex")
}

fn vectors() -> serde_json::Value {
    serde_json::from_str(include_str!("../../tests/fixtures/rfc_vectors.json")).expect("JSON")
}

/// RFC 3711 B.2: the keystream's blocks 0, 1, 2 and 65,279 to 65,281.
#[test]
fn rfc_3711_b2_keystream_comes_out() {
    let vector = &vectors()["rfc3711_B2_aes_cm"];
    let text = |name: &str| bytes(vector[name].as_str().unwrap());
    let keys = aes_cm_hmac_sha1::Keys::new(
        &text("session_key_hex").try_into().unwrap(),
        &[0; 20],
        text("session_salt_hex").try_into().unwrap(),
        10,
    );
    let mut keystream = vec![0; 65_282 * 16];
    keys.apply_keystream(&mut keystream, 0, 0);
    for block in vector["blocks"].as_array().unwrap() {
        let at = block["block"].as_u64().unwrap() as usize * 16;
        assert_eq!(hex::encode(&keystream[at..at + 16]), block["keystream_hex"].as_str().unwrap(), "at {at}");
    }
}

/// RFC 7714 16.1, 16.2 (RTP), 17.1, 17.2 (RTCP).
#[test]
fn rfc_7714_packets_come_out_and_open() {
    for vector in vectors()["rfc7714_gcm"].as_array().unwrap() {
        let text = |name: &str| bytes(vector[name].as_str().unwrap());
        let salt: [u8; 12] = text("session_salt_hex").try_into().unwrap();
        let keys = || aes_gcm::Keys::new(&text("session_key_hex"), salt);
        let cipher = Cipher::AesGcm(Box::new(AesGcm { rtp: keys(), rtcp: keys() }));

        let (plain, protected) = (text("rtp_plain_hex"), text("rtp_protected_hex"));
        let header = crate::header::RtpHeader::parse(&plain).unwrap();
        let index = u64::from(header.sequence_number);
        let mut packet = plain.clone();
        cipher.seal_rtp(&mut packet, 0, header.len, header.ssrc, index);
        assert_eq!(packet, protected);
        let length = cipher.open_rtp(&mut packet, header.len, header.ssrc, index).unwrap();
        assert_eq!(packet[..length], plain);

        let (plain, protected) = (text("rtcp_plain_hex"), text("rtcp_protected_hex"));
        let ssrc = crate::header::rtcp_ssrc(&plain).unwrap();
        let index = vector["srtcp_index"].as_u64().unwrap() as u32;
        let mut packet = plain.clone();
        cipher.seal_rtcp(&mut packet, 0, ssrc, index);
        assert_eq!(packet, protected);
        let word = cipher.srtcp_index_word(&packet).unwrap();
        assert_eq!(word, index | SRTCP_E_FLAG);
        let length = cipher.open_rtcp(&mut packet, ssrc, word).unwrap();
        assert_eq!(packet[..length], plain);
    }
}

/// RFC 3711 §3.4 lets SRTCP go unencrypted but authenticated; we never send that, but open it.
#[test]
fn authentic_rtcp_without_the_e_flag_opens() {
    use hmac::{Hmac, KeyInit, Mac};
    use ring::aead::{AES_128_GCM, Aad, LessSafeKey, Nonce, UnboundKey};

    let plain = bytes("80c90001000000070102030405060708");
    let index_word = 5_u32.to_be_bytes();

    let (key, salt) = ([1; 16], [2; 14]);
    let profile = Profile::Aes128CmHmacSha1_80;
    let authentication = derive::<20>(profile, &key, &salt, Label::RtcpAuthentication);
    let mut packet = [&plain[..], &index_word].concat();
    let mac = Hmac::<sha1::Sha1>::new_from_slice(&authentication[..]).unwrap();
    packet.extend_from_slice(&mac.chain_update(&packet).finalize().into_bytes()[..10]);
    check(profile, &key, &salt, packet, &plain);

    let (key, salt) = ([1; 16], [0; 12]);
    let profile = Profile::AeadAes128Gcm;
    let encryption = derive::<16>(profile, &key, &salt, Label::RtcpEncryption);
    let mut nonce = *derive::<12>(profile, &key, &salt, Label::RtcpSalt);
    nonce[5] ^= 7; // the SSRC
    nonce[11] ^= 5; // the index
    let sealing = LessSafeKey::new(UnboundKey::new(&AES_128_GCM, &encryption[..]).unwrap());
    let aad = Aad::from([&plain[..], &index_word].concat());
    let tag = sealing.seal_in_place_separate_tag(Nonce::assume_unique_for_key(nonce), aad, &mut []).unwrap();
    check(profile, &key, &salt, [&plain[..], tag.as_ref(), &index_word].concat(), &plain);

    fn check(profile: Profile, key: &[u8], salt: &[u8], packet: Vec<u8>, plain: &[u8]) {
        let mut context = crate::Context::new(profile, key, salt).unwrap();
        for bit in 0..packet.len() * 8 {
            let mut forged = packet.clone();
            forged[bit / 8] ^= 1 << (bit % 8);
            assert!(context.unprotect_rtcp(&mut forged).is_err());
        }
        let mut packet = packet;
        let length = context.unprotect_rtcp(&mut packet).unwrap();
        assert_eq!(&packet[..length], plain);
    }
}

/// The passes of our own against the crates that do the same in separate steps, at every length around the seams.
#[test]
fn aes_cm_with_its_tag_is_what_ctr_and_hmac_make() {
    use aes::cipher::KeyIvInit;
    use ctr::cipher::StreamCipher;
    use hmac::{Hmac, KeyInit, Mac};

    let (key, authentication, salt) = ([3; 16], [4; 20], [5; 14]);
    let (ssrc, index) = (0x1234_5678_u32, 0x0001_fffe_u64);
    let keys = aes_cm_hmac_sha1::Keys::new(&key, &authentication, salt, 10);
    for header_len in [12, 13, 20, 64, 100] {
        for length in (0..300).chain(1150..1220).map(|payload_len| header_len + payload_len) {
            let plain: Vec<u8> = (0..length).map(|at| at as u8).collect();
            let mut iv = [0; 16];
            iv[..14].copy_from_slice(&salt);
            iv[4..8].iter_mut().zip(ssrc.to_be_bytes()).for_each(|(byte, it)| *byte ^= it);
            iv[8..14].iter_mut().zip(&index.to_be_bytes()[2..]).for_each(|(byte, it)| *byte ^= it);
            let mut expected = plain.clone();
            ctr::Ctr128BE::<aes::Aes128>::new(&key.into(), &iv.into())
                .apply_keystream(&mut expected[header_len..]);
            let mac = Hmac::<sha1::Sha1>::new_from_slice(&authentication).unwrap();
            let tag = mac.chain_update(&expected).chain_update(1_u32.to_be_bytes()).finalize().into_bytes();
            expected.extend_from_slice(&tag[..10]);

            let mut sealed = plain.clone();
            keys.seal_rtp(&mut sealed, 0, header_len, ssrc, index);
            assert_eq!(sealed, expected, "header {header_len}, packet {length}");
            let opened = keys.open_rtp(&mut sealed, header_len, ssrc, index).unwrap();
            assert_eq!(sealed[..opened], plain, "header {header_len}, packet {length}");
        }
    }
}
