//! The key schedule and the record protection of DTLS 1.3 against values that somebody else computed.
//!
//! There are no vectors in RFC 9147. These come from Python's `cryptography` 48 (OpenSSL 3), which knows nothing of
//! DTLS: HKDF-Expand with the info of RFC 8446 §7.1 and the prefix "dtls13", HMAC for HKDF-Extract, the AEADs, and for
//! the mask AES-ECB or ChaCha20 of the first 16 bytes of the ciphertext. The shared secret is the bytes 0 to 31, the
//! transcript hashes are those of "hellos" and of "up to the server's Finished".

use super::*;
use crate::crypto::aead::{AeadAlgorithm, MaskKey};
use crate::record::layer::Protection;

struct Vector {
    suite: u16,
    /// The server's, over the second transcript hash.
    finished: &'static str,
    /// `EXTRACTOR-dtls_srtp`, 56 bytes.
    exported: &'static str,
    /// The server's first record of epoch 2, "server".
    handshake_record: &'static str,
    /// The client's record 0x12345 of epoch 3, "client".
    data_record: &'static str,
    /// The client's second record after a KeyUpdate, "again".
    updated_record: &'static str,
}

const VECTORS: [Vector; 3] = [
    Vector {
        suite: 0x1301,
        finished: "0452bb3c3dd4d413429ede4329135bbf32b4a72b14f4f760c992ed0f6c228f91",
        exported: "77882b99cc7a9d5d8ff41506040db099be43b7811102d2ed305dbeb294c9d47ffae0eebd798d4aa4435bc326381c22e99f03db2f50db60f8",
        handshake_record: "2e697e00179fd299bf0359bcfa9736596a28233b8653264565f9d550",
        data_record: "2ff0db0017c77b98d69e801fbc361c4e5f953ff77be6c4cf9371eb9d",
        updated_record: "2c3a820016a20eed14879acaf7ef0ffbaeb05b7c7e2f9beabbcd75",
    },
    Vector {
        suite: 0x1302,
        finished: "0b812a9b09723cf9a1aca77975b514f6a076de4c9ed1519c8d2b98c9a40b284e3d28ceb5dca3fa72bf130480e40b6755",
        exported: "72cd07a360a447d56e4b61d72378893e48b11695336eb1f200ad308c8926bb1128d70d49d5d3f8bf7e706892e981ff8a0955c8d04223e3fb",
        handshake_record: "2e82270017ff6c4648bee2a6dda65f3c9007da9c84ae99eed112335f",
        data_record: "2f0e580017c3bfae5577410f22046252120e272107275e53dc1f65d0",
        updated_record: "2c48020016021bb3ec66bdb723d042495bb72cb5b8e6e1725ffc1a",
    },
    Vector {
        suite: 0x1303,
        finished: "0452bb3c3dd4d413429ede4329135bbf32b4a72b14f4f760c992ed0f6c228f91",
        exported: "77882b99cc7a9d5d8ff41506040db099be43b7811102d2ed305dbeb294c9d47ffae0eebd798d4aa4435bc326381c22e99f03db2f50db60f8",
        handshake_record: "2e196a00172e1e33dd5f284a4df648a9995d22240636aabf227579a4",
        data_record: "2f22270017acbc79f750986c16074d5b7a0640feeac743a68757c374",
        updated_record: "2cfb9000164475004ce92f03340c4b7abc5c08fa092d6c7665e5c0",
    },
];

fn sealed(protection: &Protection, epoch: u64, number: u64, plaintext: &[u8]) -> String {
    let Protection::Dtls13(protection) = protection else { panic!("these are keys of DTLS 1.3") };
    let mut out = Vec::new();
    protection.seal(ContentType::APPLICATION_DATA, epoch, number, plaintext, &mut out).unwrap();
    hex::encode(out)
}

#[test]
fn keys_records_and_exports_are_what_another_implementation_computes() {
    let secret: Vec<u8> = (0..32).collect();
    for vector in VECTORS {
        let suite = suite::find(Version::Dtls13, vector.suite).unwrap();
        let hellos = suite.hash.digest(&[b"hellos"]);
        let finished = suite.hash.digest(&[b"up to the server's Finished"]);
        let schedule = Schedule::new(suite, &secret, &hellos);
        assert_eq!(hex::encode(&*schedule.verify_data(Role::Server, &finished)), vector.finished);
        assert!(schedule.is_finished_of(Role::Server, &finished, &hex::decode(vector.finished).unwrap()));
        let record = sealed(&schedule.protection(Role::Server), 2, 0, b"server");
        assert_eq!(record, vector.handshake_record, "{:#x}", vector.suite);
        let (mut traffic, exporter) = schedule.data(&finished);
        let record = sealed(&traffic.protection(Role::Client), 3, 0x12345, b"client");
        assert_eq!(record, vector.data_record, "{:#x}", vector.suite);
        let record = sealed(&traffic.update(Role::Client), 4, 1, b"again");
        assert_eq!(record, vector.updated_record, "{:#x}", vector.suite);
        let mut exported = [0; 56];
        exporter.export("EXTRACTOR-dtls_srtp", None, &mut exported).unwrap();
        assert_eq!(hex::encode(exported), vector.exported, "{:#x}", vector.suite);
    }
}

/// RFC 9147 §4.2.3 masks record numbers as QUIC masks packet numbers; RFC 9001 has examples, in A.2 and A.5.
#[test]
fn masks_are_those_of_rfc_9001() {
    for (algorithm, key, sample, mask) in [
        (
            AeadAlgorithm::Aes128Gcm,
            "9f50449e04a0e810283a1e9933adedd2",
            "d1b1c98dd7689fb8ec11d242b123dc9b",
            [0x43, 0x7b],
        ),
        (
            AeadAlgorithm::ChaCha20Poly1305,
            "25a282b9e82f06f21f488917a4fc8f1b73573685608597d0efcb076b0ab7a7a4",
            "5e5cd55c41f69080575d7999c25a5bfb",
            [0xae, 0xfe],
        ),
    ] {
        let sample = hex::decode(sample).unwrap();
        let key = MaskKey::new(algorithm, &hex::decode(key).unwrap());
        assert_eq!(key.mask(sample.first_chunk().unwrap()), mask);
    }
}
