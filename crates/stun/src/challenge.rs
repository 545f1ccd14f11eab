//! The server's side of long-term credentials: what it asks for, and what a client claims (RFC 8489 §9.2.4).
//!
//! Here are the rules that need no memory. Which users there are and how long a nonce lives is the server's.
//!
//! ```text
//!  request ── Claim::of ──► 401 / 400          (plain request, or one that breaks the rules)
//!                └─► claim ── user? ──► 401   ── integrity? ──► 401   ── nonce? ──► 438   ── served, signed
//! ```

use crate::attribute::{ErrorCode, Nonce, PasswordAlgorithm, PasswordAlgorithms, Realm, UserHash, Username};
use crate::{Attribute, Key, Message, MessageBuilder, ProtectedBuilder};

/// What a 401 or 438 asks a client for.
#[expect(clippy::exhaustive_structs, reason = "the three attributes that RFC 8489 gives a challenge")]
#[derive(Clone, Copy, Debug)]
pub struct Challenge<'a> {
    /// The realm.
    pub realm: &'a str,
    /// The nonce. With `algorithms` it starts with a cookie that announces them
    /// ([`SecurityFeatures`](crate::SecurityFeatures)).
    pub nonce: &'a str,
    /// The list of password algorithms; without one it is MD5.
    pub algorithms: Option<PasswordAlgorithms<'a>>,
}

impl Challenge<'_> {
    /// Starts the error response to `request` with the challenge: `code` is
    /// [`UNAUTHENTICATED`](ErrorCode::UNAUTHENTICATED) or [`STALE_NONCE`](ErrorCode::STALE_NONCE).
    pub fn respond<'b>(
        &self,
        request: &Message<'_>,
        code: &ErrorCode<'_>,
        buf: &'b mut Vec<u8>,
    ) -> MessageBuilder<'b> {
        let response = MessageBuilder::error(request, code, buf)
            .attribute(&Realm(self.realm))
            .attribute(&Nonce(self.nonce));
        match &self.algorithms {
            Some(algorithms) => response.attribute(algorithms),
            None => response,
        }
    }
}

/// Who sent a request, in the client's words.
#[expect(clippy::exhaustive_enums, reason = "USERNAME or USERHASH")]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum User<'a> {
    /// USERNAME.
    Name(&'a str),
    /// USERHASH: compare with [`userhash`](crate::userhash()) of each user and the realm.
    Hash([u8; 32]),
}

/// What a request with an integrity attribute says of itself. Nothing of it is proven yet.
#[non_exhaustive]
#[derive(Clone, Copy, Debug)]
pub struct Claim<'a> {
    /// Who.
    pub user: User<'a>,
    /// REALM.
    pub realm: &'a str,
    /// NONCE. To be compared whole, cookie included: that is what protects the cookie.
    pub nonce: &'a str,
    /// How the password becomes the key.
    pub algorithm: PasswordAlgorithm,
    /// The client chose from the list: responses are signed with SHA-256, otherwise with SHA-1.
    pub chose: bool,
}

impl<'a> Claim<'a> {
    /// Reads the claim of a request to a server that offers these `algorithms`.
    ///
    /// A client that doesn't know of algorithms claims MD5, whatever is offered.
    ///
    /// # Errors
    /// What to answer: [`UNAUTHENTICATED`](ErrorCode::UNAUTHENTICATED) with a [`Challenge`] if the request has no
    /// integrity attribute; [`BAD_REQUEST`](ErrorCode::BAD_REQUEST), without one, if it lacks user, realm or nonce,
    /// chooses an algorithm that was not offered, or doesn't send back the list that was.
    pub fn of(
        request: &Message<'a>,
        algorithms: Option<PasswordAlgorithms<'_>>,
    ) -> Result<Self, ErrorCode<'static>> {
        if !request.has_integrity() {
            return Err(ErrorCode::UNAUTHENTICATED);
        }
        let user = match (optional(request)?, optional(request)?) {
            (Some(Username(name)), _) => User::Name(name),
            (None, Some(UserHash(hash))) => User::Hash(hash),
            (None, None) => return Err(ErrorCode::BAD_REQUEST),
        };
        let Realm(realm) = optional(request)?.ok_or(ErrorCode::BAD_REQUEST)?;
        let Nonce(nonce) = optional(request)?.ok_or(ErrorCode::BAD_REQUEST)?;
        let (algorithm, chose) = match algorithms {
            None => (PasswordAlgorithm::Md5, false),
            Some(offered) => match (optional::<PasswordAlgorithms<'_>>(request)?, optional(request)?) {
                (None, None) => (PasswordAlgorithm::Md5, false),
                (Some(echo), Some(choice))
                    if echo.as_bytes() == offered.as_bytes() && offered.known().any(|it| it == choice) =>
                {
                    (choice, true)
                }
                _ => return Err(ErrorCode::BAD_REQUEST),
            },
        };
        Ok(Self { user, realm, nonce, algorithm, chose })
    }

    /// Appends the integrity attribute that this client expects in responses (RFC 8489 §9.2.4).
    pub fn sign<'b>(&self, response: MessageBuilder<'b>, key: &Key) -> ProtectedBuilder<'b> {
        if self.chose { response.integrity_sha256(key) } else { response.integrity(key) }
    }
}

fn optional<'a, A: Attribute<'a>>(request: &Message<'a>) -> Result<Option<A>, ErrorCode<'static>> {
    request.attribute().map_err(|_| ErrorCode::BAD_REQUEST)
}
