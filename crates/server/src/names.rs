//! IANA's names of the numbers that a DTLS handshake agrees on.

use headwater_node::Transport;

/// A number and its name.
type Names = &'static [(u16, &'static str)];

/// TLS supported groups.
const GROUPS: Names =
    &[(23, "secp256r1"), (24, "secp384r1"), (25, "secp521r1"), (29, "X25519"), (0x11EC, "X25519MLKEM768")];

/// DTLS-SRTP protection profiles.
const PROFILES: Names = &[
    (1, "SRTP_AES128_CM_HMAC_SHA1_80"),
    (2, "SRTP_AES128_CM_HMAC_SHA1_32"),
    (7, "SRTP_AEAD_AES_128_GCM"),
    (8, "SRTP_AEAD_AES_256_GCM"),
];

/// TLS cipher suites.
const SUITES: Names = &[
    (0x1301, "TLS_AES_128_GCM_SHA256"),
    (0x1302, "TLS_AES_256_GCM_SHA384"),
    (0x1303, "TLS_CHACHA20_POLY1305_SHA256"),
    (0xC02B, "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256"),
    (0xC02C, "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384"),
    (0xC02F, "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256"),
    (0xC030, "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384"),
    (0xCCA8, "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256"),
    (0xCCA9, "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256"),
];

/// A key exchange group, for people.
pub(crate) fn group(number: u16) -> String {
    or_number(GROUPS, number)
}

/// An SRTP protection profile, for people.
pub(crate) fn profile(number: u16) -> String {
    or_number(PROFILES, number)
}

/// A cipher suite, for people.
pub(crate) fn suite(number: u16) -> String {
    or_number(SUITES, number)
}

/// A DTLS version as a label: one of few.
pub(crate) fn version_label(version: &str) -> &'static str {
    ["1.2", "1.3"].into_iter().find(|known| *known == version).unwrap_or(OTHER)
}

/// A key exchange group as a label: one of few.
pub(crate) fn group_label(number: u16) -> &'static str {
    find(GROUPS, number).unwrap_or(OTHER)
}

/// An SRTP protection profile as a label: one of few.
pub(crate) fn profile_label(number: u16) -> &'static str {
    find(PROFILES, number).unwrap_or(OTHER)
}

/// What carries a session's media.
pub(crate) const fn transport(transport: Transport) -> &'static str {
    match transport {
        Transport::Udp => "udp",
        Transport::Tcp => "tcp",
        Transport::Relayed => "relay",
        _ => OTHER,
    }
}

const OTHER: &str = "other";

fn find(names: Names, number: u16) -> Option<&'static str> {
    names.iter().find(|(known, _)| *known == number).map(|(_, name)| *name)
}

fn or_number(names: Names, number: u16) -> String {
    find(names, number).map_or_else(|| number.to_string(), str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_their_names_and_unknown_ones_stay_numbers() {
        assert_eq!(group(4588), "X25519MLKEM768");
        assert_eq!(group(30), "30");
        assert_eq!(suite(4865), "TLS_AES_128_GCM_SHA256");
        assert_eq!(suite(0xC0FF), "49407");
        assert_eq!(profile(7), "SRTP_AEAD_AES_128_GCM");
    }

    #[test]
    fn labels_are_few_whatever_the_numbers() {
        let groups: std::collections::BTreeSet<_> = (0..=u16::MAX).map(group_label).collect();
        assert_eq!(groups.len(), GROUPS.len() + 1);
        assert_eq!((version_label("1.3"), version_label("none"), profile_label(3)), ("1.3", OTHER, OTHER));
    }
}
