//! What a session does with frames that are broken, too large, in pieces or too many. RFC 6455 is the measure for
//! what lies below the text; above it every fault has an `error` frame.

use futures_util::future::join_all;
use serde_json::{Value, json};

use crate::support::raw::{BINARY, CLOSE, CONTINUATION, Frame, PING, PONG, Raw, TEXT, frame};
use crate::support::{TestApp, TestUser};

/// The largest message that is taken, bytes.
const LIMIT: usize = 64 * 1024;

/// A session that has said its welcome.
async fn session(app: &TestApp, user: &TestUser) -> Raw {
    let bearer = format!("Authorization: Bearer {}", user.token);
    let (mut raw, _) = Raw::open(app.address(), "/ws/", &bearer).await.expect("let in");
    raw.expect("welcome").await;
    raw
}

/// Proves that a session goes on.
async fn is_alive(raw: &mut Raw) {
    raw.text(r#"{"type":"ping","ref":"still there"}"#).await;
    assert_eq!(raw.expect("pong").await["ref"], "still there");
}

/// A ping of exactly so many bytes.
fn ping_of(bytes: usize) -> String {
    let (open, close) = (r#"{"type":"ping","ref":"large""#, "}");
    format!("{open}{}{close}", " ".repeat(bytes - open.len() - close.len()))
}

#[actix_web::test]
async fn a_bad_frame_gets_an_error_and_never_ends_the_session() {
    let app = TestApp::start().await;
    let user = app.partner().await;
    let id = "0190163d-8694-739b-aea5-966c26f8ad90";
    let ids = json!({"type": "ack", "ids": vec![id; 101]}).to_string();
    let long_ref = format!(r#"{{"type":"ping","ref":"{}"}}"#, "r".repeat(129));
    let deep = format!(r#"{{"type":"ping","ref":{}{}}}"#, "[".repeat(30_000), "]".repeat(30_000));
    let location = |member: &str, value: &str| {
        let mut members =
            vec![("latitude", "1"), ("longitude", "2"), ("timestamp", "\"2026-01-02T03:04:05Z\"")];
        members.retain(|(name, _)| *name != member);
        members.push((member, value));
        let members: Vec<String> =
            members.iter().map(|(name, value)| format!("\"{name}\":{value}")).collect();
        format!(r#"{{"type":"location",{}}}"#, members.join(","))
    };
    let chat = |text: &str, client_id: &str| {
        format!(r#"{{"type":"chat","order_id":"{id}","text":{text},"client_id":{client_id}}}"#)
    };
    let cases: Vec<(String, &str)> = [
        ("", "bad_json"),
        (" ", "bad_json"),
        ("no json", "bad_json"),
        ("{", "bad_json"),
        ("[]", "bad_json"),
        (r#"[{"type":"ping"}]"#, "bad_json"),
        (r#""ping""#, "bad_json"),
        ("7", "bad_json"),
        ("null", "bad_json"),
        (r#"{"type":"ping"} {"type":"ping"}"#, "bad_json"),
        (r#"{"type":NaN}"#, "bad_json"),
        ("{}", "unknown_type"),
        (r#"{"type":null}"#, "unknown_type"),
        (r#"{"type":""}"#, "unknown_type"),
        (r#"{"type":"fly"}"#, "unknown_type"),
        (r#"{"type":"PING"}"#, "unknown_type"),
        (r#"{"type":"welcome"}"#, "unknown_type"),
        (r#"{"type":"ping","tpyo":1}"#, "invalid_fields"),
        (r#"{"type":"ping","type":"ping"}"#, "bad_json"),
        (r#"{"type":"ping","ref":7}"#, "invalid_fields"),
        (&long_ref, "invalid_fields"),
        (&deep, "invalid_fields"),
        (r#"{"type":"mark_read"}"#, "invalid_fields"),
        (r#"{"type":"mark_read","id":"7"}"#, "invalid_fields"),
        (r#"{"type":"mark_read","id":null}"#, "invalid_fields"),
        (r#"{"type":"mark_read","id":{}}"#, "invalid_fields"),
        (r#"{"type":"ack"}"#, "invalid_fields"),
        (r#"{"type":"ack","ids":"all"}"#, "invalid_fields"),
        (r#"{"type":"ack","ids":[7]}"#, "invalid_fields"),
        (&ids, "invalid_fields"),
        (r#"{"type":"subscribe"}"#, "invalid_fields"),
        (r#"{"type":"subscribe","group":""}"#, "invalid_fields"),
        (r#"{"type":"subscribe","group":"order_7"}"#, "invalid_fields"),
        (r#"{"type":"subscribe","group":"admin_dashboard","since":7}"#, "invalid_fields"),
        (r#"{"type":"subscribe","group":"admin_dashboard","since":{"epoch":"e"}}"#, "invalid_fields"),
        (
            r#"{"type":"subscribe","group":"admin_dashboard","since":{"epoch":"e","seq":-1}}"#,
            "invalid_fields",
        ),
        (
            r#"{"type":"subscribe","group":"admin_dashboard","since":{"epoch":"e","seq":1e30}}"#,
            "invalid_fields",
        ),
        (r#"{"type":"unsubscribe","group":7}"#, "invalid_fields"),
        (r#"{"type":"chat"}"#, "invalid_fields"),
        (r#"{"type":"chat","order_id":"7","text":"x","client_id":"x"}"#, "invalid_fields"),
        (&chat("7", "\"x\""), "invalid_fields"),
        (&chat("\" \"", "\"x\""), "invalid_fields"),
        (&chat("\"x\"", "7"), "invalid_fields"),
        (&chat("\"x\"", "\"\""), "invalid_fields"),
        (&chat("\"x\"", "\"x\",\"sender\":1"), "invalid_fields"),
        (&chat("\"x\"", "\"x\""), "not_found"),
        (r#"{"type":"typing"}"#, "invalid_fields"),
        (r#"{"type":"typing","order_id":null}"#, "invalid_fields"),
        (r#"{"type":"chat_read","up_to":null}"#, "invalid_fields"),
        (
            r#"{"type":"chat_read","order_id":"0190163d-8694-739b-aea5-966c26f8ad90","up_to":7}"#,
            "invalid_fields",
        ),
        (r#"{"type":"auth"}"#, "invalid_fields"),
        (r#"{"type":"auth","token":["x"]}"#, "invalid_fields"),
        (&location("latitude", "1e999"), "invalid_fields"),
        (&location("latitude", "NaN"), "bad_json"),
        (&location("latitude", "\"1\""), "invalid_fields"),
        (&location("longitude", "null"), "invalid_fields"),
        (&location("timestamp", "1767323045"), "invalid_fields"),
        (&location("timestamp", "\"yesterday\""), "invalid_fields"),
        (&location("heading", "\"north\""), "invalid_fields"),
        (&location("order_id", "\"7\""), "invalid_fields"),
        // These have the right shape, and are refused for what they say.
        (&location("latitude", "90.001"), "invalid_fields"),
        (&location("longitude", "-1e300"), "invalid_fields"),
        (&location("heading", "361"), "invalid_fields"),
        (&location("battery", "-0.1"), "invalid_fields"),
        (&location("timestamp", "\"9999-12-31T23:59:59Z\""), "invalid_fields"),
    ]
    .into_iter()
    .map(|(text, code)| (text.to_owned(), code))
    .collect();
    for cases in cases.chunks(15) {
        let mut raw = session(&app, &user).await;
        for (text, code) in cases {
            raw.text(text).await;
            let error = raw.expect("error").await;
            let shown: String = text.chars().take(200).collect();
            assert_eq!(error["code"], *code, "{shown}: {error}");
            assert!(error["message"].as_str().is_some_and(|message| !message.is_empty()), "{shown}: {error}");
        }
        is_alive(&mut raw).await;
    }
}

#[actix_web::test]
async fn a_bad_frames_ref_is_repeated_wherever_it_can_be_read() {
    let app = TestApp::start().await;
    let mut raw = session(&app, &app.customer().await).await;
    for text in [
        r#"{"type":"fly","ref":"é\"1"}"#,
        r#"{"ref":"é\"1"}"#,
        r#"{"type":"mark_read","ref":"é\"1"}"#,
        r#"{"ref":"é\"1","type":"subscribe","group":"nobody"}"#,
        r#"{"type":"ping","ref":"é\"1","tpyo":true}"#,
        r#"{"type":"unsubscribe","group":"admin_dashboard","ref":"é\"1"}"#,
        r#"{"type":"subscribe","group":"admin_dashboard","ref":"é\"1"}"#,
        r#"{"type":"auth","token":"x","ref":"é\"1"}"#,
        r#"{"type":"mark_read","id":"0190163d-8694-739b-aea5-966c26f8ad90","ref":"é\"1"}"#,
    ] {
        raw.text(text).await;
        let error = raw.expect("error").await;
        assert_eq!(error["ref"], "é\"1", "{text}: {error}");
    }
    raw.text("{").await;
    assert_eq!(raw.expect("error").await.get("ref"), None);
}

#[actix_web::test]
async fn binary_messages_are_bad_frames() {
    let app = TestApp::start().await;
    let mut raw = session(&app, &app.customer().await).await;
    raw.send(true, BINARY, br#"{"type":"ping"}"#).await;
    assert_eq!(raw.expect("error").await["code"], "binary");
    raw.send(false, BINARY, &[0xff]).await;
    raw.send(false, CONTINUATION, &[0xfe]).await;
    raw.send(true, CONTINUATION, b"").await;
    assert_eq!(raw.expect("error").await["code"], "binary");
    is_alive(&mut raw).await;
}

#[actix_web::test]
async fn twenty_bad_frames_end_a_session_with_1008_and_nineteen_do_not() {
    let app = TestApp::start().await;
    let mut raw = session(&app, &app.customer().await).await;
    for _ in 0..19 {
        raw.text("{}").await;
        raw.expect("error").await;
    }
    is_alive(&mut raw).await;
    raw.text("{}").await;
    assert_eq!(raw.expect_close().await, 1008);
}

#[actix_web::test]
async fn a_flood_is_told_to_slow_down_and_then_ended_with_1008() {
    let app = TestApp::start_with(&[("WAYBILL_FRAMES_PER_SECOND", "1")]).await;
    let mut raw = session(&app, &app.customer().await).await;
    let flood: Vec<u8> = (0..500).flat_map(|_| frame(true, TEXT, br#"{"type":"ping"}"#)).collect();
    raw.write(&flood).await;
    let (mut pongs, mut limited) = (0, 0);
    let code = loop {
        let Frame { opcode, payload, .. } = raw.receive().await.expect("a frame or a close");
        match opcode {
            TEXT => {
                let frame: Value = serde_json::from_slice(&payload).expect("JSON");
                if frame["type"] == "pong" {
                    pongs += 1;
                } else {
                    assert_eq!(frame["code"], "rate_limited", "{frame}");
                    limited += 1;
                }
            }
            CLOSE => break u16::from_be_bytes([payload[0], payload[1]]),
            other => assert_eq!(other, PING),
        }
    };
    // Two at once, and one more for each second that this machine took.
    assert!((2..60).contains(&pongs), "{pongs}");
    assert_eq!((limited, code), (19, 1008));
}

#[actix_web::test]
async fn a_message_of_the_largest_size_is_taken_whole_and_in_pieces() {
    let app = TestApp::start().await;
    let mut raw = session(&app, &app.customer().await).await;
    let text = ping_of(LIMIT);
    raw.text(&text).await;
    assert_eq!(raw.expect("pong").await["ref"], "large");
    let pieces: Vec<&[u8]> = text.as_bytes().chunks(1000).collect();
    for (index, piece) in pieces.iter().enumerate() {
        let opcode = if index == 0 { TEXT } else { CONTINUATION };
        raw.send(index + 1 == pieces.len(), opcode, piece).await;
    }
    assert_eq!(raw.expect("pong").await["ref"], "large");
}

#[actix_web::test]
async fn a_frame_over_the_limit_is_a_bad_frame() {
    let app = TestApp::start().await;
    let mut raw = session(&app, &app.customer().await).await;
    for (opcode, size) in [(TEXT, LIMIT + 1), (BINARY, LIMIT + 1), (TEXT, LIMIT * 2), (TEXT, LIMIT * 16)] {
        let pair =
            [frame(true, opcode, ping_of(size).as_bytes()), frame(true, TEXT, ping_of(LIMIT).as_bytes())];
        raw.write(&pair.concat()).await;
        assert_eq!(raw.next_text().await["code"], "too_big", "{opcode}, {size}");
        assert_eq!(raw.next_text().await["type"], "pong");
    }
}

#[actix_web::test]
async fn a_message_over_the_limit_ends_the_session_with_1009() {
    let app = TestApp::start().await;
    let user = app.customer().await;
    let huge = |opcode: u8| {
        // A frame that says it is huge need not be waited for.
        let mut head = vec![0x80 | opcode, 0x80 | 127];
        head.extend((1_u64 << 62).to_be_bytes());
        head.extend([0; 4]);
        head
    };
    let pieces = |opcode| [frame(false, opcode, &[b' '; LIMIT]), frame(false, CONTINUATION, b" ")].concat();
    let within =
        |opcode| [frame(false, opcode, b" "), frame(true, CONTINUATION, &[b' '; LIMIT + 1])].concat();
    let cases = [TEXT, BINARY].into_iter().flat_map(|opcode| {
        let pieces = [("in pieces", opcode, pieces(opcode)), ("one large piece", opcode, within(opcode))];
        pieces.into_iter().chain([("announced", opcode, huge(opcode))])
    });
    // At once, since a server that does not read on waits a moment for the answer to its good-bye.
    let (app, user) = (&app, &user);
    join_all(cases.map(|(what, opcode, bytes)| async move {
        let mut raw = session(app, user).await;
        raw.write(&bytes).await;
        assert_eq!(raw.expect_close().await, 1009, "{what}, {opcode}");
    }))
    .await;
}

#[actix_web::test]
async fn a_message_in_pieces_is_put_together_wherever_it_was_cut() {
    let app = TestApp::start().await;
    let mut raw = session(&app, &app.customer().await).await;
    let text = r#"{"type":"ping","ref":"zwölf €, 🚲"}"#;
    // Every cut, those within a character among them.
    for at in 0..=text.len() {
        let (first, second) = text.as_bytes().split_at(at);
        raw.send(false, TEXT, first).await;
        raw.send(true, PING, b"between").await;
        let pong = raw.expect_opcode(PONG).await;
        assert_eq!(pong.payload, b"between", "a ping is answered before the message is whole");
        raw.send(false, CONTINUATION, b"").await;
        raw.send(true, CONTINUATION, second).await;
        assert_eq!(raw.expect("pong").await["ref"], "zwölf €, 🚲", "cut at {at}");
    }
    // Byte by byte, all in one go.
    let bytes: Vec<u8> = (0..text.len())
        .flat_map(|at| {
            let opcode = if at == 0 { TEXT } else { CONTINUATION };
            frame(at + 1 == text.len(), opcode, &text.as_bytes()[at..=at])
        })
        .collect();
    raw.write(&bytes).await;
    assert_eq!(raw.expect("pong").await["ref"], "zwölf €, 🚲");
}

#[actix_web::test]
async fn text_that_is_no_utf_8_ends_the_session_with_1007() {
    let app = TestApp::start().await;
    let user = app.customer().await;
    for bad in [&b"\xff"[..], b"{\"type\":\"\xc3\x28\"}", b"\xed\xa0\x80", b"\xf0\x9f\x9a"] {
        let mut raw = session(&app, &user).await;
        raw.send(true, TEXT, bad).await;
        assert_eq!(raw.expect_close().await, 1007, "{bad:?}");

        let mut raw = session(&app, &user).await;
        raw.send(false, TEXT, &bad[..1]).await;
        raw.send(true, CONTINUATION, &bad[1..]).await;
        assert_eq!(raw.expect_close().await, 1007, "in pieces: {bad:?}");
    }
}

#[actix_web::test]
async fn a_client_that_breaks_the_protocol_is_told_so_with_1002() {
    let app = TestApp::start().await;
    let user = app.customer().await;
    let unmasked = b"\x81\x0f{\"type\":\"ping\"}".to_vec();
    let cases: Vec<(&str, Vec<u8>)> = vec![
        ("not masked", unmasked),
        ("compressed, though nobody agreed to that", [&[0xc1][..], &frame(true, TEXT, b"x")[1..]].concat()),
        ("reserved opcode 3", frame(true, 3, b"x")),
        ("reserved opcode 11", frame(true, 11, b"x")),
        ("a piece of nothing", frame(false, CONTINUATION, b"x")),
        ("the end of nothing", frame(true, CONTINUATION, b"x")),
        ("a message within a message", [frame(false, TEXT, b"x"), frame(true, TEXT, b"y")].concat()),
        ("a binary start within a text", [frame(false, TEXT, b"x"), frame(false, BINARY, b"y")].concat()),
        ("a ping in pieces", frame(false, PING, b"x")),
        ("a ping that is too long", frame(true, PING, &[b'x'; 126])),
    ];
    // At once, since a server that cannot read the answer to its good-bye waits a moment for it.
    let (app, user) = (&app, &user);
    join_all(cases.iter().map(|(what, bytes)| async move {
        let mut raw = session(app, user).await;
        raw.write(bytes).await;
        assert_eq!(raw.expect_close().await, 1002, "{what}");
    }))
    .await;
}

#[actix_web::test]
async fn pings_of_the_protocol_are_answered_with_what_they_carry() {
    let app = TestApp::start().await;
    let mut raw = session(&app, &app.customer().await).await;
    for payload in [&b""[..], b"\x00\xff", &[b'x'; 125]] {
        raw.send(true, PING, payload).await;
        assert_eq!(raw.expect_opcode(PONG).await.payload, payload);
    }
    // One that nobody asked for is allowed (section 5.5.3).
    raw.send(true, PONG, b"unasked").await;
    is_alive(&mut raw).await;
}

#[actix_web::test]
async fn thousands_of_frames_at_once_are_answered_one_by_one() {
    const PINGS: u32 = 20_000;
    let app = TestApp::start_with(&[("WAYBILL_FRAMES_PER_SECOND", "100000")]).await;
    let user = app.customer().await;
    let mut raw = session(&app, &user).await;
    let pings: Vec<u8> = (0..PINGS).flat_map(|n| frame(true, PING, &n.to_be_bytes())).collect();
    raw.write(&pings).await;
    for n in 0..PINGS {
        assert_eq!(raw.expect_opcode(PONG).await.payload, n.to_be_bytes());
    }
    is_alive(&mut raw).await;
}

#[actix_web::test]
async fn of_a_client_that_sends_and_does_not_read_no_more_is_taken_than_the_kernel_keeps() {
    /// More than the buffers of both ends.
    const MUCH: usize = 64 * 1024 * 1024;
    let app = TestApp::start_with(&[("WAYBILL_FRAMES_PER_SECOND", "100000")]).await;
    let user = app.customer().await;
    let mut raw = session(&app, &user).await;
    let pings = frame(true, PING, &[7; 125]).repeat(1000);
    let mut sent = 0;
    while let Some(written) = raw.write_at_once(&pings).await {
        sent += written;
        assert!(sent < MUCH, "the server keeps what it cannot answer");
    }
    // Whole frames have gone out but for the last one.
    let whole = sent / frame(true, PING, &[7; 125]).len();
    for _ in 0..whole {
        assert_eq!(raw.expect_opcode(PONG).await.payload, [7; 125]);
    }
}

#[actix_web::test]
async fn a_flood_of_control_frames_or_fragments_is_ended_with_1008() {
    let app = TestApp::start().await;
    let user = app.customer().await;
    for flood in [frame(true, PING, b""), frame(true, PONG, b""), frame(false, CONTINUATION, b"")] {
        let mut raw = session(&app, &user).await;
        if flood == frame(false, CONTINUATION, b"") {
            raw.send(false, TEXT, b"").await;
        }
        // Many more than may come at once, or in the time that this takes.
        raw.write(&flood.repeat(20_000)).await;
        assert_eq!(raw.expect_close().await, 1008);
    }
}

#[actix_web::test]
async fn a_clients_good_bye_is_answered_in_kind_and_the_connection_ends() {
    let app = TestApp::start().await;
    let user = app.customer().await;
    for payload in [&b""[..], b"\x03\xe8", b"\x03\xe9going home", b"\x0f\xa0"] {
        let mut raw = session(&app, &user).await;
        raw.send(true, CLOSE, payload).await;
        let close = raw.expect_opcode(CLOSE).await;
        assert_eq!(close.payload, payload[..payload.len().min(2)], "{payload:?}");
        while raw.receive().await.is_some() {}
    }
}

#[actix_web::test]
async fn nothing_is_said_or_done_after_the_close() {
    let app = TestApp::start().await;
    let mut raw = session(&app, &app.customer().await).await;
    let mut bytes = frame(true, CLOSE, b"\x03\xe8");
    bytes.extend(frame(true, TEXT, br#"{"type":"ping"}"#));
    raw.write(&bytes).await;
    assert_eq!(raw.receive().await.map(|frame| frame.opcode), Some(CLOSE));
    assert_eq!(raw.receive().await, None);
}
