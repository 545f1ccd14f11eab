//! The pages, from inside the binary, with the headers that keep them safe.

use axum::Router;
use axum::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, ETAG, IF_NONE_MATCH, X_FRAME_OPTIONS,
};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use ring::digest::{SHA256, digest};

use crate::http::Shared;
use crate::problem::Problem;

/// Made by `build.rs`: (name below `pages/`, content).
const FILES: &[(&str, &[u8])] = include!(concat!(env!("OUT_DIR"), "/pages.rs"));

/// Nothing inline, nothing from elsewhere, no frames around a page that asks for the camera.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; \
                      media-src 'self' blob:; connect-src 'self'; font-src 'self'; worker-src 'self' blob:; \
                      manifest-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";
const PERMISSIONS: &str = "camera=(self), microphone=(self), display-capture=(self), autoplay=(self), \
                           fullscreen=(self), geolocation=(), payment=(), usb=()";
const PERMISSIONS_POLICY: HeaderName = HeaderName::from_static("permissions-policy");
const OPENER_POLICY: HeaderName = HeaderName::from_static("cross-origin-opener-policy");
const RESOURCE_POLICY: HeaderName = HeaderName::from_static("cross-origin-resource-policy");

/// The pages' addresses; their scripts and styles are found by [`file()`].
pub(crate) fn routes() -> Router<Shared> {
    Router::new()
        .route("/", get(|headers: HeaderMap| page("index.html", headers)))
        .route("/publish", get(|headers: HeaderMap| page("publish.html", headers)))
        .route("/publish/{stream}", get(|headers: HeaderMap| page("publish.html", headers)))
        .route("/watch", get(|headers: HeaderMap| page("watch.html", headers)))
        .route("/watch/{stream}", get(|headers: HeaderMap| page("watch.html", headers)))
}

async fn page(name: &str, headers: HeaderMap) -> Response {
    file(name, &headers)
        .unwrap_or_else(|| Problem::not_found("This binary was built without its pages.").into_response())
}

/// The embedded file of exactly this name: there is no file system to climb about in.
pub(crate) fn file(name: &str, request: &HeaderMap) -> Option<Response> {
    let (_, content) = FILES.iter().find(|(known, _)| *known == name)?;
    let tag = entity_tag(content);
    let unchanged = request
        .get_all(IF_NONE_MATCH)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .any(|known| known.trim().trim_start_matches("W/") == tag || known.trim() == "*");
    let mut response =
        if unchanged { StatusCode::NOT_MODIFIED.into_response() } else { (*content).into_response() };

    let headers = response.headers_mut();
    let fixed = [
        (CONTENT_TYPE, content_type(name)),
        // Asked about at each load, sent again only after an update.
        (CACHE_CONTROL, "no-cache"),
        (CONTENT_SECURITY_POLICY, POLICY),
        (PERMISSIONS_POLICY, PERMISSIONS),
        (OPENER_POLICY, "same-origin"),
        (RESOURCE_POLICY, "same-origin"),
        (X_FRAME_OPTIONS, "DENY"),
    ];
    for (name, value) in fixed {
        headers.insert(name, HeaderValue::from_static(value));
    }
    headers.insert(ETAG, HeaderValue::try_from(tag).expect("quoted hexadecimal digits"));
    Some(response)
}

/// The first 64 bits of the content's SHA-256, quoted.
fn entity_tag(content: &[u8]) -> String {
    let hash = digest(&SHA256, content);
    let digits: String = hash.as_ref().iter().take(8).map(|byte| format!("{byte:02x}")).collect();
    format!("\"{digits}\"")
}

fn content_type(name: &str) -> &'static str {
    match name.rsplit('.').next().unwrap_or_default() {
        "html" => "text/html; charset=utf-8",
        "js" | "mjs" => "text/javascript; charset=utf-8",
        "css" => "text/css; charset=utf-8",
        "svg" => "image/svg+xml",
        "png" => "image/png",
        "ico" => "image/x-icon",
        "json" => "application/json",
        "webmanifest" => "application/manifest+json",
        "woff2" => "font/woff2",
        "txt" | "md" => "text/plain; charset=utf-8",
        _ => "application/octet-stream",
    }
}
