//! Which agent nominates, and what happens when both think they do (RFC 8445 §6.1.1, §7.3.1.1).

use crate::answer::Check;

/// The part an agent plays.
#[expect(clippy::exhaustive_enums, reason = "the protocol has exactly these two")]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Role {
    /// It nominates: the side that made the offer, and always the full one against a lite one.
    Controlling,
    /// It follows the nomination.
    Controlled,
}

impl Role {
    pub(crate) const fn opposite(self) -> Self {
        match self {
            Self::Controlling => Self::Controlled,
            Self::Controlled => Self::Controlling,
        }
    }
}

/// A role and the number that decides conflicts over it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RoleState {
    pub(crate) role: Role,
    pub(crate) tie_breaker: u64,
}

/// What an incoming check means for our role.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Conflict {
    /// The roles differ, as they should.
    None,
    /// We keep ours: answer 487, so that the peer switches.
    PeerSwitches,
    /// We switch and go on.
    WeSwitch,
}

impl RoleState {
    /// Compares roles; on a conflict the side with the larger tie-breaker ends up controlling.
    pub(crate) fn compare(&self, check: &Check) -> Conflict {
        let we_control = match (self.role, check.controlling, check.controlled) {
            (Role::Controlling, Some(theirs), _) | (Role::Controlled, None, Some(theirs)) => {
                self.tie_breaker >= theirs
            }
            // RFC 5245's predecessors say nothing of roles: assume that they fit.
            _ => return Conflict::None,
        };
        match we_control == (self.role == Role::Controlling) {
            true => Conflict::PeerSwitches,
            false => Conflict::WeSwitch,
        }
    }

    pub(crate) fn switch(&mut self) {
        self.role = self.role.opposite();
    }
}
