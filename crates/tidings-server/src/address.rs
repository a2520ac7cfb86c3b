//! The client's address: who is counted when the hub stands behind proxies.
//!
//! A forwarding header is only as good as whoever wrote it, so it is read from the right, where
//! the nearest proxy wrote, and only as far as trusted proxies reach.

use std::collections::VecDeque;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use http::header::{FORWARDED, HeaderMap, HeaderName, HeaderValue};
use ipnet::{IpNet, Ipv4Net};

/// How many entries of a forwarding header are examined: real chains have fewer than ten.
const MAX_HOPS: usize = 32;

/// A client with IPv6 is usually given a whole network of this size, so it is counted as one.
const IPV6_CLIENT_PREFIX_BITS: u32 = 64;

/// An IPv4 address inside IPv6 (`::ffff:a.b.c.d`) has this many bits before it.
const IPV4_MAPPED_PREFIX_BITS: u8 = 96;

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// The networks whose forwarding headers are believed. Default: none.
///
/// A trusted proxy has to add the address it was called from to `Forwarded` (RFC 7239) or to
/// `X-Forwarded-For`, on every request.
#[derive(Debug, Clone, Default)]
pub struct TrustedProxies(Vec<IpNet>);

impl TrustedProxies {
    /// Trusts these networks. IPv4-mapped IPv6 networks count as the IPv4 networks they stand for.
    pub fn new(networks: impl IntoIterator<Item = IpNet>) -> Self {
        Self(networks.into_iter().map(canonical_network).collect())
    }

    fn trusts(&self, address: IpAddr) -> bool {
        self.0.iter().any(|network| network.contains(&address))
    }
}

/// The address of the client that sent a request: `peer`, or, when `peer` is a trusted proxy, the
/// nearest address in the forwarding headers that is not one.
///
/// A malformed, obfuscated (`_name`) or `unknown` entry ends the search: the last address before
/// it counts. `Forwarded` comes before `X-Forwarded-For`; where both are there and name different
/// clients, the client wrote one of them and nobody can say which, so neither is believed and
/// `peer` counts.
pub(crate) fn client_address(
    peer: IpAddr,
    headers: &HeaderMap,
    trusted: &TrustedProxies,
) -> IpAddr {
    let peer = peer.to_canonical();
    if !trusted.trusts(peer) {
        return peer;
    }
    let forwarded = headers
        .contains_key(FORWARDED)
        .then(|| nearest_untrusted(peer, forwarded_hops(headers), trusted));
    let x_forwarded_for = headers
        .contains_key(X_FORWARDED_FOR)
        .then(|| nearest_untrusted(peer, x_forwarded_for_hops(headers), trusted));
    match (forwarded, x_forwarded_for) {
        (Some(one), Some(other)) if one != other => peer,
        (Some(address), _) | (None, Some(address)) => address,
        (None, None) => peer,
    }
}

/// What limits per address count by: an IPv4 address itself, an IPv6 address's /64 network.
pub(crate) fn limit_key(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(address) => IpAddr::V4(address),
        IpAddr::V6(address) => {
            let network_mask = u128::MAX << (u128::BITS - IPV6_CLIENT_PREFIX_BITS);
            IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() & network_mask))
        }
    }
}

/// Walks from the nearest hop to the farthest. An entry that is not an address is `None`.
fn nearest_untrusted(
    peer: IpAddr,
    hops: impl Iterator<Item = Option<IpAddr>>,
    trusted: &TrustedProxies,
) -> IpAddr {
    let mut last_good = peer;
    for hop in hops {
        let Some(address) = hop else { break };
        last_good = address;
        if !trusted.trusts(address) {
            break;
        }
    }
    last_good
}

fn x_forwarded_for_hops(headers: &HeaderMap) -> impl Iterator<Item = Option<IpAddr>> {
    headers
        .get_all(X_FORWARDED_FOR)
        .iter()
        .rev()
        .flat_map(|line| line.as_bytes().rsplit(|byte| *byte == b','))
        .take(MAX_HOPS)
        .map(<[u8]>::trim_ascii)
        .filter(|entry| !entry.is_empty())
        .map(|entry| node_address(std::str::from_utf8(entry).ok()?))
}

fn forwarded_hops(headers: &HeaderMap) -> impl Iterator<Item = Option<IpAddr>> {
    headers.get_all(FORWARDED).iter().rev().flat_map(nearest_elements).take(MAX_HOPS).map(
        |element| {
            let element = element?;
            element_address(std::str::from_utf8(element).ok()?)
        },
    )
}

/// The last elements of one `Forwarded` line, nearest first. Quotes can only be told apart from
/// the left; a line that never closes one has no element that can be trusted to be one.
fn nearest_elements(line: &HeaderValue) -> VecDeque<Option<&[u8]>> {
    let mut nearest = VecDeque::with_capacity(MAX_HOPS);
    let mut quotes = Quotes::default();
    for element in line.as_bytes().split(|byte| quotes.is_separator(*byte, b',')) {
        let element = element.trim_ascii();
        if element.is_empty() {
            continue;
        }
        nearest.truncate(MAX_HOPS - 1);
        nearest.push_front(Some(element));
    }
    if quotes.open {
        return VecDeque::from([None]);
    }
    nearest
}

/// The address in one element's `for` parameter (RFC 7239 section 4).
fn element_address(element: &str) -> Option<IpAddr> {
    let mut quotes = Quotes::default();
    let mut found = None;
    for pair in element.as_bytes().split(|byte| quotes.is_separator(*byte, b';')) {
        let pair = std::str::from_utf8(pair).ok()?.trim_ascii();
        let (name, value) = pair.split_once('=')?;
        if !name.eq_ignore_ascii_case("for") {
            continue;
        }
        if found.is_some() {
            return None;
        }
        found = Some(match value.strip_prefix('"') {
            Some(quoted) => node_address(&unquote(quoted)?)?,
            None => node_address(value)?,
        });
    }
    found
}

/// The inside of a quoted string, given what follows its opening quote.
fn unquote(quoted: &str) -> Option<String> {
    let mut text = String::with_capacity(quoted.len());
    let mut characters = quoted.chars();
    loop {
        match characters.next()? {
            '"' => return characters.as_str().is_empty().then_some(text),
            '\\' => text.push(characters.next()?),
            character => text.push(character),
        }
    }
}

/// An IP address with or without a port (RFC 7239 section 6). Bare IPv6 addresses are taken too:
/// that is how `X-Forwarded-For` has them.
fn node_address(node: &str) -> Option<IpAddr> {
    if let Ok(address) = node.parse::<IpAddr>() {
        return Some(address.to_canonical());
    }
    let (address, port) = if let Some(bracketed) = node.strip_prefix('[') {
        let (address, port) = bracketed.split_once(']')?;
        let port = if port.is_empty() { None } else { Some(port.strip_prefix(':')?) };
        (IpAddr::V6(address.parse::<Ipv6Addr>().ok()?), port)
    } else {
        let (address, port) = node.split_once(':')?;
        (IpAddr::V4(address.parse::<Ipv4Addr>().ok()?), Some(port))
    };
    port.is_none_or(is_node_port).then(|| address.to_canonical())
}

/// A number of up to five digits, or an obfuscated port: `_` and a name.
fn is_node_port(port: &str) -> bool {
    match port.strip_prefix('_') {
        Some(name) => {
            !name.is_empty()
                && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte))
        }
        None => (1..=5).contains(&port.len()) && port.bytes().all(|byte| byte.is_ascii_digit()),
    }
}

fn canonical_network(network: IpNet) -> IpNet {
    let IpNet::V6(mapped) = network else { return network };
    let inner_bits = mapped.prefix_len().checked_sub(IPV4_MAPPED_PREFIX_BITS);
    match (mapped.addr().to_ipv4_mapped(), inner_bits) {
        (Some(address), Some(bits)) => Ipv4Net::new(address, bits).map_or(network, IpNet::V4),
        _ => network,
    }
}

/// Where quoted strings begin and end, byte by byte.
#[derive(Debug, Default)]
struct Quotes {
    open: bool,
    escaped: bool,
}

impl Quotes {
    /// Takes the next byte and says whether it is `separator`, outside of quotes.
    fn is_separator(&mut self, byte: u8, separator: u8) -> bool {
        if self.escaped {
            self.escaped = false;
        } else if byte == b'"' {
            self.open = !self.open;
        } else if self.open && byte == b'\\' {
            self.escaped = true;
        }
        !self.open && byte == separator
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const PROXY: &str = "10.0.0.1";

    fn trusted() -> TrustedProxies {
        TrustedProxies::new(["10.0.0.0/8", "2001:db8:ffff::/48"].map(|net| net.parse().unwrap()))
    }

    fn headers(lines: &[(&'static str, &str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            let value = HeaderValue::from_bytes(value.as_bytes()).unwrap();
            headers.append(HeaderName::from_static(name), value);
        }
        headers
    }

    #[track_caller]
    fn check(peer: &str, lines: &[(&'static str, &str)], expected: &str) {
        let found = client_address(peer.parse().unwrap(), &headers(lines), &trusted());
        assert_eq!(found, expected.parse::<IpAddr>().unwrap(), "{lines:?}");
    }

    #[track_caller]
    fn check_forwarded(value: &str, expected: &str) {
        check(PROXY, &[("forwarded", value)], expected);
    }

    #[track_caller]
    fn check_x(value: &str, expected: &str) {
        check(PROXY, &[("x-forwarded-for", value)], expected);
    }

    #[test]
    fn an_untrusted_peer_cannot_name_another_client() {
        let lines = [("forwarded", "for=192.0.2.1"), ("x-forwarded-for", "192.0.2.1")];
        check("198.51.100.7", &lines, "198.51.100.7");
        check("::ffff:198.51.100.7", &lines, "198.51.100.7");
    }

    #[test]
    fn the_nearest_address_that_is_not_a_proxy_is_the_client() {
        check(PROXY, &[], PROXY);
        check_x("192.0.2.1", "192.0.2.1");
        check_x("6.6.6.6, 192.0.2.1, 10.9.9.9", "192.0.2.1");
        check_x(" 192.0.2.1 ,, ", "192.0.2.1");
        check_x("10.3.3.3, 10.2.2.2", "10.3.3.3");
        check_x("", PROXY);
        check(
            PROXY,
            &[("x-forwarded-for", "6.6.6.6"), ("x-forwarded-for", "192.0.2.1")],
            "192.0.2.1",
        );
        check("::ffff:10.0.0.1", &[("x-forwarded-for", "::ffff:192.0.2.1")], "192.0.2.1");
        check("2001:db8:ffff::1", &[("x-forwarded-for", "2001:db8::7")], "2001:db8::7");
    }

    #[test]
    fn forwarded_is_read_as_rfc_7239_writes_it() {
        check_forwarded("for=192.0.2.60;proto=http;by=203.0.113.43", "192.0.2.60");
        check_forwarded("For=\"[2001:db8:cafe::17]:4711\"", "2001:db8:cafe::17");
        check_forwarded("for=\"[2001:db8:cafe::17]\"", "2001:db8:cafe::17");
        check_forwarded("for=\"192.0.2.43:47011\"", "192.0.2.43");
        check_forwarded("for=\"192.0.2.43:_port\"", "192.0.2.43");
        check_forwarded("for=\"192.0.2.4\\3\"", "192.0.2.43");
        check_forwarded("for=6.6.6.6, for=192.0.2.43, for=10.1.1.1", "192.0.2.43");
        check_forwarded("host=\"a,for=6.6.6.6;for=6.6.6.6\";for=192.0.2.43", "192.0.2.43");
    }

    #[test]
    fn an_entry_that_is_not_an_address_ends_the_walk_at_the_last_good_hop() {
        check_forwarded("for=6.6.6.6, for=_hidden, for=10.1.1.1", "10.1.1.1");
        check_forwarded("for=6.6.6.6, for=unknown", PROXY);
        check_forwarded("for=6.6.6.6, proto=https", PROXY);
        check_forwarded("for=6.6.6.6, for=192.0.2.1;for=192.0.2.2", PROXY);
        check_forwarded("for=6.6.6.6, for=\"192.0.2.1\"x", PROXY);
        check_forwarded("for=6.6.6.6, nonsense", PROXY);
        check_forwarded("for=\"6.6.6.6", PROXY);
        check_x("6.6.6.6, unknown, 10.1.1.1", "10.1.1.1");
        check_x("6.6.6.6, 192.0.2.1:port", PROXY);
        check_x("6.6.6.6, 192.0.2.1:", PROXY);
        check_x("6.6.6.6, [2001:db8::1", PROXY);
        check_x("6.6.6.6, [2001:db8::1]80", PROXY);
        check_x("6.6.6.6, \u{e9}", PROXY);
    }

    #[test]
    fn a_quote_left_open_by_the_client_does_not_hide_the_proxys_entry_behind_another() {
        check_forwarded("for=\"6.6.6.6, for=192.0.2.1", PROXY);
        check_forwarded("for=6.6.6.6;x=\", for=\"[2001:db8::1]\"", PROXY);
    }

    #[test]
    fn when_the_two_headers_disagree_neither_is_believed() {
        let agreed = [("forwarded", "for=192.0.2.1"), ("x-forwarded-for", "192.0.2.1")];
        check(PROXY, &agreed, "192.0.2.1");
        let disagreed = [("forwarded", "for=6.6.6.6"), ("x-forwarded-for", "192.0.2.1")];
        check(PROXY, &disagreed, PROXY);
    }

    #[test]
    fn no_more_than_a_bounded_number_of_entries_is_examined() {
        let beyond = format!("192.0.2.1{}", ", 10.1.1.1".repeat(MAX_HOPS));
        check_x(&beyond, "10.1.1.1");
        let beyond = format!("for=192.0.2.1{}", ", for=10.1.1.1".repeat(MAX_HOPS));
        check_forwarded(&beyond, "10.1.1.1");
        let within = format!("for=192.0.2.1{}", ", for=10.1.1.1".repeat(MAX_HOPS - 1));
        check_forwarded(&within, "192.0.2.1");
    }

    #[test]
    fn a_mapped_network_trusts_the_ipv4_network_it_stands_for() {
        let trusted = TrustedProxies::new(["::ffff:10.0.0.0/104".parse().unwrap()]);
        let headers = headers(&[("x-forwarded-for", "192.0.2.1")]);
        let found = client_address(PROXY.parse().unwrap(), &headers, &trusted);
        assert_eq!(found, "192.0.2.1".parse::<IpAddr>().unwrap());
    }

    #[test]
    fn limits_count_ipv6_clients_by_their_network() {
        let key = |address: &str| limit_key(address.parse().unwrap()).to_string();
        assert_eq!(key("192.0.2.1"), "192.0.2.1");
        assert_eq!(key("::ffff:192.0.2.1"), "192.0.2.1");
        assert_eq!(key("2001:db8:1:2:3:4:5:6"), "2001:db8:1:2::");
    }

    fn header_bytes() -> impl Strategy<Value = Vec<u8>> {
        let likely = prop::sample::select(b"for=\"\\,;:[] 0123456789._af".to_vec());
        prop::collection::vec(prop_oneof![4 => likely, 1 => 0x20..=0xffu8], 0..80)
            .prop_map(|bytes| bytes.into_iter().filter(|byte| *byte != 0x7f).collect())
    }

    proptest! {
        #[test]
        fn an_untrusted_peer_is_always_itself(
            peer: IpAddr,
            junk in header_bytes(),
            claimed: IpAddr,
            with_forwarded: bool,
        ) {
            let mut headers = HeaderMap::new();
            let mut x = junk.clone();
            x.extend_from_slice(format!(", {claimed}").as_bytes());
            headers.append(X_FORWARDED_FOR, HeaderValue::from_bytes(&x).unwrap());
            if with_forwarded {
                let mut forwarded = junk;
                forwarded.extend_from_slice(format!(", for=\"[{claimed}]\"").as_bytes());
                headers.append(FORWARDED, HeaderValue::from_bytes(&forwarded).unwrap());
            }
            let nobody = TrustedProxies::default();
            prop_assert_eq!(client_address(peer, &headers, &nobody), peer.to_canonical());
        }

        #[test]
        fn nothing_to_the_left_of_the_proxys_entry_names_another_client(junk in header_bytes()) {
            let peer = PROXY.parse().unwrap();
            let real: IpAddr = "203.0.113.9".parse().unwrap();
            let mut x = junk.clone();
            x.extend_from_slice(b", 203.0.113.9");
            let mut headers = HeaderMap::new();
            headers.append(X_FORWARDED_FOR, HeaderValue::from_bytes(&x).unwrap());
            prop_assert_eq!(client_address(peer, &headers, &trusted()), real);

            let mut forwarded = junk;
            forwarded.extend_from_slice(b", for=203.0.113.9");
            let mut headers = HeaderMap::new();
            headers.append(FORWARDED, HeaderValue::from_bytes(&forwarded).unwrap());
            let found = client_address(peer, &headers, &trusted());
            prop_assert!(found == real || found == peer, "{} is neither", found);
        }
    }
}
