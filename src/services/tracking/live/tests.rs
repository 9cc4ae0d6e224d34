//! Dots of which other instances tell, and those of which they say nothing any more.

use serde_json::json;

use super::*;

#[test]
fn a_dot_of_which_its_follower_says_nothing_is_told_here_once_for_each_stage() {
    let (last_seen, order_id, start, at) =
        (LastSeen::default(), OrderId::new(), Timestamp::from_millis(1_000_000), Instant::now());
    let after = |seconds| (start.after(Duration::from_secs(seconds)), at + Duration::from_secs(seconds));
    let dot = |measured: Timestamp| {
        let sample = json!({"latitude": 52.5, "longitude": 13.4, "timestamp": measured});
        vec![Dot { order_id, sample: serde_json::from_value(sample).expect("a sample"), eta: None }]
    };
    let told = |seconds| {
        let (now, at) = after(seconds);
        last_seen.call_ageing(now, at);
        let due = last_seen.take_due(at);
        let told = due.into_iter().filter_map(|due| last_seen.tell(due, OrderStatus::InTransit, now, at));
        told.map(|(view, reach)| (view.freshness, reach)).collect::<Vec<_>>()
    };
    last_seen.take_from_elsewhere(dot(start), start, at);
    assert_eq!(told(24), [], "the one that follows it may say so");
    assert_eq!(told(27), [(Freshness::Stale, Reach::Here)]);
    assert_eq!(told(28), []);
    let (now, then) = after(30);
    last_seen.take_from_elsewhere(dot(now), now, then);
    assert_eq!(told(54), []);
    assert_eq!(told(56), [(Freshness::Stale, Reach::Here)]);
    assert_eq!(told(160), [(Freshness::Lost, Reach::Here)]);
    assert_eq!(told(300), []);
}
