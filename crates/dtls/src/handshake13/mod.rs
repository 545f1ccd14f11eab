//! The DTLS 1.3 handshake (RFC 9147, RFC 8446) from the hellos' agreement on:
//!
//! ```text
//!    ClientHello             -->
//!                            <--   HelloRetryRequest          only without a usable share, or to see a cookie
//!    ClientHello             -->
//!                            <--   ServerHello
//!                            <--   {EncryptedExtensions}
//!                            <--   {CertificateRequest}
//!                            <--   {Certificate}
//!                            <--   {CertificateVerify}
//!                            <--   {Finished}
//!    {Certificate}           -->
//!    {CertificateVerify}     -->
//!    {Finished}              -->
//!                            <--   [ACK]
//! ```
//!
//! `{}` is epoch 2, `[]` epoch 3. The client is connected when it has sent its Finished, the server when that is there.

pub(crate) mod client;
pub(crate) mod schedule;
pub(crate) mod server;

use crate::crypto::signature;
use crate::extension::signature_algorithms::SignatureScheme;
use crate::extension::use_srtp::UseSrtp;
use crate::extension::{ExtensionType, put_extension};
use crate::handshake::exchange::{Exchange, Peer};
use crate::message::HandshakeType;
use crate::message::certificate::CertificateList13;
use crate::message::certificate_request::CertificateRequest13;
use crate::message::certificate_verify::DigitallySigned;
use crate::message::encrypted_extensions;
use crate::record::layer::Epoch;
use crate::{Refusal, Role, Version};

/// What CertificateVerify signs (RFC 8446 §4.4.3).
pub(crate) fn signed_content(role: Role, transcript_hash: &[u8]) -> Vec<u8> {
    let context: &[u8] = match role {
        Role::Client => b"TLS 1.3, client CertificateVerify",
        Role::Server => b"TLS 1.3, server CertificateVerify",
    };
    [&[b' '; 64][..], context, &[0], transcript_hash].concat()
}

/// Certificate, if the peer takes ours, and CertificateVerify.
fn push_certificate(
    exchange: &mut Exchange,
    role: Role,
    context: &[u8],
    is_answerable: bool,
) -> Result<(), Refusal> {
    let certificate = exchange.config.certificate.clone();
    exchange.push_message(Epoch::HANDSHAKE, HandshakeType::CERTIFICATE, |out| {
        CertificateList13::emit(context, is_answerable.then(|| certificate.der()), out);
    });
    if is_answerable {
        let content = signed_content(role, &exchange.transcript.hash());
        let signature = certificate.key().sign(&content).map_err(|_| Refusal::Internal)?;
        exchange.push_message(Epoch::HANDSHAKE, HandshakeType::CERTIFICATE_VERIFY, |out| {
            DigitallySigned::emit(SignatureScheme::ECDSA_SECP256R1_SHA256, &signature, out);
        });
    }
    Ok(())
}

/// Whether the peer, who is `role`, has the key of its certificate.
fn check_certificate_verify(
    exchange: &Exchange,
    role: Role,
    peer: &Peer,
    verify: &DigitallySigned<'_>,
) -> Result<(), Refusal> {
    if !peer.key.takes(Version::Dtls13, verify.scheme) {
        return Err(Refusal::SignatureAlgorithm);
    }
    let content = signed_content(role, &exchange.transcript.hash());
    peer.key
        .verify(Version::Dtls13, verify.scheme, &content, verify.signature)
        .map_err(|_| Refusal::CertificateVerify)
}

fn push_encrypted_extensions(exchange: &mut Exchange, srtp_profile: Option<u16>) {
    exchange.push_message(Epoch::HANDSHAKE, HandshakeType::ENCRYPTED_EXTENSIONS, |out| {
        encrypted_extensions::emit(
            |out| {
                if let Some(profile) = srtp_profile {
                    put_extension(out, ExtensionType::USE_SRTP, |out| UseSrtp::emit(&[profile], out));
                }
            },
            out,
        );
    });
}

fn push_certificate_request(exchange: &mut Exchange) {
    exchange.push_message(Epoch::HANDSHAKE, HandshakeType::CERTIFICATE_REQUEST, |out| {
        CertificateRequest13::emit(&signature::VERIFIABLE, out);
    });
}
