//! An authority for tests: RFC 8555 as far as one order at a time needs it, served by our own listener. It checks
//! nonces, URLs, signatures, requests for certificates, and domains by TLS-ALPN-01 at an address that the test sets.

use std::collections::HashMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use base64::prelude::{BASE64_URL_SAFE_NO_PAD as BASE64, Engine};
use rcgen::{
    BasicConstraints, CertificateParams, CertificateSigningRequestParams, CertifiedIssuer, DnType, IsCa,
    KeyPair, SanType,
};
use ring::signature::{ECDSA_P256_SHA256_FIXED, UnparsedPublicKey};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::watch;
use x509_parser::extensions::GeneralName;

use super::super::*;
use crate::listen::{House, serve};
use crate::places::{ConnectionLimits, Places};
use crate::streams::tests::Fake;
use crate::tests::{gullible, server};
use crate::tls::{ACME_ALPN, server_config};

/// RFC 8737 §6.1: id-pe-acmeIdentifier.
const ACME_IDENTIFIER: &str = "1.3.6.1.5.5.7.1.31";
const TOKEN: &str = "evaGxfADs6pSRb2LAv9IZf17Dt3juxGJ-PCt92wr-oA";

#[derive(Clone)]
pub(super) struct Authority {
    pub(super) url: String,
    pub(super) issuer: Arc<CertifiedIssuer<'static, KeyPair>>,
    state: Arc<Mutex<Book>>,
    _stop: watch::Sender<bool>,
}

/// What the authority knows.
#[derive(Default)]
pub(super) struct Book {
    /// Where domains lead.
    pub(super) target: Option<SocketAddr>,
    /// Accounts' keys (JWK) by URL.
    pub(super) accounts: HashMap<String, Value>,
    pub(super) contacts: Vec<String>,
    pub(super) orders: usize,
    /// Days that certificates live.
    pub(super) days: u64,
    nonces: Vec<String>,
    made: usize,
    domains: Vec<String>,
    /// By domain: what was found wrong, if it was looked.
    checked: HashMap<String, Option<String>>,
    certificate: Option<String>,
}

impl Authority {
    pub(super) async fn start() -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, "Test authority");
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();

        let key = KeyPair::generate().unwrap();
        let certificate =
            CertificateParams::new(["127.0.0.1".to_owned()]).unwrap().signed_by(&key, &issuer).unwrap();
        let key = PrivateKeyDer::Pkcs8(key.serialize_der().into());
        let pair = CertifiedKey::from_der(vec![certificate.der().clone()], key, &default_provider()).unwrap();

        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let url = format!("https://{}", listener.local_addr().unwrap());
        let (stop, stopped) = watch::channel(false);
        let authority = Self {
            url,
            issuer: Arc::new(issuer),
            state: Arc::new(Mutex::new(Book { days: 90, ..Book::default() })),
            _stop: stop,
        };
        let router = Router::new()
            .route("/directory", get(directory))
            .route("/nonce", get(nonce))
            .fallback(post(answer))
            .with_state(authority.clone());
        let house = House {
            tls: Some(server_config(Current::new(pair), false).unwrap()),
            router,
            app: server().app,
            streams: Arc::new(Fake::default()),
            places: Places::new(ConnectionLimits { total: 100, per_address: 100 }),
        };
        tokio::spawn(serve(listener, Arc::new(house), stopped));
        authority
    }

    pub(super) fn book(&self) -> MutexGuard<'_, Book> {
        self.state.lock().unwrap()
    }

    pub(super) fn directory(&self) -> String {
        format!("{}/directory", self.url)
    }

    pub(super) fn root_pem(&self) -> String {
        self.issuer.as_ref().as_ref().pem()
    }

    fn order_state(&self) -> Value {
        let book = self.book();
        let all = |wanted: fn(&Option<String>) -> bool| {
            book.domains.iter().all(|domain| book.checked.get(domain).is_some_and(wanted))
        };
        let failed = book.checked.values().any(Option::is_some);
        let status = match &book.certificate {
            Some(_) => "valid",
            None if failed => "invalid",
            None if all(Option::is_none) => "ready",
            None => "pending",
        };
        let authorizations: Vec<String> =
            book.domains.iter().map(|domain| format!("{}/authz/{domain}", self.url)).collect();
        json!({
            "status": status,
            "authorizations": authorizations,
            "finalize": format!("{}/finalize", self.url),
            "certificate": book.certificate.as_ref().map(|_| format!("{}/certificate", self.url)),
        })
    }

    fn authorization(&self, domain: &str) -> Value {
        let (status, error) = match self.book().checked.get(domain) {
            None => ("pending", Value::Null),
            Some(None) => ("valid", Value::Null),
            Some(Some(why)) => {
                ("invalid", json!({ "type": "urn:ietf:params:acme:error:connection", "detail": why }))
            }
        };
        let challenge = |kind: &str| {
            let url = format!("{}/challenge/{domain}", self.url);
            json!({ "type": kind, "url": url, "token": TOKEN, "status": status, "error": error })
        };
        json!({
            "status": status,
            "identifier": { "type": "dns", "value": domain },
            "challenges": [challenge("http-01"), challenge("tls-alpn-01")],
        })
    }

    /// RFC 8737 §3, from the authority's side.
    async fn check(&self, domain: &str, thumbprint: &str) -> Result<(), String> {
        let target = self.book().target.ok_or("it leads nowhere")?;
        let stream =
            gullible::connect(target, domain, &[ACME_ALPN]).await.map_err(|error| error.to_string())?;
        let (_, session) = stream.get_ref();
        if session.alpn_protocol() != Some(ACME_ALPN) {
            return Err("acme-tls/1 was not chosen".to_owned());
        }
        let chain = session.peer_certificates().ok_or("no certificate")?;
        let (_, shown) = parse_x509_certificate(&chain[0]).map_err(|error| error.to_string())?;
        let names = shown.subject_alternative_name().ok().flatten().ok_or("no names")?;
        if names.value.general_names != [GeneralName::DNSName(domain)] {
            return Err(format!("other names: {:?}", names.value.general_names));
        }
        let digest = ring::digest::digest(&ring::digest::SHA256, format!("{TOKEN}.{thumbprint}").as_bytes());
        let expected = [&[4, 32], digest.as_ref()].concat();
        let extension = shown.extensions().iter().find(|it| it.oid.to_id_string() == ACME_IDENTIFIER);
        match extension {
            Some(it) if it.critical && it.value == expected => Ok(()),
            _ => Err("another key authorisation".to_owned()),
        }
    }

    fn issue(&self, request: &str) -> Result<(), String> {
        let der = BASE64.decode(request).map_err(|error| error.to_string())?;
        let mut request =
            CertificateSigningRequestParams::from_der(&der.into()).map_err(|error| error.to_string())?;
        let mut book = self.book();
        let wanted: Vec<SanType> =
            book.domains.iter().map(|domain| SanType::DnsName(domain.as_str().try_into().unwrap())).collect();
        if request.params.subject_alt_names != wanted {
            return Err("other names than ordered".to_owned());
        }
        let now = SystemTime::now();
        request.params.not_before = now.into();
        request.params.not_after = (now + Duration::from_secs(book.days * 24 * 3600)).into();
        let certificate = request.signed_by(&self.issuer).map_err(|error| error.to_string())?;
        book.certificate = Some(certificate.pem());
        Ok(())
    }

    fn fresh_nonce(&self) -> HeaderValue {
        let mut book = self.book();
        book.made += 1;
        let nonce = format!("nonce{}", book.made);
        book.nonces.push(nonce.clone());
        HeaderValue::try_from(nonce).unwrap()
    }
}

async fn directory(State(authority): State<Authority>) -> Response {
    let url = |path: &str| format!("{}/{path}", authority.url);
    let links = json!({ "newNonce": url("nonce"), "newAccount": url("account"), "newOrder": url("order") });
    links.to_string().into_response()
}

async fn nonce(State(authority): State<Authority>) -> Response {
    [("replay-nonce", authority.fresh_nonce())].into_response()
}

fn problem(kind: &str, detail: impl Into<String>) -> (StatusCode, Value) {
    let kind = format!("urn:ietf:params:acme:error:{kind}");
    (StatusCode::BAD_REQUEST, json!({ "type": kind, "detail": detail.into(), "status": 400 }))
}

/// A signed request (RFC 8555 §6.2).
async fn answer(State(authority): State<Authority>, uri: Uri, headers: HeaderMap, body: Bytes) -> Response {
    let mut answer_headers = HeaderMap::new();
    let (status, body) = match signed(&authority, &uri, &headers, &body) {
        Err(refused) => refused,
        Ok(request) => act(&authority, uri.path(), request, &mut answer_headers).await,
    };
    answer_headers.insert("replay-nonce", authority.fresh_nonce());
    let body = body.as_str().map_or_else(|| body.to_string(), str::to_owned);
    (status, answer_headers, body).into_response()
}

/// A request that has proved who sent it.
struct Signed {
    jwk: Value,
    payload: Value,
}

fn signed(
    authority: &Authority,
    uri: &Uri,
    headers: &HeaderMap,
    body: &[u8],
) -> Result<Signed, (StatusCode, Value)> {
    let malformed = |what: &'static str| problem("malformed", what);
    if headers.get("content-type").is_none_or(|kind| kind != "application/jose+json") {
        return Err(malformed("content type"));
    }
    let body: Value = serde_json::from_slice(body).map_err(|_| malformed("body"))?;
    let part = |name: &str| body[name].as_str().unwrap_or_default();
    let decode = |name: &str| BASE64.decode(part(name)).unwrap_or_default();
    let protected: Value =
        serde_json::from_slice(&decode("protected")).map_err(|_| malformed("protected"))?;
    if protected["url"] != format!("{}{}", authority.url, uri.path()) || protected["alg"] != "ES256" {
        return Err(malformed("URL or algorithm"));
    }
    let jwk = match protected["kid"].as_str() {
        None => protected["jwk"].clone(),
        Some(account) => authority
            .book()
            .accounts
            .get(account)
            .cloned()
            .ok_or_else(|| problem("accountDoesNotExist", account))?,
    };
    let nonce = protected["nonce"].as_str().unwrap_or_default();
    let mut book = authority.book();
    let known =
        book.nonces.iter().position(|known| known == nonce).ok_or_else(|| problem("badNonce", nonce))?;
    book.nonces.swap_remove(known);
    let coordinate = |name: &str| BASE64.decode(jwk[name].as_str().unwrap_or_default()).unwrap_or_default();
    let point = [vec![4], coordinate("x"), coordinate("y")].concat();
    let message = format!("{}.{}", part("protected"), part("payload"));
    UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point)
        .verify(message.as_bytes(), &decode("signature"))
        .map_err(|_| malformed("signature"))?;
    let payload = serde_json::from_slice(&decode("payload")).unwrap_or_default();
    Ok(Signed { jwk, payload })
}

async fn act(
    authority: &Authority,
    path: &str,
    Signed { jwk, payload }: Signed,
    headers: &mut HeaderMap,
) -> (StatusCode, Value) {
    let mut location = |url: String| headers.insert("location", HeaderValue::try_from(url).unwrap());
    match path {
        "/account" if payload["termsOfServiceAgreed"] != true => problem("userActionRequired", "terms"),
        "/account" => {
            let mut book = authority.book();
            let url = format!("{}/account/{}", authority.url, book.accounts.len() + 1);
            book.accounts.insert(url.clone(), jwk);
            book.contacts = serde_json::from_value(payload["contact"].clone()).unwrap_or_default();
            location(url);
            (StatusCode::CREATED, json!({ "status": "valid" }))
        }
        "/order" => {
            let identifiers = payload["identifiers"].as_array().cloned().unwrap_or_default();
            let mut book = authority.book();
            book.domains = identifiers.iter().map(|it| it["value"].as_str().unwrap().to_owned()).collect();
            (book.orders, book.certificate) = (book.orders + 1, None);
            book.checked.clear();
            drop(book);
            location(format!("{}/order/1", authority.url));
            (StatusCode::CREATED, authority.order_state())
        }
        "/order/1" => (StatusCode::OK, authority.order_state()),
        "/finalize" => match authority.issue(payload["csr"].as_str().unwrap_or_default()) {
            Ok(()) => (StatusCode::OK, authority.order_state()),
            Err(why) => problem("badCSR", why),
        },
        "/certificate" => (StatusCode::OK, json!(authority.book().certificate)),
        _ => {
            if let Some(domain) = path.strip_prefix("/authz/") {
                return (StatusCode::OK, authority.authorization(domain));
            }
            let Some(domain) = path.strip_prefix("/challenge/") else { return problem("malformed", path) };
            // RFC 7638: the members that count, in order.
            let (x, y) = (jwk["x"].as_str().unwrap(), jwk["y"].as_str().unwrap());
            let key = format!(r#"{{"crv":"P-256","kty":"EC","x":"{x}","y":"{y}"}}"#);
            let thumbprint = BASE64.encode(ring::digest::digest(&ring::digest::SHA256, key.as_bytes()));
            let result = authority.check(domain, &thumbprint).await;
            authority.book().checked.insert(domain.to_owned(), result.err());
            let challenges = authority.authorization(domain)["challenges"].clone();
            (StatusCode::OK, challenges[1].clone())
        }
    }
}
