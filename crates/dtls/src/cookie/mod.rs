//! A server's answers to hellos of who may be anybody, without keeping anything of them: the stateless cookie exchange
//! (RFC 6347 §4.2.1, RFC 9147 §5.1).
//!
//! ```text
//!    ClientHello                 -->   CookieExchange
//!                                <--     HelloVerifyRequest (DTLS 1.2), HelloRetryRequest (DTLS 1.3)
//!    ClientHello (with cookie)   -->     Verdict::Admit
//!                                        Connection::accept: ServerHello and all that follows
//! ```
//!
//! **What a cookie says.** In 1.2 that these parameters of a hello came from this address not long ago; the transcript
//! begins with the second hello (RFC 6347 §4.2.6). In 1.3 the transcript has the first hello's hash and our request as well
//! (RFC 8446 §4.4.1), so the cookie brings back that hash and what the request said, and is good for the same hello alone:
//! all of it but the cookie, the padding, and the share that was asked for (RFC 8446 §4.1.2).
//!
//! **Numbers.** An answer has the record's and the message's number of the hello that it answers (RFC 6347 §4.2.1), and so has the
//! ServerHello of the one that was admitted.
//!
//! **Size.** An answer has at most 151 bytes. A HelloVerifyRequest is shorter than any hello that it answers, a HelloRetryRequest at most
//! 1.6 times as long as the shortest one that can be written (RFC 9147 §5.1 allows three times), and shorter than those of real
//! clients, which offer more.
//!
//! **Hellos in pieces.** With a post-quantum share a hello does not fit into a datagram, and it is only known when it is whole
//! which version it leads to and, in 1.3, what its hash is. So the pieces are kept: of [`MAX_PARTIAL`] hellos of at most
//! [`MAX_PARTIAL_LEN`] bytes each, for [`PARTIAL_AGE`]. Where there are more, the oldest gives way: under a flood of 12,000
//! forged pieces a second a client has 20 ms for the rest of its hello, whose pieces it sends one right behind the other.

mod first;
mod pieces;
mod secret;

use std::time::Instant;

use crate::alert::AlertMessage;
use crate::config::Config;
use crate::connection::Transmit;
use crate::crypto::hash::Output;
use crate::extension::supported_groups::NamedGroup;
use crate::extension::{ExtensionType, cookie};
use crate::handshake::accept::emit_retry_request;
use crate::handshake::choice::{Choice, Choice13};
use crate::handshake::{self, Failure, Fragment, Message, doubt};
use crate::message::HandshakeType;
use crate::message::client_hello::ClientHello;
use crate::message::hello_verify_request::HelloVerifyRequest;
use crate::record::{ContentType, HEADER_LEN, ProtocolVersion, Record};
use crate::suite::Suite;
use crate::{Error, Refusal};

use first::FirstHello;
use pieces::Pieces;
pub use pieces::{MAX_PARTIAL, MAX_PARTIAL_LEN, PARTIAL_AGE};
pub use secret::SECRET_LIFETIME;
use secret::{Secrets, TAG_LEN};

/// The highest message number of a hello: how often an honest client may have been asked for a cookie before.
const MAX_MESSAGE_SEQ: u16 = 64;

/// The stateless part of a server. See the module's page.
///
/// ```
/// use headwater_dtls::cookie::{CookieExchange, Verdict};
/// # use headwater_dtls::{Certificate, Config, Connection, Role};
/// # use std::{sync::Arc, time::Instant};
/// # let now = Instant::now();
/// # let mut config = Config::new(Certificate::generate()?);
/// # config.danger_accept_any_certificate = true;
/// # let config = Arc::new(config);
/// # let mut client = Connection::new(Arc::clone(&config), Role::Client, vec![], [1; 32], now)?;
/// let mut cookies = CookieExchange::new([2; 32], now); // fresh randomness
/// let mut datagram = Vec::new();
/// while client.poll_transmit(now, &mut datagram).is_some() {
///     let mut answer = Vec::new();
///     match cookies.handle_datagram(now, &config, b"192.0.2.1:5000", &datagram, &mut answer) {
///         Ok(Verdict::Admit(hello)) => {
///             let server = Connection::accept(Arc::clone(&config), vec![], [3; 32], now, *hello)?;
///             assert!(server.has_taken_hello());
///             break;
///         }
///         Ok(Verdict::Answer(_) | Verdict::Refuse(..)) => client.handle_datagram(now, &answer)?,
///         Ok(_) | Err(_) => {}
///     }
///     datagram.clear();
/// }
/// # assert!(!datagram.is_empty());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct CookieExchange {
    secrets: Secrets,
    pieces: Pieces,
}

/// What becomes of a datagram.
#[derive(Debug)]
#[non_exhaustive]
pub enum Verdict {
    /// Send what was appended: it asks for a hello with a cookie.
    Answer(Transmit),
    /// Send what was appended, the alert that says so: with this hello nothing can be done.
    Refuse(Refusal, Transmit),
    /// There is nothing to say before the rest of the hello is here.
    Wait,
    /// Its sender gets what is sent to that address, and the hello leads somewhere:
    /// [`Connection::accept`](crate::Connection::accept) goes on from here.
    Admit(Box<ProvenHello>),
}

/// A hello with a cookie of ours.
pub struct ProvenHello {
    pub(crate) message: Message,
    /// Of the record that completed it.
    pub(crate) sequence_number: u64,
    /// DTLS 1.3.
    pub(crate) retried: Option<Retried>,
}

/// What went before it in DTLS 1.3.
pub(crate) struct Retried {
    pub(crate) choice: Choice13,
    /// The hash of the first hello.
    pub(crate) first: Output,
    /// The body of our HelloRetryRequest.
    pub(crate) request: Vec<u8>,
}

/// Whom an answer goes to, and under which numbers.
#[derive(Clone, Copy)]
struct Sender<'a> {
    address: &'a [u8],
    message_seq: u16,
    sequence_number: u64,
}

impl CookieExchange {
    /// `seed` makes the secrets: it has to be fresh and secret.
    #[must_use]
    pub fn new(seed: [u8; 32], now: Instant) -> Self {
        Self { secrets: Secrets::new(&seed, now), pieces: Pieces::default() }
    }

    /// A datagram arrived from an address that there is no connection with. `address` is whatever tells senders apart (an IP
    /// address and a port, and our own if there are several); a cookie is good for the one that it was sent to. The answer
    /// goes there; it is appended to `answer`. What is chosen is what a [`Connection`](crate::Connection) with this
    /// configuration would choose.
    ///
    /// # Errors
    /// [`Error`] if there is no hello in it, or none that can be read: say nothing. [`Error::LimitReached`]: it is in pieces,
    /// and too long, or in too many of them.
    pub fn handle_datagram(
        &mut self,
        now: Instant,
        config: &Config,
        address: &[u8],
        datagram: &[u8],
        answer: &mut Vec<u8>,
    ) -> Result<Verdict, Error> {
        self.secrets.rotate(now);
        self.pieces.forget_old(now);
        let mut content = &[][..];
        let mut records = datagram;
        let mut sender = Sender { address, message_seq: 0, sequence_number: 0 };
        let mut waits = false;
        loop {
            match next_fragment(&mut records, &mut content, &mut sender) {
                Ok(fragment) if fragment.data.len() == fragment.length => {
                    return self.handle_hello(config, sender, fragment.data, answer);
                }
                Ok(fragment) => match self.pieces.insert(now, address, &fragment) {
                    Ok(Some(body)) => return self.handle_hello(config, sender, &body, answer),
                    Ok(None) => waits = true,
                    Err(error) => return if waits { Ok(Verdict::Wait) } else { Err(error) },
                },
                // The end, or something behind a piece of a hello that is nothing for us.
                Err(_) if waits => return Ok(Verdict::Wait),
                Err(error) => return Err(error),
            }
        }
    }

    /// Hellos of which a part is here, at most [`MAX_PARTIAL`]. Nothing else is ever kept.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.pieces.len()
    }

    fn handle_hello(
        &self,
        config: &Config,
        sender: Sender<'_>,
        body: &[u8],
        answer: &mut Vec<u8>,
    ) -> Result<Verdict, Error> {
        let hello = ClientHello::parse(body)?;
        let outcome = match Choice::of(&hello, config) {
            Ok(Choice::Dtls12(_)) => Ok(self.hello_12(sender, body, &hello, answer)),
            Ok(Choice::Dtls13(choice, share)) => {
                self.hello_13(sender, body, &hello, choice, share.is_some(), answer)
            }
            Err(failure) => Err(failure),
        };
        match outcome {
            Ok(verdict) => Ok(verdict),
            Err(Failure::Fatal(refusal) | Failure::Discard(Error::Refused(refusal))) => {
                let alert = AlertMessage::fatal(refusal.alert()).to_bytes();
                Ok(Verdict::Refuse(refusal, sender.seal(ContentType::ALERT, &alert, answer)))
            }
            Err(Failure::Discard(error)) => Err(error),
        }
    }

    /// RFC 6347 §4.2.1: a cookie that is not ours is as good as none.
    fn hello_12(
        &self,
        sender: Sender<'_>,
        body: &[u8],
        hello: &ClientHello<'_>,
        answer: &mut Vec<u8>,
    ) -> Verdict {
        let parameters = first::parameters(hello);
        let parts: [&[u8]; 3] = [&[2], &parameters, sender.address];
        if self.secrets.is_ours(&parts, hello.cookie) {
            return sender.admit(body, None);
        }
        let mut request = Vec::new();
        HelloVerifyRequest::emit(&self.secrets.sign(&parts), &mut request);
        Verdict::Answer(sender.send(HandshakeType::HELLO_VERIFY_REQUEST, &request, answer))
    }

    fn hello_13(
        &self,
        sender: Sender<'_>,
        body: &[u8],
        hello: &ClientHello<'_>,
        choice: Choice13,
        has_share: bool,
        answer: &mut Vec<u8>,
    ) -> Result<Verdict, Failure> {
        let Some(returned) = hello.extensions.find(ExtensionType::COOKIE) else {
            let asked = (!has_share).then_some(choice.group);
            let first = FirstHello::of(choice.suite, asked, body);
            let mut cookie = first.to_bytes();
            let tag = self.secrets.sign(&[&[3], &cookie, &first::lasting(hello, asked), sender.address]);
            cookie.extend_from_slice(&tag);
            let request = retry_request(choice.suite, asked, &cookie);
            return Ok(Verdict::Answer(sender.send(HandshakeType::SERVER_HELLO, &request, answer)));
        };
        // RFC 9147 §5.1: a cookie that is not ours ends the handshake; the client begins anew without one.
        let cookie = cookie::parse(returned)?;
        let (said, tag) = cookie.split_at(cookie.len().saturating_sub(TAG_LEN));
        let first = FirstHello::parse(said).ok_or_else(|| doubt(Refusal::Cookie))?;
        let parts: [&[u8]; 4] = [&[3], said, &first::lasting(hello, first.asked), sender.address];
        if !self.secrets.is_ours(&parts, tag) {
            return Err(doubt(Refusal::Cookie));
        }
        // RFC 8446 §4.1.4: what we asked for, with the suite of before.
        if choice.suite != first.suite || !has_share || first.asked.is_some_and(|asked| asked != choice.group)
        {
            return Err(doubt(Refusal::KeyShare));
        }
        let request = retry_request(first.suite, first.asked, cookie);
        Ok(sender.admit(body, Some(Retried { choice, first: first.hash, request })))
    }
}

/// Takes the next piece of a hello off a datagram's `records`, of which `content` is what is left of one. Says in `sender` what
/// numbers it came under.
fn next_fragment<'a>(
    records: &mut &'a [u8],
    content: &mut &'a [u8],
    sender: &mut Sender<'_>,
) -> Result<Fragment<'a>, Error> {
    if content.is_empty() {
        let record = Record::parse(records)?;
        if record.epoch != 0 || record.content_type != ContentType::HANDSHAKE {
            return Err(Error::Unexpected);
        }
        *content = record.fragment;
        sender.sequence_number = record.sequence_number;
    }
    let fragment = Fragment::parse(content)?; // RFC 5246 §6.2.1: no empty handshake records
    if fragment.kind != HandshakeType::CLIENT_HELLO || fragment.message_seq > MAX_MESSAGE_SEQ {
        return Err(Error::Unexpected);
    }
    sender.message_seq = fragment.message_seq;
    Ok(fragment)
}

fn retry_request(suite: Suite, asked: Option<NamedGroup>, cookie: &[u8]) -> Vec<u8> {
    let mut body = Vec::new();
    emit_retry_request(suite, asked, Some(cookie), &mut body);
    body
}

impl Sender<'_> {
    /// Appends a message as one record.
    fn send(self, kind: HandshakeType, body: &[u8], answer: &mut Vec<u8>) -> Transmit {
        let mut content = Vec::with_capacity(handshake::HEADER_LEN + body.len());
        Fragment::new(kind, body.len(), self.message_seq, 0, body).emit(&mut content);
        self.seal(ContentType::HANDSHAKE, &content, answer)
    }

    fn seal(self, kind: ContentType, content: &[u8], answer: &mut Vec<u8>) -> Transmit {
        let len = u16::try_from(content.len()).expect("our answers have less than 200 bytes");
        Record::emit_header(kind, ProtocolVersion::DTLS_1_2, 0, self.sequence_number, len, answer);
        answer.extend_from_slice(content);
        Transmit { len: HEADER_LEN + content.len() }
    }

    fn admit(self, body: &[u8], retried: Option<Retried>) -> Verdict {
        let Self { message_seq, sequence_number, .. } = self;
        let message = Message { kind: HandshakeType::CLIENT_HELLO, message_seq, body: body.to_vec() };
        Verdict::Admit(Box::new(ProvenHello { message, sequence_number, retried }))
    }
}

impl std::fmt::Debug for CookieExchange {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CookieExchange").field("waiting", &self.waiting()).finish_non_exhaustive()
    }
}

impl std::fmt::Debug for ProvenHello {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ProvenHello").field("len", &self.message.body.len()).finish_non_exhaustive()
    }
}
