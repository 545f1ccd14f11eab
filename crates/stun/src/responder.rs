//! Answers Binding requests of anybody: the whole of a basic STUN server (RFC 8489 §12).

use crate::attribute::{ErrorCode, TransmitCounter, UnknownAttributes};
use crate::{Class, Datagram, Error, Message, MessageBuilder, Method, ParseError, Transmit};

/// Longest request answered. A Binding request of a client has 20 to 100 bytes.
const MAX_REQUEST_LEN: usize = 548;

/// Answers a Binding request with the address that it came from, without asking for credentials.
///
/// A pure function: the response is appended to `buf`. A success has 40 bytes over IPv4, 52 over IPv6 (plus what
/// it repeats of the request), so an off-path attacker gains at most a factor of 2.6 by forging the source. Not
/// for ICE, where only authenticated requests are answered.
///
/// # Errors
/// [`Error::Malformed`] if it isn't a proper message or has a wrong fingerprint,
/// [`Error::Unexpected`] if it isn't a Binding request. Nothing is appended then.
pub fn respond(datagram: Datagram<'_>, buf: &mut Vec<u8>) -> Result<Transmit, Error> {
    let got = datagram.contents.len();
    if got > MAX_REQUEST_LEN {
        return Err(ParseError::TooLong { limit: MAX_REQUEST_LEN, got }.into());
    }
    let request = Message::parse(datagram.contents)?;
    if request.class() != Class::Request || request.method() != Method::BINDING {
        return Err(Error::Unexpected);
    }
    let with_fingerprint = request.verify_fingerprint()?;
    let unknown: UnknownAttributes = request.unknown_required(|_| false).collect();
    let response = if unknown.is_empty() {
        MessageBuilder::success(&request, buf).mapped(datagram.remote)
    } else {
        MessageBuilder::error(&request, &ErrorCode::UNKNOWN_ATTRIBUTE, buf).attribute(&unknown)
    };
    // RFC 7982 §3: the client learns whether it was the request or the response that got lost.
    let response = match request.attribute::<TransmitCounter>() {
        Ok(Some(counter)) => response.attribute(&counter.answer()),
        _ => response,
    };
    let len = if with_fingerprint { response.fingerprint() } else { response.finish() };
    Ok(Transmit::new(datagram.transport, datagram.local, datagram.remote, len))
}
