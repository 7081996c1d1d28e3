//! Mail over TLS, to a server that wants to know who sends it.

use std::io::Write;
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use tempfile::NamedTempFile;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::ring::default_provider;
use tokio_rustls::rustls::pki_types::PrivatePkcs8KeyDer;

use super::mails::{Mails, Manner, SENDER};
use super::{a_mail, defined};
use crate::house::{House, Worker, done};

/// An authority of this test alone: what it vouches for, and its certificate as a file.
fn an_authority() -> (TlsAcceptor, NamedTempFile) {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
    let key = KeyPair::generate().unwrap();
    let params = CertificateParams::new(vec!["127.0.0.1".to_owned()]).unwrap();
    let certificate = params.signed_by(&key, &authority).unwrap();
    let key = PrivatePkcs8KeyDer::from(key.serialize_der());
    let config = ServerConfig::builder_with_provider(Arc::new(default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate.der().clone()], key.into())
        .unwrap();
    let mut file = NamedTempFile::new().unwrap();
    let der = STANDARD.encode(authority.der());
    writeln!(file, "-----BEGIN CERTIFICATE-----").unwrap();
    for line in der.as_bytes().chunks(64) {
        writeln!(file, "{}", str::from_utf8(line).unwrap()).unwrap();
    }
    writeln!(file, "-----END CERTIFICATE-----").unwrap();
    (TlsAcceptor::from(Arc::new(config)), file)
}

/// A worker that trusts this authority and sends mail to this server.
fn work(
    house: &House,
    mails: &Mails,
    tls: &str,
    password: &str,
    trusted: &NamedTempFile,
) -> Worker {
    let port = mails.port.to_string();
    house.work_with(&[
        ("QUAYSIDE__SMTP__HOST", "127.0.0.1"),
        ("QUAYSIDE__SMTP__PORT", &port),
        ("QUAYSIDE__SMTP__TLS", tls),
        ("QUAYSIDE__SMTP__USER", "quay"),
        ("QUAYSIDE__SMTP__PASSWORD", password),
        ("SSL_CERT_FILE", trusted.path().to_str().unwrap()),
    ])
}

async fn a_mail_arrives(tls: &str, manner: impl FnOnce(TlsAcceptor) -> Manner) {
    let (acceptor, trusted) = an_authority();
    let (house, mails) = (House::open().await, Mails::serving(manner(acceptor)).await);
    defined(&house);
    let worker = work(&house, &mails, tls, "0123456789", &trusted);
    house.ask("notify", "1", &a_mail("good@example.com")).await;
    assert_eq!(house.all_ended("notify").await, [done("1")]);
    assert_eq!(
        (mails.taken().len(), mails.signed_in()),
        (1, vec![SENDER.to_owned()])
    );
    assert!(worker.end().await.success());
    assert!(!house.log().contains("0123456789"), "the password is told");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mail_goes_out_encrypted_and_signed_in_where_the_server_offers_it() {
    a_mail_arrives("starttls", Manner::Starttls).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mail_goes_out_encrypted_from_the_first_byte_and_signed_in() {
    a_mail_arrives("tls", Manner::Tls).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_password_is_told_once_and_never_tried_again_for_the_row() {
    let (acceptor, trusted) = an_authority();
    let (house, mails) = (
        House::open().await,
        Mails::serving(Manner::Starttls(acceptor)).await,
    );
    defined(&house);
    let _worker = work(&house, &mails, "starttls", "wrong", &trusted);
    house.ask("notify", "1", &a_mail("good@example.com")).await;
    let ended = house.all_ended("notify").await;
    assert_eq!(ended, [("1".to_owned(), "FAILED".to_owned(), 1)]);
    let letters = house.letters("notify").await;
    assert!(letters[0].1.contains("535"), "{letters:?}");
    assert_eq!(
        (mails.taken().len(), mails.signed_in()),
        (0, vec!["quay:wrong".to_owned()])
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_nobody_known_vouches_for_is_told_no_password_and_no_mail() {
    let (acceptor, _not_trusted) = an_authority();
    let (_another, trusted) = an_authority();
    let (house, mails) = (
        House::open().await,
        Mails::serving(Manner::Starttls(acceptor)).await,
    );
    defined(&house);
    let _worker = work(&house, &mails, "starttls", "0123456789", &trusted);
    house.ask("notify", "1", &a_mail("good@example.com")).await;
    let ended = house.all_ended("notify").await;
    assert_eq!(ended, [("1".to_owned(), "FAILED".to_owned(), 3)]);
    let (asked, signed_in) = (mails.tries("good@"), mails.signed_in());
    assert_eq!((mails.taken().len(), asked, signed_in.len()), (0, 0, 0));
}
