//! Everything that can be wrong with a token. None is ever told or logged.

use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};
use tidings_hub::HubConfig;
use tidings_server::ServerConfig;
use tidings_server::auth::AuthConfig;

use super::harness::{Case, Expected, Harness, case, get, post_with, refused};
use crate::support::{SECRET, in_seconds, open_config, sign, token};

const HS256: &str = r#"{"typ":"JWT","alg":"HS256"}"#;
const FORM: &str = "Content-Type: application/x-www-form-urlencoded\r\n";
const MALFORMED: Expected = refused(401, "malformed_token", "not a signed JSON Web Token");

/// A text and its signature with HMAC and SHA-256.
fn sealed(text: &str, secret: &str) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes());
    format!("{text}.{}", URL_SAFE_NO_PAD.encode(hmac::sign(&key, text.as_bytes())))
}

/// A token of any header and payload.
fn signed(header: &str, payload: impl AsRef<[u8]>, secret: &str) -> String {
    let (header, payload) = (URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(payload));
    sealed(&format!("{header}.{payload}"), secret)
}

/// Claims that allow everything.
fn all() -> Value {
    json!({ "exp": in_seconds(3600), "mercure": { "publish": ["*"], "subscribe": ["*"] } })
}

/// The claims that allow everything, with another one.
fn with(name: &str, value: Value) -> Value {
    let mut claims = all();
    claims[name] = value;
    claims
}

fn publish(name: &str, headers: &str, expected: Expected) -> Case {
    case(name, post_with(&format!("{FORM}{headers}"), "topic=a"), expected)
}

/// A publish with a token in the usual place.
fn bearing(name: &str, token: &str, expected: Expected) -> Case {
    publish(name, &format!("Authorization: Bearer {token}\r\n"), expected).keeping(token)
}

/// A publish with a query; `headers` are whole lines.
fn in_query(headers: &str, query: &str) -> String {
    let lines = format!("Host: hub\r\n{headers}{FORM}Content-Length: 7\r\n");
    format!("POST /.well-known/mercure?{query} HTTP/1.1\r\n{lines}\r\ntopic=a")
}

/// Where a token is, and how it stands there.
fn places() -> Vec<Case> {
    let good = token(&["*"], &["*"]);
    let missing = refused(401, "missing_token", "a token is required");
    let no_bearer = refused(401, "malformed_header", "not a bearer token");
    let two = refused(401, "several_headers", "more than one Authorization header");
    let short = refused(401, "token_too_short", "too short");
    let line = |value: &str| format!("Authorization: {value}\r\n");
    let twice = line(&format!("Bearer {good}")).repeat(2);
    let several = refused(401, "several_parameters", "more than one token in the query");
    vec![
        publish("no token", "", missing),
        case("no token to subscribe", get("/events?topic=a", ""), missing),
        case(
            "no token to subscribe from a browser",
            get("/events?topic=a", "Accept: text/event-stream\r\n"),
            missing,
        ),
        case("no token and no topic", get("/events", ""), missing),
        publish("an empty header", &line(""), no_bearer),
        publish("a scheme alone", &line("Bearer"), no_bearer),
        publish("no scheme", &line(&good), no_bearer).keeping(&good),
        publish("another scheme", &line(&format!("Basic {good}")), no_bearer).keeping(&good),
        publish("a scheme in small letters", &line(&format!("bearer {good}")), no_bearer)
            .keeping(&good),
        publish("a header of bytes", &line(&format!("Bearer {good}\u{e9}")), no_bearer)
            .keeping(&good),
        publish("the same token twice", &twice, two).keeping(&good),
        publish(
            "a token and a password",
            &format!("{}{}", line(&format!("Bearer {good}")), line("Basic YTpi")),
            two,
        )
        .keeping(&good),
        publish("a short token", &line("Bearer a.b.c"), short),
        case(
            "two tokens in the query",
            in_query("", &format!("authorization={good}&authorization={good}")),
            several,
        )
        .keeping(&good),
        case("a short token in the query", in_query("", "authorization=a.b.c"), short),
        case("an empty token in the query", in_query("", "authorization="), short),
        case(
            "a token in the query under another name",
            in_query("", &format!("access_token={good}")),
            missing,
        )
        .keeping(&good),
        case(
            "a damaged token in the query",
            in_query("", &format!("authorization={good}x")),
            refused(401, "bad_signature", "does not match the key"),
        )
        .keeping(&good),
        case(
            "a bad header before a good query",
            in_query("Authorization: Basic YTpi\r\n", &format!("authorization={good}")),
            no_bearer,
        )
        .keeping(&good),
        case(
            "two tokens in the query to subscribe",
            get(&format!("/events?topic=a&authorization={good}&authorization={good}"), ""),
            several,
        )
        .keeping(&good),
    ]
}

/// Cookies, and the pages that send them.
fn cookies() -> Vec<Case> {
    let good = token(&["*"], &["*"]);
    let missing = refused(401, "origin_missing", "neither Origin nor Referer");
    let refused_origin = refused(401, "origin_not_allowed", "may not publish");
    let cookie = |name: &str, lines: &str, expected| {
        publish(name, &format!("Cookie: a=b; mercureAuthorization={good}\r\n{lines}"), expected)
            .keeping(&good)
    };
    vec![
        cookie("a cookie from nowhere", "", missing),
        cookie("a cookie with an empty origin", "Origin:\r\n", missing),
        cookie("a cookie from another origin", "Origin: https://evil.example\r\n", refused_origin),
        cookie("a cookie from an origin that begins alike", "Origin: https://good.example.evil.example\r\n", refused_origin),
        cookie("a cookie from an origin that ends alike", "Origin: https://evilgood.example\r\n", refused_origin),
        cookie("a cookie from another port", "Origin: https://good.example:444\r\n", refused_origin),
        cookie("a cookie from another scheme", "Origin: http://good.example\r\n", refused_origin),
        cookie("a cookie from no origin", "Origin: null\r\n", refused_origin),
        cookie("a cookie with an origin of bytes", "Origin: \u{e9}\r\n", refused_origin),
        cookie("a cookie from another page", "Referer: https://evil.example/https://good.example\r\n", refused_origin),
        cookie("a cookie from a page with a user", "Referer: https://good.example@evil.example/\r\n", refused_origin),
        cookie("a cookie from a page that is none", "Referer: ::\u{e9}\r\n", refused_origin),
        cookie("a cookie from a path", "Referer: /good.example\r\n", refused_origin),
        cookie("an origin before a page", "Origin: https://evil.example\r\nReferer: https://good.example/\r\n", refused_origin),
        publish("a cookie of bytes", "Cookie: mercureAuthorization=\u{e9}\r\nOrigin: https://good.example\r\n", MALFORMED),
        publish("an empty cookie", "Cookie: mercureAuthorization=\r\nOrigin: https://good.example\r\n", MALFORMED),
        publish("a cookie that never ends", "Cookie: mercureAuthorization=\"a\r\nOrigin: https://good.example\r\n", MALFORMED),
        publish("a cookie of another name", &format!("Cookie: Authorization={good}; mercureauthorization={good}\r\nOrigin: https://good.example\r\n"), refused(401, "missing_token", "required")).keeping(&good),
        cookie("a cookie from a good page", "Referer: https://good.example/page?a=b\r\n", Expected::Logged),
        cookie("a cookie from a good origin", "Origin: https://good.example\r\n", Expected::Logged),
    ]
}

/// Tokens that are none.
fn shapes() -> Vec<Case> {
    let good = token(&["*"], &["*"]);
    let (rest, signature) = good.rsplit_once('.').unwrap();
    let (header, payload) = rest.split_once('.').unwrap();
    let filler = "a".repeat(48);
    let deep = |open: &str| signed(HS256, open.repeat(1_000), SECRET);
    vec![
        bearing("noise", &filler, MALFORMED),
        bearing("two parts", &format!("{header}.{payload}"), MALFORMED),
        bearing("four parts", &sealed(&good, SECRET), MALFORMED),
        bearing("five parts", &sealed(&format!("{header}..."), SECRET), MALFORMED),
        bearing("dots alone", &".".repeat(64), MALFORMED),
        bearing(
            "a header that is not base64",
            &format!("!{header}.{payload}.{signature}"),
            MALFORMED,
        ),
        bearing("padding", &format!("{header}=.{payload}.{signature}"), MALFORMED),
        bearing(
            "a header that is not JSON",
            &signed(&filler, all().to_string(), SECRET),
            MALFORMED,
        ),
        bearing(
            "a header that is an array",
            &signed(r#"["HS256","HS256"]"#, all().to_string(), SECRET),
            MALFORMED,
        ),
        bearing(
            "a header without alg",
            &signed(r#"{"typ":"JWT"}"#, all().to_string(), SECRET),
            MALFORMED,
        ),
        bearing(
            "an alg that is a number",
            &signed(r#"{"alg":256}"#, all().to_string(), SECRET),
            MALFORMED,
        ),
        bearing(
            "alg twice",
            &signed(r#"{"alg":"none","alg":"HS256"}"#, all().to_string(), SECRET),
            MALFORMED,
        ),
        bearing("a deep header", &signed(&"[".repeat(2_000), all().to_string(), SECRET), MALFORMED),
        bearing("a payload that is not JSON", &signed(HS256, &filler, SECRET), MALFORMED),
        bearing(
            "a payload that is not UTF-8",
            &signed(HS256, b"{\"sub\":\"\xff\"}", SECRET),
            MALFORMED,
        ),
        bearing(
            "a payload that is a string",
            &signed(HS256, format!("{filler:?}"), SECRET),
            MALFORMED,
        ),
        bearing(
            "a payload that is an array",
            &signed(HS256, "[\"user\",9999999999,null]", SECRET),
            MALFORMED,
        ),
        bearing("an empty payload", &signed(HS256, "", SECRET), MALFORMED),
        bearing("a payload of brackets", &deep("["), MALFORMED),
        bearing("a payload of objects", &deep(r#"{"a":"#), MALFORMED),
        bearing(
            "9 KiB",
            &signed(HS256, "a".repeat(9 * 1024), SECRET),
            refused(401, "token_too_long", "too long"),
        ),
    ]
}

/// Tokens that nobody who knows the key has signed.
fn signatures() -> Vec<Case> {
    let wrong = refused(401, "wrong_algorithm", "not the one of the key");
    let bad = refused(401, "bad_signature", "does not match the key");
    let critical = refused(401, "unsupported_critical", "extensions");
    let good = token(&["*"], &["*"]);
    let (rest, signature) = good.rsplit_once('.').unwrap();
    let claims = all().to_string();
    let with_alg = |alg: &str| signed(&format!(r#"{{"alg":{alg:?}}}"#), &claims, SECRET);
    let other_payload = format!(
        "{}.{signature}",
        signed(HS256, with("sub", json!("root")).to_string(), "").rsplit_once('.').unwrap().0
    );
    vec![
        bearing(
            "alg none",
            &format!("{}.", signed(r#"{"alg":"none"}"#, &claims, "").rsplit_once('.').unwrap().0),
            wrong,
        ),
        bearing("alg none with a signature", &with_alg("none"), wrong),
        bearing("alg None", &with_alg("None"), wrong),
        bearing("alg in small letters", &with_alg("hs256"), wrong),
        bearing("an empty alg", &with_alg(""), wrong),
        bearing("alg of another hash", &with_alg("HS512"), wrong),
        bearing("alg of a public key", &with_alg("RS256"), wrong),
        bearing(
            "a crit header",
            &signed(r#"{"alg":"HS256","crit":["b64"]}"#, &claims, SECRET),
            critical,
        ),
        bearing(
            "an empty crit header",
            &signed(r#"{"alg":"HS256","crit":null}"#, &claims, SECRET),
            critical,
        ),
        bearing(
            "another secret",
            &signed(HS256, &claims, "another secret of good length....."),
            bad,
        ),
        bearing("the empty secret", &signed(HS256, &claims, ""), bad),
        bearing(
            "a key of its own",
            &signed(
                r#"{"alg":"HS256","jwk":{"kty":"oct","k":""},"kid":"../../dev/null"}"#,
                &claims,
                "",
            ),
            bad,
        ),
        bearing("no signature", &format!("{rest}."), bad),
        bearing("half a signature", &good[..good.len() - 19], bad),
        bearing("another one's signature", &other_payload, bad),
    ]
}

/// Tokens that are signed well, and say something that they should not.
fn claims() -> Vec<Case> {
    let expired = refused(401, "expired", "has expired");
    let early = refused(401, "not_yet_valid", "not valid yet");
    let bad = |claim| refused(401, "bad_claims", claim);
    let signed_json = |name: &str, claims: &Value, expected| bearing(name, &sign(claims), expected);
    let text = |name: &str, payload: &str, expected| {
        bearing(name, &signed(HS256, payload, SECRET), expected)
    };
    let mercure =
        |name: &str, value: Value, expected| signed_json(name, &with("mercure", value), expected);
    let nobody = refused(403, "forbidden", "no grant to publish");
    let many = vec![""; 1_001];
    vec![
        signed_json("exp a second ago", &with("exp", json!(in_seconds(0) - 1)), expired),
        signed_json("exp 0", &with("exp", json!(0)), expired),
        signed_json("exp before 1970", &with("exp", json!(-1e300)), expired),
        signed_json("exp a string", &with("exp", json!("tomorrow")), bad("exp")),
        signed_json("exp true", &with("exp", json!(true)), bad("exp")),
        text("exp beyond a double", r#"{"exp":1e400,"mercure":{"publish":["*"]}}"#, bad("exp")),
        text("exp beyond the clock", r#"{"exp":1e300,"mercure":{"publish":["*"]}}"#, bad("exp")),
        text("exp twice", r#"{"exp":1,"exp":99999999999,"mercure":{"publish":["*"]}}"#, MALFORMED),
        signed_json("nbf in an hour", &with("nbf", json!(in_seconds(3600))), early),
        signed_json("nbf a string", &with("nbf", json!("now")), bad("nbf")),
        signed_json("sub a number", &with("sub", json!(7)), bad("sub")),
        text(
            "half a surrogate pair for sub",
            r#"{"sub":"\ud800","mercure":{"publish":["*"]}}"#,
            bad("sub"),
        ),
        mercure("mercure a string", json!("*"), bad("mercure")),
        mercure("mercure an array", json!(["*"]), bad("mercure")),
        // An array was once taken for the object, with its members in the order of their declaration.
        mercure(
            "mercure the right values in an array",
            json!([["*"], ["*"], null]),
            bad("mercure"),
        ),
        mercure("publish a string", json!({ "publish": "*" }), bad("mercure")),
        mercure("publish numbers", json!({ "publish": [1] }), bad("mercure")),
        mercure(
            "subscribe an object",
            json!({ "publish": ["*"], "subscribe": {} }),
            bad("mercure"),
        ),
        mercure("1,001 selectors to publish", json!({ "publish": many }), bad("mercure.publish")),
        mercure(
            "1,001 selectors to subscribe",
            json!({ "subscribe": many }),
            bad("mercure.subscribe"),
        ),
        signed_json("no claim", &json!({ "exp": in_seconds(60) }), nobody),
        mercure("nothing to publish", json!({ "subscribe": ["*"] }), nobody),
        mercure(
            "no topics to publish",
            json!({ "publish": [] }),
            refused(403, "forbidden", "one of these topics"),
        ),
        mercure(
            "another topic to publish",
            json!({ "publish": ["b", "A", "a/", "{b"] }),
            refused(403, "forbidden", "one of these topics"),
        ),
        signed_json(
            "the namespaced claim before the other",
            &with("https://mercure.rocks/", json!({ "publish": [] })),
            refused(403, "forbidden", "one of these topics"),
        ),
        signed_json("exp with a fraction", &with("exp", json!(1e10 + 0.5)), Expected::Logged),
        signed_json(
            "claims that nobody knows",
            &with("aud", json!([{ "a": [] }])),
            Expected::Logged,
        ),
    ]
}

/// Subscribing looks at tokens as publishing does.
fn subscribing() -> Vec<Case> {
    let subscribe = |name: &str, token: &str, expected| {
        let request = get("/events?topic=a", &format!("Authorization: Bearer {token}\r\n"));
        case(name, request, expected).keeping(token)
    };
    let old = sign(&with("exp", json!(1)));
    let other = signed(HS256, all().to_string(), "another");
    let cookie = format!("Cookie: mercureAuthorization={old}\r\nAccept: text/event-stream\r\n");
    let expired = refused(401, "expired", "has expired");
    vec![
        subscribe("an expired token to subscribe", &old, expired),
        subscribe("another secret's token to subscribe", &other, refused(401, "bad_signature", "")),
        case("an expired cookie to subscribe", get("/events?topic=a", &cookie), expired)
            .keeping(&old),
        case(
            "an expired token in the query of a browser",
            get(&format!("/events?topic=a&authorization={old}"), "Accept: text/event-stream\r\n"),
            expired,
        )
        .keeping(&old),
    ]
}

pub(super) fn cases() -> Vec<Case> {
    [places(), cookies(), shapes(), signatures(), claims(), subscribing()].concat()
}

fn closed_config() -> ServerConfig {
    let open = open_config();
    ServerConfig {
        auth: AuthConfig {
            anonymous: false,
            anonymous_publish: false,
            publish_origins: vec!["https://good.example".into()],
            ..open.auth
        },
        ..open
    }
}

#[tokio::test]
async fn a_bad_token_gets_a_clear_error_and_is_neither_told_nor_logged() {
    Harness::start(HubConfig::default(), closed_config()).await.check_all(cases()).await;
}
