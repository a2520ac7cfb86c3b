//! What a minted token holds, and that its key alone verifies it.

use std::{
    collections::BTreeMap,
    time::{SystemTime, UNIX_EPOCH},
};

use aws_lc_rs::{
    encoding::{AsDer as _, EcPrivateKeyRfc5915Der},
    rsa::KeySize,
    signature::{
        ECDSA_P256_SHA256_FIXED, ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED,
        ECDSA_P384_SHA384_FIXED_SIGNING, ECDSA_P521_SHA512_FIXED, ECDSA_P521_SHA512_FIXED_SIGNING,
        ED25519, EcdsaKeyPair, EcdsaSigningAlgorithm, Ed25519KeyPair, KeyPair as _,
        RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_2048_8192_SHA384, RSA_PKCS1_2048_8192_SHA512,
        RSA_PSS_2048_8192_SHA256, RSA_PSS_2048_8192_SHA384, RSA_PSS_2048_8192_SHA512, RsaKeyPair,
        UnparsedPublicKey, VerificationAlgorithm,
    },
};
use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD, Engine as _};
use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use serde_json::{Value, json};

use crate::support::{run, tidings};

const SECRET: &str = "a secret of at least 32 bytes, for tests";

/// The claims, if the key verifies the token.
fn claims(token: &str, key: &DecodingKey, algorithm: Algorithm) -> Option<BTreeMap<String, Value>> {
    let mut validation = Validation::new(algorithm);
    validation.required_spec_claims.clear();
    validation.validate_exp = false;
    jsonwebtoken::decode(token.trim_end(), key, &validation).ok().map(|token| token.claims)
}

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()
}

#[test]
fn a_token_grants_what_was_asked_for_and_ends_when_asked() {
    let before = now();
    let minted = run(tidings(&[
        "token",
        "--publish",
        "a",
        "b/{id}",
        "--subscribe",
        "*",
        "--sub",
        "alice",
        "--sid",
        "session 7",
        "--expires",
        "10m",
        "--payload",
        r#"{"name": "Alice"}"#,
    ])
    .env("TIDINGS_KEY", SECRET));
    assert_eq!((minted.code(), minted.err()), (0, ""));
    let key = DecodingKey::from_secret(SECRET.as_bytes());
    let claims = claims(minted.out(), &key, Algorithm::HS256).unwrap();
    let mercure =
        json!({"publish": ["a", "b/{id}"], "subscribe": ["*"], "payload": {"name": "Alice"}});
    assert_eq!((&claims["mercure"], &claims["sub"]), (&mercure, &json!("alice")));
    assert_eq!(claims["sid"], "session 7");
    let issued = claims["iat"].as_u64().unwrap();
    assert!((before..=now()).contains(&issued));
    assert_eq!(claims["exp"], issued + 600);
}

#[test]
fn a_token_ends_after_an_hour_unless_it_is_for_ever() {
    let key = DecodingKey::from_secret(SECRET.as_bytes());
    let hour = run(&mut tidings(&["token", "--key", SECRET]));
    let hour = claims(hour.out(), &key, Algorithm::HS256).unwrap();
    assert_eq!(hour["exp"].as_u64().unwrap() - hour["iat"].as_u64().unwrap(), 3_600);
    assert_eq!(hour["mercure"], json!({}));
    let endless = run(&mut tidings(&["token", "--key", SECRET, "--expires", "0s"]));
    assert!(!claims(endless.out(), &key, Algorithm::HS256).unwrap().contains_key("exp"));
}

#[test]
fn every_algorithm_signs_what_its_public_key_verifies() {
    let rsa = RsaKeyPair::generate(KeySize::Rsa2048).unwrap();
    let rsa =
        (pem("PRIVATE KEY", rsa.as_der().unwrap().as_ref()), rsa.public_key().as_ref().to_vec());
    let p256 = elliptic(&ECDSA_P256_SHA256_FIXED_SIGNING);
    let p384 = elliptic(&ECDSA_P384_SHA384_FIXED_SIGNING);
    let p521 = elliptic(&ECDSA_P521_SHA512_FIXED_SIGNING);
    let ed25519 = Ed25519KeyPair::generate().unwrap();
    let ed25519 = (
        pem("PRIVATE KEY", ed25519.to_pkcs8().unwrap().as_ref()),
        ed25519.public_key().as_ref().to_vec(),
    );
    let cases: [(&str, &Pair, &'static dyn VerificationAlgorithm); 10] = [
        ("RS256", &rsa, &RSA_PKCS1_2048_8192_SHA256),
        ("RS384", &rsa, &RSA_PKCS1_2048_8192_SHA384),
        ("RS512", &rsa, &RSA_PKCS1_2048_8192_SHA512),
        ("PS256", &rsa, &RSA_PSS_2048_8192_SHA256),
        ("PS384", &rsa, &RSA_PSS_2048_8192_SHA384),
        ("PS512", &rsa, &RSA_PSS_2048_8192_SHA512),
        ("ES256", &p256, &ECDSA_P256_SHA256_FIXED),
        ("ES384", &p384, &ECDSA_P384_SHA384_FIXED),
        ("ES512", &p521, &ECDSA_P521_SHA512_FIXED),
        ("EdDSA", &ed25519, &ED25519),
    ];
    for (name, (private, public), verification) in cases {
        let minted =
            run(&mut tidings(&["token", "--alg", name, "--key", private, "--publish", "*"]));
        assert_eq!((minted.code(), minted.err()), (0, ""), "{name}");
        let (message, signature) = minted.out().trim_end().rsplit_once('.').unwrap();
        let signature = BASE64_URL_SAFE_NO_PAD.decode(signature).unwrap();
        let key = UnparsedPublicKey::new(verification, public);
        key.verify(message.as_bytes(), &signature).expect(name);
        let header = BASE64_URL_SAFE_NO_PAD.decode(message.split('.').next().unwrap()).unwrap();
        let header: Value = serde_json::from_slice(&header).unwrap();
        assert_eq!(header, json!({"typ": "JWT", "alg": name}));
    }
}

#[test]
fn a_key_that_does_not_fit_the_algorithm_is_refused_without_being_shown() {
    let (p256, _) = elliptic(&ECDSA_P256_SHA256_FIXED_SIGNING);
    let cases = [
        ("HS256", p256.as_str()),
        ("ES384", p256.as_str()),
        ("RS256", p256.as_str()),
        ("EdDSA", p256.as_str()),
        ("ES256", SECRET),
        ("HS256", ""),
    ];
    for (name, key) in cases {
        let refused = run(&mut tidings(&["token", "--alg", name, "--key", key]));
        assert_eq!((refused.code(), refused.out()), (2, ""), "{name}");
        assert!(refused.err().contains(name), "{}", refused.err());
        assert!(key.is_empty() || !refused.err().contains(key), "{}", refused.err());
    }
}

/// A private key in PEM, and its public key's bytes.
type Pair = (String, Vec<u8>);

/// A private key in PEM, as `openssl ecparam -genkey` writes it, and its public point.
fn elliptic(curve: &'static EcdsaSigningAlgorithm) -> Pair {
    let key = EcdsaKeyPair::generate(curve).unwrap();
    let der: EcPrivateKeyRfc5915Der<'_> = key.private_key().as_der().unwrap();
    let parameters = pem("EC PARAMETERS", b"not read");
    let private = pem("EC PRIVATE KEY", der.as_ref());
    (format!("{parameters}{private}"), key.public_key().as_ref().to_vec())
}

fn pem(label: &str, der: &[u8]) -> String {
    let base64 = BASE64_STANDARD.encode(der);
    let lines: Vec<_> =
        base64.as_bytes().chunks(64).map(|line| str::from_utf8(line).unwrap()).collect();
    format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", lines.join("\n"))
}
