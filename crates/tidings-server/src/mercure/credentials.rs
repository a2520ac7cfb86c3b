//! Where a request carries its token: the `Authorization` header, the query, or a cookie.

use std::borrow::Cow;

use http::header::{AUTHORIZATION, COOKIE, HOST, ORIGIN, REFERER};
use http::request::Parts;
use http::{HeaderValue, Method, Uri};

use crate::auth::AuthError;
use crate::origin::OriginPattern;

/// The cookie that issuers set by default.
pub(crate) const DEFAULT_COOKIE_NAME: &str = "mercureAuthorization";

/// The query parameter, for clients that can set no header.
const PARAMETER: &str = "authorization";

/// Compared with its letter case, as 0.x hubs do, though HTTP has schemes in any case (RFC 9110,
/// 11.1): what one of them refuses is refused here.
const SCHEME: &str = "Bearer ";

/// The schemes whose credentials a browser sends of itself once it has them.
const AMBIENT_SCHEMES: [&str; 4] = ["Basic", "Digest", "Negotiate", "NTLM"];

/// No signed token is shorter.
const MIN_TOKEN_BYTES: usize = 41;

/// How credentials are taken.
#[derive(Debug)]
pub(crate) struct CredentialRules {
    /// The cookie that may carry the token.
    pub(crate) cookie_name: String,
    /// The origins whose pages may publish by cookie.
    pub(crate) publish_origins: Vec<OriginPattern>,
}

/// Finds the token of a request. The first place that has one counts, even if it is not usable:
/// header, query, cookie.
pub(crate) fn find<'a>(
    request: &'a Parts,
    rules: &CredentialRules,
) -> Result<Option<Cow<'a, str>>, AuthError> {
    if let Some(token) = in_header(request)? {
        return Ok(Some(token.into()));
    }
    if let Some(token) = in_query(request)? {
        return Ok(Some(token));
    }
    let Some(token) = in_cookie(request, &rules.cookie_name)? else { return Ok(None) };
    // A browser adds the cookie whichever page sends the request, so the page has to be known.
    if request.method == Method::POST {
        check_origin(request, &rules.publish_origins)?;
    }
    Ok(Some(token.into()))
}

/// Whether a request carries something in a place for a token of the hub's, good or not.
pub(crate) fn carries_token(request: &Parts, rules: &CredentialRules) -> bool {
    let is_bearer = |value: &HeaderValue| value.as_bytes().starts_with(SCHEME.as_bytes());
    let query = request.uri.query().unwrap_or_default();
    request.headers.get_all(AUTHORIZATION).iter().any(is_bearer)
        || form_urlencoded::parse(query.as_bytes()).any(|(name, _)| name == PARAMETER)
        || !matches!(in_cookie(request, &rules.cookie_name), Ok(None))
}

/// Whether a parameter of the query holds a token, by its looks.
pub(crate) fn is_token_parameter(name: &str, value: &str) -> bool {
    name == PARAMETER && value.len() >= MIN_TOKEN_BYTES && value.split('.').count() == 3
}

/// Whether the page that a publish comes from may publish, where a browser may have sent along what the application takes
/// for proof: a cookie, which it does of itself, or a password that it knows, or its address, if it is a browser, which has an `Origin`.
pub(crate) fn check_page(request: &Parts, rules: &CredentialRules) -> Result<(), AuthError> {
    let headers = &request.headers;
    let by_password = |value: &HeaderValue| {
        let scheme = value.as_bytes().split(|&byte| byte == b' ').next().unwrap_or_default();
        AMBIENT_SCHEMES.iter().any(|known| scheme.eq_ignore_ascii_case(known.as_bytes()))
    };
    // Without either, the application may go by the address, which a page's visitor has as well.
    let mut shown = headers.get_all(AUTHORIZATION).iter();
    let is_ambient = !headers.contains_key(AUTHORIZATION) || shown.any(by_password);
    let may_be_ambient =
        headers.contains_key(COOKIE) || (headers.contains_key(ORIGIN) && is_ambient);
    if may_be_ambient { check_origin(request, &rules.publish_origins) } else { Ok(()) }
}

/// Whether the page that a publish comes from is this host's own, or may publish. What is no page says no origin.
pub(crate) fn check_own_page(request: &Parts, rules: &CredentialRules) -> Result<(), AuthError> {
    let Some(origin) = request.headers.get(ORIGIN) else { return Ok(()) };
    let host = request.headers.get(HOST).map(HeaderValue::as_bytes);
    let host = host.or_else(|| request.uri.authority().map(|host| host.as_str().as_bytes()));
    let page = origin.to_str().ok().and_then(|origin| origin.split_once("://"));
    let is_own = page.is_some_and(|(_, page)| {
        host.is_some_and(|host| host.eq_ignore_ascii_case(page.as_bytes()))
    });
    if is_own { Ok(()) } else { check_origin(request, &rules.publish_origins) }
}

/// Whether a cookie can be called so: a token of RFC 9110, 5.6.2.
pub(crate) fn is_cookie_name(name: &str) -> bool {
    !name.is_empty()
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b))
}

fn in_header(request: &Parts) -> Result<Option<&str>, AuthError> {
    let mut values = request.headers.get_all(AUTHORIZATION).iter();
    let Some(value) = values.next() else { return Ok(None) };
    if values.next().is_some() {
        return Err(AuthError::SeveralHeaders);
    }
    let token = value.to_str().ok().and_then(|value| value.strip_prefix(SCHEME));
    long_enough(token.ok_or(AuthError::MalformedHeader)?).map(Some)
}

fn in_query(request: &Parts) -> Result<Option<Cow<'_, str>>, AuthError> {
    let query = request.uri.query().unwrap_or_default();
    let mut values = form_urlencoded::parse(query.as_bytes())
        .filter_map(|(name, value)| (name == PARAMETER).then_some(value));
    let Some(token) = values.next() else { return Ok(None) };
    if values.next().is_some() {
        return Err(AuthError::SeveralParameters);
    }
    long_enough(token).map(Some)
}

fn long_enough<T: AsRef<str>>(token: T) -> Result<T, AuthError> {
    if token.as_ref().len() < MIN_TOKEN_BYTES { Err(AuthError::TokenTooShort) } else { Ok(token) }
}

/// The first cookie of the name (RFC 6265, 4.2.1). The value may stand in double quotes.
fn in_cookie<'a>(request: &'a Parts, name: &str) -> Result<Option<&'a str>, AuthError> {
    // Bytes, because other cookies may hold anything.
    let headers = request.headers.get_all(COOKIE).iter();
    let mut values = headers
        .flat_map(|header| header.as_bytes().split(|&byte| byte == b';'))
        .filter_map(|pair| pair.trim_ascii().strip_prefix(name.as_bytes())?.strip_prefix(b"="));
    let Some(value) = values.next() else { return Ok(None) };
    let bare = value.strip_prefix(b"\"").and_then(|rest| rest.strip_suffix(b"\""));
    str::from_utf8(bare.unwrap_or(value)).map(Some).map_err(|_| AuthError::Malformed)
}

fn check_origin(request: &Parts, allowed: &[OriginPattern]) -> Result<(), AuthError> {
    let header = |name| request.headers.get(name).filter(|value: &&HeaderValue| !value.is_empty());
    let origin: Cow<'_, str> = match (header(ORIGIN), header(REFERER)) {
        (Some(origin), _) => origin.to_str().map_err(|_| AuthError::OriginNotAllowed)?.into(),
        (None, Some(referer)) => {
            origin_of(referer.as_bytes()).ok_or(AuthError::OriginNotAllowed)?.into()
        }
        (None, None) => return Err(AuthError::OriginMissing),
    };
    if allowed.iter().any(|pattern| pattern.matches(&origin)) {
        Ok(())
    } else {
        Err(AuthError::OriginNotAllowed)
    }
}

/// The origin of an absolute URL.
fn origin_of(url: &[u8]) -> Option<String> {
    let uri = Uri::try_from(url).ok()?;
    let (scheme, authority) = (uri.scheme_str()?, uri.authority()?);
    let port = authority.port().map(|port| format!(":{port}")).unwrap_or_default();
    Some(format!("{scheme}://{}{port}", authority.host()))
}
