//! What a section says about ICE, DTLS and SRTP (RFC 8839 §5, RFC 8122 §5, RFC 8842 §5, RFC 9335 §4).

use crate::attribute::Setup;

/// The ICE and DTLS attributes of a media section, or of the session for all sections that have none.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Transport {
    /// `a=ice-ufrag`
    pub ufrag: Option<String>,
    /// `a=ice-pwd`
    pub password: Option<String>,
    /// `a=ice-options`, its words.
    pub ice_options: Vec<String>,
    /// `a=fingerprint`, as text: `sha-256 AB:CD:...`
    pub fingerprints: Vec<String>,
    /// `a=setup`
    pub setup: Option<Setup>,
    /// `a=candidate`, the part after the colon.
    pub candidates: Vec<String>,
    /// `a=end-of-candidates` (RFC 8840 §8.2)
    pub end_of_candidates: bool,
    /// `a=cryptex`: who says so takes packets whose header extensions are encrypted (RFC 9335 §4).
    pub cryptex: bool,
}

/// The word of `a=ice-options` for numbered nominations (draft-thatcher-ice-renomination-01).
pub(crate) const RENOMINATION: &str = "renomination";

impl Transport {
    /// Whether this word is among `a=ice-options`.
    #[must_use]
    pub fn has_option(&self, name: &str) -> bool {
        self.ice_options.iter().any(|it| it == name)
    }

    /// Says this word too, if it `holds` and is not there yet.
    pub(crate) fn add_option(&mut self, name: &str, holds: bool) {
        if holds && !self.has_option(name) {
            self.ice_options.push(name.to_owned());
        }
    }

    /// Takes the attribute if it is one of these, well-formed and not there yet.
    pub(crate) fn take(&mut self, name: &str, value: Option<&str>) -> bool {
        match (name, value) {
            ("ice-ufrag", Some(value)) => set(&mut self.ufrag, token(value)),
            ("ice-pwd", Some(value)) => set(&mut self.password, token(value)),
            ("ice-options", Some(value)) if self.ice_options.is_empty() => {
                self.ice_options = value.split_whitespace().map(str::to_owned).collect();
                !self.ice_options.is_empty()
            }
            ("fingerprint", Some(value)) => {
                self.fingerprints.push(value.trim().to_owned());
                true
            }
            ("setup", Some(value)) => set(&mut self.setup, Setup::parse(value)),
            ("candidate", Some(value)) => {
                self.candidates.push(value.trim().to_owned());
                true
            }
            ("cryptex", None) => !core::mem::replace(&mut self.cryptex, true),
            ("end-of-candidates", None) => !core::mem::replace(&mut self.end_of_candidates, true),
            _ => false,
        }
    }

    /// This section's attributes, with the session's where it has none of its own.
    pub(crate) fn or(&self, session: &Self) -> Self {
        let list = |own: &Vec<String>, session: &Vec<String>| {
            if own.is_empty() { session.clone() } else { own.clone() }
        };
        Self {
            ufrag: self.ufrag.clone().or_else(|| session.ufrag.clone()),
            password: self.password.clone().or_else(|| session.password.clone()),
            ice_options: list(&self.ice_options, &session.ice_options),
            fingerprints: list(&self.fingerprints, &session.fingerprints),
            setup: self.setup.or(session.setup),
            candidates: list(&self.candidates, &session.candidates),
            end_of_candidates: self.end_of_candidates || session.end_of_candidates,
            cryptex: self.cryptex || session.cryptex,
        }
    }
}

/// Fills an empty place; the first of several attributes counts.
pub(crate) fn set<T>(place: &mut Option<T>, value: Option<T>) -> bool {
    if place.is_some() || value.is_none() {
        return false;
    }
    *place = value;
    true
}

/// One word, nothing else.
pub(crate) fn token(text: &str) -> Option<String> {
    let mut words = text.split_whitespace();
    words.next().filter(|_| words.next().is_none()).map(str::to_owned)
}
