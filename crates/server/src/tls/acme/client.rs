//! HTTPS towards the authority: one connection a request. They are few, and days apart.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Bytes;
use axum::http::header::HOST;
use axum::http::{HeaderValue, Request, Uri};
use http_body_util::{BodyExt, Limited};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use instant_acme::{BodyWrapper, BytesResponse, Error, HttpClient};
use rustls::crypto::ring::default_provider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use rustls_native_certs::load_native_certs;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

use crate::config::AcmeSettings;
use crate::tls::TlsError;

/// How long one request may take.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(30);
/// Most bytes of an answer: a chain of certificates is the longest.
const MAX_ANSWER: usize = 256 * 1024;

/// Trusts what the system trusts, or one file.
#[derive(Clone)]
pub(super) struct Client(Arc<ClientConfig>);

impl Client {
    pub(super) fn new(settings: &AcmeSettings) -> Result<Self, TlsError> {
        let certificates = match &settings.root {
            Some(file) => {
                let pem = |error| TlsError::Pem { file: file.clone(), error };
                let read: Result<Vec<_>, _> = CertificateDer::pem_file_iter(file).map_err(pem)?.collect();
                read.map_err(pem)?
            }
            None => load_native_certs().certs,
        };
        let mut roots = RootCertStore::empty();
        if roots.add_parsable_certificates(certificates).0 == 0 {
            return Err(TlsError::NoRoots);
        }
        let config = ClientConfig::builder_with_provider(Arc::new(default_provider()))
            .with_safe_default_protocol_versions()?
            .with_root_certificates(roots)
            .with_no_client_auth();
        Ok(Self(Arc::new(config)))
    }
}

impl HttpClient for Client {
    fn request(
        &self,
        request: Request<BodyWrapper<Bytes>>,
    ) -> Pin<Box<dyn Future<Output = Result<BytesResponse, Error>> + Send>> {
        let connector = TlsConnector::from(Arc::clone(&self.0));
        Box::pin(async move {
            let authority = request.uri().authority().map(ToString::to_string).unwrap_or_default();
            let failed = |why: String| Error::Other(format!("{authority}: {why}").into());
            match timeout(REQUEST_TIMEOUT, exchange(connector, request)).await {
                Ok(Ok(response)) => Ok(response),
                Ok(Err(error)) => Err(failed(error.to_string())),
                Err(elapsed) => Err(failed(elapsed.to_string())),
            }
        })
    }
}

type AnyError = Box<dyn std::error::Error + Send + Sync>;

async fn exchange(
    connector: TlsConnector,
    mut request: Request<BodyWrapper<Bytes>>,
) -> Result<BytesResponse, AnyError> {
    let uri = request.uri().clone();
    // What a directory names must not lead elsewhere than it itself may.
    let (Some("https"), Some(authority)) = (uri.scheme_str(), uri.authority()) else {
        return Err(format!("{uri} is no https:// URL").into());
    };
    let host = authority.host().trim_matches(['[', ']']);
    let stream = TcpStream::connect((host, authority.port_u16().unwrap_or(443))).await?;
    let stream = connector.connect(ServerName::try_from(host.to_owned())?, stream).await?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    // Ends when the sender is gone and the answer is read, or given up.
    tokio::spawn(connection);
    request.headers_mut().insert(HOST, HeaderValue::try_from(authority.as_str())?);
    *request.uri_mut() = Uri::from(uri.path_and_query().cloned().ok_or("no path")?);
    let (parts, body) = sender.send_request(request).await?.into_parts();
    let body = Limited::new(body, MAX_ANSWER).collect().await?.to_bytes();
    Ok(BytesResponse { parts, body: Box::new(body) })
}
