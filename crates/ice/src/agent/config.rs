//! What the full agent is told at its start.

use std::time::Duration;

use crate::nomination::NominationMode;
use crate::{ConfigError, Credentials, Role};

/// What an [`Agent`](crate::Agent) needs to know.
#[non_exhaustive]
#[derive(Clone, Debug)]
pub struct AgentConfig {
    /// Our credentials, as in our offer or answer.
    pub local: Credentials,
    /// Controlling for the side that made the first offer.
    pub role: Role,
    /// How to nominate when controlling. Regular by default.
    pub nomination: NominationMode,
    /// Whether our offer or answer has `a=ice-options:renomination`. It counts once the peer is known to have it too:
    /// [`Agent::set_remote_renominates`](crate::Agent::set_remote_renominates). `false` by default. The controlling agent
    /// then nominates earlier, and goes on checking better pairs to move to.
    pub renomination: bool,
    /// First wait for the answer to a check; doubles with each repetition. 20 ms to 10 s, default 500 ms
    /// (RFC 8445 §14.3).
    pub rto: Duration,
    /// How long to go on before [`Event::Failed`](crate::Event::Failed) (RFC 8863); twice that if the peer may still
    /// send candidates. 1 s to 10 min, default 39.5 s, which is as short as RFC 8863 §3 allows.
    pub connect_timeout: Duration,
}

impl AgentConfig {
    /// The defaults with these credentials and this role.
    #[must_use]
    pub const fn new(local: Credentials, role: Role) -> Self {
        Self {
            local,
            role,
            nomination: NominationMode::Regular,
            renomination: false,
            rto: Duration::from_millis(500),
            connect_timeout: Duration::from_millis(39_500),
        }
    }

    pub(super) fn validate(&self) -> Result<(), ConfigError> {
        self.local.validate()?;
        if !(Duration::from_millis(20)..=Duration::from_secs(10)).contains(&self.rto) {
            return Err(ConfigError::OutOfRange("rto"));
        }
        if !(Duration::from_secs(1)..=Duration::from_secs(600)).contains(&self.connect_timeout) {
            return Err(ConfigError::OutOfRange("connect_timeout"));
        }
        Ok(())
    }
}
