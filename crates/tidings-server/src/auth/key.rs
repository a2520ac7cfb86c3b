//! Verification keys: a secret or a public key, bound to one algorithm.

use std::error::Error;
use std::fmt;

use aws_lc_rs::hmac;
use aws_lc_rs::rsa::PublicKeyComponents;
use aws_lc_rs::signature::{self, ParsedPublicKey, RsaParameters, VerificationAlgorithm};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::Algorithm;

/// The least bytes an RSA modulus may have: 2048 bits (RFC 7518, 3.3).
const MIN_RSA_MODULUS_BYTES: usize = 256;

/// The public keys in PEM that are understood: any algorithm's, and RSA's own form.
const PEM_LABELS: [&str; 2] = ["PUBLIC KEY", "RSA PUBLIC KEY"];

/// Checks signatures of one algorithm. A token that names another is refused, so a public key
/// can never be taken for a shared secret.
#[derive(Clone)]
pub struct VerificationKey {
    algorithm: Algorithm,
    material: Material,
}

#[derive(Clone)]
enum Material {
    Secret(Box<hmac::Key>),
    Public(ParsedPublicKey),
}

/// Where the cryptographic library keeps an algorithm.
enum Scheme {
    Hmac(hmac::Algorithm),
    Rsa(&'static RsaParameters),
    Other(&'static dyn VerificationAlgorithm),
}

impl VerificationKey {
    /// Makes a key from a shared secret, taken as it is (`HS*`), or from a public key in PEM
    /// (the others).
    ///
    /// # Errors
    /// [`KeyError`] says how the text does not fit the algorithm.
    pub fn new(secret_or_pem: &str, algorithm: Algorithm) -> Result<Self, KeyError> {
        if let Scheme::Hmac(hash) = scheme(algorithm) {
            return Self::from_secret(secret_or_pem, algorithm, hash);
        }
        let der = public_key_der(secret_or_pem)?;
        if matches!(scheme(algorithm), Scheme::Rsa(_)) && der.len() < MIN_RSA_MODULUS_BYTES {
            return Err(KeyError::TooSmall);
        }
        Self::from_public(&der, algorithm)
    }

    fn from_secret(
        secret: &str,
        algorithm: Algorithm,
        hash: hmac::Algorithm,
    ) -> Result<Self, KeyError> {
        if secret.is_empty() {
            return Err(KeyError::Empty);
        }
        // Everybody may know a public key: as a secret it would let anybody sign.
        if secret.contains("-----BEGIN ") {
            return Err(KeyError::PemForSecret { algorithm });
        }
        let material = Material::Secret(Box::new(hmac::Key::new(hash, secret.as_bytes())));
        Ok(Self { algorithm, material })
    }

    /// Makes a key from a public key's DER document, or its raw form: an elliptic curve's
    /// uncompressed point, Ed25519's 32 bytes.
    pub(super) fn from_public(bytes: &[u8], algorithm: Algorithm) -> Result<Self, KeyError> {
        let parsed = match scheme(algorithm) {
            Scheme::Hmac(_) => return Err(KeyError::NotPem),
            Scheme::Rsa(parameters) => ParsedPublicKey::new(parameters, bytes),
            Scheme::Other(verifier) => ParsedPublicKey::new(verifier, bytes),
        };
        let key = parsed.map_err(|_| KeyError::Rejected { algorithm })?;
        Ok(Self { algorithm, material: Material::Public(key) })
    }

    /// Makes a key from an RSA modulus and exponent, without leading zeros.
    pub(super) fn from_rsa(
        modulus: &[u8],
        exponent: &[u8],
        algorithm: Algorithm,
    ) -> Result<Self, KeyError> {
        if modulus.len() < MIN_RSA_MODULUS_BYTES {
            return Err(KeyError::TooSmall);
        }
        let Scheme::Rsa(parameters) = scheme(algorithm) else {
            return Err(KeyError::Rejected { algorithm });
        };
        let key = PublicKeyComponents { n: modulus, e: exponent }
            .to_parsed_public_key(parameters)
            .map_err(|_| KeyError::Rejected { algorithm })?;
        Ok(Self { algorithm, material: Material::Public(key) })
    }

    /// The algorithm it is bound to.
    pub fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// Whether `signature` is this key's over `message`.
    pub(super) fn verifies(&self, message: &[u8], signature: &[u8]) -> bool {
        match &self.material {
            Material::Secret(key) => hmac::verify(key, message, signature).is_ok(),
            Material::Public(key) => key.verify_sig(message, signature).is_ok(),
        }
    }
}

impl fmt::Debug for VerificationKey {
    /// Never the key itself.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("VerificationKey")
            .field("algorithm", &self.algorithm)
            .finish_non_exhaustive()
    }
}

fn scheme(algorithm: Algorithm) -> Scheme {
    match algorithm {
        Algorithm::Hs256 => Scheme::Hmac(hmac::HMAC_SHA256),
        Algorithm::Hs384 => Scheme::Hmac(hmac::HMAC_SHA384),
        Algorithm::Hs512 => Scheme::Hmac(hmac::HMAC_SHA512),
        Algorithm::Rs256 => Scheme::Rsa(&signature::RSA_PKCS1_2048_8192_SHA256),
        Algorithm::Rs384 => Scheme::Rsa(&signature::RSA_PKCS1_2048_8192_SHA384),
        Algorithm::Rs512 => Scheme::Rsa(&signature::RSA_PKCS1_2048_8192_SHA512),
        Algorithm::Ps256 => Scheme::Rsa(&signature::RSA_PSS_2048_8192_SHA256),
        Algorithm::Ps384 => Scheme::Rsa(&signature::RSA_PSS_2048_8192_SHA384),
        Algorithm::Ps512 => Scheme::Rsa(&signature::RSA_PSS_2048_8192_SHA512),
        Algorithm::Es256 => Scheme::Other(&signature::ECDSA_P256_SHA256_FIXED),
        Algorithm::Es384 => Scheme::Other(&signature::ECDSA_P384_SHA384_FIXED),
        Algorithm::Es512 => Scheme::Other(&signature::ECDSA_P521_SHA512_FIXED),
        Algorithm::EdDsa => Scheme::Other(&signature::ED25519),
    }
}

/// Reads the first PEM block (RFC 7468), which has to be a public key.
fn public_key_der(text: &str) -> Result<Vec<u8>, KeyError> {
    let (_, block) = text.split_once("-----BEGIN ").ok_or(KeyError::NotPem)?;
    let (label, rest) = block.split_once("-----").ok_or(KeyError::NotPem)?;
    if label.ends_with("PRIVATE KEY") {
        return Err(KeyError::PrivateKey);
    }
    if !PEM_LABELS.contains(&label) {
        return Err(KeyError::NotPublicKey);
    }
    let (body, _) = rest.split_once("-----END ").ok_or(KeyError::NotPem)?;
    let base64: String = body.split_ascii_whitespace().collect();
    STANDARD.decode(base64).map_err(|_| KeyError::NotPem)
}

/// Why a text is not a key of the wanted algorithm.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum KeyError {
    /// The secret is empty.
    Empty,
    /// A PEM document was given as the secret of an `HS*` algorithm.
    PemForSecret {
        /// The algorithm asked for.
        algorithm: Algorithm,
    },
    /// The text is not a whole PEM document.
    NotPem,
    /// The PEM document holds a private key. Verifying takes the public one.
    PrivateKey,
    /// The PEM document is neither a `PUBLIC KEY` nor an `RSA PUBLIC KEY`.
    NotPublicKey,
    /// The RSA key is shorter than 2048 bits.
    TooSmall,
    /// The public key is damaged, or of another algorithm.
    Rejected {
        /// The algorithm asked for.
        algorithm: Algorithm,
    },
}

impl fmt::Display for KeyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("the secret is empty"),
            Self::PemForSecret { algorithm } => {
                write!(f, "{algorithm} takes a shared secret, not a key in PEM")
            }
            Self::NotPem => f.write_str("the key is not a whole PEM document"),
            Self::PrivateKey => f.write_str("the key is a private one, give the public key"),
            Self::NotPublicKey => f.write_str("the PEM document is not a public key"),
            Self::TooSmall => f.write_str("the RSA key is shorter than 2048 bits"),
            Self::Rejected { algorithm } => write!(f, "the key does not fit {algorithm}"),
        }
    }
}

impl Error for KeyError {}
