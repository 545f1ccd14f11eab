//! Who is not who they seem: forged clients, and peers that are this machine.

use std::net::SocketAddr;
use std::time::Duration;

use headwater_stun::Transport;
use headwater_turn::FiveTuple;

use super::Core;
use crate::associations::Associations;
use crate::interfaces;

/// How often the addresses of this machine are looked up: they come and go, those of IPv6 each day.
pub(crate) const ADDRESSES_LOOK: Duration = Duration::from_secs(10);

impl Core {
    /// Whether these are DTLS records in the name of a plain client with an allocation. It does not change to DTLS halfway; an
    /// association in its name would silence it, and end its allocation with the handshake that comes to nothing.
    pub(super) fn is_forged(&mut self, local: SocketAddr, remote: SocketAddr, contents: &[u8]) -> bool {
        let is_forged = contents.first().is_some_and(|first| Associations::is_record(*first))
            && !self.associations.as_ref().is_some_and(|associations| associations.has((local, remote)))
            && self.server.has_allocation(&FiveTuple::new(Transport::Udp, local, remote));
        self.counters.refused += u64::from(is_forged);
        is_forged
    }

    /// Tells the server which addresses are this machine's by now.
    pub(super) fn look_at_addresses(&mut self) {
        if self.now < self.next_look {
            return;
        }
        self.next_look = self.now + ADDRESSES_LOOK;
        let local = self.outbox.ports.iter().map(|port| port.socket.local_addr());
        if let Ok(own) = interfaces::own_addresses(local, self.shared.ports.addresses()) {
            self.server.set_own_addresses(own);
        }
    }
}
