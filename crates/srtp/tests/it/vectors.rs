//! Packets that libsrtp made, both ways (tests/fixtures/README.md).

use headwater_srtp::{Context, Profile};
use serde_json::Value;

fn bytes(value: &Value) -> Vec<u8> {
    hex::decode(value.as_str().expect("a string")).expect("hex")
}

fn cases() -> Vec<(Profile, bool, Value)> {
    let file: Value = serde_json::from_str(include_str!("../fixtures/libsrtp_kat_small.json")).expect("JSON");
    let cases: Vec<_> = file["cases"]
        .as_array()
        .expect("cases")
        .iter()
        .filter_map(|case| {
            let profile = match case["profile"].as_str()? {
                "SRTP_AES128_CM_HMAC_SHA1_80" => Profile::Aes128CmHmacSha1_80,
                "SRTP_AES128_CM_HMAC_SHA1_32" => Profile::Aes128CmHmacSha1_32,
                "SRTP_AEAD_AES_128_GCM" => Profile::AeadAes128Gcm,
                "SRTP_AEAD_AES_256_GCM" => Profile::AeadAes256Gcm,
                _ => return None,
            };
            Some((profile, case["variant"] == "rtcp", case.clone()))
        })
        .collect();
    assert_eq!(cases.len(), 16, "four profiles, four variants");
    cases
}

fn context(profile: Profile, case: &Value) -> Context {
    Context::new(profile, &bytes(&case["master_key_hex"]), &bytes(&case["master_salt_hex"]))
        .expect("lengths fit")
}

#[test]
fn we_protect_as_libsrtp_does() {
    for (profile, is_rtcp, case) in cases() {
        let mut sender = context(profile, &case);
        for packet in case["packets"].as_array().expect("packets") {
            let mut buf = vec![0xee; 7]; // bytes of an earlier packet in the same buffer
            buf.extend(bytes(&packet["plain"]));
            let result =
                if is_rtcp { sender.protect_rtcp(&mut buf, 7) } else { sender.protect_rtp(&mut buf, 7) };
            assert_eq!(result, Ok(()));
            assert_eq!(buf[..7], [0xee; 7]);
            assert_eq!(
                hex::encode(&buf[7..]),
                packet["protected"].as_str().expect("a string"),
                "{profile:?}"
            );
        }
    }
}

#[test]
fn we_open_what_libsrtp_protected() {
    for (profile, is_rtcp, case) in cases() {
        let mut receiver = context(profile, &case);
        for packet in case["packets"].as_array().expect("packets") {
            let mut buf = bytes(&packet["protected"]);
            let length =
                if is_rtcp { receiver.unprotect_rtcp(&mut buf) } else { receiver.unprotect_rtp(&mut buf) };
            buf.truncate(length.expect("authentic"));
            assert_eq!(buf, bytes(&packet["plain"]), "{profile:?}");
        }
        if case["variant"] == "rollover" {
            let ssrc = case["ssrc"].as_u64().expect("a number") as u32;
            assert_eq!(receiver.rollover_counter(ssrc), Some(1));
        }
    }
}
