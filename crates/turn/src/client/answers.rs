//! What the server's answers change.

use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use headwater_stun::attribute::{AlternateDomain, AlternateServer, ErrorCode, XorMappedAddress};
use headwater_stun::{Attribute, Class, Message, Transport, Verdict};

use super::peers::Peers;
use super::request::{Ask, Context};
use super::transactions::Response;
use super::{Client, ClientEnd, ClientEvent, Failure, State};
use crate::Error;
use crate::attribute::{
    self, AddressErrorCode, ConnectionId, Lifetime, MobilityTicket, ReservationToken, XorRelayedAddress,
};

/// How often one Allocate may be sent on to another server.
const MAX_REDIRECTS: usize = 3;
/// The longest lifetime that we count with.
const MAX_LIFETIME: Duration = Duration::from_secs(24 * 3600);
/// How long before its end an allocation is refreshed, if it lasts twice as long: time for all repetitions.
const REFRESH_MARGIN: Duration = Duration::from_secs(60);
/// Longest ticket kept.
const MAX_TICKET_LEN: usize = 512;

impl Client {
    pub(super) fn handle_response(
        &mut self,
        now: Instant,
        local: SocketAddr,
        response: &Message<'_>,
    ) -> Result<(), Error> {
        self.now = self.now.max(now);
        let Self { config, options, ticket, transactions, .. } = self;
        let context = Context { software: config.software.as_deref(), options, ticket };
        match transactions.handle_response(self.now, local, response, &context).ok_or(Error::Unexpected)? {
            Response::Retried => {}
            Response::Doubted => return Err(Error::Unauthentic),
            Response::Failed(request, verdict) => {
                let failure = match verdict {
                    Verdict::Refused(refusal) => Failure::Denied(refusal),
                    _ => Failure::Unauthentic,
                };
                self.fail(request.ask, request.local, failure);
            }
            Response::Genuine(request) => match answer(response) {
                Ok(()) => self.succeed(request.ask, request.local, response),
                Err(Failure::Refused(300)) if request.ask == Ask::Allocate => self.redirect(response),
                Err(failure) => self.fail(request.ask, request.local, failure),
            },
        }
        // There may be room for what has waited.
        self.handle_timeout(now);
        Ok(())
    }

    fn succeed(&mut self, ask: Ask, local: SocketAddr, response: &Message<'_>) {
        match ask {
            Ask::Allocate => match self.allocated(response) {
                Some(event) => self.events.push_back(event),
                None => self.fail(ask, local, Failure::BadAnswer),
            },
            Ask::Refresh | Ask::Move => match self.refreshed(response) {
                Some(_) if ask == Ask::Move => self.events.push_back(ClientEvent::Moved),
                Some(_) => {}
                None => self.fail(ask, local, Failure::BadAnswer),
            },
            Ask::Close => self.end(ClientEnd::Closed),
            Ask::Permit(ip) => self.permitted(ip),
            Ask::BindChannel { peer, .. } => {
                if self.peers.bound(self.now, peer) {
                    self.events.push_back(ClientEvent::ChannelBound(peer));
                }
                // RFC 8656 §12: a channel permits its peer's address, too.
                self.permitted(peer.ip());
            }
            Ask::Connect(peer) => match lenient::<ConnectionId>(response) {
                Some(connection) => self.events.push_back(ClientEvent::Connected(peer, connection)),
                None => self.fail(ask, local, Failure::BadAnswer),
            },
            Ask::BindConnection(connection) => {
                self.events.push_back(ClientEvent::ConnectionBound { connection, local });
            }
        }
    }

    fn permitted(&mut self, ip: IpAddr) {
        if self.peers.permitted(self.now, ip) {
            self.events.push_back(ClientEvent::Permitted(ip));
        }
    }

    fn allocated(&mut self, response: &Message<'_>) -> Option<ClientEvent> {
        let mut relayed = response
            .attributes()
            .filter(|raw| raw.kind == XorRelayedAddress::TYPE)
            .filter_map(|raw| XorRelayedAddress::parse(raw).ok())
            .map(|XorRelayedAddress(address)| address);
        let first = relayed.next()?;
        let lifetime = self.refreshed(response)?;
        Some(ClientEvent::Allocated {
            relayed: first,
            additional: relayed.find(|it| it.is_ipv4() != first.is_ipv4()),
            additional_refused: lenient::<AddressErrorCode>(response).map(|it| (it.family, it.code)),
            mapped: lenient::<XorMappedAddress>(response).map(|XorMappedAddress(address)| address),
            lifetime,
            token: lenient::<ReservationToken>(response).map(|ReservationToken(token)| token),
        })
    }

    /// Notes how long the allocation lasts from now, and its new ticket.
    fn refreshed(&mut self, response: &Message<'_>) -> Option<Duration> {
        let Lifetime(seconds) = lenient(response).filter(|it| *it != Lifetime(0))?;
        let lifetime = Duration::from_secs(seconds.into()).min(MAX_LIFETIME);
        if let Some(MobilityTicket(ticket)) = lenient(response)
            && ticket.len() <= MAX_TICKET_LEN
        {
            ticket.clone_into(&mut self.ticket);
        }
        let margin = REFRESH_MARGIN.min(lifetime / 2);
        let expires_at = self.now + lifetime;
        self.state = State::Allocated { refresh_at: expires_at - margin, expires_at };
        Some(lifetime)
    }

    /// RFC 8489 §10: the same request to another server, but never in circles.
    fn redirect(&mut self, response: &Message<'_>) {
        let failure = Failure::Refused(300);
        let Some(AlternateServer(server)) = lenient(response) else {
            return self.fail(Ask::Allocate, self.config.local, failure);
        };
        let domain = lenient::<AlternateDomain<'_>>(response).map(|AlternateDomain(name)| name.to_owned());
        let ip = server.ip();
        let following = self.config.follows_redirects
            && self.config.transport != Transport::Tcp
            && self.asked.len() < MAX_REDIRECTS
            && server != self.config.server
            && !self.asked.contains(&server)
            && server.is_ipv4() == self.config.server.is_ipv4()
            && server.port() != 0
            && !ip.is_unspecified()
            && !ip.is_multicast();
        self.events.push_back(ClientEvent::Redirected { server, domain, following });
        if following {
            self.asked.push(self.config.server);
            self.config.server = server;
            self.transactions.forget_server();
            self.start(Ask::Allocate, self.config.local);
        } else {
            self.fail(Ask::Allocate, self.config.local, failure);
        }
    }

    /// A request came to nothing.
    pub(super) fn fail(&mut self, ask: Ask, local: SocketAddr, failure: Failure) {
        // Who doesn't answer may do so later: until it expires there is time to ask again.
        let is_certain = !matches!(failure, Failure::TimedOut | Failure::Unauthentic);
        let is_renewal = matches!(ask, Ask::Refresh | Ask::Permit(_) | Ask::BindChannel { .. });
        if failure == Failure::Refused(437) && is_renewal && !self.ticket.is_empty() {
            return self.move_again();
        }
        match ask {
            Ask::Allocate => {
                self.forget_allocation();
                self.events.push_back(ClientEvent::AllocateFailed(failure));
            }
            Ask::Refresh if !is_certain && self.config.transport != Transport::Tcp => {}
            Ask::Refresh | Ask::Move => self.end(ClientEnd::Lost(failure)),
            // What is closed and what is not there is the same (437), and so in the end is what nobody answers for.
            Ask::Close => self.end(ClientEnd::Closed),
            Ask::Permit(ip) => {
                if self.peers.not_permitted(self.now, ip, is_certain) {
                    self.events.push_back(ClientEvent::PermitFailed(ip, failure));
                }
            }
            Ask::BindChannel { peer, .. } => {
                if self.peers.not_bound(self.now, peer, is_certain) {
                    self.events.push_back(ClientEvent::ChannelFailed(peer, failure));
                }
            }
            Ask::Connect(peer) => self.events.push_back(ClientEvent::ConnectFailed(peer, failure)),
            Ask::BindConnection(connection) => {
                self.events.push_back(ClientEvent::BindFailed { connection, local, failure });
            }
        }
    }

    /// The server doesn't know us any more: a NAT has given us another address, perhaps. The ticket tells, and what
    /// was under way is asked for again after it.
    fn move_again(&mut self) {
        self.peers.restart(self.now);
        if !self.transactions.is_open(&Ask::Move) {
            self.start(Ask::Move, self.config.local);
        }
    }

    pub(super) fn end(&mut self, reason: ClientEnd) {
        self.forget_allocation();
        self.events.push_back(ClientEvent::Ended(reason));
    }

    fn forget_allocation(&mut self) {
        self.state = State::Idle;
        self.ticket.clear();
        self.peers = Peers::default();
        let _all_end_with_it = self.transactions.clear();
        self.plan();
    }
}

/// Whether a genuine response serves the request.
fn answer(response: &Message<'_>) -> Result<(), Failure> {
    match response.class() {
        // RFC 8489 §6.3.4: an unknown attribute that must be understood fails the transaction.
        Class::Success if response.unknown_required(attribute::is_known).next().is_some() => {
            Err(Failure::BadAnswer)
        }
        Class::Success => Ok(()),
        _ => match lenient::<ErrorCode<'_>>(response) {
            Some(code) => Err(Failure::Refused(code.code())),
            None => Err(Failure::BadAnswer),
        },
    }
}

/// An attribute; a broken one is as good as none.
fn lenient<'a, A: Attribute<'a>>(response: &Message<'a>) -> Option<A> {
    response.attribute().ok().flatten()
}
