//! Certificates for a Redis with TLS.

use std::path::{Path, PathBuf};

use rcgen::ExtendedKeyUsagePurpose::{ClientAuth, ServerAuth};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};

use super::redis_server::shown;

/// Certificates of an authority of our own, for Redis and for its clients.
pub struct Papers {
    pub authority: PathBuf,
    /// Certificate and key.
    pub server: [PathBuf; 2],
    pub client: [PathBuf; 2],
}

impl Papers {
    /// Makes them in a folder.
    pub fn write(folder: &Path) -> Self {
        let mut params = CertificateParams::new([]).expect("no names");
        params.distinguished_name.push(DnType::CommonName, "authority");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().expect("a key"));
        let issuer = issuer.expect("it signs itself");
        let authority = folder.join("authority.pem");
        std::fs::write(&authority, issuer.pem()).expect("it is written");
        let papers = |name: &str, usages| {
            let mut params =
                CertificateParams::new(["localhost".to_owned(), "127.0.0.1".to_owned()]).expect("a name");
            params.distinguished_name.push(DnType::CommonName, name);
            params.extended_key_usages = usages;
            let key = KeyPair::generate().expect("a key");
            let certificate = params.signed_by(&key, &issuer).expect("it is signed");
            let paths = [folder.join(format!("{name}.pem")), folder.join(format!("{name}.key"))];
            std::fs::write(&paths[0], certificate.pem()).expect("it is written");
            std::fs::write(&paths[1], key.serialize_pem()).expect("it is written");
            paths
        };
        // Those of a cluster are each other's clients, too.
        Self {
            server: papers("server", vec![ServerAuth, ClientAuth]),
            client: papers("client", vec![ClientAuth]),
            authority,
        }
    }
}

impl Papers {
    /// Options of a server that shows them on a port, and asks for none.
    pub fn options(&self, port: u16) -> Vec<String> {
        let [certificate, key] = &self.server;
        let port = port.to_string();
        let options = [
            ["--tls-port", &port],
            ["--tls-cert-file", shown(certificate)],
            ["--tls-key-file", shown(key)],
            ["--tls-ca-cert-file", shown(&self.authority)],
            ["--tls-auth-clients", "no"],
        ];
        options.concat().into_iter().map(str::to_owned).collect()
    }
}
