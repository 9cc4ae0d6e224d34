//! nginx in front of the servers, with the configuration that is given to operators.

use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

/// The load balancer. Dropping it ends it.
pub struct Nginx {
    server: Child,
    // Dropped last.
    _folder: TempDir,
    pub address: SocketAddr,
}

impl Nginx {
    /// Starts it before servers that may not be there yet.
    pub fn start(servers: &[SocketAddr]) -> Self {
        let folder = TempDir::with_prefix("nginx-").expect("a folder");
        let address = super::site::free_address();
        let path = folder.path().display();
        let temporary: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
            .map(|kind| format!("    {kind}_temp_path {path}/{kind};\n"))
            .concat();
        let text = format!(
            "daemon off;\nworker_processes 1;\npid {path}/pid;\nevents {{ worker_connections 16384; }}\n\
             http {{\n{temporary}{}\n}}\n",
            site(servers, address, &path.to_string())
        );
        let config = folder.path().join("nginx.conf");
        std::fs::write(&config, text).expect("the file is written");
        let mut command = Command::new(program());
        command
            .arg("-p")
            .arg(folder.path())
            .arg("-c")
            .arg(&config)
            .arg("-e")
            .arg(folder.path().join("error.log"));
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::inherit());
        let server = command.spawn().expect("nginx starts");
        let begin = Instant::now();
        while std::net::TcpStream::connect(address).is_err() {
            assert!(begin.elapsed() < Duration::from_secs(20), "nginx does not listen");
            std::thread::sleep(Duration::from_millis(20));
        }
        Self { server, _folder: folder, address }
    }
}

/// The file that is given to operators, with these servers and this address, and with its logs in a folder.
fn site(servers: &[SocketAddr], address: SocketAddr, folder: &str) -> String {
    let is_server = |line: &&str| line.starts_with("    server ");
    let given = include_str!("../../../deploy/nginx/waybill.conf");
    let options =
        given.lines().find(is_server).and_then(|line| line.split_once(":8001 ")).expect("a server").1;
    let ours: String = servers.iter().map(|server| format!("    server {server} {options}\n")).collect();
    let first = given.find("    server ").expect("a server");
    let rest: String =
        given.lines().filter(|line| !is_server(line)).map(|line| format!("{line}\n")).collect();
    let (before, after) = rest.split_at(first);
    let text = format!("{before}{ours}{after}").replace("listen 80;", &format!("listen {address};"));
    assert!(text.contains(&address.to_string()), "it listens elsewhere than on port 80");
    let most = format!("client_max_body_size {}k;", waybill::http::extract::MAX_BODY / 1024);
    assert!(text.contains(&most), "it takes other bodies than waybill does");
    text.replace("/var/log/nginx/", &format!("{folder}/"))
}

/// Where it is: not every user has the folder of servers in the path.
fn program() -> &'static str {
    if std::path::Path::new("/usr/sbin/nginx").exists() { "/usr/sbin/nginx" } else { "nginx" }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        // SIGTERM, by which it ends its workers, too.
        let pid = i32::try_from(self.server.id()).ok().and_then(rustix::process::Pid::from_raw);
        if let Some(pid) = pid {
            let _ = rustix::process::kill_process(pid, rustix::process::Signal::TERM);
        }
        let _ = self.server.wait();
    }
}
