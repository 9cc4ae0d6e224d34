//! nginx in front of the servers, as it is in front of them in production.

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
        let servers: String = servers
            .iter()
            .map(|server| format!("        server {server} max_fails=1 fail_timeout=1s;\n"))
            .collect();
        let temporary: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
            .map(|kind| format!("    {kind}_temp_path {path}/{kind};\n"))
            .concat();
        let text = format!(
            "daemon off;\nworker_processes 1;\npid {path}/pid;\nerror_log {path}/error.log warn;\n\
             events {{ worker_connections 16384; }}\n\
             http {{\n    access_log off;\n{temporary}\
             \x20   map $http_upgrade $connection_upgrade {{ default upgrade; '' ''; }}\n\
             \x20   upstream waybill {{\n{servers}    }}\n\
             \x20   server {{\n        listen {address};\n        location / {{\n\
             \x20           proxy_pass http://waybill;\n            proxy_http_version 1.1;\n\
             \x20           proxy_set_header Host $http_host;\n\
             \x20           proxy_set_header Upgrade $http_upgrade;\n\
             \x20           proxy_set_header Connection $connection_upgrade;\n\
             \x20           proxy_connect_timeout 1s;\n            proxy_read_timeout 75s;\n\
             \x20           proxy_next_upstream error timeout http_503;\n        }}\n    }}\n}}\n"
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
