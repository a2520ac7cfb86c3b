//! Compares `docs/protocol.md` with the program: refusals, close reasons, metrics, and the frames the hub adds.

use std::collections::BTreeSet;
use std::time::Duration;

use http::{Request, StatusCode};
use http_body_util::BodyExt;
use tidings_hub::{
    BatchError, CloseReason, Epoch, Gap, Hub, HubConfig, Position, PublishError, SubscribeError,
    Unavailable,
};

use crate::announce;
use crate::auth::AuthError;
use crate::mercure::QueryError;
use crate::metrics::Metrics;
use crate::publish::{DraftError, IdFault};
use crate::reject::Refusal;
use crate::relay::UpstreamError;

const PROTOCOL: &str = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/protocol.md"));

/// One value of each variant. A variant that is not listed does not compile.
macro_rules! every {
    ($kind:ty: $($pattern:pat => $value:expr),* $(,)?) => {{
        fn listed(value: &$kind) {
            match value { $($pattern)|* => {} }
        }
        let all: Vec<$kind> = vec![$($value),*];
        all.iter().for_each(listed);
        all
    }};
}

/// The cells of the table below a heading, without the head and the rule.
fn table(heading: &str, columns: &str) -> Vec<Vec<&'static str>> {
    let (_, section) = PROTOCOL.split_once(&format!("\n## {heading}\n")).unwrap();
    let section = section.split("\n## ").next().unwrap();
    let (_, rows) = section.split_once(columns).unwrap();
    let rows = rows.trim_start_matches('\n').lines().skip(1);
    rows.take_while(|row| row.starts_with('|'))
        .map(|row| {
            row.trim_matches('|').split('|').map(|cell| cell.trim().trim_matches('`')).collect()
        })
        .collect()
}

fn auth_errors() -> Vec<AuthError> {
    use AuthError as E;
    every!(AuthError:
        E::MissingToken => E::MissingToken,
        E::MalformedHeader => E::MalformedHeader,
        E::SeveralHeaders => E::SeveralHeaders,
        E::SeveralParameters => E::SeveralParameters,
        E::TokenTooShort => E::TokenTooShort,
        E::TokenTooLong => E::TokenTooLong,
        E::Malformed => E::Malformed,
        E::WrongAlgorithm => E::WrongAlgorithm,
        E::UnsupportedCritical => E::UnsupportedCritical,
        E::BadSignature => E::BadSignature,
        E::UnknownKey => E::UnknownKey,
        E::NoKey => E::NoKey,
        E::Expired => E::Expired,
        E::NotYetValid => E::NotYetValid,
        E::BadClaims { .. } => E::BadClaims { claim: "exp" },
        E::OriginMissing => E::OriginMissing,
        E::OriginNotAllowed => E::OriginNotAllowed,
        E::KeysUnavailable => E::KeysUnavailable,
        E::CallbackUnauthorized => E::CallbackUnauthorized,
        E::CallbackForbidden => E::CallbackForbidden,
        E::NoTopics => E::NoTopics,
        E::NoPublishList => E::NoPublishList,
        E::CallbackFailed => E::CallbackFailed,
        E::Kicked => E::Kicked,
    )
}

fn query_errors() -> Vec<QueryError> {
    use QueryError as E;
    every!(QueryError:
        E::MissingTopic => E::MissingTopic,
        E::TooManySelectors { .. } => E::TooManySelectors { limit: 1 },
        E::SelectorTooLong { .. } => E::SelectorTooLong { limit: 1 },
    )
}

fn draft_errors() -> Vec<DraftError> {
    use DraftError as E;
    let bad_type = tidings_wire::EventType::new("\n").unwrap_err();
    every!(DraftError:
        E::MissingTopic => E::MissingTopic,
        E::EmptyTopic => E::EmptyTopic,
        E::TooManyTopics { .. } => E::TooManyTopics { limit: 1 },
        E::TopicTooLong { .. } => E::TopicTooLong { limit: 1 },
        E::ReservedTopic { .. } => E::ReservedTopic { reserved: "a" },
        E::DataTooLarge { .. } => E::DataTooLarge { size: 2, limit: 1 },
        E::BadId(_) => E::BadId(IdFault::LeadingHash),
        E::BadType(_) => E::BadType(bad_type),
        E::ReservedType { .. } => E::ReservedType { name: "gap" },
        E::BadRetry => E::BadRetry,
        E::NotUtf8 { .. } => E::NotUtf8 { field: "body" },
        E::BadEscape { .. } => E::BadEscape { field: "data" },
        E::UnknownField { .. } => E::UnknownField { name: "a".into(), nearest: None },
        E::DuplicateField { .. } => E::DuplicateField { field: "data" },
        E::WrongType { .. } => E::WrongType { field: "data", expected: "a" },
        E::BadJson { .. } => E::BadJson { line: 1, column: 1 },
        E::TooManyUpdates { .. } => E::TooManyUpdates { limit: 1 },
        E::LineTooLong { .. } => E::LineTooLong { limit: 1 },
        E::InArray { .. } => E::InArray { index: 0, error: Box::new(E::MissingTopic) },
    )
}

fn upstream_errors() -> Vec<UpstreamError> {
    use UpstreamError as E;
    every!(UpstreamError:
        E::Unreachable { .. } => E::Unreachable { cause: "".into() },
        E::NoAnswer => E::NoAnswer,
        E::Ended => E::Ended,
        E::Refused(_) => E::Refused(StatusCode::FORBIDDEN),
        E::Failed(_) => E::Failed(StatusCode::INTERNAL_SERVER_ERROR),
        E::NotEventStream { .. } => E::NotEventStream { content_type: None },
        E::Encoded => E::Encoded,
        E::Redirect => E::Redirect,
        E::Limit { .. } => E::Limit { limit: 1 },
    )
}

/// The hub's errors may get variants that this crate cannot see: those are refused as `unavailable`.
fn hub_refusals() -> Vec<Refusal> {
    let publish = [
        PublishError::NoTopic,
        PublishError::TooManyTopics { limit: 1 },
        PublishError::ReservedId,
        PublishError::TooLarge { bytes: 2, limit: 1 },
        PublishError::KeyReused,
        PublishError::Closed,
        PublishError::Unavailable(Unavailable::new("")),
    ];
    let subscribe = [
        SubscribeError::NoSelector,
        SubscribeError::TooManySelectors { limit: 1 },
        SubscribeError::TooManyTemplates { limit: 1 },
        SubscribeError::HubFull { limit: 1 },
        SubscribeError::UserFull { limit: 1 },
        SubscribeError::AddressFull { limit: 1 },
        SubscribeError::TopicFull { selector: "a".into(), limit: 1 },
        SubscribeError::Closed,
        SubscribeError::Unavailable(Unavailable::new("")),
    ];
    publish.map(Refusal::from).into_iter().chain(subscribe.map(Refusal::from)).collect()
}

fn refusals() -> Vec<Refusal> {
    use Refusal as R;
    let mut refusals = every!(Refusal:
        R::NotFound => R::NotFound,
        R::MethodNotAllowed { .. } => R::MethodNotAllowed { allow: "GET" },
        R::Auth(_) => R::Auth(AuthError::MissingToken),
        R::Forbidden { .. } => R::Forbidden { what: "publish" },
        R::Query(_) => R::Query(QueryError::MissingTopic),
        R::Draft(_) => R::Draft(DraftError::MissingTopic),
        R::UnsupportedMediaType => R::UnsupportedMediaType,
        R::BodyTooLarge { .. } => R::BodyTooLarge { limit: 1 },
        R::BodyTimeout => R::BodyTimeout,
        R::BodyBroken => R::BodyBroken,
        R::BadIdempotencyKey => R::BadIdempotencyKey,
        R::Publish(_) => R::Publish(PublishError::NoTopic),
        R::Batch(_) => R::Batch(BatchError { place: 0, error: PublishError::NoTopic }),
        R::HubsMissing { .. } => R::HubsMissing { count: 1 },
        R::Subscribe(_) => R::Subscribe(SubscribeError::NoSelector),
        R::Upstream(_) => R::Upstream(UpstreamError::Ended),
        R::Internal => R::Internal,
    );
    refusals.extend(upstream_errors().into_iter().map(Refusal::from));
    refusals.extend(auth_errors().into_iter().map(Refusal::from));
    refusals.extend(query_errors().into_iter().map(Refusal::from));
    refusals.extend(draft_errors().into_iter().map(Refusal::from));
    refusals.extend(hub_refusals());
    refusals
}

/// Whether `EventSource` is told of a refusal in a stream, so that it comes back.
fn is_soft(refusal: &Refusal) -> bool {
    let request = Request::builder().header("accept", "text/event-stream").body(()).unwrap();
    let answer = refusal.respond(&request.into_parts().0, Duration::from_secs(1));
    answer.status() == 200
}

#[test]
fn the_table_of_refusals_is_the_programs() {
    let rows = table("Refusals", "| Status | Reason | When | Soft |");
    let documented: BTreeSet<(u16, &str, bool)> =
        rows.iter().map(|row| (row[0].parse().unwrap(), row[1], row[3] == "yes")).collect();
    assert_eq!(documented.len(), rows.len(), "a reason is there twice");
    let refusals = refusals();
    let actual: BTreeSet<(u16, &str, bool)> = refusals
        .iter()
        .map(|refusal| (refusal.status().as_u16(), refusal.reason(), is_soft(refusal)))
        .collect();
    assert_eq!(documented, actual);
}

#[test]
fn the_table_of_close_reasons_is_the_programs() {
    let rows = table("Why a stream ends", "| Close reason | Meaning |");
    let documented: Vec<&str> = rows.iter().map(|row| row[0]).collect();
    assert_eq!(documented, CloseReason::ALL.map(CloseReason::as_str));
}

#[test]
fn the_table_of_metrics_is_the_programs() {
    let rows = table("The admin listener", "| Metric | Type | What |");
    let documented: BTreeSet<(String, &str)> =
        rows.iter().map(|row| (row[0].to_owned(), row[1])).collect();
    assert_eq!(documented.len(), rows.len(), "a metric is there twice");
    let hub = Hub::new(Epoch::random().unwrap(), HubConfig::default(), None);
    let metrics = Metrics::new();
    // Only what was counted once is in the text.
    metrics.refused("draining");
    metrics.upstream_failed("upstream_unreachable");
    let text = metrics.text(&hub.stats()).unwrap();
    let actual: BTreeSet<(String, &str)> = text
        .lines()
        .filter_map(|line| line.strip_prefix("# TYPE ")?.split_once(' '))
        .map(|(name, kind)| {
            // What is scraped of a counter is called so.
            let suffix = if kind == "counter" { "_total" } else { "" };
            (format!("{name}{suffix}"), kind)
        })
        .collect();
    assert_eq!(documented, actual);
}

#[test]
fn the_hubs_own_frames_are_as_documented() {
    let at = |seq| Position { epoch: "4hz0k7wq".parse().unwrap(), seq };
    let retry = Duration::from_millis(2718);
    let gap = Gap { last_event_id: Some(at(17).to_string()), before: at(40), missed: Some(23) };
    for frame in [
        announce::opening(retry, Some(at(17))),
        announce::keep_alive(None),
        announce::keep_alive(Some(at(99))),
        announce::gap(&gap),
        announce::refused(429, "user_limit", retry),
        announce::expired(),
        announce::kicked(),
        announce::drain(retry),
    ] {
        let frame = String::from_utf8(frame.to_vec()).unwrap();
        assert!(PROTOCOL.contains(&format!("\n```\n{frame}```\n")), "not documented:\n{frame}");
    }
}

#[tokio::test]
async fn the_problem_document_is_as_documented() {
    let request = Request::new(()).into_parts().0;
    let answer = Refusal::Auth(AuthError::MissingToken).respond(&request, Duration::ZERO);
    let body = answer.into_body().collect().await.unwrap().to_bytes();
    let body = String::from_utf8(body.to_vec()).unwrap();
    assert!(PROTOCOL.contains(&format!("\n```\n{body}\n```\n")), "{body}");
}
