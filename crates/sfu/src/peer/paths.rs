//! A peer's ICE agent: which address pairs are its own, and which of them carries media.

use std::time::Instant;

use headwater_ice::{self as ice, Path};
use headwater_stun as stun;

use super::{CHECK_RESPONSE, Effect, HOLDS_FOR, Ice, NOTED_EVERY, Peer};
use crate::event::CloseReason;

impl Peer {
    /// Takes a STUN datagram.
    pub(crate) fn handle_stun(&mut self, now: Instant, datagram: stun::Datagram<'_>) -> bool {
        let bytes = datagram.contents.len();
        let accepted = match &mut self.ice {
            Ice::Lite(agent) => agent.handle_datagram(now, datagram).is_ok(),
            Ice::Full(agent) => agent.handle_datagram(now, datagram).is_ok(),
        };
        if !accepted {
            self.refused.stun += 1;
        }
        self.collect_ice(now);
        if let Some(dtls) = self.dtls.as_mut().filter(|_| accepted) {
            dtls.credit(bytes.saturating_sub(CHECK_RESPONSE / 3));
        }
        accepted
    }

    /// The connection under this path has ended.
    pub(crate) fn path_closed(&mut self, now: Instant, path: &Path) {
        match &mut self.ice {
            Ice::Lite(agent) => agent.path_closed(now, path),
            Ice::Full(agent) => agent.path_closed(now, path),
        }
        self.collect_ice(now);
    }

    /// Has an authenticated check come from this address?
    pub(crate) fn is_validated(&self, path: &Path) -> bool {
        match &self.ice {
            Ice::Lite(agent) => agent.is_validated(path),
            Ice::Full(agent) => agent.is_validated(path),
        }
    }

    /// Does our side send checks of its own?
    pub(crate) fn checks(&self) -> bool {
        matches!(self.ice, Ice::Full(_))
    }

    /// Did authentic media or DTLS come along this path just now?
    pub(crate) fn holds(&self, now: Instant, path: &Path) -> bool {
        self.heard.is_some_and(|(heard, at)| heard == *path && now.saturating_duration_since(at) < HOLDS_FOR)
    }

    /// Takes out the user fragments that a restart has made useless.
    pub(crate) fn forget_ufrags(&mut self) -> Vec<String> {
        let Ice::Lite(agent) = &self.ice else { return Vec::new() };
        self.ufrags.extract_if(.., |ufrag| !agent.answers_to(ufrag)).collect()
    }

    pub(super) fn note_received(&mut self, now: Instant, path: &Path) {
        // Media comes so often that the agent, which counts in seconds, need not hear of each packet.
        let is_known =
            |(heard, at): (Path, Instant)| heard == *path && now.saturating_duration_since(at) < NOTED_EVERY;
        if self.heard.is_some_and(is_known) {
            return;
        }
        self.heard = Some((*path, now));
        match &mut self.ice {
            Ice::Lite(agent) => agent.note_received(now, path),
            Ice::Full(agent) => agent.note_received(now, path),
        }
    }

    pub(super) fn collect_ice(&mut self, now: Instant) {
        loop {
            let event = match &mut self.ice {
                Ice::Lite(agent) => agent.poll_event(),
                Ice::Full(agent) => agent.poll_event(),
            };
            let Some(event) = event else { break };
            match event {
                ice::Event::Validated(path) => self.effects.push_back(Effect::Route(path)),
                ice::Event::PathSelected(path) => {
                    self.path = Some(path);
                    self.start_handshake(now);
                }
                ice::Event::Removed(path) => {
                    self.path.take_if(|selected| *selected == path);
                    self.effects.push_back(Effect::Unroute(path));
                }
                ice::Event::Failed => self.effects.push_back(Effect::Closed(CloseReason::NeverConnected)),
                ice::Event::Closed { .. } => self.effects.push_back(Effect::Closed(CloseReason::Silent)),
                _ => {}
            }
        }
    }
}
