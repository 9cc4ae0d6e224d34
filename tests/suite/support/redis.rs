//! What the servers of a test have in Redis.

use redis::Commands;

use super::TestDatabase;

/// Lets Redis forget the numbering of a group, as if it had lost its data; `false` where Redis is not used.
pub fn forget(database: &TestDatabase, group: &str) -> bool {
    let Some((url, prefix)) = database.redis() else { return false };
    let client = redis::Client::open(url).expect("a URL");
    let mut connection = client.get_connection().expect("Redis answers");
    let keys = ["record", "events"].map(|key| format!("{prefix}:{{{group}}}:{key}"));
    connection.del::<_, ()>(&keys).expect("they are gone");
    true
}

/// Lets Redis believe that a group has seen a fence; `false` where Redis is not used.
pub fn raise_fence(database: &TestDatabase, group: &str, fence: u64) -> bool {
    let Some((url, prefix)) = database.redis() else { return false };
    let client = redis::Client::open(url).expect("a URL");
    let mut connection = client.get_connection().expect("Redis answers");
    let record = format!("{prefix}:{{{group}}}:record");
    connection.hset::<_, _, _, ()>(record, "fence", fence).expect("it is set");
    true
}

/// How often something was published, by whomever.
pub fn published(database: &TestDatabase) -> i64 {
    let (url, _) = database.redis().expect("Redis is used");
    let client = redis::Client::open(url).expect("a URL");
    let mut connection = client.get_connection().expect("Redis answers");
    let text: String = redis::cmd("INFO").arg("commandstats").query(&mut connection).expect("figures");
    let line = text.lines().find(|line| line.starts_with("cmdstat_publish:")).expect("some");
    let calls = line.split(['=', ',']).nth(1).expect("a count");
    calls.parse().expect("a number")
}
