mod authority;

use std::net::{Ipv4Addr, SocketAddr};

use axum::Router;
use axum::routing::get;
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use self::authority::Authority;
use super::*;
use crate::listen::{House, serve};
use crate::places::{ConnectionLimits, Places};
use crate::streams::tests::Fake;
use crate::tests::folder::Folder;
use crate::tests::{gullible, server};
use crate::tls::{ACME_ALPN, server_config};

fn settings(authority: &Authority, folder: &Folder, domains: &[&str]) -> AcmeSettings {
    let root = folder.file("root.pem");
    fs::write(&root, authority.root_pem()).unwrap();
    AcmeSettings {
        domains: domains.iter().map(ToString::to_string).collect(),
        contact: vec!["mailto:me@x.example".to_owned()],
        cache: folder.file("cache"),
        directory: authority.directory(),
        root: Some(root),
    }
}

/// Our listener with this certificate, and the port that the authority connects to.
async fn listen(acme: &Acme, authority: &Authority) -> (SocketAddr, watch::Sender<bool>) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    let house = House {
        tls: Some(server_config(acme.current(), true).unwrap()),
        router: Router::new().route("/", get(|| async { "hello" })),
        app: server().app,
        streams: Arc::new(Fake::default()),
        places: Places::new(ConnectionLimits { total: 10, per_address: 10 }),
    };
    let (stop, stopped) = watch::channel(false);
    tokio::spawn(serve(listener, Arc::new(house), stopped));
    authority.book().target = Some(address);
    (address, stop)
}

/// A browser that trusts the authority.
async fn browse(authority: &Authority, address: SocketAddr, name: &str) -> io::Result<TlsStream<TcpStream>> {
    let mut roots = RootCertStore::empty();
    roots.add(authority.issuer.as_ref().as_ref().der().clone()).unwrap();
    let mut config = ClientConfig::builder_with_provider(Arc::new(default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    let stream = TcpStream::connect(address).await?;
    TlsConnector::from(Arc::new(config)).connect(name.to_owned().try_into().unwrap(), stream).await
}

#[tokio::test]
async fn an_authority_that_may_check_the_domains_gives_a_certificate_that_browsers_take() {
    let (authority, folder) = (Authority::start().await, Folder::new("acme-whole"));
    let acme = Acme::new(&settings(&authority, &folder, &["a.example", "b.example"])).unwrap();
    let (address, _stop) = listen(&acme, &authority).await;
    assert!(browse(&authority, address, "a.example").await.is_err(), "there is none yet");
    let keeping = tokio::spawn(acme.keep());
    let come = async {
        loop {
            match browse(&authority, address, "a.example").await {
                Ok(stream) => break stream,
                Err(_none_yet) => sleep(Duration::from_millis(20)).await,
            }
        }
    };
    let mut stream = timeout(Duration::from_secs(30), come).await.unwrap();
    stream.write_all(b"GET / HTTP/1.1\r\nhost: a.example\r\nconnection: close\r\n\r\n").await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert!(answer.ends_with("hello"), "{answer}");
    assert!(browse(&authority, address, "b.example").await.is_ok());
    assert!(browse(&authority, address, "c.example").await.is_err(), "not ordered");
    assert_eq!(authority.book().contacts, ["mailto:me@x.example"]);
    // After the certificate, whoever claims to check a domain is shown nothing.
    let challenged = gullible::connect(address, "a.example", &[ACME_ALPN]).await;
    assert!(challenged.is_err());
    keeping.abort();
}

#[tokio::test]
async fn a_restart_uses_what_was_kept_until_it_is_time_for_a_new_one() {
    let (authority, folder) = (Authority::start().await, Folder::new("acme-kept"));
    let settings = settings(&authority, &folder, &["a.example"]);
    let mut acme = Acme::new(&settings).unwrap();
    assert!(acme.due <= SystemTime::now() && acme.current().get().is_none());
    let (_, _stop) = listen(&acme, &authority).await;
    acme.order().await.unwrap();
    let first = acme.current().get().unwrap().cert.clone();

    let again = Acme::new(&settings).unwrap();
    assert_eq!(again.current().get().unwrap().cert, first);
    let days = again.due.duration_since(SystemTime::now()).unwrap().as_secs() / (24 * 3600);
    assert_eq!(days, 59, "two thirds of 90 days");

    acme.order().await.unwrap();
    assert_ne!(acme.current().get().unwrap().cert, first);
    let (accounts, orders) = {
        let book = authority.book();
        (book.accounts.len(), book.orders)
    };
    assert_eq!((accounts, orders), (1, 2), "the account is kept");
    let other = AcmeSettings { domains: vec!["other.example".to_owned()], ..settings };
    assert!(Acme::new(&other).unwrap().current().get().is_none(), "not for these domains");
}

#[tokio::test]
async fn a_domain_that_leads_elsewhere_is_named_with_what_the_authority_saw() {
    let (authority, folder) = (Authority::start().await, Folder::new("acme-elsewhere"));
    let mut acme = Acme::new(&settings(&authority, &folder, &["a.example"])).unwrap();
    let error = acme.order().await.unwrap_err().to_string();
    assert!(error.contains("a.example") && error.contains("it leads nowhere"), "{error}");
    // A server that knows nothing of the order.
    let stranger = Acme::new(&settings(&authority, &folder, &["a.example"])).unwrap();
    let (_, _stop) = listen(&stranger, &authority).await;
    let error = acme.order().await.unwrap_err().to_string();
    assert!(error.contains("a.example"), "{error}");
    assert!(acme.current().get().is_none());
}

#[tokio::test]
async fn an_account_that_the_authority_has_lost_is_made_anew() {
    let (authority, folder) = (Authority::start().await, Folder::new("acme-lost"));
    let mut acme = Acme::new(&settings(&authority, &folder, &["a.example"])).unwrap();
    let (_, _stop) = listen(&acme, &authority).await;
    acme.order().await.unwrap();
    authority.book().accounts.clear();
    assert!(acme.order().await.is_err());
    acme.order().await.unwrap();
    assert_eq!(authority.book().accounts.len(), 1);
}

#[tokio::test]
async fn an_authority_that_is_not_trusted_or_not_there_is_an_error_and_no_panic() {
    let (authority, folder) = (Authority::start().await, Folder::new("acme-untrusted"));
    let mut settings = settings(&authority, &folder, &["a.example"]);
    let other = rcgen::generate_simple_self_signed(["x".to_owned()]).unwrap();
    fs::write(settings.root.as_ref().unwrap(), other.cert.pem()).unwrap();
    let error = Acme::new(&settings).unwrap().order().await.unwrap_err().to_string();
    assert!(error.contains("127.0.0.1") && error.contains("certificate"), "{error}");
    settings.directory = "https://127.0.0.1:1/directory".to_owned();
    let error = Acme::new(&settings).unwrap().order().await.unwrap_err().to_string();
    assert!(error.contains("127.0.0.1:1"), "{error}");
}

#[tokio::test]
async fn a_broken_cache_is_told_and_ordered_anew() {
    let (authority, folder) = (Authority::start().await, Folder::new("acme-broken"));
    let settings = settings(&authority, &folder, &["a.example"]);
    let mut acme = Acme::new(&settings).unwrap();
    let (_, _stop) = listen(&acme, &authority).await;
    acme.order().await.unwrap();
    for broken in ["", "no PEM", &acme.cache.certificate().unwrap().unwrap()[..300]] {
        acme.cache.store_certificate(broken).unwrap();
        let again = Acme::new(&settings).unwrap();
        assert!(again.current().get().is_none() && again.due <= SystemTime::now(), "{broken}");
    }
    let file = folder.file("root.pem");
    let error = Acme::new(&AcmeSettings { cache: file.clone(), ..settings }).err().unwrap().to_string();
    assert!(error.contains("root.pem"), "{error}");
}

#[cfg(unix)]
#[tokio::test]
async fn keys_are_readable_for_nobody_else() {
    use std::os::unix::fs::PermissionsExt;
    let (authority, folder) = (Authority::start().await, Folder::new("acme-modes"));
    let mut acme = Acme::new(&settings(&authority, &folder, &["a.example"])).unwrap();
    let (_, _stop) = listen(&acme, &authority).await;
    acme.order().await.unwrap();
    let files: Vec<_> = fs::read_dir(folder.file("cache")).unwrap().map(Result::unwrap).collect();
    assert_eq!(files.len(), 2, "{files:?}");
    for file in files {
        assert_eq!(file.metadata().unwrap().permissions().mode() & 0o777, 0o600, "{file:?}");
    }
}
