//! From the text of a variable to its value. An error says what is expected, never what was found.

use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use ipnet::IpNet;
use url::Url;

use crate::domain::group_pattern::GroupPattern;
use crate::domain::money::Currency;
use crate::domain::tariff::Tariff;
use crate::http::settings::parse_networks;
use crate::realtime::RedisUrl;
use crate::services::app::ServiceKey;
use crate::services::money::WebhookSecret;
use crate::services::push::Authorities;
use crate::store::DatabaseUrl;

use super::{LogFormat, PaymentProvider, Secret};

/// The most that a fee may be, minor units.
const MAX_FEE: i64 = 1_000_000_000;

pub(super) type Parsed<T> = Result<T, String>;

pub(super) fn database_url(text: &str) -> Parsed<DatabaseUrl> {
    text.parse().map_err(|error: crate::store::InvalidDatabaseUrl| error.to_string())
}

pub(super) fn redis_url(text: &str) -> Parsed<RedisUrl> {
    text.parse().map_err(|error: crate::realtime::InvalidRedisUrl| error.to_string())
}

pub(super) fn redis_prefix(text: &str) -> Parsed<String> {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.' | b':');
    if (1..=64).contains(&text.len()) && text.bytes().all(is_plain) {
        return Ok(text.into());
    }
    Err("expected 1 to 64 letters, digits and . _ - :".into())
}

pub(super) fn address(text: &str) -> Parsed<SocketAddr> {
    text.parse().map_err(|_| "expected an IP address and a port, such as 127.0.0.1:8000 or [::]:8000".into())
}

/// A URL of map tiles, as Leaflet and its like take it.
pub(super) fn tiles(text: &str) -> Parsed<String> {
    let expected = || "expected a URL such as https://tiles.example/{z}/{x}/{y}.png, without {s}".to_owned();
    let names_all = ["{z}", "{x}", "{y}"].iter().all(|name| text.contains(name));
    let plain =
        ["{z}", "{x}", "{y}", "{r}"].iter().fold(text.to_owned(), |text, name| text.replace(name, ""));
    let url = Url::parse(&plain).map_err(|_| expected())?;
    let is_web = matches!(url.scheme(), "http" | "https") && url.has_host() && !plain.contains(['{', '}']);
    (names_all && is_web).then(|| text.to_owned()).ok_or_else(expected)
}

pub(super) fn number<T>(text: &str, range: RangeInclusive<T>) -> Parsed<T>
where
    T: FromStr + PartialOrd + std::fmt::Display,
{
    let number = text.parse().ok().filter(|number| range.contains(number));
    number.ok_or_else(|| format!("expected a whole number from {} to {}", range.start(), range.end()))
}

pub(super) fn secs(text: &str, range: RangeInclusive<u64>) -> Parsed<Duration> {
    number(text, range).map(Duration::from_secs)
}

pub(super) fn days(text: &str, range: RangeInclusive<u64>) -> Parsed<Duration> {
    number(text, range).map(|days| Duration::from_secs(days * 86_400))
}

pub(super) fn millis(text: &str, range: RangeInclusive<u64>) -> Parsed<Duration> {
    number(text, range).map(Duration::from_millis)
}

pub(super) fn currency(text: &str) -> Parsed<Currency> {
    text.parse().map_err(|error: crate::domain::money::InvalidCurrency| error.to_string())
}

/// Minor units.
pub(super) fn fee(text: &str) -> Parsed<i64> {
    number(text, 0..=MAX_FEE)
}

/// A currency and what is charged in it.
pub(super) fn tariff(text: &str) -> Parsed<(Currency, Tariff)> {
    let read = || {
        let mut parts = text.split(':').map(str::trim);
        let currency = currency(parts.next()?).ok()?;
        let mut next = || fee(parts.next()?).ok();
        let tariff = Tariff { base_fee: next()?, fee_per_km: next()?, cancellation_fee: next()? };
        parts.next().is_none().then_some((currency, tariff))
    };
    let expected =
        "expected such as EUR:280:75:280: currency, base fee, fee per kilometre and cancellation fee";
    read().ok_or_else(|| format!("{expected}, each from 0 to {MAX_FEE}, and more of these with commas"))
}

pub(super) fn switch(text: &str) -> Parsed<bool> {
    match text {
        "on" => Ok(true),
        "off" => Ok(false),
        // Any other text: this is a parser.
        _ => Err("expected on or off".into()),
    }
}

pub(super) fn log_format(text: &str) -> Parsed<LogFormat> {
    match text {
        "text" => Ok(LogFormat::Text),
        "json" => Ok(LogFormat::Json),
        // Any other text: this is a parser.
        _ => Err("expected text or json".into()),
    }
}

pub(super) fn payment_provider(text: &str) -> Parsed<PaymentProvider> {
    match text {
        "none" => Ok(PaymentProvider::None),
        "test" => Ok(PaymentProvider::Test),
        // Any other text: this is a parser.
        _ => Err("expected none or test".into()),
    }
}

/// The shortest secret that another program shows or signs with, bytes.
const LEAST_SECRET: usize = 16;

pub(super) fn webhook_secret(text: &str) -> Parsed<WebhookSecret> {
    if text.len() < LEAST_SECRET {
        return Err(format!("expected at least {LEAST_SECRET} bytes each (openssl rand -hex 32 makes one)"));
    }
    Ok(WebhookSecret::new(text))
}

/// Directives of `env_logger`: `level` or `target=level`, with commas. Its own parser passes over what it does
/// not understand.
pub(super) fn log_filter(text: &str) -> Parsed<String> {
    let is_level = |level: &str| level.parse::<log::LevelFilter>().is_ok();
    let is_good = |directive: &str| match directive.split_once('=') {
        Some((target, level)) => !target.trim().is_empty() && is_level(level.trim()),
        // A target alone lets everything of it through.
        None => is_level(directive) || directive.contains("::") || directive == "waybill",
    };
    // After a slash stands a regular expression for the message.
    let directives = text.split('/').next().unwrap_or_default();
    if directives.split(',').map(str::trim).all(|directive| directive.is_empty() || is_good(directive)) {
        return Ok(text.into());
    }
    Err("expected off, error, warn, info, debug or trace, or such as info,waybill::store=debug".into())
}

/// The number of threads; `auto` leaves one core to the groups and the database.
pub(super) fn workers(text: &str) -> Parsed<usize> {
    if text == "auto" {
        let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        return Ok(cores.saturating_sub(1).clamp(1, 512));
    }
    number(text, 1..=512).map_err(|expected| format!("{expected}, or auto"))
}

pub(super) fn optional<T>(text: &str, parse: impl FnOnce(&str) -> Parsed<T>) -> Parsed<Option<T>> {
    if text.is_empty() { Ok(None) } else { parse(text).map(Some) }
}

/// Items with commas between them.
pub(super) fn list<T>(text: &str, parse: impl Fn(&str) -> Parsed<T>) -> Parsed<Vec<T>> {
    text.split(',').map(str::trim).filter(|item| !item.is_empty()).map(parse).collect()
}

#[expect(clippy::unnecessary_wraps, reason = "it stands where the other parsers stand")]
pub(super) fn secret(text: &str) -> Parsed<Secret> {
    Ok(Secret::new(text))
}

pub(super) fn folder(text: &str) -> Parsed<PathBuf> {
    let folder = PathBuf::from(text);
    if folder.is_dir() { Ok(folder) } else { Err("expected a folder that is there".into()) }
}

#[expect(clippy::unnecessary_wraps, reason = "it stands where the other parsers stand")]
pub(super) fn text(text: &str) -> Parsed<String> {
    Ok(text.to_owned())
}

#[expect(clippy::unnecessary_wraps, reason = "it stands where the other parsers stand")]
pub(super) fn path(text: &str) -> Parsed<PathBuf> {
    Ok(PathBuf::from(text))
}

/// Whom a push service may write to (RFC 8292, section 2.1).
pub(super) fn contact(text: &str) -> Parsed<String> {
    let is_mail = text.strip_prefix("mailto:").is_some_and(|address| address.contains('@'));
    let is_page = Url::parse(text).is_ok_and(|url| url.scheme() == "https" && url.host().is_some());
    if is_mail || is_page {
        Ok(text.to_owned())
    } else {
        Err("expected such as mailto:ops@example.com or https://example.com/contact".into())
    }
}

pub(super) fn authorities(text: &str) -> Parsed<Authorities> {
    let expected = || "expected a file with certificates (PEM)".to_owned();
    let pem = std::fs::read(text).map_err(|_| expected())?;
    Authorities::parse(&pem).ok_or_else(expected)
}

/// Scheme, host and port of a web page (RFC 6454, section 6.1), as browsers send it.
pub(super) fn origin(text: &str) -> Parsed<String> {
    let expected = || "expected origins such as https://shop.example, with commas".to_owned();
    let url = web_url(text).map_err(|_| expected())?;
    let bare = url.path() == "/" && url.query().is_none() && url.fragment().is_none() && !text.ends_with('/');
    if bare { Ok(url.origin().ascii_serialization()) } else { Err(expected()) }
}

/// The address under which clients reach the server.
pub(super) fn public_url(text: &str) -> Parsed<Url> {
    let expected = || "expected such as https://realtime.example, without a query".to_owned();
    let url = web_url(text).map_err(|_| expected())?;
    if url.query().is_some() || url.fragment().is_some() { Err(expected()) } else { Ok(url) }
}

/// The address of a back end in the same network.
pub(super) fn plain_http(text: &str) -> Parsed<Url> {
    let expected = || "expected such as http://osrm:5000, without TLS, user, or query".to_owned();
    let url = web_url(text).map_err(|_| expected())?;
    let is_plain = url.scheme() == "http" && url.query().is_none() && url.fragment().is_none();
    if is_plain { Ok(url) } else { Err(expected()) }
}

fn web_url(text: &str) -> Result<Url, ()> {
    let url = Url::parse(text).map_err(|_| ())?;
    let good = matches!(url.scheme(), "http" | "https")
        && url.host().is_some()
        && url.username().is_empty()
        && url.password().is_none();
    if good { Ok(url) } else { Err(()) }
}

pub(super) fn networks(text: &str) -> Parsed<Vec<IpNet>> {
    parse_networks(text)
        .map_err(|_| "expected addresses or networks such as 10.0.0.0/8 or ::1, with commas".into())
}

/// `name:key`, or `name=groups:key` with a plus between groups. The key may hold any of these signs.
pub(super) fn service_key(text: &str) -> Parsed<ServiceKey> {
    let read = || {
        let (owner, key) = text.split_once(':')?;
        let (name, groups) = match owner.split_once('=') {
            Some((name, groups)) => {
                (name, groups.split('+').map(|group| group.trim().parse().ok()).collect::<Option<_>>()?)
            }
            None => (owner, vec![GroupPattern::Any]),
        };
        let (name, key) = (name.trim(), key.trim());
        let is_good = !name.is_empty() && key.len() >= LEAST_SECRET;
        is_good.then(|| ServiceKey { name: name.into(), key: key.into(), groups })
    };
    read().ok_or_else(|| {
        format!(
            "expected name:key or such as name=user_*+order_*:key, and more of these with commas; keys of at least \
             {LEAST_SECRET} bytes (openssl rand -hex 32 makes one)"
        )
    })
}
