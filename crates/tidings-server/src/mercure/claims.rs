//! The claim that holds the grants: `mercure`, or `https://mercure.rocks/`.

use std::sync::Arc;

use serde::Deserialize;
use serde_json::value::RawValue;
use tidings_hub::{Grants, Selector};

use crate::auth::{AuthError, read_object};
use crate::compact::compact;

/// The selectors a token may list for publishing, and for subscribing.
const MAX_SELECTORS: usize = 1000;

/// What the claim grants.
#[derive(Debug, Default)]
pub(crate) struct Granted {
    pub(crate) publish: Option<Grants>,
    pub(crate) subscribe: Option<Grants>,
    /// JSON without spaces.
    pub(crate) payload: Option<Arc<str>>,
}

#[derive(Deserialize)]
struct ClaimSet<'a> {
    #[serde(borrow)]
    mercure: Option<&'a RawValue>,
    /// The collision-resistant name. It replaces the other.
    #[serde(rename = "https://mercure.rocks/")]
    namespaced: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct MercureClaim<'a> {
    publish: Option<Vec<String>>,
    subscribe: Option<Vec<String>>,
    #[serde(borrow)]
    payload: Option<&'a RawValue>,
}

/// Reads the grants among the claims of a verified token. A token without the claim grants
/// nothing.
pub(crate) fn parse(claims: &str) -> Result<Granted, AuthError> {
    let bad = AuthError::BadClaims { claim: "mercure" };
    let Some(set) = read_object::<ClaimSet<'_>>(claims.as_bytes()) else { return Err(bad) };
    let Some(raw) = set.namespaced.or(set.mercure) else { return Ok(Granted::default()) };
    let claim: MercureClaim<'_> = read_object(raw.get().as_bytes()).ok_or(bad)?;
    Ok(Granted {
        publish: claim.publish.map(|all| grants(all, "mercure.publish")).transpose()?,
        subscribe: claim.subscribe.map(|all| grants(all, "mercure.subscribe")).transpose()?,
        payload: claim.payload.map(|raw| compact(raw.get()).into()),
    })
}

fn grants(selectors: Vec<String>, claim: &'static str) -> Result<Grants, AuthError> {
    if selectors.len() > MAX_SELECTORS {
        return Err(AuthError::BadClaims { claim });
    }
    Ok(Grants::new(selectors.into_iter().map(Selector::new)))
}
