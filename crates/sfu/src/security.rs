//! What handshakes agreed on, and how often.

/// What the handshake agreed on, for statistics.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Security {
    /// DTLS version, such as "1.2"; "none" if the owner gave the keys.
    pub version: String,
    /// IANA number of the cipher suite.
    pub cipher_suite: u16,
    /// IANA number of the key-exchange group.
    pub group: u16,
    /// IANA number of the SRTP protection profile.
    pub srtp_profile: u16,
}

impl Security {
    /// What keys that the owner gave say about it.
    pub(crate) fn given(srtp_profile: u16) -> Self {
        Self { version: "none".to_owned(), cipher_suite: 0, group: 0, srtp_profile }
    }

    fn is_given(&self) -> bool {
        self.version == "none"
    }
}

/// Kinds of handshakes that are told apart. A peer can choose among what we offer only: fewer than this.
const MAX_KINDS: usize = 256;

/// How many handshakes agreed on what, since the start.
#[derive(Debug, Default)]
pub(crate) struct Agreed {
    kinds: Vec<(Security, u64)>,
}

impl Agreed {
    pub(crate) fn note(&mut self, security: &Security) {
        if security.is_given() {
            return;
        }
        if let Some((_, count)) = self.kinds.iter_mut().find(|(known, _)| known == security) {
            *count += 1;
        } else if self.kinds.len() < MAX_KINDS {
            self.kinds.push((security.clone(), 1));
        }
    }

    pub(crate) fn kinds(&self) -> &[(Security, u64)] {
        &self.kinds
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn agreed(group: u16) -> Security {
        Security { version: "1.3".to_owned(), cipher_suite: 0x1301, group, srtp_profile: 7 }
    }

    #[test]
    fn handshakes_are_counted_by_what_they_agreed_on_and_given_keys_are_none() {
        let mut counted = Agreed::default();
        for group in [4588, 29, 4588] {
            counted.note(&agreed(group));
        }
        counted.note(&Security::given(7));
        assert_eq!(counted.kinds(), [(agreed(4588), 2), (agreed(29), 1)]);
    }

    #[test]
    fn kinds_are_bounded() {
        let mut counted = Agreed::default();
        for group in 0..=u16::MAX {
            counted.note(&agreed(group));
        }
        assert_eq!(counted.kinds().len(), MAX_KINDS);
    }
}
