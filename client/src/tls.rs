//! TLS by keys instead of names: a provider's gateway is known by the hash of its key, which stands on chain.

use rustls::{
	client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
	crypto::{ring, verify_tls13_signature, CryptoProvider},
	pki_types::{CertificateDer, ServerName, UnixTime},
	version::TLS13,
	CertificateError, ClientConfig, DigitallySignedStruct, Error, SignatureScheme,
};
use sha2::{Digest as _, Sha256};
use std::sync::Arc;
use webpki::EndEntityCert;

/// What stands on chain for a TLS key: SHA-256 of its SubjectPublicKeyInfo in DER, as in RFC 7469.
pub fn key_hash(public_key_info: &[u8]) -> [u8; 32] {
	Sha256::digest(public_key_info).into()
}

/// Trusts a server for its key alone: names, dates and issuers of its certificate say nothing.
#[derive(Debug)]
struct Pinned {
	keys: Vec<[u8; 32]>,
	provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for Pinned {
	fn verify_server_cert(
		&self,
		end_entity: &CertificateDer<'_>,
		_intermediates: &[CertificateDer<'_>],
		_name: &ServerName<'_>,
		_ocsp: &[u8],
		_now: UnixTime,
	) -> Result<ServerCertVerified, Error> {
		let certificate = EndEntityCert::try_from(end_entity)
			.map_err(|_| Error::InvalidCertificate(CertificateError::BadEncoding))?;
		let key = key_hash(&certificate.subject_public_key_info());
		match self.keys.contains(&key) {
			true => Ok(ServerCertVerified::assertion()),
			false => Err(Error::General(format!(
				"{} 0x{}",
				WRONG_KEY,
				hex::encode(key)
			))),
		}
	}

	fn verify_tls12_signature(
		&self,
		_message: &[u8],
		_certificate: &CertificateDer<'_>,
		_signed: &DigitallySignedStruct,
	) -> Result<HandshakeSignatureValid, Error> {
		Err(Error::General("TLS 1.3 is needed".into()))
	}

	fn verify_tls13_signature(
		&self,
		message: &[u8],
		certificate: &CertificateDer<'_>,
		signed: &DigitallySignedStruct,
	) -> Result<HandshakeSignatureValid, Error> {
		let algorithms = &self.provider.signature_verification_algorithms;
		verify_tls13_signature(message, certificate, signed, algorithms)
	}

	fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
		self.provider
			.signature_verification_algorithms
			.supported_schemes()
	}
}

/// How the error of a server with another key begins.
pub const WRONG_KEY: &str = "the server has another TLS key than the chain says:";

/// Connections to whoever has one of these keys.
pub fn pinned(keys: &[[u8; 32]]) -> Result<ClientConfig, Error> {
	let provider = Arc::new(ring::default_provider());
	let verifier = Pinned {
		keys: keys.to_vec(),
		provider: provider.clone(),
	};
	let mut config = ClientConfig::builder_with_provider(provider)
		.with_protocol_versions(&[&TLS13])?
		.dangerous()
		.with_custom_certificate_verifier(Arc::new(verifier))
		.with_no_client_auth();
	config.alpn_protocols = vec![b"http/1.1".to_vec()];
	Ok(config)
}
