//! Certificates of the suite's own, made when they are needed: of two authorities that do not know
//! each other, with a chain, expired, and soon to be.

use jiff::{SignedDuration, Timestamp, tz::TimeZone};
use rcgen::{
    BasicConstraints, Certificate, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa,
    Issuer, KeyPair, KeyUsagePurpose, date_time_ymd,
};

/// Keys that protect nothing but these tests, in each form that tools write.
pub(super) const EC: [(&str, &str); 2] = [
    ("EC PKCS#8", include_str!("../keys/tls_ec.pkcs8.pem")),
    ("EC SEC1", include_str!("../keys/tls_ec.sec1.pem")),
];
pub(super) const RSA: [(&str, &str); 2] = [
    ("RSA PKCS#8", include_str!("../keys/tls_rsa.pkcs8.pem")),
    ("RSA PKCS#1", include_str!("../keys/tls_rsa.pkcs1.pem")),
];
pub(super) const LOCKED: &str = include_str!("../keys/tls_locked.pem");

/// Who signs.
pub(super) struct Authority {
    pub(super) pem: String,
    issuer: Issuer<'static, KeyPair>,
}

/// A certificate, behind it those of other authorities if there are some, and its key.
#[derive(Clone)]
pub(super) struct Identity {
    pub(super) cert: String,
    pub(super) key: String,
}

impl Authority {
    pub(super) fn new(name: &str) -> Self {
        let (key, params) = (KeyPair::generate().unwrap(), authority(name));
        let pem = params.self_signed(&key).unwrap().pem();
        Self { pem, issuer: Issuer::new(params, key) }
    }

    /// Another authority, which this one vouches for.
    pub(super) fn below(&self, name: &str) -> Self {
        let (key, params) = (KeyPair::generate().unwrap(), authority(name));
        let pem = params.signed_by(&key, &self.issuer).unwrap().pem();
        Self { pem, issuer: Issuer::new(params, key) }
    }

    /// For an engine that is reached under these names.
    pub(super) fn server(&self, names: &[&str]) -> Identity {
        let key = KeyPair::generate().unwrap();
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let mut params = CertificateParams::new(names).unwrap();
        params.distinguished_name.push(DnType::CommonName, "an engine");
        params.extended_key_usages.push(ExtendedKeyUsagePurpose::ServerAuth);
        let cert = params.signed_by(&key, &self.issuer).unwrap().pem();
        Identity { cert, key: key.serialize_pem() }
    }

    /// For a client with this key, that ends so many days from now.
    pub(super) fn client(&self, key: &str, days: i64) -> Identity {
        let end = Timestamp::now() + SignedDuration::from_hours(24 * days);
        let end = end.to_zoned(TimeZone::UTC).date();
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.distinguished_name.push(DnType::CommonName, "ringbolt");
        params.extended_key_usages.push(ExtendedKeyUsagePurpose::ClientAuth);
        params.not_before = date_time_ymd(2020, 1, 1);
        let (month, day) = (end.month().unsigned_abs(), end.day().unsigned_abs());
        params.not_after = date_time_ymd(end.year().into(), month, day);
        let cert = self.sign(&params, &KeyPair::from_pem(key).unwrap()).pem();
        Identity { cert, key: key.to_owned() }
    }

    fn sign(&self, params: &CertificateParams, key: &KeyPair) -> Certificate {
        params.signed_by(key, &self.issuer).unwrap()
    }
}

fn authority(name: &str) -> CertificateParams {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.distinguished_name.push(DnType::CommonName, name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::DigitalSignature];
    params
}
