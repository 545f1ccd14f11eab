//! What happened, in numbers.

use std::sync::atomic::{AtomicU64, Ordering};

macro_rules! counters {
    ($($(#[$doc:meta])* $name:ident,)*) => {
        /// What happened since the start, over all workers; the first ones are what there is now.
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
        #[non_exhaustive]
        pub struct Counters {
            $($(#[$doc])* pub $name: u64,)*
        }

        /// The same, where another thread reads it: each is written by one worker alone.
        #[derive(Debug, Default)]
        pub(crate) struct Board {
            $($name: AtomicU64,)*
        }

        impl Board {
            /// Shows what a worker has counted.
            pub(crate) fn show(&self, counters: &Counters) {
                $(self.$name.store(counters.$name, Ordering::Relaxed);)*
            }

            /// Adds to a sum.
            pub(crate) fn add_to(&self, sum: &mut Counters) {
                $(sum.$name += self.$name.load(Ordering::Relaxed);)*
            }
        }
    };
}

counters! {
    /// Allocations there are.
    allocations,
    /// Sockets and listeners of relays there are.
    relays,
    /// TCP and TLS connections of clients there are.
    connections,
    /// DTLS associations there are.
    associations,
    /// TCP connections with peers there are.
    peer_connections,
    /// Allocations made.
    allocated,
    /// Allocations that their client ended.
    ended_by_client,
    /// Allocations that were not refreshed.
    expired,
    /// Allocations whose connection ended.
    disconnected,
    /// Allocations that moved to another address.
    moved,
    /// Relays refused for want of ports or descriptors.
    no_relay,
    /// Allocations refused because the user or its address has all it may have.
    over_quota,
    /// Requests with credentials that are wrong, unknown or expired.
    failed_authentications,
    /// Answers not sent over UDP because their receiver, who has proven nothing, had its share.
    withheld_answers,
    /// Datagrams and messages of clients that were no proper ones, or not permitted.
    refused,
    /// Connections refused or ended because of a limit.
    connections_refused,
    /// Datagrams sent to peers.
    to_peers,
    /// Their bytes.
    to_peers_bytes,
    /// Datagrams sent to clients.
    to_clients,
    /// Their bytes of application data.
    to_clients_bytes,
    /// Datagrams of peers without permission.
    not_permitted,
    /// Datagrams of clients and peers beyond the bits per second of the user or its address.
    over_bitrate,
    /// Datagrams that found a full socket, or a client's connection that does not keep up.
    dropped,
    /// What ICMP said of datagrams to peers.
    unreachable,
}
