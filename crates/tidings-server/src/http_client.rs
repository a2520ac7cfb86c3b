//! The hub's own HTTP clients, which can be made where the system has no certificates, too.

use reqwest::{Certificate, Client, ClientBuilder};

/// Makes a client with these settings, for a URL of this scheme. It trusts `certificates` beside those of the system; where
/// there are none of the system's, as in a small container, it does with those if they, or plain HTTP, are enough.
///
/// # Errors
/// When they are not, or the settings cannot be used.
pub(crate) fn build(
    scheme: &str,
    certificates: Vec<Certificate>,
    settings: impl Fn(ClientBuilder) -> ClientBuilder,
) -> reqwest::Result<Client> {
    let build = |builder| settings(builder).build();
    match build(Client::builder().tls_certs_merge(certificates.clone())) {
        Err(_) if scheme == "http" || !certificates.is_empty() => {
            build(Client::builder().tls_certs_only(certificates))
        }
        built => built,
    }
}
