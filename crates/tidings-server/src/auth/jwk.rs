//! A JSON Web Key Set document (RFC 7517) as verification keys.

use std::borrow::Cow;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::token::Token;
use super::{Algorithm, AuthError, VerificationKey};

/// Keys of a set that are looked at. A set with more is cut.
const MAX_KEYS: usize = 100;

/// The marker before an elliptic curve's uncompressed point (SEC 1, 2.3.3).
const UNCOMPRESSED_POINT: u8 = 4;

/// The public keys of a set. Keys that cannot verify a token here are left out: shared secrets,
/// keys for encryption, unknown kinds.
#[derive(Debug)]
pub(super) struct Jwks {
    entries: Vec<Entry>,
}

/// A key for one algorithm. A key of several algorithms has as many entries.
#[derive(Debug)]
struct Entry {
    id: Option<String>,
    key: Arc<VerificationKey>,
}

/// What a set knows of a token's key.
pub(super) enum Lookup {
    Found(Arc<VerificationKey>),
    /// The set has no such key, but a newer one may.
    Unknown,
}

#[derive(Deserialize)]
struct Document<'a> {
    #[serde(borrow)]
    keys: Vec<&'a RawValue>,
}

#[derive(Deserialize)]
struct Jwk<'a> {
    #[serde(borrow)]
    kty: Cow<'a, str>,
    kid: Option<String>,
    alg: Option<Cow<'a, str>>,
    #[serde(rename = "use")]
    purpose: Option<Cow<'a, str>>,
    key_ops: Option<Vec<String>>,
    crv: Option<Cow<'a, str>>,
    n: Option<Cow<'a, str>>,
    e: Option<Cow<'a, str>>,
    x: Option<Cow<'a, str>>,
    y: Option<Cow<'a, str>>,
}

impl Jwks {
    /// Reads a document. A damaged key is left out, a damaged document is an error.
    pub(super) fn parse(json: &[u8]) -> Result<Self, serde_json::Error> {
        let document: Document<'_> = serde_json::from_slice(json)?;
        let entries = document
            .keys
            .into_iter()
            .take(MAX_KEYS)
            .filter_map(|raw| serde_json::from_str::<Jwk<'_>>(raw.get()).ok())
            .flat_map(Jwk::entries)
            .collect();
        Ok(Self { entries })
    }

    /// Whether no key can be used.
    pub(super) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Finds the key a token names. A token that names none gets the only one of its algorithm.
    pub(super) fn find(&self, token: &Token<'_>) -> Result<Lookup, AuthError> {
        let fits = |entry: &&Entry| entry.key.algorithm().name() == token.algorithm();
        let Some(id) = token.key_id() else {
            let mut fitting = self.entries.iter().filter(fits);
            return Ok(match (fitting.next(), fitting.next()) {
                (Some(only), None) => Lookup::Found(only.key.clone()),
                _ => Lookup::Unknown,
            });
        };
        let mut named = self.entries.iter().filter(|entry| entry.id.as_deref() == Some(id));
        match named.clone().find(fits) {
            Some(entry) => Ok(Lookup::Found(entry.key.clone())),
            None if named.next().is_some() => Err(AuthError::WrongAlgorithm),
            None => Ok(Lookup::Unknown),
        }
    }
}

impl Jwk<'_> {
    fn entries(self) -> Vec<Entry> {
        let signs = self.purpose.as_deref().is_none_or(|purpose| purpose == "sig")
            && self.key_ops.as_ref().is_none_or(|all| all.iter().any(|one| one == "verify"));
        if !signs {
            return Vec::new();
        }
        let algorithms = self.algorithms().iter();
        let stated = self.alg.as_deref();
        algorithms
            .filter(|algorithm| stated.is_none_or(|name| name == algorithm.name()))
            .filter_map(|&algorithm| self.key(algorithm))
            .map(|key| Entry { id: self.kid.clone(), key: Arc::new(key) })
            .collect()
    }

    /// The algorithms its kind of key can be used with.
    fn algorithms(&self) -> &'static [Algorithm] {
        match (&*self.kty, self.crv.as_deref()) {
            ("RSA", _) => &[
                Algorithm::Rs256,
                Algorithm::Rs384,
                Algorithm::Rs512,
                Algorithm::Ps256,
                Algorithm::Ps384,
                Algorithm::Ps512,
            ],
            ("EC", Some("P-256")) => &[Algorithm::Es256],
            ("EC", Some("P-384")) => &[Algorithm::Es384],
            ("EC", Some("P-521")) => &[Algorithm::Es512],
            ("OKP", Some("Ed25519")) => &[Algorithm::EdDsa],
            _ => &[],
        }
    }

    fn key(&self, algorithm: Algorithm) -> Option<VerificationKey> {
        match &*self.kty {
            "RSA" => {
                let modulus = decode(self.n.as_deref()?)?;
                let exponent = decode(self.e.as_deref()?)?;
                VerificationKey::from_rsa(unpadded(&modulus), unpadded(&exponent), algorithm)
            }
            "EC" => {
                let mut point = vec![UNCOMPRESSED_POINT];
                point.extend(decode(self.x.as_deref()?)?);
                point.extend(decode(self.y.as_deref()?)?);
                VerificationKey::from_public(&point, algorithm)
            }
            _ => VerificationKey::from_public(&decode(self.x.as_deref()?)?, algorithm),
        }
        .ok()
    }
}

fn decode(member: &str) -> Option<Vec<u8>> {
    URL_SAFE_NO_PAD.decode(member).ok()
}

/// Without leading zeros, which some issuers write though RFC 7518, 6.3.1 has none.
fn unpadded(number: &[u8]) -> &[u8] {
    let zeros = number.iter().take_while(|&&byte| byte == 0).count();
    number.get(zeros..).unwrap_or_default()
}
