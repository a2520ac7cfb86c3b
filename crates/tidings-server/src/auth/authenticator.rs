//! From a request to an identity.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::SystemTime;

use http::request::Parts;
use tidings_hub::Grants;

use super::authorize::Authorizer;
use super::jwks::KeySet;
use super::kicks::Kicks;
use super::token::{Claims, Token};
use super::{AuthConfig, AuthConfigError, AuthError, Identity, KeySource, Role, VerificationKey};
use crate::mercure::claims;
use crate::mercure::credentials::{self, CredentialRules};
use crate::origin::OriginPattern;

/// Finds out who sends a request. Made once, shared by all requests.
#[derive(Debug)]
pub struct Authenticator {
    publisher: Option<Keys>,
    subscriber: Option<Keys>,
    anonymous: bool,
    anonymous_publish: bool,
    rules: CredentialRules,
    /// Who is asked about requests without a token.
    authorizer: Option<Authorizer>,
    kicks: Arc<Kicks>,
}

/// What verifies the tokens of a role.
#[derive(Debug, Clone)]
enum Keys {
    One(Arc<VerificationKey>),
    Set(KeySet),
}

impl Authenticator {
    /// Checks the configuration, and fetches the key sets. A key set whose server does not answer
    /// is fetched later; until then its tokens are [`AuthError::KeysUnavailable`].
    ///
    /// Must be called within a tokio runtime, which keeps the key sets up to date as long as the
    /// authenticator lives.
    ///
    /// # Errors
    /// [`AuthConfigError`] says which setting is not usable.
    pub async fn new(config: AuthConfig) -> Result<Self, AuthConfigError> {
        if !credentials::is_cookie_name(&config.cookie_name) {
            return Err(AuthConfigError::CookieName);
        }
        let publish_origins = config
            .publish_origins
            .iter()
            .map(|entry| OriginPattern::new(entry))
            .collect::<Result<_, _>>()
            .map_err(AuthConfigError::PublishOrigin)?;
        let publisher = open(Role::Publisher, config.publisher.as_ref()).await?;
        let subscriber = if config.subscriber == config.publisher {
            publisher.clone()
        } else {
            open(Role::Subscriber, config.subscriber.as_ref()).await?
        };
        let kicks = Arc::new(Kicks::default());
        let authorizer = config
            .authorize
            .as_ref()
            .map(|authorize| Authorizer::new(authorize, Arc::clone(&kicks)))
            .transpose()?;
        Ok(Self {
            publisher,
            subscriber,
            anonymous: config.anonymous,
            anonymous_publish: config.anonymous_publish,
            rules: CredentialRules { cookie_name: config.cookie_name, publish_origins },
            authorizer,
            kicks,
        })
    }

    /// Whose streams were ended lately.
    /// Whether the page that a request for which the host vouches comes from may publish.
    pub(crate) fn check_own_page(&self, request: &Parts) -> Result<(), AuthError> {
        credentials::check_own_page(request, &self.rules)
    }

    pub(crate) fn kicks(&self) -> &Arc<Kicks> {
        &self.kicks
    }

    /// Finds out who sends a request, by the token it carries or by asking the application. A token that a key of the
    /// role is there for decides, even a bad one.
    pub(crate) async fn identify(
        &self,
        role: Role,
        request: &Parts,
        address: Option<IpAddr>,
    ) -> Result<Identity, AuthError> {
        match self.ask(role, request, address).await? {
            Some(identity) => Ok(identity),
            None => self.authenticate(role, request, SystemTime::now()).await,
        }
    }

    /// Finds out who asks for the list of active subscriptions, as [`identify`](Self::identify) does.
    pub(crate) async fn identify_watcher(
        &self,
        request: &Parts,
        address: Option<IpAddr>,
    ) -> Result<Identity, AuthError> {
        match self.ask(Role::Subscriber, request, address).await? {
            Some(identity) => Ok(identity),
            None => self.authenticate_watcher(request, SystemTime::now()).await,
        }
    }

    /// The application's answer; `None` where it is not for the application to decide.
    async fn ask(
        &self,
        role: Role,
        request: &Parts,
        address: Option<IpAddr>,
    ) -> Result<Option<Identity>, AuthError> {
        let Some(authorizer) = &self.authorizer else { return Ok(None) };
        let keys = match role {
            Role::Publisher => &self.publisher,
            Role::Subscriber => &self.subscriber,
        };
        if keys.is_some() && credentials::carries_token(request, &self.rules) {
            return Ok(None);
        }
        if role == Role::Publisher {
            credentials::check_page(request, &self.rules)?;
        }
        let has_keys = self.publisher.is_some() || self.subscriber.is_some();
        authorizer.authorize(role, request, address, has_keys).await.map(Some)
    }

    /// Verifies the token of a request for the list of active subscriptions. It is for those who have a grant, unless
    /// nobody can have one: where anybody may subscribe and subscribers have no key, anybody may see the list (Mercure
    /// ACT-5).
    ///
    /// # Errors
    /// As [`authenticate`](Self::authenticate), and [`AuthError::MissingToken`] where anonymous subscribers are let in
    /// beside those with tokens.
    pub async fn authenticate_watcher(
        &self,
        request: &Parts,
        now: SystemTime,
    ) -> Result<Identity, AuthError> {
        if self.subscriber.is_none() && self.anonymous {
            return Ok(Identity { subscribe: Some(Grants::all()), ..Identity::anonymous() });
        }
        let credential = credentials::find(request, &self.rules)?.ok_or(AuthError::MissingToken)?;
        let keys = self.subscriber.as_ref().ok_or(AuthError::NoKey)?;
        identity(&keys.verify(&credential, now).await?)
    }

    /// Verifies the token of a request, or lets it pass as anonymous where that is allowed. No application is asked.
    ///
    /// A token that is shown has to be valid, even where none is needed. The one exception: where
    /// a role is open to all and has no key, it is not looked at.
    ///
    /// # Errors
    /// [`AuthError`] says why the request is not authenticated. That a token grants what the
    /// request wants is not checked here.
    ///
    /// # Cancel safety
    /// Cancel safe: a fetch of the key set that this call asked for goes on.
    pub async fn authenticate(
        &self,
        role: Role,
        request: &Parts,
        now: SystemTime,
    ) -> Result<Identity, AuthError> {
        let (keys, anonymous) = match role {
            Role::Publisher => (&self.publisher, self.anonymous_publish),
            Role::Subscriber => (&self.subscriber, self.anonymous),
        };
        let open = anonymous.then(|| match role {
            Role::Publisher => Identity { publish: Some(Grants::all()), ..Identity::anonymous() },
            Role::Subscriber => Identity::anonymous(),
        });
        match (keys, open) {
            (None, Some(anyone)) => Ok(anyone),
            (keys, open) => match credentials::find(request, &self.rules)? {
                Some(credential) => {
                    let keys = keys.as_ref().ok_or(AuthError::NoKey)?;
                    identity(&keys.verify(&credential, now).await?)
                }
                // Where there is no key no token helps.
                None if keys.is_none() && open.is_none() => Err(AuthError::NoKey),
                None => open.ok_or(AuthError::MissingToken),
            },
        }
    }
}

async fn open(role: Role, source: Option<&KeySource>) -> Result<Option<Keys>, AuthConfigError> {
    Ok(match source {
        None => None,
        Some(KeySource::Key { secret_or_pem, algorithm }) => {
            let key = VerificationKey::new(secret_or_pem, *algorithm)
                .map_err(|source| AuthConfigError::Key { role, source })?;
            Some(Keys::One(Arc::new(key)))
        }
        Some(KeySource::JwksUrl { url, refresh }) => {
            let set = KeySet::open(url, *refresh)
                .await
                .map_err(|source| AuthConfigError::KeySet { role, source })?;
            Some(Keys::Set(set))
        }
    })
}

impl Keys {
    async fn verify(&self, token: &str, now: SystemTime) -> Result<Claims, AuthError> {
        let token = Token::parse(token)?;
        match self {
            Self::One(key) => token.verify(key, now),
            Self::Set(set) => {
                let key = set.key(&token).await?;
                token.verify(&key, now)
            }
        }
    }
}

fn identity(claims: &Claims) -> Result<Identity, AuthError> {
    let granted = claims::parse(claims.json())?;
    Ok(Identity {
        user: claims.subject.clone(),
        session: claims.session.clone(),
        topics: None,
        publish: granted.publish,
        subscribe: granted.subscribe,
        payload: granted.payload,
        expires_at: claims.expires_at,
    })
}
