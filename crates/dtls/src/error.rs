//! What can be wrong: with bytes ([`ParseError`]), with a datagram or command ([`Error`]), with a peer ([`Refusal`]).

use crate::alert::Alert;

/// Bytes that are not what the RFC says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ParseError {
    /// The input ends before the structure does.
    #[error("the input ends too early")]
    Truncated,
    /// The structure ends before the input does.
    #[error("bytes are left over after the end")]
    TrailingBytes,
    /// A length contradicts another length, or a stated limit.
    #[error("a length is impossible or over our limit")]
    BadLength,
    /// A field has a value that it must not have.
    #[error("a field has a forbidden value")]
    BadValue,
    /// An extension appears twice (RFC 5246 §7.4.1.4).
    #[error("an extension appears twice")]
    DuplicateExtension,
}

/// Why a datagram or a command was refused. The state is then unchanged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Not well-formed.
    #[error("malformed: {0}")]
    Malformed(#[from] ParseError),
    /// A protected record that our keys do not open.
    #[error("record fails authentication")]
    Unauthentic,
    /// A protected record whose number was seen before, or is older than the window.
    #[error("record was replayed or is too old")]
    Replayed,
    /// Well-formed, but nothing for the present state (a plaintext record on an established connection, a
    /// handshake message out of its place, an unknown content type).
    #[error("unexpected in the present state")]
    Unexpected,
    /// A limit of ours on what an unproven peer may make us keep was reached.
    #[error("over a limit on buffered data")]
    LimitReached,
    /// The peer's hello or key is something that we do not do. The handshake stays open for a better one
    /// for a moment, then it ends with [`CloseReason::Refused`](crate::CloseReason::Refused).
    #[error("refused: {0}")]
    Refused(#[from] Refusal),
    /// The command needs a finished handshake.
    #[error("not connected")]
    NotConnected,
    /// The connection is over.
    #[error("closed")]
    Closed,
    /// More application data than one record carries.
    #[error("too long for one record")]
    TooLong,
    /// The owner has not polled what is waiting to be sent.
    #[error("the send queue is full")]
    QueueFull,
    /// RFC 5705 §4 reserves this label for the protocol itself, or the context is over 65,535 bytes.
    #[error("exporter label is reserved or its context too long")]
    BadExporterInput,
    /// The crypto backend failed at something that only a lack of entropy explains.
    #[error("the crypto backend failed")]
    Crypto,
}

/// Why we will not finish a handshake with this peer, in plain words.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Refusal {
    /// Neither the hello's version nor its supported_versions has one of ours.
    #[error("the peer speaks no version of DTLS that we allow")]
    Version,
    /// The server says that it would have spoken DTLS 1.3, had it seen our hello as it was (RFC 8446 §4.1.3).
    #[error("somebody on the path talked the server into an older version")]
    Downgrade,
    /// None of ours was offered or chosen.
    #[error(
        "no common cipher suite: we speak ECDHE_ECDSA (as a client ECDHE_RSA, too) with AES-GCM or ChaCha20"
    )]
    CipherSuite,
    /// The null compression method is missing.
    #[error("the peer insists on compression")]
    Compression,
    /// RFC 7627 is missing.
    #[error("the peer does not use the extended master secret (RFC 7627)")]
    ExtendedMasterSecret,
    /// None of ours, or P-256 missing for our certificate (RFC 8422 §5.1).
    #[error(
        "no common key exchange group: we speak X25519MLKEM768 (DTLS 1.3), X25519, P-256, P-384; our certificate is on P-256"
    )]
    Group,
    /// Compressed points only.
    #[error("the peer does not take uncompressed points")]
    PointFormat,
    /// `ecdsa_secp256r1_sha256`, which our certificate signs with, is missing, or the peer used one that we do not verify.
    #[error(
        "no common signature algorithm: we sign with ecdsa_secp256r1_sha256, and verify ECDSA and RSA with SHA-2"
    )]
    SignatureAlgorithm,
    /// A hello that says that it renegotiates (RFC 5746 §3.6).
    #[error("renegotiation is refused")]
    Renegotiation,
    /// The server answered an extension that we did not ask, or with a value that we did not offer.
    #[error("the server chose something that we did not offer")]
    NotOffered,
    /// No certificate where one is required.
    #[error("the peer sent no certificate")]
    NoCertificate,
    /// The certificate cannot be read.
    #[error("the peer's certificate cannot be read")]
    BadCertificate,
    /// A readable certificate whose key is neither ECDSA on P-256 or P-384 nor RSA, or not of the cipher suite's kind.
    #[error(
        "the peer's certificate has no ECDSA P-256, P-384 or RSA key, or not the kind that the cipher suite says"
    )]
    CertificateKey,
    /// None of the fingerprints signalled matches the certificate.
    #[error("the peer's certificate does not match the signalled fingerprint")]
    Fingerprint,
    /// The signature in ServerKeyExchange is wrong.
    #[error("the server's key exchange is not signed by its certificate")]
    KeyExchangeSignature,
    /// The peer does not prove that it has the key of its certificate.
    #[error("the client does not prove that it holds the key of its certificate")]
    CertificateVerify,
    /// The peer's key share is not a valid point.
    #[error("the peer's key share is invalid")]
    KeyShare,
    /// The cookie of a hello of DTLS 1.3 is not ours, too old, for another address or for another hello.
    #[error("the hello's cookie is not one of ours, or not for this hello")]
    Cookie,
    /// The transcripts differ: somebody changed the handshake on its way.
    #[error("the Finished message does not verify")]
    Finished,
    /// A protected message came where another one had to come.
    #[error("a handshake message is missing or out of place")]
    UnexpectedMessage,
    /// A protected message is malformed.
    #[error("a protected handshake message is malformed")]
    Malformed,
    /// Our own crypto backend failed.
    #[error("our crypto backend failed")]
    Internal,
}

impl Refusal {
    /// The alert that tells the peer (RFC 5246 §7.2.2).
    #[must_use]
    pub fn alert(self) -> Alert {
        match self {
            Self::Version => Alert::PROTOCOL_VERSION,
            Self::CipherSuite
            | Self::ExtendedMasterSecret
            | Self::Group
            | Self::PointFormat
            | Self::SignatureAlgorithm
            | Self::Renegotiation => Alert::HANDSHAKE_FAILURE,
            Self::Compression | Self::NotOffered | Self::KeyShare | Self::Cookie | Self::Downgrade => {
                Alert::ILLEGAL_PARAMETER
            }
            Self::NoCertificate => Alert::HANDSHAKE_FAILURE,
            Self::BadCertificate | Self::Fingerprint => Alert::BAD_CERTIFICATE,
            Self::CertificateKey => Alert::UNSUPPORTED_CERTIFICATE,
            Self::KeyExchangeSignature | Self::CertificateVerify | Self::Finished => Alert::DECRYPT_ERROR,
            Self::UnexpectedMessage => Alert::UNEXPECTED_MESSAGE,
            Self::Malformed => Alert::DECODE_ERROR,
            Self::Internal => Alert::INTERNAL_ERROR,
        }
    }
}

/// Why [`Connection::new`](crate::Connection::new) refused its arguments.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// No fingerprint to check the peer against, and `danger_accept_any_certificate` is off.
    #[error("no usable fingerprint of the peer (sha-1 does not count)")]
    NoFingerprint,
    /// `mtu` is outside of [`Config::MIN_MTU`](crate::Config::MIN_MTU)..=[`Config::MAX_MTU`](crate::Config::MAX_MTU).
    #[error("the MTU is out of range")]
    Mtu,
    /// A timeout is zero, or the first is longer than the whole.
    #[error("a timeout is zero or the initial one exceeds the whole")]
    Timeout,
    /// `min_version` is above `max_version`.
    #[error("the oldest version is newer than the newest")]
    Versions,
    /// No group, an unknown one, more than there are, or none for DTLS 1.2 although that is allowed.
    #[error("the key exchange groups are empty, unknown, or none for an allowed version")]
    Groups,
    /// The crypto backend failed at something that only a lack of entropy explains.
    #[error("the crypto backend failed")]
    Crypto,
    /// More SRTP profiles than [`Config::MAX_SRTP_PROFILES`](crate::Config::MAX_SRTP_PROFILES), or one whose key
    /// lengths we do not know.
    #[error("an SRTP profile is unknown, or there are too many")]
    SrtpProfiles,
}

/// Why a certificate could not be made or loaded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CertificateError {
    /// Generating the key or signing the certificate failed.
    #[error("generating a certificate failed")]
    Generation,
    /// The PEM text has no certificate, or one that cannot be read.
    #[error("the certificate cannot be read")]
    BadCertificate,
    /// The PEM text has no PKCS #8 ECDSA P-256 key.
    #[error("the private key is not a PKCS #8 ECDSA P-256 key")]
    BadKey,
    /// The key is not the certificate's.
    #[error("the private key does not belong to the certificate")]
    KeyMismatch,
}
