//! Where the API is and who asks.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_TYPE, HeaderValue};
use http::{Method, Request};
use oxwhisk_entity::EntityName;
use serde::Serialize;

use crate::actions::Actions;
use crate::activations::Activations;
use crate::answer::Answer;
use crate::error::ClientError;
use crate::host::ApiHost;
use crate::packages::Packages;
use crate::reference::EntityRef;
use crate::route::{Page, Route};
use crate::rules::Rules;
use crate::transport::{Transport, TransportConfig};
use crate::triggers::Triggers;

/// A client with one key. Clones share their connections.
#[derive(Debug, Clone)]
pub struct Client {
    transport: Transport,
    host: ApiHost,
    /// Marked as sensitive, so that it is not printed.
    authorization: HeaderValue,
    /// The namespace of names that have none; that of the key if unset.
    namespace: Option<EntityName>,
}

impl Client {
    /// Makes a client with a key, `uuid:secret`. It connects when it is used.
    ///
    /// # Errors
    /// [`ClientError::Key`]; [`ClientError::NoTls`] for an `https` address.
    pub fn new(host: ApiHost, key: &str) -> Result<Self, ClientError> {
        Self::with_transport(Transport::new(TransportConfig::default()), host, key)
    }

    /// Makes a client that sends its requests in its own way.
    ///
    /// # Errors
    /// [`ClientError::Key`]; [`ClientError::NoTls`] for an `https` address.
    pub fn with_transport(
        transport: Transport,
        host: ApiHost,
        key: &str,
    ) -> Result<Self, ClientError> {
        if host.scheme() == "https" {
            return Err(ClientError::NoTls);
        }
        if !key.contains(':') {
            return Err(ClientError::Key);
        }
        let value = format!("Basic {}", STANDARD.encode(key));
        let mut authorization = HeaderValue::try_from(value).map_err(|_| ClientError::Key)?;
        authorization.set_sensitive(true);
        Ok(Self {
            transport,
            host,
            authorization,
            namespace: None,
        })
    }

    /// Returns a client that waits so long for an answer, over the same connections.
    #[must_use]
    pub fn with_timeout(&self, timeout: Duration) -> Self {
        Self {
            transport: self.transport.with_timeout(timeout),
            ..self.clone()
        }
    }

    /// Returns a client for which names without a namespace are in this one.
    #[must_use]
    pub fn in_namespace(&self, namespace: EntityName) -> Self {
        Self {
            namespace: Some(namespace),
            ..self.clone()
        }
    }

    /// Returns the address of the API.
    #[must_use]
    pub fn host(&self) -> &ApiHost {
        &self.host
    }

    /// Returns the actions.
    #[must_use]
    pub fn actions(&self) -> Actions<'_> {
        Actions(self)
    }

    /// Returns the activations.
    #[must_use]
    pub fn activations(&self) -> Activations<'_> {
        Activations(self)
    }

    /// Returns the packages.
    #[must_use]
    pub fn packages(&self) -> Packages<'_> {
        Packages(self)
    }

    /// Returns the triggers.
    #[must_use]
    pub fn triggers(&self) -> Triggers<'_> {
        Triggers(self)
    }

    /// Returns the rules.
    #[must_use]
    pub fn rules(&self) -> Rules<'_> {
        Rules(self)
    }

    /// `/api/v1/namespaces/{ns}/{collection}`
    pub(crate) fn collection(&self, collection: &str) -> Route {
        self.own().then(collection)
    }

    /// `/api/v1/namespaces/{ns}`
    pub(crate) fn own(&self) -> Route {
        Route::namespace(self.namespace.as_ref())
    }

    /// `/api/v1/namespaces/{ns}/{collection}/[{pkg}/]{name}`
    pub(crate) fn entity(&self, collection: &str, entity: &EntityRef) -> Route {
        let namespace = entity.namespace.as_ref().or(self.namespace.as_ref());
        let route = Route::namespace(namespace).then(collection);
        let route = match &entity.package {
            Some(package) => route.then(package.as_str()),
            None => route,
        };
        route.then(entity.name.as_str())
    }

    pub(crate) async fn get(&self, route: Route) -> Result<Answer, ClientError> {
        self.exchange(Method::GET, &route, None).await?.accepted()
    }

    pub(crate) async fn delete(&self, route: Route) -> Result<Answer, ClientError> {
        let answer = self.exchange(Method::DELETE, &route, None).await?;
        answer.accepted()
    }

    pub(crate) async fn put(
        &self,
        route: Route,
        body: &(impl Serialize + ?Sized),
    ) -> Result<Answer, ClientError> {
        let body = json(body)?;
        let answer = self.exchange(Method::PUT, &route, Some(body)).await?;
        answer.accepted()
    }

    /// Posts, and returns the answer also if it is no success: the outcome of an action that failed is one.
    pub(crate) async fn post(
        &self,
        route: Route,
        body: &(impl Serialize + ?Sized),
    ) -> Result<Answer, ClientError> {
        self.exchange(Method::POST, &route, Some(json(body)?)).await
    }

    /// Returns how many entries a list has, without those that are skipped.
    pub(crate) async fn count(&self, collection: &str, route: Route) -> Result<u64, ClientError> {
        let answer = self.get(route.with("count", true)).await?;
        let count: std::collections::BTreeMap<String, u64> = answer.read()?;
        count
            .get(collection)
            .copied()
            .ok_or_else(|| answer.unreadable("the count is missing"))
    }

    pub(crate) fn page(&self, collection: &str, page: Page) -> Route {
        self.collection(collection).page(page)
    }

    async fn exchange(
        &self,
        method: Method,
        route: &Route,
        body: Option<Bytes>,
    ) -> Result<Answer, ClientError> {
        let mut request = Request::builder()
            .method(method)
            .uri(format!("{}{}", self.host, route.target()))
            // No `Accept`: some answers of the API are plain text, and servers refuse to give them as JSON.
            .header(AUTHORIZATION, &self.authorization);
        if body.is_some() {
            request = request.header(CONTENT_TYPE, "application/json");
        }
        let request = request
            .body(body.unwrap_or_default())
            .map_err(ClientError::Request)?;
        self.transport.send(request).await.map(Answer)
    }
}

fn json(value: &(impl Serialize + ?Sized)) -> Result<Bytes, ClientError> {
    serde_json::to_vec(value)
        .map(Bytes::from)
        .map_err(ClientError::Arguments)
}
