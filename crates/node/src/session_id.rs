//! Names of sessions, as clients see them in URLs.

use std::fmt;
use std::str::FromStr;

/// Names a session. Nobody can guess one: 120 bits are random. The first byte says which worker has it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SessionId([u8; 16]);

impl SessionId {
    pub(crate) fn new(worker: u8, mut random: [u8; 16]) -> Self {
        random[0] = worker;
        Self(random)
    }

    /// The number of the worker that has the session.
    pub fn worker(self) -> usize {
        usize::from(self.0[0])
    }
}

impl fmt::Display for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// Shows enough to tell sessions apart in a log, and too little to use the session.
impl fmt::Debug for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SessionId({:02x}{:02x}{:02x}..)", self.0[0], self.0[1], self.0[2])
    }
}

/// The text is not a session id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a session id has 32 hexadecimal digits")]
pub struct InvalidSessionId;

impl FromStr for SessionId {
    type Err = InvalidSessionId;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut bytes = [0; 16];
        if text.len() != 32 || !text.bytes().all(|digit| digit.is_ascii_hexdigit()) {
            return Err(InvalidSessionId);
        }
        for (byte, digits) in bytes.iter_mut().zip(text.as_bytes().chunks_exact(2)) {
            let digits = std::str::from_utf8(digits).map_err(|_| InvalidSessionId)?;
            *byte = u8::from_str_radix(digits, 16).map_err(|_| InvalidSessionId)?;
        }
        Ok(Self(bytes))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_id_survives_its_text() {
        let id = SessionId::new(3, [0xab; 16]);
        assert_eq!(id.to_string().parse(), Ok(id));
        assert_eq!(id.worker(), 3);
        for text in ["", "xyz", &"é".repeat(16), &"0".repeat(33), &format!("+{}", "0".repeat(31))] {
            assert_eq!(text.parse::<SessionId>(), Err(InvalidSessionId), "{text}");
        }
    }
}
