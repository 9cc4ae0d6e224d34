use std::time::Duration;

use super::*;
use crate::domain::group_pattern::GroupPattern;
use crate::domain::money::Currency;

fn pairs(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

fn from_environment(environment: &[(&str, &str)]) -> Result<Settings, Vec<String>> {
    Settings::read(&Sources::new(pairs(environment), []))
        .map_err(|errors| errors.iter().map(ToString::to_string).collect())
}

fn only_error(environment: &[(&str, &str)]) -> String {
    match from_environment(environment) {
        Err(errors) if errors.len() == 1 => errors[0].clone(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn nothing_needs_to_be_set() {
    let settings = from_environment(&[]).expect("defaults are good");
    assert_eq!(settings.listen.to_string(), "127.0.0.1:8000");
    assert_eq!(settings.database_url.to_string(), "sqlite://data/waybill.db");
    assert_eq!(settings.access_lifetime, Duration::from_secs(900));
    assert_eq!(settings.refresh_lifetime, Duration::from_secs(30 * 24 * 3600));
    assert!(settings.jwt_secret.is_none() && settings.rate_limits && settings.auto_confirm);
    assert!(settings.workers >= 1);
    assert!(!settings.is_exposed());
}

#[test]
fn the_environment_wins_over_the_file_and_the_file_over_the_default() {
    let environment = pairs(&[("WAYBILL_PING_SECS", "11"), ("WAYBILL_IDLE_SECS", "")]);
    let file =
        pairs(&[("WAYBILL_PING_SECS", "12"), ("WAYBILL_DRAIN_SECS", "13"), ("WAYBILL_IDLE_SECS", "44")]);
    let sources = Sources::new(environment, file);
    let settings = Settings::read(&sources).expect("good");
    assert_eq!(settings.ping, Duration::from_secs(11));
    assert_eq!(settings.drain, Duration::from_secs(13));
    assert_eq!(settings.idle, Duration::from_secs(44), "set to nothing is not set");
    let lines = listing(&sources);
    let source = |name: &str| lines.iter().find(|line| line.name == name).map(|line| line.source);
    assert_eq!(source("WAYBILL_PING_SECS"), Some(Source::Environment));
    assert_eq!(source("WAYBILL_DRAIN_SECS"), Some(Source::DotEnv));
    assert_eq!(source("WAYBILL_LISTEN"), Some(Source::Default));
}

#[test]
fn a_variable_that_does_not_exist_is_an_error_that_names_the_nearest() {
    assert_eq!(
        only_error(&[("WAYBILL_LISTN", "127.0.0.1:1")]),
        "WAYBILL_LISTN: there is no such setting; did you mean WAYBILL_LISTEN?"
    );
    assert_eq!(
        only_error(&[("WAYBILL_COFFEE", "black")]),
        "WAYBILL_COFFEE: there is no such setting; waybill config lists them"
    );
    let in_file = Settings::read(&Sources::new([], pairs(&[("WAYBILL_PNG_SECS", "1")])));
    assert!(in_file.is_err(), "the file is held to the same");
    from_environment(&[("PATH", "/bin"), ("WAYBILL_TEST_POSTGRES", "x")]).expect("others' names are theirs");
    // What a back end beside it has in its environment, as the guide for Django has it exported.
    from_environment(&[("WAYBILL_SERVICE_KEY", "wbk_x"), ("WAYBILL_URL", "http://localhost:8000")])
        .expect("clients' names are theirs");
    let in_file = Settings::read(&Sources::new([], pairs(&[("WAYBILL_SERVICE_KEY", "wbk_x")])));
    assert!(in_file.is_err(), "the file is the server's");
}

#[test]
fn a_wrong_value_is_one_line_that_names_its_variable() {
    let cases = [
        ("DATABASE_URL", "mysql://h/n"),
        ("WAYBILL_LISTEN", "8000"),
        ("WAYBILL_PUBLIC_URL", "realtime.example"),
        ("WAYBILL_PUBLIC_URL", "https://realtime.example/?a=b"),
        ("WAYBILL_ALLOWED_ORIGINS", "https://a.example/shop"),
        ("WAYBILL_ALLOWED_ORIGINS", "https://a.example,ftp://b.example"),
        ("WAYBILL_TRUSTED_PROXIES", "10.0.0.0/33"),
        ("WAYBILL_SERVICE_KEYS", "no-colon-in-all-of-this-text"),
        ("WAYBILL_SERVICE_KEYS", ":0123456789abcdef"),
        ("WAYBILL_SERVICE_KEYS", "shop:0123456789abcde"),
        ("WAYBILL_SERVICE_KEYS", "shop:0123456789abcdef,till:x"),
        ("WAYBILL_SERVICE_KEYS", "shop:               x"),
        ("WAYBILL_SERVICE_KEYS", "shop=:0123456789abcdef"),
        ("WAYBILL_SERVICE_KEYS", "shop=users:0123456789abcdef"),
        ("WAYBILL_SERVICE_KEYS", "shop=user_*+:0123456789abcdef"),
        ("WAYBILL_SERVICE_KEYS", "=user_*:0123456789abcdef"),
        ("WAYBILL_RATE_LIMITS", "yes"),
        ("WAYBILL_BASE_FEE", "-1"),
        ("WAYBILL_CURRENCY", "dollars"),
        ("WAYBILL_CURRENCY", "XXX"),
        ("WAYBILL_MORE_CURRENCIES", "EUR"),
        ("WAYBILL_MORE_CURRENCIES", "EUR:280:75"),
        ("WAYBILL_MORE_CURRENCIES", "EUR:280:75:280:1"),
        ("WAYBILL_MORE_CURRENCIES", "EUR:2.80:0.75:2.80"),
        ("WAYBILL_MORE_CURRENCIES", "EUR:280:75:-1"),
        ("WAYBILL_MORE_CURRENCIES", "eur:280:75:280"),
        ("WAYBILL_MORE_CURRENCIES", "EUR:280:75:280;JPY:450:120:450"),
        ("WAYBILL_WORKERS", "0"),
        ("WAYBILL_PING_SECS", "25s"),
        ("WAYBILL_PING_SECS", "99999999999999999999"),
        ("WAYBILL_MAX_FRAME_BYTES", "12"),
        ("WAYBILL_LOG_FORMAT", "xml"),
        ("RUST_LOG", "verbose"),
        ("RUST_LOG", "waybill=loud"),
    ];
    for (name, value) in cases {
        let error = only_error(&[(name, value)]);
        assert!(error.starts_with(&format!("{name}: expected ")), "{error}");
        assert!(!error.contains('\n'), "{error}");
    }
}

#[test]
fn all_that_is_wrong_is_said_at_once() {
    let errors =
        from_environment(&[("WAYBILL_PING_SECS", "x"), ("WAYBILL_LISTEN", "y"), ("WAYBILL_TYPO", "z")]);
    assert_eq!(errors.map_err(|errors| errors.len()).err(), Some(3));
}

#[test]
fn good_values_are_taken() {
    let settings = from_environment(&[
        ("WAYBILL_LISTEN", "0.0.0.0:0"),
        ("WAYBILL_PUBLIC_URL", "https://realtime.example/base"),
        ("WAYBILL_ALLOWED_ORIGINS", " https://A.example , http://localhost:3000 "),
        ("WAYBILL_TRUSTED_PROXIES", "10.0.0.0/8, ::1"),
        (
            "WAYBILL_SERVICE_KEYS",
            "django:s3cret:with:colons, other=user_* + admin_dashboard : 0123456789abcde=",
        ),
        ("WAYBILL_WORKERS", "3"),
        ("RUST_LOG", "info,waybill::store=debug,actix_server=off"),
    ])
    .expect("good");
    assert!(settings.is_exposed());
    assert_eq!(settings.allowed_origins, ["https://a.example", "http://localhost:3000"]);
    assert_eq!(settings.trusted_proxies.len(), 2);
    assert_eq!(settings.service_keys[0].key, "s3cret:with:colons");
    assert_eq!(settings.service_keys[0].groups, [GroupPattern::Any]);
    let other = &settings.service_keys[1];
    assert_eq!((other.name.as_str(), other.key.as_str()), ("other", "0123456789abcde="));
    let groups: Vec<String> = other.groups.iter().map(ToString::to_string).collect();
    assert_eq!(groups, ["user_*", "admin_dashboard"]);
    assert_eq!(settings.workers, 3);
}

#[test]
fn each_currency_has_fees_of_its_own() {
    let settings = from_environment(&[
        ("WAYBILL_CURRENCY", "CHF"),
        ("WAYBILL_BASE_FEE", "350"),
        ("WAYBILL_FEE_PER_KM", "90"),
        ("WAYBILL_CANCELLATION_FEE", "400"),
        ("WAYBILL_MORE_CURRENCIES", "EUR:280:75:280, JPY: 450 : 120 : 0"),
    ]);
    let tariffs = settings.expect("good").services().tariffs;
    let code = |text: &str| text.parse::<Currency>().expect("a code");
    let fees = |base_fee, fee_per_km, cancellation_fee| Tariff { base_fee, fee_per_km, cancellation_fee };
    assert_eq!(tariffs.default_currency(), code("CHF"));
    assert_eq!(tariffs.get(code("CHF")), Some(&fees(350, 90, 400)));
    assert_eq!(tariffs.get(code("EUR")), Some(&fees(280, 75, 280)));
    assert_eq!(tariffs.get(code("JPY")), Some(&fees(450, 120, 0)));
    assert_eq!(tariffs.get(code("USD")), None);
    let tariffs = from_environment(&[]).expect("good").services().tariffs;
    let dollars = Tariffs::new(code("USD"), fees(300, 80, 300));
    assert_eq!(tariffs, dollars, "without settings there are dollars, and nothing else");
}

#[test]
fn what_only_works_together_is_checked_together() {
    let error = only_error(&[("DATABASE_URL", "postgres://h/n")]);
    assert!(error.starts_with("WAYBILL_JWT_SECRET: needed with PostgreSQL"), "{error}");
    for twice in ["USD:1:1:1", "EUR:280:75:280,JPY:450:120:450,EUR:280:75:280"] {
        let error = only_error(&[("WAYBILL_MORE_CURRENCIES", twice)]);
        assert!(error.ends_with("is there already, here or as WAYBILL_CURRENCY"), "{error}");
    }
    let error = only_error(&[("WAYBILL_PING_SECS", "60")]);
    assert!(error.starts_with("WAYBILL_IDLE_SECS: "), "{error}");
    let error = only_error(&[("REDIS_URL", "rediss://h"), ("WAYBILL_REDIS_CERTIFICATE", "a.pem")]);
    assert_eq!(error, "WAYBILL_REDIS_CERTIFICATE: goes with WAYBILL_REDIS_KEY: both or none");
    let error = only_error(&[("REDIS_URL", "redis://h"), ("WAYBILL_REDIS_CA", "ca.pem")]);
    assert!(error.starts_with("REDIS_URL: is without TLS"), "{error}");
}

#[test]
fn a_file_for_tls_that_is_not_there_is_named() {
    let settings = from_environment(&[("REDIS_URL", "rediss://h"), ("WAYBILL_REDIS_CA", "/nowhere/ca.pem")]);
    let error = settings.expect("each is good").bridge().expect_err("no file").to_string();
    assert!(error.starts_with("WAYBILL_REDIS_CA: /nowhere/ca.pem cannot be read: "), "{error}");
}

#[test]
fn secrets_are_shown_nowhere() {
    let environment = [
        ("DATABASE_URL", "postgres://waybill:hunter2@db/waybill"),
        ("WAYBILL_JWT_SECRET", "hunter2-hunter2-hunter2"),
        ("WAYBILL_SERVICE_KEYS", "django:hunter2-hunter2-hunter2"),
    ];
    let sources = Sources::new(pairs(&environment), []);
    let settings = Settings::read(&sources).expect("good");
    let printed = format!("{:?} {settings:?}", listing(&sources));
    assert!(!printed.contains("hunter2"), "{printed}");
    assert!(printed.contains("db/waybill"), "the rest of the URL is shown: {printed}");

    let broken = [("DATABASE_URL", "postgre://waybill:hunter2@db"), ("WAYBILL_SERVICE_KEYS", "hunter2")];
    let errors = from_environment(&broken).expect_err("both are wrong");
    assert!(!errors.iter().any(|error| error.contains("hunter2")), "{errors:?}");
    let printed = format!("{:?}", listing(&Sources::new(pairs(&broken), [])));
    assert!(!printed.contains("hunter2"), "{printed}");
}

#[test]
fn the_page_in_the_docs_is_this_table() {
    let page = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/settings.md"));
    let page = page.expect("docs/settings.md");
    assert!(
        page.contains(&markdown()),
        "put the output of `waybill config --markdown` into docs/settings.md"
    );
}
