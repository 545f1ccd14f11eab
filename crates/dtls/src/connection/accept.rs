//! A server's connection that begins with a hello whose cookie was seen by a [`CookieExchange`](crate::cookie::CookieExchange).

use std::sync::Arc;
use std::time::Instant;

use super::{Connection, Phase};
use crate::certificate::Fingerprint;
use crate::config::{Config, Role};
use crate::cookie::ProvenHello;
use crate::error::ConfigError;
use crate::handshake::Fragment;
use crate::handshake::accept::Accept;
use crate::handshake::side::Side;
use crate::record::layer::{Epoch, RecordNumber};

impl Connection {
    /// Goes on from a hello that came back with its cookie, as a server. The flight that answers it is ready at once, and
    /// may be as long as it has to be, since the address is the client's. Asks for no other cookie,
    /// whatever [`Config::require_cookie`] says.
    ///
    /// `remote` and `seed` are those of [`Connection::new`].
    ///
    /// # Errors
    /// Those of [`Connection::new`].
    pub fn accept(
        config: Arc<Config>,
        remote: Vec<Fingerprint>,
        seed: [u8; 32],
        now: Instant,
        hello: ProvenHello,
    ) -> Result<Self, ConfigError> {
        let timeout = config.handshake_timeout;
        let mut connection = Self::new(config, Role::Server, remote, seed, now)?;
        let ProvenHello { message, sequence_number, retried } = hello;
        connection.credit = None;
        // The numbers go on from the hello's: it was asked for by who kept nothing (RFC 6347 §4.2.1, §4.2.2).
        connection.exchange.records.skip_plain_to(sequence_number);
        connection.exchange.next_message_seq = message.message_seq;
        connection.reassembly.begin_at(message.message_seq);
        let choice = retried.map(|retried| {
            connection.exchange.transcript.resume(
                retried.choice.suite.hash,
                &retried.first,
                &retried.request,
            );
            retried.choice
        });
        if let Phase::Handshake(handshake) = &mut connection.phase {
            handshake.side = Side::Accept(Accept::proven(choice));
            handshake.deadline = Some(now + timeout);
        }
        let mut content = Vec::new();
        Fragment::new(message.kind, message.body.len(), message.message_seq, 0, &message.body)
            .emit(&mut content);
        let number = RecordNumber { epoch: Epoch::PLAIN, sequence_number };
        // A hello that leads nowhere after all, by a share that is no key, is noted and soon ends the connection.
        let _ = connection.handle_handshake(&content, number);
        Ok(connection)
    }
}
