//! The client's side of long-term credentials (RFC 8489 §9.2.3, §9.2.5).
//!
//! ```text
//!  unknown ──(401: realm, nonce, algorithms)──► known ──(438: another nonce)──► known
//!     │ requests go out plain                     │ requests go out signed
//!                                                 └──(401 to a signed request)──► refused
//! ```

use thiserror::Error;
use zeroize::Zeroizing;

use crate::attribute::{ErrorCode, Nonce, PasswordAlgorithm, PasswordAlgorithms, Realm, UserHash, Username};
use crate::nonce_cookie::SecurityFeatures;
use crate::{Attribute, Class, Key, Message, MessageBuilder, ProtectedBuilder, userhash};

/// How often one request is sent again because of 401 or 438. Two is what an honest server needs at most: one
/// challenge, and one nonce that went stale on the way.
const MAX_RETRIES: u8 = 3;

/// A username, a password, and what the server said about how to prove them.
///
/// One serves all requests to one server: what a challenge taught is used for the requests that follow. Each
/// request keeps an [`Attempt`]. The request that is answered by a 401 or 438 is built anew, with a new
/// transaction id; repetitions of one transaction stay the same bytes.
///
/// Username and password are taken as they are: whoever accepts them from people prepares them by the
/// OpaqueString profile (RFC 8265) first.
#[derive(Clone)]
pub struct LongTerm {
    username: String,
    password: Zeroizing<String>,
    /// Counts changes of the key.
    generation: u32,
    session: Option<Session>,
}

/// What the server's last challenge said, and what follows from it.
#[derive(Clone)]
struct Session {
    realm: String,
    nonce: String,
    features: SecurityFeatures,
    /// The value of PASSWORD-ALGORITHMS, sent back as it came, and the choice from it.
    algorithms: Option<(Vec<u8>, PasswordAlgorithm)>,
    key: Key,
    /// A response was verified with the key: what this challenge offered is really the server's.
    proven: bool,
}

/// What one request remembers of its credentials from try to try. Starts as `Attempt::default()`.
#[derive(Clone, Copy, Debug, Default)]
pub struct Attempt {
    /// Which generation of the key signed it.
    signed_by: Option<u32>,
    retries: u8,
}

/// What a response means for the request.
#[expect(clippy::exhaustive_enums, reason = "a response counts, asks again, ends it, or doesn't count")]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It counts: it was made by somebody who knows the password, or the request asked for no proof.
    Genuine,
    /// The server wants proof, or a newer one: send the request again, as a new transaction.
    Retry,
    /// As if it had never come: over UDP go on waiting, over TCP give the request up as unauthentic.
    Unauthentic,
    /// The request has failed.
    Refused(Refusal),
}

/// Why a server and these credentials don't come together.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum Refusal {
    /// The server doesn't accept username or password.
    #[error("the server refuses the credentials")]
    BadCredentials,
    /// The challenge lacks what the server's nonce says it offers, or what it offered before: somebody between
    /// wants weaker credentials than both ends can (RFC 8489 §9.2.1).
    #[error("the server's offer was weakened on the way")]
    BidDown,
    /// The server offers only password algorithms that are not known here.
    #[error("no password algorithm in common")]
    NoCommonAlgorithm,
    /// The challenge has no realm or no nonce, or broken ones.
    #[error("the challenge is incomplete")]
    BadChallenge,
    /// The server found the nonce stale each time.
    #[error("too many challenges for one request")]
    TooManyRetries,
}

impl LongTerm {
    /// Credentials for a server that has not said anything yet.
    #[must_use]
    pub fn new(username: impl Into<String>, password: impl Into<String>) -> Self {
        let password = Zeroizing::new(password.into());
        Self { username: username.into(), password, generation: 0, session: None }
    }

    /// The username.
    #[must_use]
    pub fn username(&self) -> &str {
        &self.username
    }

    /// The server's realm, once it is known.
    #[must_use]
    pub fn realm(&self) -> Option<&str> {
        self.session.as_ref().map(|it| it.realm.as_str())
    }

    /// The password algorithm in use, once it is known.
    #[must_use]
    pub fn algorithm(&self) -> Option<PasswordAlgorithm> {
        self.session.as_ref().map(Session::algorithm)
    }

    /// Forgets what the server said, for the way to another one with the same credentials.
    pub fn reset(&mut self) {
        self.session = None;
        self.generation += 1;
    }

    /// Appends who we are and the proof to a request. Before the first challenge it appends nothing
    /// (RFC 8489 §9.2.3.1).
    pub fn sign<'b>(&self, attempt: &mut Attempt, request: MessageBuilder<'b>) -> ProtectedBuilder<'b> {
        let Some(session) = &self.session else {
            attempt.signed_by = None;
            return request.unprotected();
        };
        attempt.signed_by = Some(self.generation);
        let request = match session.features.username_anonymity {
            true => request.attribute(&UserHash(userhash(&self.username, &session.realm))),
            false => request.attribute(&Username(&self.username)),
        };
        let request = request.attribute(&Realm(&session.realm)).attribute(&Nonce(&session.nonce));
        let Some((list, algorithm)) = &session.algorithms else { return request.integrity(&session.key) };
        let list = PasswordAlgorithms::from_bytes(list).expect("checked when the challenge came");
        request.attribute(&list).attribute(algorithm).integrity_sha256(&session.key)
    }

    /// Says what a response means, and learns from it if it is a challenge.
    pub fn handle_response(&mut self, attempt: &mut Attempt, response: &Message<'_>) -> Verdict {
        match response.class() {
            Class::Error => match response.attribute::<ErrorCode<'_>>() {
                Ok(Some(code)) if matches!(code.code(), 401 | 438) => {
                    return self
                        .handle_challenge(attempt, response, code.code())
                        .unwrap_or_else(Verdict::Refused);
                }
                _ => {}
            },
            Class::Success => {}
            Class::Request | Class::Indication => return Verdict::Unauthentic,
        }
        // RFC 8489 §9.2.5: what the nonce promises must be there in any response.
        let (nonce, list) =
            (response.attribute::<Nonce<'_>>(), response.attribute::<PasswordAlgorithms<'_>>());
        if let (Ok(Some(Nonce(nonce))), Ok(None) | Err(_)) = (nonce, list)
            && SecurityFeatures::of_nonce(nonce).is_some_and(|it| it.password_algorithms)
        {
            return Verdict::Unauthentic;
        }
        // A request without proof was answered without asking for one. (An unprotected 400 is to be ignored
        // by RFC 8489 §9.2.5 even then; but nothing is protected yet, and the owner would wait for nothing.)
        let Some(signed_by) = attempt.signed_by else { return Verdict::Genuine };
        match &mut self.session {
            Some(session) if signed_by == self.generation => match response.verify_integrity(&session.key) {
                Ok(()) => {
                    session.proven = true;
                    Verdict::Genuine
                }
                Err(_) => Verdict::Unauthentic,
            },
            // The key changed while this one was on its way: it can't be told any more.
            _ => attempt.retry().unwrap_or_else(Verdict::Refused),
        }
    }

    fn handle_challenge(
        &mut self,
        attempt: &mut Attempt,
        response: &Message<'_>,
        code: u16,
    ) -> Result<Verdict, Refusal> {
        let Realm(realm) = wanted(response)?;
        let Nonce(nonce) = wanted(response)?;
        let list = response.attribute::<PasswordAlgorithms<'_>>().map_err(|_| Refusal::BadChallenge)?;
        let features = SecurityFeatures::of_nonce(nonce).unwrap_or_default();
        if features.password_algorithms && list.is_none() {
            return Err(Refusal::BidDown);
        }
        let algorithms = match list {
            // In the server's order of preference (RFC 8489 §9.2.5).
            Some(list) => {
                let first = list.known().next().ok_or(Refusal::NoCommonAlgorithm)?;
                Some((list.as_bytes().to_vec(), first))
            }
            None => None,
        };
        let current = self.session.as_ref().filter(|it| it.realm == realm);
        if let Some(known) = current {
            let same = known.algorithms == algorithms
                && known.features.username_anonymity == features.username_anonymity;
            if known.proven && known.exceeds(features, algorithms.is_some()) {
                return Err(Refusal::BidDown);
            }
            // RFC 8489 §9.2.5: never the same proof twice.
            if code == 401 && attempt.signed_by == Some(self.generation) && same {
                return Err(Refusal::BadCredentials);
            }
        }
        let verdict = attempt.retry()?;
        let algorithm = algorithms.as_ref().map_or(PasswordAlgorithm::Md5, |(_, algorithm)| *algorithm);
        let (key, proven) = match current.filter(|it| it.algorithm() == algorithm) {
            Some(known) => (known.key.clone(), known.proven),
            None => {
                self.generation += 1;
                (algorithm.key(&self.username, realm, &self.password), false)
            }
        };
        let (realm, nonce) = (realm.to_owned(), nonce.to_owned());
        self.session = Some(Session { realm, nonce, features, algorithms, key, proven });
        Ok(verdict)
    }
}

impl Session {
    fn algorithm(&self) -> PasswordAlgorithm {
        self.algorithms.as_ref().map_or(PasswordAlgorithm::Md5, |(_, algorithm)| *algorithm)
    }

    /// Whether this challenge offered something that another doesn't.
    fn exceeds(&self, features: SecurityFeatures, algorithms: bool) -> bool {
        self.algorithms.is_some() && !algorithms
            || self.features.username_anonymity && !features.username_anonymity
    }
}

impl Attempt {
    fn retry(&mut self) -> Result<Verdict, Refusal> {
        if self.retries >= MAX_RETRIES {
            return Err(Refusal::TooManyRetries);
        }
        self.retries += 1;
        Ok(Verdict::Retry)
    }
}

impl PasswordAlgorithm {
    /// The key that this algorithm makes.
    #[must_use]
    pub fn key(self, username: &str, realm: &str, password: &str) -> Key {
        match self {
            Self::Md5 => Key::long_term_md5(username, realm, password),
            Self::Sha256 => Key::long_term_sha256(username, realm, password),
        }
    }
}

/// An attribute without which a challenge is none.
fn wanted<'a, A: Attribute<'a>>(response: &Message<'a>) -> Result<A, Refusal> {
    response.attribute().ok().flatten().ok_or(Refusal::BadChallenge)
}

impl std::fmt::Debug for LongTerm {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LongTerm").field("realm", &self.realm()).finish_non_exhaustive()
    }
}
