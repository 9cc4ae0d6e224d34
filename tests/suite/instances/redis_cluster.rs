//! A Redis cluster of a test's own.

use std::process::Command;

use super::papers::Papers;
use super::redis_server::{RedisServer, free_port, let_in, shown, wait_until};

/// Its servers.
pub struct RedisCluster {
    pub servers: Vec<RedisServer>,
    /// With TLS, and on which ports.
    pub papers: Option<Papers>,
    ports: Vec<u16>,
}

impl RedisCluster {
    /// Three masters that share the slots. On each, there is a user as [`let_in`] has it.
    pub fn start(papers: Option<Papers>) -> Self {
        let mut cluster = Self { servers: Vec::new(), papers, ports: Vec::new() };
        for _ in 0..3 {
            cluster.add();
        }
        let addresses: Vec<String> = (0..3).map(|at| cluster.address(at)).collect();
        let mut create = vec!["create"];
        create.extend(addresses.iter().map(String::as_str));
        create.push("--cluster-yes");
        cluster.manage(&create);
        cluster
    }

    fn add(&mut self) {
        let port = free_port();
        let mut options: Vec<String> =
            ["--cluster-enabled", "yes", "--cluster-node-timeout", "1500"].map(str::to_owned).into();
        if let Some(papers) = &self.papers {
            options.extend(papers.options(port));
            options.extend(["--tls-cluster", "yes", "--tls-replication", "yes"].map(str::to_owned));
        }
        let options: Vec<&str> = options.iter().map(String::as_str).collect();
        self.servers.push(RedisServer::start_with(&options));
        self.ports.push(port);
        let_in(self.servers.last().expect("one"));
    }

    /// Where a server speaks to clients.
    fn address(&self, at: usize) -> String {
        let port = if self.papers.is_some() { self.ports[at] } else { self.servers[at].port() };
        format!("127.0.0.1:{port}")
    }

    /// Has `redis-cli` see to the cluster.
    fn manage(&self, arguments: &[&str]) {
        let mut command = Command::new("redis-cli");
        if let Some(papers) = &self.papers {
            command.args(["--tls", "--cacert", shown(&papers.authority)]);
        }
        let output = command.arg("--cluster").args(arguments).output().expect("redis-cli runs");
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stdout));
    }

    /// One more, as a master without slots or as a replica of the master `of`.
    pub fn join(&mut self, of: Option<&str>) -> usize {
        self.add();
        let at = self.servers.len() - 1;
        let (seed, address) = (self.address(0), self.address(at));
        let mut add = vec!["add-node", &address, &seed];
        if let Some(of) = of {
            add.extend(["--cluster-slave", "--cluster-master-id", of]);
        }
        self.manage(&add);
        let id = self.id(at);
        wait_until("everybody knows the new one", || {
            let state: String = self.servers[at].ask(&["CLUSTER", "INFO"]).expect("figures");
            let is_known = |server| nodes(server).iter().any(|line| line.starts_with(&id));
            state.contains("cluster_state:ok") && self.servers.iter().all(is_known)
        });
        at
    }

    /// What the others call a server.
    pub fn id(&self, at: usize) -> String {
        self.servers[at].ask(&["CLUSTER", "MYID"]).expect("an id")
    }

    /// Where it is, with the user where there is TLS.
    pub fn url(&self) -> String {
        let hosts: Vec<String> = (0..self.servers.len()).map(|at| self.address(at)).collect();
        let start =
            if self.papers.is_some() { "rediss+cluster://shop:PASSWORD@" } else { "redis+cluster://" };
        format!("{start}{}", hosts.join(","))
    }

    /// Which server has a slot.
    pub fn owner(&self, slot: u16) -> usize {
        let has = |server: &RedisServer| {
            let own = nodes(server).into_iter().find(|line| line.contains("myself")).expect("a line");
            own.split(' ').skip(8).any(|range| {
                let (first, last) = range.split_once('-').unwrap_or((range, range));
                (first.parse().expect("a slot")..=last.parse().expect("a slot")).contains(&slot)
            })
        };
        self.servers.iter().position(has).expect("one")
    }
}

fn nodes(server: &RedisServer) -> Vec<String> {
    let text: String = server.ask(&["CLUSTER", "NODES"]).expect("a list");
    text.lines().map(str::to_owned).collect()
}
