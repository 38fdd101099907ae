//! S3-compatible object stores: credentials, region and endpoint come from the
//! usual `AWS_…` variables.
//!
//! The store stands beside the server on a private network, so this speaks
//! plain HTTP with the client that the server's own HTTP library brings, and
//! signs with the hashes that are there anyway: no second HTTP stack, no TLS.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use hmac::{Hmac, Mac};
use http::{Method, Request};
use http_body_util::BodyExt;
use hyper_util::client::legacy::connect::HttpConnector as TcpConnector;
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use object_store::aws::{AmazonS3, AmazonS3Builder};
use object_store::client::{
    CryptoProvider, DigestAlgorithm, DigestContext, HmacContext, HttpClient, HttpConnector,
    HttpError, HttpErrorKind, HttpRequest, HttpRequestBody, HttpResponse, HttpResponseBody,
    HttpService, Signer, SigningAlgorithm,
};
use object_store::path::Path;
use object_store::signer::Signer as _;
use object_store::{ClientOptions, ObjectStore, RetryConfig};
use sha2::digest::Output;
use sha2::{Digest, Sha256};

use crate::{Error, Result};

const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);
const RESPONSE_TIMEOUT: Duration = Duration::from_secs(30);

/// Opens the bucket of an `s3://` URL, and makes it if it is not there.
pub async fn open(url: &str) -> Result<Arc<dyn ObjectStore>> {
    let store = AmazonS3Builder::from_env()
        .with_url(url)
        .with_http_connector(PlainHttp)
        .with_crypto_provider(Arc::new(Sha2))
        .with_retry(RetryConfig {
            max_retries: 3,
            retry_timeout: Duration::from_secs(10),
            ..RetryConfig::default()
        })
        .build()?;
    if store.list_with_delimiter(None).await.is_err() {
        create_bucket(&store).await?;
    }
    Ok(Arc::new(store))
}

/// `object_store` has no call for this: a signed `PUT` on the bucket itself.
async fn create_bucket(store: &AmazonS3) -> Result<()> {
    let url = store
        .signed_url(Method::PUT, &Path::default(), Duration::from_secs(60))
        .await?;
    let request = Request::put(url.as_str())
        .body(HttpRequestBody::empty())
        .map_err(|err| Error::Invalid(format!("the object store's address: {err}")))?;
    let client = PlainHttp.connect(&ClientOptions::default())?;
    // A refusal is told by the first write, whose error is the better one.
    match client.execute(request).await {
        Ok(response) => tracing::info!(status = %response.status(), "asked for the bucket"),
        Err(err) => tracing::warn!(%err, "cannot ask for the bucket"),
    }
    Ok(())
}

/// HTTP/1.1 without TLS.
#[derive(Debug)]
struct PlainHttp;

#[derive(Debug)]
struct PlainClient(Client<TcpConnector, HttpRequestBody>);

impl HttpConnector for PlainHttp {
    fn connect(&self, _: &ClientOptions) -> object_store::Result<HttpClient> {
        let mut tcp = TcpConnector::new();
        tcp.set_connect_timeout(Some(CONNECT_TIMEOUT));
        tcp.set_nodelay(true);
        let client = Client::builder(TokioExecutor::new()).build(tcp);
        Ok(HttpClient::new(PlainClient(client)))
    }
}

#[async_trait]
impl HttpService for PlainClient {
    async fn call(&self, request: HttpRequest) -> Result<HttpResponse, HttpError> {
        let response = tokio::time::timeout(RESPONSE_TIMEOUT, self.0.request(request))
            .await
            .map_err(|err| HttpError::new(HttpErrorKind::Timeout, err))?
            .map_err(|err| {
                let kind = if err.is_connect() {
                    HttpErrorKind::Connect
                } else {
                    HttpErrorKind::Request
                };
                HttpError::new(kind, err)
            })?;
        Ok(response.map(|body| {
            HttpResponseBody::new(
                body.map_err(|err| HttpError::new(HttpErrorKind::Interrupted, err)),
            )
        }))
    }
}

/// The hashes that signing a request takes. An algorithm that is not SHA-256
/// cannot come up with S3.
#[derive(Debug)]
struct Sha2;

struct Hashing(Sha256, Output<Sha256>);
struct Keyed(Hmac<Sha256>, Output<Sha256>);

impl CryptoProvider for Sha2 {
    fn digest(&self, algorithm: DigestAlgorithm) -> object_store::Result<Box<dyn DigestContext>> {
        match algorithm {
            DigestAlgorithm::Sha256 => Ok(Box::new(Hashing(
                Sha256::new(),
                Output::<Sha256>::default(),
            ))),
            other => Err(unsupported(&other)),
        }
    }

    fn hmac(
        &self,
        algorithm: DigestAlgorithm,
        secret: &[u8],
    ) -> object_store::Result<Box<dyn HmacContext>> {
        match algorithm {
            DigestAlgorithm::Sha256 => {
                let mac = Hmac::new_from_slice(secret).expect("HMAC takes a key of any length");
                Ok(Box::new(Keyed(mac, Output::<Sha256>::default())))
            }
            other => Err(unsupported(&other)),
        }
    }

    fn sign(&self, algorithm: SigningAlgorithm, _: &[u8]) -> object_store::Result<Box<dyn Signer>> {
        Err(unsupported(&algorithm))
    }
}

impl DigestContext for Hashing {
    fn update(&mut self, data: &[u8]) {
        Digest::update(&mut self.0, data);
    }

    fn finish(&mut self) -> object_store::Result<&[u8]> {
        self.1 = self.0.finalize_reset();
        Ok(&self.1)
    }
}

impl HmacContext for Keyed {
    fn update(&mut self, data: &[u8]) {
        Mac::update(&mut self.0, data);
    }

    fn finish(&mut self) -> object_store::Result<&[u8]> {
        self.1 = self.0.clone().finalize().into_bytes();
        Ok(&self.1)
    }
}

fn unsupported(algorithm: &dyn std::fmt::Debug) -> object_store::Error {
    object_store::Error::NotSupported {
        source: format!("{algorithm:?}").into(),
    }
}
