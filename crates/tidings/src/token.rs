//! `tidings token`: a JWT with the claims that Mercure 0.x hubs read.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::Context as _;
use aws_lc_rs::{
    rand::SystemRandom,
    signature::{
        ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED_SIGNING,
        ECDSA_P521_SHA512_FIXED_SIGNING, EcdsaKeyPair, EcdsaSigningAlgorithm,
    },
};
use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD, Engine as _};
use jsonwebtoken::{EncodingKey, Header};
use serde_json::{Map, Value, json};
use tidings_server::auth::Algorithm;

use crate::args::TokenArgs;

/// The signed token.
///
/// # Errors
/// When the key does not fit the algorithm.
pub(crate) fn mint(arguments: &TokenArgs, now: SystemTime) -> anyhow::Result<String> {
    let now = now.duration_since(UNIX_EPOCH).context("the clock stands before 1970")?;
    let claims = claims(arguments, now);
    sign(arguments.alg, &arguments.key, &claims)
        .with_context(|| format!("the key cannot sign with {}", arguments.alg.name()))
}

/// The claims: `mercure`, and those of RFC 7519 that were asked for. `now` counts from 1970.
fn claims(arguments: &TokenArgs, now: Duration) -> Value {
    let mut mercure = Map::new();
    for (name, selectors) in [("publish", &arguments.publish), ("subscribe", &arguments.subscribe)]
    {
        // An absent claim says more plainly than an empty list that nothing is granted.
        if !selectors.is_empty() {
            mercure.insert(name.to_owned(), json!(selectors));
        }
    }
    if let Some(payload) = &arguments.payload {
        mercure.insert("payload".to_owned(), payload.clone());
    }
    let mut claims = Map::new();
    claims.insert("mercure".to_owned(), Value::Object(mercure));
    claims.insert("iat".to_owned(), json!(now.as_secs()));
    if !arguments.expires.is_zero() {
        claims.insert("exp".to_owned(), json!(now.saturating_add(arguments.expires).as_secs()));
    }
    for (name, value) in [("sub", &arguments.sub), ("sid", &arguments.sid)] {
        if let Some(value) = value {
            claims.insert(name.to_owned(), json!(value));
        }
    }
    Value::Object(claims)
}

/// The claims as a signed token.
fn sign(algorithm: Algorithm, key: &str, claims: &Value) -> anyhow::Result<String> {
    use jsonwebtoken::Algorithm as Signer;
    let is_pem = key.trim_start().starts_with("-----BEGIN");
    anyhow::ensure!(!key.trim().is_empty(), "it is empty");
    anyhow::ensure!(
        is_pem != algorithm.is_symmetric(),
        "HS* takes a secret, the others a private key in PEM"
    );
    let bytes = key.as_bytes();
    let (signer, key) = match algorithm {
        Algorithm::Hs256 => (Signer::HS256, EncodingKey::from_secret(bytes)),
        Algorithm::Hs384 => (Signer::HS384, EncodingKey::from_secret(bytes)),
        Algorithm::Hs512 => (Signer::HS512, EncodingKey::from_secret(bytes)),
        Algorithm::Rs256 => (Signer::RS256, EncodingKey::from_rsa_pem(bytes)?),
        Algorithm::Rs384 => (Signer::RS384, EncodingKey::from_rsa_pem(bytes)?),
        Algorithm::Rs512 => (Signer::RS512, EncodingKey::from_rsa_pem(bytes)?),
        Algorithm::Ps256 => (Signer::PS256, EncodingKey::from_rsa_pem(bytes)?),
        Algorithm::Ps384 => (Signer::PS384, EncodingKey::from_rsa_pem(bytes)?),
        Algorithm::Ps512 => (Signer::PS512, EncodingKey::from_rsa_pem(bytes)?),
        Algorithm::EdDsa => (Signer::EdDSA, EncodingKey::from_ed_pem(bytes)?),
        Algorithm::Es256 => {
            return sign_ecdsa(&ECDSA_P256_SHA256_FIXED_SIGNING, algorithm, key, claims);
        }
        Algorithm::Es384 => {
            return sign_ecdsa(&ECDSA_P384_SHA384_FIXED_SIGNING, algorithm, key, claims);
        }
        Algorithm::Es512 => {
            return sign_ecdsa(&ECDSA_P521_SHA512_FIXED_SIGNING, algorithm, key, claims);
        }
        _ => anyhow::bail!("it is for an algorithm that only the hub knows"),
    };
    Ok(jsonwebtoken::encode(&Header::new(signer), claims, &key)?)
}

/// Signs with an elliptic curve: `jsonwebtoken` knows neither ES512 nor the PEM that `openssl
/// ecparam` writes.
fn sign_ecdsa(
    signing: &'static EcdsaSigningAlgorithm,
    algorithm: Algorithm,
    pem: &str,
    claims: &Value,
) -> anyhow::Result<String> {
    let der = private_key_der(pem).context("it is no PEM private key")?;
    let key = EcdsaKeyPair::from_private_key_der(signing, &der)
        .context("it is no private key of the algorithm's curve")?;
    let header = json!({ "typ": "JWT", "alg": algorithm.name() });
    let encoded = |part: &Value| BASE64_URL_SAFE_NO_PAD.encode(part.to_string());
    let message = format!("{}.{}", encoded(&header), encoded(claims));
    let signature = key.sign(&SystemRandom::new(), message.as_bytes());
    let signature = signature.context("signing failed")?;
    Ok(format!("{message}.{}", BASE64_URL_SAFE_NO_PAD.encode(signature)))
}

/// What the first block of PEM that holds a private key holds (RFC 7468); other blocks may stand
/// before it.
fn private_key_der(pem: &str) -> Option<Vec<u8>> {
    let (_, block) = pem.split_once("PRIVATE KEY-----")?;
    let (block, _) = block.split_once("-----END")?;
    let base64: String = block.chars().filter(|c| !c.is_ascii_whitespace()).collect();
    BASE64_STANDARD.decode(base64).ok()
}
