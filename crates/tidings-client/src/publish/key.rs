//! Idempotency keys.

/// A key that nobody else makes: 128 random bits.
pub(super) fn random() -> String {
    let mut bits = [0; 16];
    if getrandom::fill(&mut bits).is_err() {
        // A key is no secret, it only has to be another one each time.
        fastrand::fill(&mut bits);
    }
    format!("{:032x}", u128::from_ne_bytes(bits))
}
