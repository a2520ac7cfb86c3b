//! Keys of every algorithm, against keys and tokens that the openssl command made.

use std::collections::HashMap;

use serde::Deserialize;
use tidings_server::auth::{
    Algorithm, AuthConfig, AuthConfigError, AuthError, Authenticator, Identity, KeyError,
    KeySource, Role, VerificationKey,
};

use crate::auth_support::{SECRET, bearer, now};

#[derive(Deserialize)]
pub(crate) struct OpenSsl {
    /// An RSA key of 1024 bits.
    too_small: String,
    pub(crate) cases: Vec<Case>,
}

#[derive(Deserialize)]
pub(crate) struct Case {
    pub(crate) alg: String,
    pub(crate) key: String,
    pub(crate) jwk: Option<serde_json::Value>,
    pub(crate) token: String,
}

pub(crate) fn openssl() -> OpenSsl {
    serde_json::from_str(include_str!("keys/openssl.json")).unwrap()
}

impl Case {
    pub(crate) fn algorithm(&self) -> Algorithm {
        self.alg.parse().unwrap()
    }
}

async fn verify(key: &str, algorithm: Algorithm, token: &str) -> Result<Identity, AuthError> {
    let source = KeySource::Key { secret_or_pem: key.to_owned(), algorithm };
    let config = AuthConfig { subscriber: Some(source), ..AuthConfig::default() };
    let hub = Authenticator::new(config).await.unwrap();
    hub.authenticate(Role::Subscriber, &bearer(token), now()).await
}

#[tokio::test]
async fn tokens_of_every_algorithm_are_verified() {
    let cases = openssl().cases;
    assert_eq!(cases.len(), Algorithm::ALL.len());
    for case in &cases {
        let identity = verify(&case.key, case.algorithm(), &case.token).await;
        let identity = identity.unwrap_or_else(|error| panic!("{}: {error}", case.alg));
        assert!(identity.publish.unwrap().allows("any"));
    }
}

#[tokio::test]
async fn a_changed_signature_of_any_algorithm_is_refused() {
    for case in openssl().cases {
        let (message, signature) = case.token.rsplit_once('.').unwrap();
        let first = if signature.starts_with('A') { 'B' } else { 'A' };
        for signature in [format!("{first}{}", &signature[1..]), String::new(), "AAAA".into()] {
            let token = format!("{message}.{signature}");
            let error = verify(&case.key, case.algorithm(), &token).await.unwrap_err();
            assert_eq!(error, AuthError::BadSignature, "{}", case.alg);
        }
    }
}

#[tokio::test]
async fn a_key_verifies_its_own_algorithm_only() {
    let cases = openssl().cases;
    for key in &cases {
        for token in cases.iter().filter(|other| other.alg != key.alg) {
            let error = verify(&key.key, key.algorithm(), &token.token).await.unwrap_err();
            assert_eq!(error, AuthError::WrongAlgorithm, "{} with {}", token.alg, key.alg);
        }
    }
}

#[test]
fn a_key_that_does_not_fit_its_algorithm_is_refused_at_start() {
    let keys: HashMap<String, String> =
        openssl().cases.into_iter().map(|case| (case.alg, case.key)).collect();
    let check = |text: &str, algorithm: Algorithm, error: KeyError| {
        assert_eq!(VerificationKey::new(text, algorithm).unwrap_err(), error, "{algorithm}");
    };
    for algorithm in [Algorithm::Hs256, Algorithm::Hs384, Algorithm::Hs512] {
        check(&keys["RS256"], algorithm, KeyError::PemForSecret { algorithm });
        check(&format!("\n{}", keys["EdDSA"]), algorithm, KeyError::PemForSecret { algorithm });
        check("", algorithm, KeyError::Empty);
    }
    for (key, algorithm) in [
        ("ES256", Algorithm::Es384),
        ("ES384", Algorithm::Es256),
        ("EdDSA", Algorithm::Es512),
        ("ES256", Algorithm::EdDsa),
        ("RS256", Algorithm::Es256),
        ("PS256", Algorithm::EdDsa),
    ] {
        check(&keys[key], algorithm, KeyError::Rejected { algorithm });
    }
    for algorithm in Algorithm::ALL.into_iter().filter(|algorithm| !algorithm.is_symmetric()) {
        check(SECRET, algorithm, KeyError::NotPem);
        check("", algorithm, KeyError::NotPem);
        check("-----BEGIN PUBLIC KEY-----", algorithm, KeyError::NotPem);
        check("-----BEGIN PUBLIC KEY-----\n?\n-----END ", algorithm, KeyError::NotPem);
        let private = "-----BEGIN EC PRIVATE KEY-----\n-----END EC PRIVATE KEY-----";
        check(private, algorithm, KeyError::PrivateKey);
        let other = "-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----";
        check(other, algorithm, KeyError::NotPublicKey);
    }
    check(&openssl().too_small, Algorithm::Rs256, KeyError::TooSmall);
}

#[tokio::test]
async fn a_refused_key_says_whose_it_is_and_not_what_it_is() {
    let source = KeySource::Key { secret_or_pem: SECRET.to_owned(), algorithm: Algorithm::Es256 };
    let config = AuthConfig { publisher: Some(source), ..AuthConfig::default() };
    assert!(!format!("{config:?}").contains(SECRET));
    let error = Authenticator::new(config).await.unwrap_err();
    assert!(matches!(error, AuthConfigError::Key { role: Role::Publisher, .. }), "{error}");
    assert!(!format!("{error:?}").contains(SECRET));
    let key = VerificationKey::new(SECRET, Algorithm::Hs256).unwrap();
    assert!(!format!("{key:?}").contains(SECRET));
}

#[test]
fn algorithms_are_known_by_their_names() {
    for algorithm in Algorithm::ALL {
        assert_eq!(algorithm.name().parse(), Ok(algorithm));
    }
    for name in ["none", "hs256", "HS256 ", "ES256K", ""] {
        assert!(name.parse::<Algorithm>().is_err(), "{name}");
    }
}
