//! Long-term credentials: what a client learns from any message, and what a server makes of any request.

use headwater_stun::attribute::{ErrorCode, Nonce, PasswordAlgorithms, Realm};
use headwater_stun::{
    Attempt, Challenge, Claim, Key, LongTerm, Message, MessageBuilder, Method, User, Verdict,
};

pub(super) const USER: (&str, &str) = ("user", "password");

/// Whatever a server answers, the next request is a proper message, and one request is not sent again for ever.
pub(super) fn learn(message: &Message<'_>) {
    let (mut credentials, mut attempt) = (LongTerm::new(USER.0, USER.1), Attempt::default());
    let mut retries = 0;
    while credentials.handle_response(&mut attempt, message) == Verdict::Retry {
        retries += 1;
        assert!(retries <= 3, "it doesn't end");
        let mut request = Vec::new();
        let builder = MessageBuilder::request(Method::BINDING, message.transaction_id(), &mut request);
        let len = credentials.sign(&mut attempt, builder).fingerprint();
        assert_eq!(len, request.len());
        let request = Message::parse(&request).expect("we write proper messages");
        assert!(request.has_integrity());
        Claim::of(&request, None).expect("we claim by the rules");
    }
}

/// A server asks for proof with the message's realm and nonce, and understands what our client says to that.
pub(super) fn ask(message: &Message<'_>) {
    let _ = Claim::of(message, None);
    if let Ok(claim) = Claim::of(message, Some(PasswordAlgorithms::SHA256_AND_MD5))
        && let User::Name(name) = claim.user
    {
        let key = claim.algorithm.key(name, claim.realm, USER.1);
        let mut bytes = Vec::new();
        claim.sign(MessageBuilder::success(message, &mut bytes), &key).finish();
        let answer = Message::parse(&bytes).expect("we write proper messages");
        assert_eq!(answer.verify_integrity(&key), Ok(()));
    }
    let (Ok(Some(Realm(realm))), Ok(Some(Nonce(nonce)))) = (message.attribute(), message.attribute()) else {
        return;
    };
    let offered = message.attribute::<PasswordAlgorithms<'_>>().ok().flatten();
    let challenge = Challenge { realm, nonce, algorithms: offered };
    let mut bytes = Vec::new();
    challenge.respond(message, &ErrorCode::UNAUTHENTICATED, &mut bytes).finish();
    let answer = Message::parse(&bytes).expect("we write proper messages");
    let (mut credentials, mut attempt) = (LongTerm::new(USER.0, USER.1), Attempt::default());
    if credentials.handle_response(&mut attempt, &answer) != Verdict::Retry {
        return;
    }
    let mut bytes = Vec::new();
    let request = MessageBuilder::request(Method::BINDING, message.transaction_id(), &mut bytes);
    credentials.sign(&mut attempt, request).fingerprint();
    let request = Message::parse(&bytes).expect("we write proper messages");
    let claim = Claim::of(&request, offered).expect("a client of ours claims by the rules");
    assert_eq!((claim.realm, claim.nonce), (realm, nonce));
    assert_eq!(Some(claim.algorithm), credentials.algorithm());
    assert_eq!(request.verify_integrity(&key_of(&request).expect("signed")), Ok(()));
}

/// The key that our client signed a request with, which its server would know.
pub(super) fn key_of(request: &Message<'_>) -> Option<Key> {
    let offered = request.attribute::<PasswordAlgorithms<'_>>().ok()?;
    let claim = Claim::of(request, offered).ok()?;
    Some(claim.algorithm.key(USER.0, claim.realm, USER.1))
}
