//! Who stands where: endpoints, the NATs and firewalls that they are behind, and the way between two of them.

use crate::datagram::Transport;
use crate::nat::{Hairpinning, NatId};
use crate::network::EndpointId;
use crate::translator::Translator;
use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::time::Instant;

/// Where an endpoint stands.
#[derive(Debug)]
struct Place {
    addresses: Vec<SocketAddr>,
    /// Its ends of connections, which may have ports that are none of `addresses`.
    stream_addresses: BTreeSet<SocketAddr>,
    behind: Option<NatId>,
}

/// A NAT or firewall, and what it is behind itself.
#[derive(Debug)]
struct Gate {
    translator: Translator,
    outer: Option<NatId>,
}

/// Where a packet arrives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Route {
    /// Who gets it.
    pub(crate) to: EndpointId,
    /// At which of its addresses.
    pub(crate) local: SocketAddr,
    /// From whom it seems to come.
    pub(crate) remote: SocketAddr,
}

/// Why a packet arrives nowhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stop {
    /// Nobody has the address, or a NAT has no place for it.
    Unroutable,
    /// A firewall lets nothing of the kind out.
    Blocked,
}

#[derive(Debug, Default)]
pub(crate) struct Topology {
    places: Vec<Place>,
    gates: Vec<Gate>,
}

impl Topology {
    pub(crate) fn add_place(&mut self, addresses: &[SocketAddr], behind: Option<NatId>) -> EndpointId {
        let id = EndpointId(self.places.len());
        self.places.push(Place { addresses: Vec::new(), stream_addresses: BTreeSet::new(), behind });
        self.set_addresses(id, addresses);
        id
    }

    pub(crate) fn set_addresses(&mut self, id: EndpointId, addresses: &[SocketAddr]) {
        let behind = self.places[id.0].behind;
        for address in addresses {
            let taken = self.endpoint_at(Transport::Udp, behind, *address).filter(|other| *other != id);
            assert!(taken.is_none(), "{address} belongs to another endpoint already");
        }
        self.places[id.0].addresses = addresses.to_vec();
    }

    pub(crate) fn addresses(&self, id: EndpointId) -> &[SocketAddr] {
        &self.places[id.0].addresses
    }

    /// Whether the endpoint has this IP address; connections may use any port of it.
    pub(crate) fn has_ip(&self, id: EndpointId, address: SocketAddr) -> bool {
        self.places[id.0].addresses.iter().any(|own| own.ip() == address.ip())
    }

    pub(crate) fn add_stream_address(&mut self, id: EndpointId, address: SocketAddr) {
        self.places[id.0].stream_addresses.insert(address);
    }

    pub(crate) fn add_gate(&mut self, translator: Translator, outer: Option<NatId>) -> NatId {
        self.gates.push(Gate { translator, outer });
        NatId(self.gates.len() - 1)
    }

    pub(crate) fn rebind(&mut self, nat: NatId) {
        self.gates[nat.0].translator.rebind();
    }

    /// Takes a packet outward through gates until somebody there has its destination, and then inward to it.
    pub(crate) fn route(
        &mut self,
        now: Instant,
        transport: Transport,
        from: EndpointId,
        mut source: SocketAddr,
        destination: SocketAddr,
    ) -> Result<Route, Stop> {
        let mut level = self.places[from.0].behind;
        loop {
            if self.has(transport, level, destination) {
                return self.inward(now, transport, level, source, destination).ok_or(Stop::Unroutable);
            }
            let id = level.ok_or(Stop::Unroutable)?;
            let gate = &mut self.gates[id.0];
            let is_hairpin = gate.translator.is_public(destination.ip());
            if !is_hairpin && !gate.translator.allows(transport, destination) {
                return Err(Stop::Blocked);
            }
            let outside =
                gate.translator.outward(now, transport, source, destination).ok_or(Stop::Unroutable)?;
            if is_hairpin {
                let seen = match gate.translator.hairpinning() {
                    Hairpinning::None => return Err(Stop::Unroutable),
                    Hairpinning::ExternalSource => outside,
                    Hairpinning::InternalSource => source,
                };
                // The filter sees the public source in both cases: it is what the inside has written to.
                let inside = gate.translator.inward(now, transport, destination, outside);
                let inside = inside.ok_or(Stop::Unroutable)?;
                return self.inward(now, transport, Some(id), seen, inside).ok_or(Stop::Unroutable);
            }
            source = outside;
            level = gate.outer;
        }
    }

    /// Whether the destination is at this level, or behind a gate that stands there.
    fn has(&self, transport: Transport, level: Option<NatId>, destination: SocketAddr) -> bool {
        self.endpoint_at(transport, level, destination).is_some()
            || self.gate_to(transport, level, destination).is_some()
    }

    /// The gate at this level that has the destination as its public address, or untranslated behind it.
    fn gate_to(&self, transport: Transport, level: Option<NatId>, destination: SocketAddr) -> Option<NatId> {
        (0..self.gates.len()).map(NatId).find(|id| {
            let gate = &self.gates[id.0];
            gate.outer == level
                && (gate.translator.is_public(destination.ip())
                    || !gate.translator.translates(destination.ip())
                        && self.has(transport, Some(*id), destination))
        })
    }

    fn inward(
        &mut self,
        now: Instant,
        transport: Transport,
        level: Option<NatId>,
        remote: SocketAddr,
        destination: SocketAddr,
    ) -> Option<Route> {
        if let Some(to) = self.endpoint_at(transport, level, destination) {
            return Some(Route { to, local: destination, remote });
        }
        let id = self.gate_to(transport, level, destination)?;
        let inside = self.gates[id.0].translator.inward(now, transport, destination, remote)?;
        self.inward(now, transport, Some(id), remote, inside)
    }

    fn endpoint_at(
        &self,
        transport: Transport,
        behind: Option<NatId>,
        address: SocketAddr,
    ) -> Option<EndpointId> {
        let find = |found: &dyn Fn(&Place) -> bool| {
            self.places.iter().position(|place| place.behind == behind && found(place)).map(EndpointId)
        };
        let exact = find(&|place| place.addresses.contains(&address));
        if transport == Transport::Udp || exact.is_some() {
            return exact;
        }
        find(&|place| place.stream_addresses.contains(&address))
            .or_else(|| find(&|place| place.addresses.iter().any(|own| own.ip() == address.ip())))
    }
}
