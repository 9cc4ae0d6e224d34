//! Opens what was encrypted for a browser (RFC 8291 over RFC 8188), written from the RFCs alone: what the server closes with one
//! library is opened with another.

use aes_gcm::aead::{Aead, KeyInit};
use aes_gcm::{Aes128Gcm, Nonce};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hkdf::Hkdf;
use p256::ecdh::diffie_hellman;
use p256::elliptic_curve::sec1::ToEncodedPoint;
use p256::{PublicKey, SecretKey};
use sha2::Sha256;

/// What a browser keeps to itself.
#[derive(Clone)]
pub struct BrowserSecret {
    pub key: SecretKey,
    pub auth: [u8; 16],
}

impl BrowserSecret {
    pub fn new() -> Self {
        Self { key: SecretKey::random(&mut rand_core()), auth: rand::random() }
    }

    /// As `PushSubscription` gives it.
    pub fn p256dh(&self) -> String {
        URL_SAFE_NO_PAD.encode(self.key.public_key().to_encoded_point(false).as_bytes())
    }

    pub fn auth(&self) -> String {
        URL_SAFE_NO_PAD.encode(self.auth)
    }

    /// The plain text of one record.
    pub fn open(&self, body: &[u8]) -> Option<Vec<u8>> {
        // RFC 8188, section 2.1: salt, record size, length of the key's id, and that: the sender's public key.
        let (salt, rest) = body.split_at_checked(16)?;
        let (size, rest) = rest.split_at_checked(4)?;
        let size = u32::from_be_bytes(size.try_into().ok()?);
        let (&length, rest) = rest.split_first()?;
        let (sender, record) = rest.split_at_checked(usize::from(length))?;
        if record.len() > usize::try_from(size).ok()? || size < 18 {
            return None;
        }
        let public = PublicKey::from_sec1_bytes(sender).ok()?;
        let shared = diffie_hellman(self.key.to_nonzero_scalar(), public.as_affine());
        // RFC 8291, section 3.4.
        let own = self.key.public_key().to_encoded_point(false);
        let info = [b"WebPush: info\0".as_slice(), own.as_bytes(), sender].concat();
        let keying = expand::<32>(&self.auth, shared.raw_secret_bytes(), &info);
        // RFC 8188, sections 2.2 and 2.3.
        let key = expand::<16>(salt, &keying, b"Content-Encoding: aes128gcm\0");
        let nonce = expand::<12>(salt, &keying, b"Content-Encoding: nonce\0");
        let plain = Aes128Gcm::new(&key.into()).decrypt(&Nonce::from(nonce), record).ok()?;
        // The last record ends with 2 and zeros.
        let end = plain.iter().rposition(|byte| *byte != 0)?;
        (plain[end] == 2).then(|| plain[..end].to_vec())
    }
}

fn rand_core() -> p256::elliptic_curve::rand_core::OsRng {
    p256::elliptic_curve::rand_core::OsRng
}

fn expand<const N: usize>(salt: &[u8], keying: &[u8], info: &[u8]) -> [u8; N] {
    let mut okm = [0; N];
    Hkdf::<Sha256>::new(Some(salt), keying).expand(info, &mut okm).expect("so long may it be");
    okm
}

/// The example of RFC 8291, section 5 and appendix A.
#[test]
fn the_example_of_the_rfc_is_opened_and_a_changed_one_is_not() {
    let decode = |text: &str| URL_SAFE_NO_PAD.decode(text).expect("base64url");
    let secret = BrowserSecret {
        key: SecretKey::from_slice(&decode("q1dXpw3UpT5VOmu_cf_v6ih07Aems3njxI-JWgLcM94")).expect("a key"),
        auth: decode("BTBZMqHH6r4Tts7J_aSIgg").try_into().expect("16 bytes"),
    };
    let public = "BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4";
    assert_eq!(secret.p256dh(), public);
    let body = decode(
        "DGv6ra1nlYgDCS1FRnbzlwAAEABBBP4z9KsN6nGRTbVYI_c7VJSPQTBtkgcy27mlmlMoZIIgDll6e3vCYLocInmYWAmS6TlzAC8wEqKK6PBru3jl7A\
         _yl95bQpu6cVPTpK4Mqgkf1CXztLVBSt2Ks3oZwbuwXPXLWyouBWLVWGNWQexSgSxsj_Qulcy4a-fN",
    );
    assert_eq!(secret.open(&body).as_deref(), Some(b"When I grow up, I want to be a watermelon".as_slice()));
    let mut changed = body;
    *changed.last_mut().expect("not empty") ^= 1;
    assert_eq!(secret.open(&changed), None);
    assert_eq!(BrowserSecret::new().open(&changed), None);
}
