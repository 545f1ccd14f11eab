//! Long-term credentials: client and server in dialogue, and everybody who might stand between.

use headwater_stun::attribute::{
    ErrorCode, Nonce, PasswordAlgorithm, PasswordAlgorithms, Realm, UserHash, Username,
};
use headwater_stun::{
    Attempt, Challenge, Claim, Class, Key, LongTerm, Message, MessageBuilder, Method, Refusal,
    SecurityFeatures, TransactionId, User, Verdict, userhash,
};

const ID: TransactionId = TransactionId::new([0x5A; 12]);
const REALM: &str = "example.org";
const BOTH: Option<PasswordAlgorithms<'static>> = Some(PasswordAlgorithms::SHA256_AND_MD5);

/// A server with one user, `matrix` / `secret`.
struct Server {
    features: SecurityFeatures,
    algorithms: Option<PasswordAlgorithms<'static>>,
    nonce: String,
    password: &'static str,
}

impl Server {
    fn new(algorithms: Option<PasswordAlgorithms<'static>>, username_anonymity: bool) -> Self {
        let features = SecurityFeatures { password_algorithms: algorithms.is_some(), username_anonymity };
        let mut server = Self { features, algorithms, nonce: String::new(), password: "secret" };
        server.turn_nonce("first");
        server
    }

    /// A server that has never heard of RFC 8489.
    fn old() -> Self {
        Self { nonce: "f//499k954d6OL34oL9FSTvy64sA".to_owned(), ..Self::new(None, false) }
    }

    fn turn_nonce(&mut self, rest: &str) {
        self.nonce = self.features.cookie() + rest;
    }

    fn challenge(&self, request: &Message<'_>, code: &ErrorCode<'_>) -> Vec<u8> {
        let mut out = Vec::new();
        let challenge = Challenge { realm: REALM, nonce: &self.nonce, algorithms: self.algorithms };
        challenge.respond(request, code, &mut out).finish();
        out
    }

    fn answer(&self, request: &[u8]) -> Vec<u8> {
        let request = Message::parse(request).expect("a message");
        let claim = match Claim::of(&request, self.algorithms) {
            Ok(claim) => claim,
            Err(ErrorCode::UNAUTHENTICATED) => return self.challenge(&request, &ErrorCode::UNAUTHENTICATED),
            Err(code) => {
                let mut out = Vec::new();
                MessageBuilder::error(&request, &code, &mut out).finish();
                return out;
            }
        };
        let is_ours = match claim.user {
            User::Name(name) => name == "matrix",
            User::Hash(hash) => hash == userhash("matrix", REALM),
        };
        let key = claim.algorithm.key("matrix", REALM, self.password);
        if !is_ours || claim.realm != REALM || request.verify_integrity(&key).is_err() {
            return self.challenge(&request, &ErrorCode::UNAUTHENTICATED);
        }
        if claim.nonce != self.nonce {
            return self.challenge(&request, &ErrorCode::STALE_NONCE);
        }
        let mut out = Vec::new();
        claim.sign(MessageBuilder::success(&request, &mut out), &key).finish();
        out
    }
}

fn client() -> LongTerm {
    LongTerm::new("matrix", "secret")
}

fn request(client: &LongTerm, attempt: &mut Attempt) -> Vec<u8> {
    let mut out = Vec::new();
    client.sign(attempt, MessageBuilder::request(Method::BINDING, ID, &mut out)).finish();
    out
}

fn hear(client: &mut LongTerm, attempt: &mut Attempt, response: &[u8]) -> Verdict {
    client.handle_response(attempt, &Message::parse(response).expect("a message"))
}

/// One request until it is decided; `between` may change responses. How many requests it took, and the last.
fn ask(
    client: &mut LongTerm,
    server: &Server,
    mut between: impl FnMut(Vec<u8>) -> Vec<u8>,
) -> (Verdict, usize, Vec<u8>) {
    let mut attempt = Attempt::default();
    for sent in 1.. {
        let bytes = request(client, &mut attempt);
        match hear(client, &mut attempt, &between(server.answer(&bytes))) {
            Verdict::Retry => assert!(sent < 10, "it doesn't end"),
            verdict => return (verdict, sent, bytes),
        }
    }
    unreachable!("the loop ends by returning")
}

/// A response with other attributes: what somebody in between would make of it.
fn forged(
    response: &[u8],
    code: &ErrorCode<'_>,
    nonce: &str,
    list: Option<&PasswordAlgorithms<'_>>,
) -> Vec<u8> {
    let response = Message::parse(response).expect("a message");
    let mut out = Vec::new();
    let builder = MessageBuilder::new(Method::BINDING, Class::Error, response.transaction_id(), &mut out)
        .attribute(code)
        .attribute(&Realm(REALM))
        .attribute(&Nonce(nonce));
    match list {
        Some(list) => builder.attribute(list).finish(),
        None => builder.finish(),
    };
    out
}

#[test]
fn the_first_request_is_plain_and_the_second_is_served() {
    for (server, algorithm, hashed) in [
        (Server::old(), PasswordAlgorithm::Md5, false),
        (Server::new(None, false), PasswordAlgorithm::Md5, false),
        (Server::new(None, true), PasswordAlgorithm::Md5, true),
        (Server::new(BOTH, false), PasswordAlgorithm::Sha256, false),
        (Server::new(Some(PasswordAlgorithms::SHA256), true), PasswordAlgorithm::Sha256, true),
    ] {
        let mut client = client();
        assert_eq!(request(&client, &mut Attempt::default()).len(), 20, "nothing but a header");
        let (verdict, sent, bytes) = ask(&mut client, &server, |it| it);
        assert_eq!((verdict, sent), (Verdict::Genuine, 2));
        assert_eq!((client.algorithm(), client.realm()), (Some(algorithm), Some(REALM)));
        let request = Message::parse(&bytes).expect("a message");
        assert_eq!(request.attribute::<UserHash>().expect("well-formed").is_some(), hashed);
        assert_eq!(request.attribute::<Username<'_>>().expect("well-formed").is_none(), hashed);
        assert_eq!(request.attribute(), Ok(server.algorithms), "the list comes back as it went");
        // What is known is used at once.
        let (verdict, sent, _) = ask(&mut client, &server, |it| it);
        assert_eq!((verdict, sent), (Verdict::Genuine, 1));
    }
}

#[test]
fn a_server_that_asks_for_nothing_is_believed() {
    let (mut client, mut attempt) = (client(), Attempt::default());
    let bytes = request(&client, &mut attempt);
    let mut response = Vec::new();
    MessageBuilder::success(&Message::parse(&bytes).expect("a message"), &mut response).finish();
    assert_eq!(hear(&mut client, &mut attempt, &response), Verdict::Genuine);
}

#[test]
fn a_stale_nonce_costs_one_round() {
    let mut server = Server::new(BOTH, true);
    let mut client = client();
    assert_eq!(ask(&mut client, &server, |it| it).1, 2);
    server.turn_nonce("second");
    let (verdict, sent, _) = ask(&mut client, &server, |it| it);
    assert_eq!((verdict, sent), (Verdict::Genuine, 2));
}

#[test]
fn nonces_that_are_stale_each_time_are_given_up() {
    let server = Server::new(BOTH, false);
    let mut client = client();
    let mut round = 0;
    let stale = |response: Vec<u8>| {
        round += 1;
        let nonce = format!("{}{round}", server.features.cookie());
        forged(&response, &ErrorCode::STALE_NONCE, &nonce, BOTH.as_ref())
    };
    let (verdict, sent, _) = ask(&mut client, &server, stale);
    assert_eq!((verdict, sent), (Verdict::Refused(Refusal::TooManyRetries), 4));
}

#[test]
fn a_wrong_password_is_tried_once() {
    for algorithms in [None, BOTH] {
        let server = Server { password: "another", ..Server::new(algorithms, false) };
        let (verdict, sent, _) = ask(&mut client(), &server, |it| it);
        assert_eq!((verdict, sent), (Verdict::Refused(Refusal::BadCredentials), 2));
    }
}

#[test]
fn who_takes_the_list_of_algorithms_away_is_noticed() {
    let server = Server::new(BOTH, false);
    let strip = |response: Vec<u8>| forged(&response, &ErrorCode::UNAUTHENTICATED, &server.nonce, None);
    let (verdict, sent, _) = ask(&mut client(), &server, strip);
    assert_eq!((verdict, sent), (Verdict::Refused(Refusal::BidDown), 1));
}

#[test]
fn who_takes_list_and_cookie_away_fails_at_the_server() {
    // The request claims a nonce that the server never gave, so the client is told the truth.
    let server = Server::new(BOTH, false);
    let mut first = true;
    let strip = |response: Vec<u8>| match std::mem::take(&mut first) {
        true => forged(&response, &ErrorCode::UNAUTHENTICATED, &server.nonce[13..], None),
        false => response,
    };
    let mut client = client();
    let (verdict, sent, _) = ask(&mut client, &server, strip);
    assert_eq!((verdict, sent), (Verdict::Genuine, 3));
    assert_eq!(client.algorithm(), Some(PasswordAlgorithm::Sha256));
}

#[test]
fn who_shortens_the_list_fails_at_the_server() {
    let server = Server::new(BOTH, false);
    let md5 = PasswordAlgorithms::from_bytes(&[0, 1, 0, 0]).expect("a list");
    let shorten = |response: Vec<u8>| match Message::parse(&response).expect("a message").has_integrity() {
        true => response,
        false => forged(&response, &ErrorCode::UNAUTHENTICATED, &server.nonce, Some(&md5)),
    };
    let (mut client, mut attempt) = (client(), Attempt::default());
    let bytes = request(&client, &mut attempt);
    assert_eq!(hear(&mut client, &mut attempt, &shorten(server.answer(&bytes))), Verdict::Retry);
    let answer = server.answer(&request(&client, &mut attempt));
    let code = Message::parse(&answer).expect("a message").attribute::<ErrorCode<'_>>().expect("a code");
    assert_eq!(code.map(|it| it.code()), Some(400));
    // An unprotected 400 to a signed request could be anybody's.
    assert_eq!(hear(&mut client, &mut attempt, &answer), Verdict::Unauthentic);
}

#[test]
fn what_was_once_proven_is_not_given_away_again() {
    let server = Server::new(BOTH, true);
    let mut client = client();
    assert_eq!(ask(&mut client, &server, |it| it).0, Verdict::Genuine);
    for (nonce, list) in [("weaker", None), ("obMatJos2AAABweaker", BOTH)] {
        let weaken = |response: Vec<u8>| forged(&response, &ErrorCode::STALE_NONCE, nonce, list.as_ref());
        assert_eq!(ask(&mut client, &server, weaken).0, Verdict::Refused(Refusal::BidDown));
        assert_eq!(ask(&mut client, &server, |it| it).0, Verdict::Genuine, "the old state still holds");
    }
}

#[test]
fn broken_challenges_are_refused() {
    let unknown = PasswordAlgorithms::from_bytes(&[0, 9, 0, 0]).expect("a list");
    for (nonce, list, refusal) in [
        ("obMatJos2AAABx", Some(&unknown), Refusal::NoCommonAlgorithm),
        ("obMatJos2AAABx", None, Refusal::BidDown),
        ("obMatJos2gAAAx", None, Refusal::BidDown),
    ] {
        let break_it = |response: Vec<u8>| forged(&response, &ErrorCode::UNAUTHENTICATED, nonce, list);
        let (verdict, ..) = ask(&mut client(), &Server::old(), break_it);
        assert_eq!(verdict, Verdict::Refused(refusal), "{nonce}");
    }
    let bare = |response: Vec<u8>| {
        let response = Message::parse(&response).expect("a message");
        let mut out = Vec::new();
        MessageBuilder::new(Method::BINDING, Class::Error, response.transaction_id(), &mut out)
            .attribute(&ErrorCode::UNAUTHENTICATED)
            .attribute(&Realm(REALM))
            .finish();
        out
    };
    let (verdict, ..) = ask(&mut client(), &Server::old(), bare);
    assert_eq!(verdict, Verdict::Refused(Refusal::BadChallenge));
}

#[test]
fn a_response_without_proof_to_a_request_with_proof_does_not_count() {
    let server = Server::new(BOTH, false);
    let mut client = client();
    assert_eq!(ask(&mut client, &server, |it| it).0, Verdict::Genuine);
    let mut attempt = Attempt::default();
    let bytes = request(&client, &mut attempt);
    let asked = Message::parse(&bytes).expect("a message");
    let (mut plain, mut wrong) = (Vec::new(), Vec::new());
    MessageBuilder::success(&asked, &mut plain).finish();
    MessageBuilder::success(&asked, &mut wrong).integrity(&Key::short_term("secret")).finish();
    assert_eq!(hear(&mut client, &mut attempt, &plain), Verdict::Unauthentic);
    assert_eq!(hear(&mut client, &mut attempt, &wrong), Verdict::Unauthentic);
    assert_eq!(hear(&mut client, &mut attempt, &server.answer(&bytes)), Verdict::Genuine);
}

#[test]
fn claims_that_break_the_rules_are_bad_requests() {
    let key = Key::short_term("x");
    let sha256 = PasswordAlgorithm::Sha256;
    let list = PasswordAlgorithms::SHA256_AND_MD5;
    let claim = |offered, build: &dyn Fn(MessageBuilder<'_>) -> usize| {
        let mut out = Vec::new();
        build(MessageBuilder::request(Method::BINDING, ID, &mut out));
        Claim::of(&Message::parse(&out).expect("a message"), offered).map(|it| (it.algorithm, it.chose))
    };
    let who = |it: MessageBuilder<'_>| -> usize {
        it.attribute(&Username("matrix"))
            .attribute(&Realm(REALM))
            .attribute(&Nonce("n"))
            .integrity(&key)
            .finish()
    };
    let bad = Err(ErrorCode::BAD_REQUEST);
    assert_eq!(claim(BOTH, &|it| it.finish()), Err(ErrorCode::UNAUTHENTICATED));
    assert_eq!(claim(BOTH, &|it| it.integrity(&key).finish()), bad);
    assert_eq!(claim(BOTH, &|it| it.attribute(&Username("matrix")).integrity(&key).finish()), bad);
    assert_eq!(
        claim(BOTH, &|it| it.attribute(&Realm(REALM)).attribute(&Nonce("n")).integrity(&key).finish()),
        bad
    );
    // Older clients know of no algorithms.
    assert_eq!(claim(BOTH, &who), Ok((PasswordAlgorithm::Md5, false)));
    assert_eq!(claim(None, &|it| who(it.attribute(&sha256))), Ok((PasswordAlgorithm::Md5, false)));
    assert_eq!(claim(BOTH, &|it| who(it.attribute(&list).attribute(&sha256))), Ok((sha256, true)));
    // One without the other, another list, one that was not offered, one that nobody knows.
    let only = Some(PasswordAlgorithms::SHA256);
    let (md5, unknown) = (PasswordAlgorithm::Md5, [0, 9, 0, 0]);
    let unknown = PasswordAlgorithms::from_bytes(&unknown).expect("a list");
    assert_eq!(claim(BOTH, &|it| who(it.attribute(&list))), bad);
    assert_eq!(claim(BOTH, &|it| who(it.attribute(&sha256))), bad);
    assert_eq!(claim(only, &|it| who(it.attribute(&list).attribute(&sha256))), bad);
    assert_eq!(claim(only, &|it| who(it.attribute(&PasswordAlgorithms::SHA256).attribute(&md5))), bad);
    assert_eq!(claim(BOTH, &|it| who(it.attribute(&unknown).attribute(&sha256))), bad);
}

#[test]
fn secrets_are_not_printed() {
    let mut client = client();
    ask(&mut client, &Server::new(BOTH, false), |it| it);
    assert_eq!(format!("{client:?}"), r#"LongTerm { realm: Some("example.org"), .. }"#);
}
