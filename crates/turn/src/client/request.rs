//! The client's requests: what each is for, and what stands in it.

use std::net::{IpAddr, SocketAddr};

use headwater_stun::attribute::Software;
use headwater_stun::{MessageBuilder, Method, TransactionId};

use super::config::{AllocateOptions, Families, RelayPort};
use crate::RelayTransport;
use crate::attribute::{
    ALLOCATE, AdditionalAddressFamily, CHANNEL_BIND, CONNECT, CONNECTION_BIND, CREATE_PERMISSION,
    ChannelNumber, ConnectionId, DontFragment, DraftAdditionalAddressFamily, EvenPort, Family, Lifetime,
    MobilityTicket, REFRESH, RequestedAddressFamily, RequestedTransport, ReservationToken, TCP, UDP,
    XorPeerAddress,
};

/// What a request is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ask {
    Allocate,
    Refresh,
    /// Refresh from another address of ours.
    Move,
    /// Refresh with lifetime 0.
    Close,
    Permit(IpAddr),
    BindChannel {
        number: u16,
        peer: SocketAddr,
    },
    Connect(SocketAddr),
    BindConnection(ConnectionId),
}

impl Ask {
    pub(super) const fn method(&self) -> Method {
        match self {
            Self::Allocate => ALLOCATE,
            Self::Refresh | Self::Move | Self::Close => REFRESH,
            Self::Permit(_) => CREATE_PERMISSION,
            Self::BindChannel { .. } => CHANNEL_BIND,
            Self::Connect(_) => CONNECT,
            Self::BindConnection(_) => CONNECTION_BIND,
        }
    }

    /// Writes the request, but for its proof.
    pub(super) fn write<'b>(
        &self,
        context: &Context<'_>,
        id: TransactionId,
        buf: &'b mut Vec<u8>,
    ) -> MessageBuilder<'b> {
        let mut request = MessageBuilder::request(self.method(), id, buf);
        if let Some(software) = context.software {
            request = request.attribute(&Software(software));
        }
        match self {
            Self::Allocate => context.options.write(request),
            Self::Refresh => context.options.write_lifetime(request),
            // RFC 8016 §3.2.1: the ticket goes along only if our address has changed.
            Self::Move => context.options.write_lifetime(request).attribute(&MobilityTicket(context.ticket)),
            Self::Close => request.attribute(&Lifetime(0)),
            // The port says nothing (RFC 8656 §9.1).
            Self::Permit(ip) => request.attribute(&XorPeerAddress(SocketAddr::new(*ip, 0))),
            Self::BindChannel { number, peer } => {
                request.attribute(&ChannelNumber(*number)).attribute(&XorPeerAddress(*peer))
            }
            Self::Connect(peer) => request.attribute(&XorPeerAddress(*peer)),
            Self::BindConnection(connection) => request.attribute(connection),
        }
    }
}

/// What requests are written from, beside what each is for.
pub(super) struct Context<'a> {
    pub(super) software: Option<&'a str>,
    pub(super) options: &'a AllocateOptions,
    pub(super) ticket: &'a [u8],
}

impl AllocateOptions {
    fn write<'b>(&self, mut request: MessageBuilder<'b>) -> MessageBuilder<'b> {
        let protocol = if self.transport == RelayTransport::Tcp { TCP } else { UDP };
        request = self.write_lifetime(request.attribute(&RequestedTransport(protocol)));
        if self.dont_fragment {
            request = request.attribute(&DontFragment);
        }
        request = match self.families {
            Families::Default => request,
            Families::Only(family) => request.attribute(&RequestedAddressFamily(Some(family))),
            // Whoever doesn't know one of the two numbers ignores it.
            Families::Both => request
                .attribute(&AdditionalAddressFamily(Some(Family::V6)))
                .attribute(&DraftAdditionalAddressFamily(Some(Family::V6))),
        };
        request = match self.port {
            RelayPort::Any => request,
            RelayPort::Even => request.attribute(&EvenPort { reserve_next: false }),
            RelayPort::EvenAndNext => request.attribute(&EvenPort { reserve_next: true }),
            RelayPort::Reserved(token) => request.attribute(&ReservationToken(token)),
        };
        if self.mobility { request.attribute(&MobilityTicket(&[])) } else { request }
    }

    fn write_lifetime<'b>(&self, request: MessageBuilder<'b>) -> MessageBuilder<'b> {
        match self.lifetime {
            Some(lifetime) => {
                // Never 0, which would end it.
                let seconds = u32::try_from(lifetime.as_secs()).unwrap_or(u32::MAX).max(1);
                request.attribute(&Lifetime(seconds))
            }
            None => request,
        }
    }
}
