use std::io::Write;

use clap::Parser;

use super::*;

#[derive(Parser)]
struct Cli {
    #[command(flatten)]
    load: LoadArgs,
}

fn good() -> LoadArgs {
    let secret = || Some(Secret("s".to_owned()));
    LoadArgs { service_key: secret(), token: secret(), ..LoadArgs::default() }
}

/// What is said of arguments that are wrong.
fn refusal(args: &LoadArgs) -> String {
    match Plan::new(args) {
        Err(error @ LoadError::Argument(_)) => {
            assert_eq!(error.exit_code(), 2);
            error.to_string()
        }
        other => panic!("{other:?}"),
    }
}

fn file(text: &str) -> tempfile::NamedTempFile {
    let mut file = tempfile::NamedTempFile::new().expect("a file");
    file.write_all(text.as_bytes()).expect("written");
    file
}

#[test]
fn the_defaults_are_those_of_the_command_line() {
    let parsed = Cli::try_parse_from(["load", "--service-key", "s", "--token", "t"]).expect("parses").load;
    let secret = |text: &str| Some(Secret(text.to_owned()));
    let built = LoadArgs {
        service_key: secret("s"),
        token: secret("t"),
        password: parsed.password.clone(),
        customer_password: parsed.customer_password.clone(),
        ..LoadArgs::default()
    };
    assert_eq!(format!("{parsed:?}"), format!("{built:?}"));
}

#[test]
fn seconds_may_be_fractions_and_not_negative() {
    let parse = |text: &str| Cli::try_parse_from(["load", &format!("--duration={text}")]);
    assert_eq!(parse("0.25").map(|cli| cli.load.duration).ok(), Some(Duration::from_millis(250)));
    for text in ["-1", "NaN", "inf", "soon"] {
        assert!(parse(text).is_err(), "{text}");
    }
}

#[test]
fn another_machine_takes_a_word_of_its_owner() {
    let far = LoadArgs { url: vec!["http://192.0.2.1:8000".to_owned()], ..good() };
    assert!(refusal(&far).contains("--i-own-this-server"));
    let owned = Plan::new(&LoadArgs { i_own_this_server: true, ..far }).expect("allowed");
    assert_eq!(owned.targets[0].addresses, ["192.0.2.1:8000".parse().expect("an address")]);
    for url in ["http://127.0.0.1:1", "http://127.8.9.1/", "http://[::1]:80", "http://[::ffff:127.0.0.1]"] {
        assert!(Plan::new(&LoadArgs { url: vec![url.to_owned()], ..good() }).is_ok(), "{url}");
    }
    for url in ["http://0.0.0.0:1", "http://[2001:db8::1]", "http://[::ffff:192.0.2.1]"] {
        let refused = refusal(&LoadArgs { url: vec![url.to_owned()], ..good() });
        assert!(refused.contains("not on this machine"), "{url}: {refused}");
    }
}

#[test]
fn only_plain_http_is_spoken() {
    for url in ["https://127.0.0.1", "ws://127.0.0.1", "127.0.0.1:8000", ""] {
        refusal(&LoadArgs { url: vec![url.to_owned()], ..good() });
    }
    let plan =
        Plan::new(&LoadArgs { url: vec!["http://127.0.0.1:1/below/".to_owned()], ..good() }).expect("fine");
    assert_eq!(plan.targets[0].base, "http://127.0.0.1:1/below");
}

#[test]
fn numbers_that_make_no_load_are_refused() {
    refusal(&LoadArgs { sessions: 0, ..good() });
    refusal(&LoadArgs { groups: 0, ..good() });
    refusal(&LoadArgs { publishers: 0, ..good() });
    refusal(&LoadArgs { handshakes: 0, ..good() });
    refusal(&LoadArgs { sessions: 2, groups: 3, ..good() });
    refusal(&LoadArgs { subscriptions: 0, ..good() });
    refusal(&LoadArgs { sessions: 2, groups: 5, subscriptions: 2, ..good() });
    refusal(&LoadArgs { groups: 3, subscriptions: 4, ..good() });
    refusal(&LoadArgs { server_pid: vec![u32::MAX], ..good() });
    refusal(&LoadArgs { duration: Duration::ZERO, ..good() });
    refusal(&LoadArgs { rate: 1e9, ..good() });
    for rate in [0.0, -1.0, f64::NAN, f64::INFINITY] {
        refusal(&LoadArgs { rate, ..good() });
    }
}

#[test]
fn there_is_one_way_in() {
    let secret = || Some(Secret("s".to_owned()));
    let email = || Some("a@example.org".to_owned());
    refusal(&LoadArgs { service_key: None, ..good() });
    refusal(&LoadArgs { token: None, ..good() });
    refusal(&LoadArgs { email: email(), password: secret(), ..good() });
    assert!(refusal(&LoadArgs { token: None, email: email(), ..good() }).contains("--password"));
    assert!(refusal(&LoadArgs { customer_email: email(), ..good() }).contains("--customer-password"));
    assert!(Plan::new(&LoadArgs { token: None, email: email(), password: secret(), ..good() }).is_ok());
}

#[test]
fn files_are_read_line_by_line() {
    let tokens = file("one\n\n  two \n");
    let plan = Plan::new(&LoadArgs { token: None, tokens_file: Some(tokens.path().into()), ..good() });
    let Ok(Plan { access: Access::Tokens(tokens), .. }) = plan else { panic!("{plan:?}") };
    assert_eq!(tokens, [Secret("one".to_owned()), Secret("two".to_owned())]);

    let order = "order_0190163d-8694-739b-aea5-966c26f8ad90";
    let named = |text: &str, groups| {
        let groups_file = file(text);
        Plan::new(&LoadArgs { groups_file: Some(groups_file.path().into()), groups, ..good() })
            .map(|plan| plan.groups.unwrap_or_default())
            .map_err(|error| error.to_string())
    };
    assert_eq!(named(&format!("{order}\n"), 1), Ok(vec![order.to_owned()]));
    assert!(named(&format!("{order}\n{order}\n"), 2).is_err(), "the same group twice is one");
    assert!(named("order_7\n", 1).is_err());
    assert!(named("", 1).is_err());
    let missing = LoadArgs { groups_file: Some("/nonexistent/groups".into()), ..good() };
    assert!(refusal(&missing).contains("/nonexistent/groups"));
}

#[test]
fn secrets_are_not_shown() {
    let args = LoadArgs { password: Some(Secret("hunter2".to_owned())), ..good() };
    assert!(!format!("{args:?}").contains("hunter2"));
}
